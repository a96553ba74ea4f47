"""Muon: momentum made orthogonal, so that all directions of a matrix move at one speed.

    m ← momentum · m + g
    u ← orthogonal(g + momentum · m, ns_steps)
    scale ← rms_rate · √(longer_side(w))
    w ← w − learning_rate · weight_decay · w − learning_rate · scale · u

A matrix is U · S · Vᵀ, its singular value decomposition. `orthogonal` comes near to U · Vᵀ without
computing one, by ns_steps rounds of a polynomial (Newton and Schulz's iteration). What is not a
matrix is left to Adam with decoupled decay, and has a second slot v. So are embeddings, if
exclude_embeddings, and variables whose path matches one of exclude_layers.

Jordan et al. (2024), Muon: An optimizer for hidden layers in neural networks (a web page), in its
Nesterov form. The decay and the scale are from Liu et al. (2025), Muon is Scalable for LLM
Training.
NB: Jordan's own scale is √(max(1, rows / columns)), for kernels that are the transpose of Keras's.
NB: Jordan and PyTorch compute `orthogonal` in bfloat16, some 3 digits; we and Keras in the
    variable's dtype.
NB: for the rest Keras follows its AdamW, with epsilon beside √(v). So do we here: it is epsilon /
    √(1 − beta_2ᵗ) beside the √(v̂) of our Adam.
NB: Keras's class fails for float64 on TensorFlow, unless keras.config.floatx() is float64 too.
"""

import re
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from .adam import Adam
from .adam import init as adam_init
from .adam import step as adam_step
from .hyperparameters import LearningRate, check_hyperparameters

COEFFICIENTS = 3.4445, -4.7750, 2.0315  # Jordan's: close to 1 in few rounds, and never quite


def longer_side(w):
    """The number of rows or of columns of a matrix, the larger of the two."""
    return max(w.shape)


def orthogonal(x, ns_steps, of=np):
    """A matrix near U · Vᵀ, for x = U · S · Vᵀ. `of` is the library to compute with."""
    if x.shape[0] > x.shape[1]:
        return of.transpose(orthogonal(of.transpose(x), ns_steps, of))
    a, b, c = COEFFICIENTS
    x = x / (of.sqrt(of.sum(x**2)) + 1e-7)
    for _ in range(int(ns_steps)):
        s = x @ of.transpose(x)
        x = a * x + (b * s + c * s @ s) @ x
    return x


def init(w):
    return {"m": np.zeros_like(w)} if w.ndim == 2 else adam_init(w)


def step(
    w,
    g,
    state,
    *,
    learning_rate,
    adam_beta_1,
    adam_beta_2,
    adam_weight_decay,
    epsilon,
    weight_decay,
    adam_lr_ratio,
    momentum,
    ns_steps,
    rms_rate,
):
    if w.ndim != 2:
        return adamw_step(
            w,
            g,
            state,
            rate=adam_lr_ratio * learning_rate,
            decay=learning_rate * adam_weight_decay,
            beta_1=adam_beta_1,
            beta_2=adam_beta_2,
            epsilon=epsilon,
        )
    m = state["m"]
    m = momentum * m + g
    u = orthogonal(g + momentum * m, ns_steps)
    scale = rms_rate * longer_side(w) ** 0.5
    w = w - learning_rate * weight_decay * w - learning_rate * scale * u
    return w, {"m": m}


def adamw_step(w, g, state, *, rate, decay, beta_1, beta_2, epsilon):
    """Adam's step after a decoupled decay, with epsilon beside √(v)."""
    epsilon = epsilon / (1 - beta_2 ** (state["t"] + 1)) ** 0.5  # the same beside √(v̂)
    hyper = {"learning_rate": rate, "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    return adam_step(w - decay * w, g, state, **hyper)


@keras.saving.register_keras_serializable("course_lib")
class Muon(keras.Optimizer):
    """Muon: momentum made orthogonal, so that all directions of a matrix move at one speed.

        m ← momentum · m + g
        u ← orthogonal(g + momentum · m, ns_steps)
        scale ← rms_rate · √(longer_side(w))
        w ← w − learning_rate · weight_decay · w − learning_rate · scale · u

    Jordan et al. (2024), Muon: An optimizer for hidden layers in neural networks (a web page), in
    its Nesterov form. The decay and the scale are from Liu et al. (2025), Muon is Scalable for LLM
    Training.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        adam_beta_1: What is not a matrix: how much of m a step keeps, from 0 to below 1. Defaults
            to 0.9.
        adam_beta_2: What is not a matrix: how much of v a step keeps, from 0 to below 1. Defaults
            to 0.999.
        adam_weight_decay: What is not a matrix: its weight decay. A number, 0 or more. Defaults to
            0.004.
        epsilon: What is not a matrix: added to √(v), against 0 / 0. A number, 0 or more. Defaults
            to 1e-7.
        weight_decay: How much of a matrix a step takes away, in learning rates. A number, 0 or
            more. Defaults to 0.004.
        exclude_layers: Regular expressions: variables with such a path are left to Adam. Defaults
            to None.
        exclude_embeddings: Whether variables with "embedding" in their path are left to Adam.
            Defaults to True.
        adam_lr_ratio: What is not a matrix: its learning rate over learning_rate. A number, 0 or
            more. Defaults to 1.
        momentum: How much of m a step keeps, from 0 to 1. Defaults to 0.95.
        ns_steps: Rounds of the polynomial. A whole number, 0 or more. Defaults to 5.
        rms_rate: The root mean square of a step over learning_rate. A number, 0 or more. Defaults
            to 0.2.
        **kwargs: What every Keras optimizer takes, such as `name`, `clipnorm` or `use_ema`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float = 0.004,
        exclude_layers: Any = None,
        exclude_embeddings: bool = True,
        adam_lr_ratio: int = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        rms_rate: float = 0.2,
        **kwargs: Any,
    ):
        check_hyperparameters(**locals())  # each argument by its name
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = exclude_layers or []
        self.exclude_embeddings = exclude_embeddings
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.rms_rate = rms_rate

    def _should_use_adamw(self, variable):
        excluded = any(re.search(layer, variable.path) for layer in self.exclude_layers)
        embedding = self.exclude_embeddings and "embedding" in variable.path.lower()
        return len(variable.shape) != 2 or embedding or excluded

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.m = self.add_optimizer_variables(variables, "m")
        self.v = [
            self.add_variable_from_reference(w, name="v") if self._should_use_adamw(w) else None
            for w in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        if self.v[self._get_variable_index(variable)] is not None:
            return self._adamw_step(gradient, variable, self.adam_lr_ratio * learning_rate)
        w, m = variable, self.m[self._get_variable_index(variable)]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        self.assign(m, self.momentum * m + g)
        u = orthogonal(g + self.momentum * m, self.ns_steps, ops)
        scale = self.rms_rate * longer_side(w) ** 0.5
        self.assign(w, w - learning_rate * scale * u)

    def _adamw_step(self, gradient, variable, rate):
        """Adam's step, with epsilon beside √(v). The decay comes before, from Keras."""
        t = ops.cast(self.iterations + 1, variable.dtype)
        as_adam = SimpleNamespace(  # what Adam's step reads, under the names that it has there
            _get_variable_index=self._get_variable_index,
            assign=self.assign,
            assign_add=self.assign_add,
            iterations=self.iterations,
            m=self.m,
            v=self.v,
            beta_1=self.adam_beta_1,
            beta_2=self.adam_beta_2,
            epsilon=self.epsilon / ops.sqrt(1 - self.adam_beta_2**t),  # the same beside √(v̂)
        )
        Adam.update_step(as_adam, gradient, variable, rate)

    def _apply_weight_decay(self, variables):
        """NB: as the base class, before the step. What is left to Adam has its own decay."""
        for w in variables:
            if self._use_weight_decay(w):
                left = self._should_use_adamw(w)
                weight_decay = self.adam_weight_decay if left else self.weight_decay
                w.assign(w - ops.cast(self.learning_rate, w.dtype) * weight_decay * w)

    def get_config(self):
        return {
            **super().get_config(),
            "adam_beta_1": self.adam_beta_1,
            "adam_beta_2": self.adam_beta_2,
            "adam_weight_decay": self.adam_weight_decay,
            "epsilon": self.epsilon,
            "exclude_layers": self.exclude_layers,
            "exclude_embeddings": self.exclude_embeddings,
            "adam_lr_ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "ns_steps": self.ns_steps,
            "rms_rate": self.rms_rate,
        }

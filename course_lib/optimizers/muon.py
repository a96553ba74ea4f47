"""Muon: momentum made orthogonal, so that all directions of a matrix move at one speed.

    m ← momentum · m + g
    u ← orthogonal(g + momentum · m, ns_steps)
    scale ← rms_rate · √(longer_side(w))
    w ← w − learning_rate · weight_decay · w − learning_rate · scale · u

A matrix is U · S · Vᵀ, its singular value decomposition; `orthogonal` comes near to U · Vᵀ without computing one, by
ns_steps rounds of a polynomial (Newton and Schulz's iteration).  What is no matrix is left to AdamW, and has a second slot
v; so are embeddings, if exclude_embeddings, and variables whose path matches one of exclude_layers.

Jordan et al. (2024), Muon: An optimizer for hidden layers in neural networks (a web page), in its Nesterov form; the decay
and the scale are from Liu et al. (2025), Muon is Scalable for LLM Training.
NB: Jordan's own scale is √(max(1, rows / columns)), for kernels that are the transpose of Keras's.
NB: Jordan and PyTorch compute `orthogonal` in bfloat16, some 3 digits; we and Keras in the variable's dtype.
NB: for the rest Keras follows its AdamW, with epsilon beside √(v) and not beside √(v̂), and so do we here.
NB: Keras's class fails for float64 on TensorFlow, unless keras.config.floatx() is float64 too.
"""

import re

import keras
import numpy as np
from keras import ops

from .rule import check_hyperparameters

COEFFICIENTS = 3.4445, -4.7750, 2.0315  # Jordan's: close to 1 in few rounds, and never quite


def longer_side(w):
    return max(w.shape)


def orthogonal(x, ns_steps, of=np):
    if x.shape[0] > x.shape[1]:
        return of.transpose(orthogonal(of.transpose(x), ns_steps, of))
    a, b, c = COEFFICIENTS
    x = x / (of.sqrt(of.sum(x**2)) + 1e-7)
    for _ in range(int(ns_steps)):
        s = x @ of.transpose(x)
        x = a * x + (b * s + c * s @ s) @ x
    return x


def init(w):
    if w.ndim != 2:
        return {"m": np.zeros_like(w), "v": np.zeros_like(w), "t": 0}
    return {"m": np.zeros_like(w)}


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
    m, v, t = state["m"], state["v"], state["t"]
    t = t + 1
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    rate = rate * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)
    w = w - decay * w - rate * m / (np.sqrt(v) + epsilon)
    return w, {"m": m, "v": v, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class Muon(keras.Optimizer):
    def __init__(
        self,
        learning_rate=0.001,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        adam_weight_decay=0.004,
        epsilon=1e-7,
        weight_decay=0.004,
        exclude_layers=None,
        exclude_embeddings=True,
        adam_lr_ratio=1,
        momentum=0.95,
        ns_steps=5,
        rms_rate=0.2,
        **kwargs,
    ):
        check_hyperparameters(
            learning_rate=learning_rate,
            adam_beta_1=adam_beta_1,
            adam_beta_2=adam_beta_2,
            adam_weight_decay=adam_weight_decay,
            epsilon=epsilon,
            weight_decay=weight_decay,
            adam_lr_ratio=adam_lr_ratio,
            momentum=momentum,
            ns_steps=ns_steps,
            rms_rate=rms_rate,
        )
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
        i = self._get_variable_index(variable)
        w, m, v = variable, self.m[i], self.v[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        rate = ops.cast(rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        self.assign_add(m, (1 - self.adam_beta_1) * (g - m))
        self.assign_add(v, (1 - self.adam_beta_2) * (ops.square(g) - v))
        rate = rate * ops.sqrt(1 - self.adam_beta_2**t) / (1 - self.adam_beta_1**t)
        self.assign(w, w - rate * m / (ops.sqrt(v) + self.epsilon))

    def _apply_weight_decay(self, variables):
        """NB: as in the base class, before the step; but what is left to AdamW has a decay of its own."""
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

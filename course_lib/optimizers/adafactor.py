"""Adafactor: RMSprop that remembers rows and columns instead of every entry.

    t ← t + 1
    rho ← min(learning_rate, 1 / √(t))
    alpha ← max(epsilon_2, rms(w)) · rho
    beta_2 ← 1 − t ** beta_2_decay
    r ← r + (1 − beta_2) · (rows(g² + epsilon_1) − r)
    c ← c + (1 − beta_2) · (columns(g² + epsilon_1) − c)
    u ← g / √(r) / √(c) · √(columns(r))
    û ← u / max(1, rms(u) / clip_threshold)
    w ← w − alpha · û

rows and columns are sums along one of the last two axes. A matrix of n · m entries is remembered in
n + m numbers, and r · c / columns(r) stands for the mean of its squares. A vector has no rows to
share: rows(g²) is g² itself.

Shazeer and Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, Algorithm 4
for matrices, Algorithm 5 for vectors. rho and beta_2 are as in Algorithm 6.
NB: there learning_rate is 0.01. Their X and d are w and clip_threshold.
NB: they write r = beta_2 · r + (1 − beta_2) · rows(g² + epsilon_1), and c likewise.
NB: u is their g / √(r · c / columns(r)). Near epsilon_1 that product is 0 in float32, and g / √0 is
    not a number; Keras computes it so.
NB: Keras, PyTorch and optax keep means instead of sums, which changes nothing else.
NB: Keras 3.15 keeps a full v beside r and c, and so saves no memory. Its relative_step changes
    nothing.
NB: PyTorch leaves epsilon_1 out of r and c, and bounds columns(r) and the root by it from below.
NB: on PyTorch, keras.ops.maximum and minimum of Keras 3.15 round float64 to float32, and this rule
    with them.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def rms(x, total=np.sum):
    """The root of the mean of all squares."""
    return (total(x**2) / math.prod(x.shape)) ** 0.5


def rows(x, total=np.sum):
    """The sum of each row, or a vector itself. `total` is the library's sum."""
    return total(x, axis=-1, keepdims=True) if len(x.shape) > 1 else x


def columns(x, total=np.sum):
    """The sum of each column, or of a whole vector."""
    return total(x, axis=-2 if len(x.shape) > 1 else None, keepdims=True)


def init(w):
    return {"r": np.zeros_like(rows(w)), "c": np.zeros_like(columns(w)), "t": 0}


def step(w, g, state, *, learning_rate, beta_2_decay, epsilon_1, epsilon_2, clip_threshold):
    r, c, t = state["r"], state["c"], state["t"]
    t = t + 1
    rho = min(learning_rate, 1 / t**0.5)
    alpha = max(epsilon_2, rms(w)) * rho
    beta_2 = 1 - t**beta_2_decay
    r = r + (1 - beta_2) * (rows(g**2 + epsilon_1) - r)
    c = c + (1 - beta_2) * (columns(g**2 + epsilon_1) - c)
    u = g / np.sqrt(r) / np.sqrt(c) * np.sqrt(columns(r))
    u_hat = u / max(1, rms(u) / clip_threshold)
    w = w - alpha * u_hat
    return w, {"r": r, "c": c, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class Adafactor(keras.Optimizer):
    """Adafactor: RMSprop that remembers rows and columns instead of every entry.

        t ← t + 1
        rho ← min(learning_rate, 1 / √(t))
        alpha ← max(epsilon_2, rms(w)) · rho
        beta_2 ← 1 − t ** beta_2_decay
        r ← r + (1 − beta_2) · (rows(g² + epsilon_1) − r)
        c ← c + (1 − beta_2) · (columns(g² + epsilon_1) − c)
        u ← g / √(r) / √(c) · √(columns(r))
        û ← u / max(1, rms(u) / clip_threshold)
        w ← w − alpha · û

    Shazeer and Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost,
    Algorithm 4 for matrices, Algorithm 5 for vectors. rho and beta_2 are as in Algorithm 6.

    Args:
        learning_rate: The longest relative step. A float, 0 or more; a Keras schedule; or a
            callable. Defaults to 0.001.
        beta_2_decay: How fast the memory grows: beta_2 is 1 − t ** beta_2_decay. From −1 to 0.
            Defaults to -0.8.
        epsilon_1: Added to g². A number, 0 or more. Defaults to 1e-30.
        epsilon_2: The least that counts as the size of w. A number, 0 or more. Defaults to 1e-3.
        clip_threshold: The largest root mean square of a step before it is scaled. Above 0.
            Defaults to 1.0.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate,
            beta_2_decay=beta_2_decay,
            epsilon_1=epsilon_1,
            epsilon_2=epsilon_2,
            clip_threshold=clip_threshold,
        )
        super().__init__(learning_rate, **kwargs)
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.r = [self._slot(variable, "r", rows) for variable in variables]
        self.c = [self._slot(variable, "c", columns) for variable in variables]

    def _slot(self, variable, name, shared):
        shape = shared(np.broadcast_to(0.0, variable.shape)).shape
        name = f"{variable.path.replace('/', '_')}_{name}"
        return self.add_variable(shape=shape, dtype=variable.dtype, name=name)

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, r, c = variable, self.r[i], self.c[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        rho = ops.minimum(learning_rate, 1 / ops.sqrt(t))
        alpha = ops.maximum(self.epsilon_2, rms(w, ops.sum)) * rho
        beta_2 = 1 - t**self.beta_2_decay
        self.assign_add(r, (1 - beta_2) * (rows(ops.square(g) + self.epsilon_1, ops.sum) - r))
        self.assign_add(c, (1 - beta_2) * (columns(ops.square(g) + self.epsilon_1, ops.sum) - c))
        u = g / ops.sqrt(r) / ops.sqrt(c) * ops.sqrt(columns(r, ops.sum))
        u_hat = u / ops.maximum(1, rms(u, ops.sum) / self.clip_threshold)
        self.assign(w, w - alpha * u_hat)

    def get_config(self):
        return {
            **super().get_config(),
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
        }

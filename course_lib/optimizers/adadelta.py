"""Adadelta: as long a step as the steps before it, so that its unit is that of the weights.

    s ← s + (1 − rho) · (g² − s)
    d ← √(u + epsilon) / √(s + epsilon) · g
    u ← u + (1 − rho) · (d² − u)
    w ← w − learning_rate · d

Zeiler (2012), ADADELTA: An Adaptive Learning Rate Method, Algorithm 1. His E[g²], −Δx and E[Δx²]
are s, d and u.
NB: Zeiler writes the means as s = rho · s + (1 − rho) · g² and u = rho · u + (1 − rho) · d².
NB: he has no learning rate: put 1. Keras has one, and 0.001 for it. It stands outside d: u
    remembers d as it was before.
NB: epsilon is the first step's length too, about √(epsilon / (1 − rho)). The paper takes 1e-6.
NB: PyTorch and optax compute the same, with rho = 0.9 and epsilon = 1e-6.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"s": np.zeros_like(w), "u": np.zeros_like(w)}


def step(w, g, state, *, learning_rate, rho, epsilon):
    s, u = state["s"], state["u"]
    s = s + (1 - rho) * (g**2 - s)
    d = np.sqrt(u + epsilon) / np.sqrt(s + epsilon) * g
    u = u + (1 - rho) * (d**2 - u)
    w = w - learning_rate * d
    return w, {"s": s, "u": u}


@keras.saving.register_keras_serializable("course_lib")
class Adadelta(keras.Optimizer):
    """Adadelta: as long a step as the steps before it, so that its unit is that of the weights.

        s ← s + (1 − rho) · (g² − s)
        d ← √(u + epsilon) / √(s + epsilon) · g
        u ← u + (1 − rho) · (d² − u)
        w ← w − learning_rate · d

    Zeiler (2012), ADADELTA: An Adaptive Learning Rate Method, Algorithm 1. His E[g²], −Δx and
    E[Δx²] are s, d and u.

    Args:
        learning_rate: Scales d; the paper has 1. A float, 0 or more; a Keras schedule; or a
            callable. Defaults to 0.001.
        rho: How much of s and u a step keeps, from 0 to 1. Defaults to 0.95.
        epsilon: Added to s and u. It decides how long the first steps are. A number, 0 or more.
            Defaults to 1e-7.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ):
        check_hyperparameters(learning_rate=learning_rate, rho=rho, epsilon=epsilon)
        super().__init__(learning_rate, **kwargs)
        self.rho = rho
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.s, self.u = self.add_optimizer_variables(variables, ["s", "u"])

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, s, u = variable, self.s[i], self.u[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        self.assign_add(s, (1 - self.rho) * (ops.square(g) - s))
        d = ops.sqrt(u + self.epsilon) / ops.sqrt(s + self.epsilon) * g
        self.assign_add(u, (1 - self.rho) * (ops.square(d) - u))
        self.assign(w, w - learning_rate * d)

    def get_config(self):
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}

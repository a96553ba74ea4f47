"""Adadelta: as long a step as the steps before it, so that its unit is that of the weights.

    s ← rho · s + (1 − rho) · g²
    d ← √(u + epsilon) / √(s + epsilon) · g
    u ← rho · u + (1 − rho) · d²
    w ← w − learning_rate · d

Zeiler (2012), ADADELTA: An Adaptive Learning Rate Method, Algorithm 1 (his E[g²], −Δx and E[Δx²] are s, d and u).  It has
no learning rate: put 1.  Its epsilon is the first step's length too, about √(epsilon / (1 − rho)): the paper takes 1e-6.
NB: Keras has the learning rate besides, and 0.001 for it.  It stands outside d: u remembers d as it was before.
NB: PyTorch and optax write the same lines, with rho = 0.9 and epsilon = 1e-6.
"""

import keras
import numpy as np
from keras import ops

from .rule import check_hyperparameters


def init(w):
    return {"s": np.zeros_like(w), "u": np.zeros_like(w)}


def step(w, g, state, *, learning_rate, rho, epsilon):
    s, u = state["s"], state["u"]
    s = rho * s + (1 - rho) * g**2
    d = np.sqrt(u + epsilon) / np.sqrt(s + epsilon) * g
    u = rho * u + (1 - rho) * d**2
    w = w - learning_rate * d
    return w, {"s": s, "u": u}


@keras.saving.register_keras_serializable("course_lib")
class Adadelta(keras.Optimizer):
    def __init__(self, learning_rate=0.001, rho=0.95, epsilon=1e-7, **kwargs):
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
        self.assign(s, self.rho * s + (1 - self.rho) * ops.square(g))
        d = ops.sqrt(u + self.epsilon) / ops.sqrt(s + self.epsilon) * g
        self.assign(u, self.rho * u + (1 - self.rho) * ops.square(d))
        self.assign(w, w - learning_rate * d)

    def get_config(self):
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}

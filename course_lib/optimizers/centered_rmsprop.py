"""Centered RMSprop: divide by the spread of the gradients, not by their size.

    s ← s + (1 − rho) · (g² − s)
    m ← m + (1 − rho) · (g − m)
    v ← momentum · v − learning_rate · g / √(s − m² + epsilon)
    w ← w + v

Graves (2013), Generating Sequences with Recurrent Neural Networks, equations 38 to 41. His n, g and
Δ are s, m and v.
NB: Graves writes the means as s = rho · s + (1 − rho) · g² and m = rho · m + (1 − rho) · g.
NB: Keras has it as RMSprop(centered=True).
NB: where gradients become steady, rounding makes s − m² negative. In float32 that is a millionth of
    g² for rho = 0.9, and six millionths for 0.99: keep epsilon above it.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"s": np.zeros_like(w), "m": np.zeros_like(w), "v": np.zeros_like(w)}


def step(w, g, state, *, learning_rate, rho, momentum, epsilon):
    s, m, v = state["s"], state["m"], state["v"]
    s = s + (1 - rho) * (g**2 - s)
    m = m + (1 - rho) * (g - m)
    v = momentum * v - learning_rate * g / np.sqrt(s - m**2 + epsilon)
    w = w + v
    return w, {"s": s, "m": m, "v": v}


@keras.saving.register_keras_serializable("course_lib")
class CenteredRMSprop(keras.Optimizer):
    """Centered RMSprop: divide by the spread of the gradients, not by their size.

        s ← s + (1 − rho) · (g² − s)
        m ← m + (1 − rho) · (g − m)
        v ← momentum · v − learning_rate · g / √(s − m² + epsilon)
        w ← w + v

    Graves (2013), Generating Sequences with Recurrent Neural Networks, equations 38 to 41. His n, g
    and Δ are s, m and v.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        rho: How much of s and m a step keeps, from 0 to 1. Defaults to 0.9.
        momentum: How much of v a step keeps, from 0 to 1. Defaults to 0.0.
        epsilon: Added to s − m², against 0 / 0. A number, 0 or more. Defaults to 1e-7.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate, rho=rho, momentum=momentum, epsilon=epsilon
        )
        super().__init__(learning_rate, **kwargs)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.s, self.m, self.v = self.add_optimizer_variables(variables, ["s", "m", "v"])

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, s, m, v = variable, self.s[i], self.m[i], self.v[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        self.assign_add(s, (1 - self.rho) * (ops.square(g) - s))
        self.assign_add(m, (1 - self.rho) * (g - m))
        self.assign(
            v, self.momentum * v - learning_rate * g / ops.sqrt(s - ops.square(m) + self.epsilon)
        )
        self.assign(w, w + v)

    def get_config(self):
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }

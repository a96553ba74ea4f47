"""AdaMax: Adam that divides by the largest gradient in memory, not by their root mean square.

    t ← t + 1
    m ← m + (1 − beta_1) · (g − m)
    u ← max(beta_2 · u, abs(g))
    m̂ ← m · (1 / (1 − beta_1ᵗ))
    w ← w − learning_rate · m̂ / (u + epsilon)

Kingma and Ba (2014), Adam: A Method for Stochastic Optimization, section 7.1 and Algorithm 2.
NB: the paper writes m as in Algorithm 1: see adam.py. It has no epsilon: its first step is 0 / 0
    where g is 0. Keras adds epsilon to u, as here. PyTorch and optax add it to each abs(g), within
    the maximum, so that u remembers it. Their epsilon defaults to 1e-8, PyTorch's learning rate to
    the paper's 0.002.
NB: u needs no correction: a maximum that starts at 0 has forgotten it at the first gradient.
NB: on PyTorch, keras.ops.maximum of Keras 3.15 rounds float64 to float32, and this rule with it.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "u": np.zeros_like(w), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon):
    m, u, t = state["m"], state["u"], state["t"]
    t = t + 1
    m = m + (1 - beta_1) * (g - m)
    u = np.maximum(beta_2 * u, np.abs(g))
    m_hat = m * (1 / (1 - beta_1**t))
    w = w - learning_rate * m_hat / (u + epsilon)
    return w, {"m": m, "u": u, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class Adamax(keras.Optimizer):
    """AdaMax: Adam that divides by the largest gradient in memory, not by their root mean square.

        t ← t + 1
        m ← m + (1 − beta_1) · (g − m)
        u ← max(beta_2 · u, abs(g))
        m̂ ← m · (1 / (1 − beta_1ᵗ))
        w ← w − learning_rate · m̂ / (u + epsilon)

    Kingma and Ba (2014), Adam: A Method for Stochastic Optimization, section 7.1 and Algorithm 2.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        beta_1: How much of m a step keeps, from 0 to below 1. Defaults to 0.9.
        beta_2: How much of u a step keeps, from 0 to below 1. Defaults to 0.999.
        epsilon: Added to u, against 0 / 0. A number, 0 or more. Defaults to 1e-7.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon
        )
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.m, self.u = self.add_optimizer_variables(variables, ["m", "u"])

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, m, u = variable, self.m[i], self.u[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        self.assign_add(m, (1 - self.beta_1) * (g - m))
        self.assign(u, ops.maximum(self.beta_2 * u, ops.abs(g)))
        m_hat = m * (1 / (1 - self.beta_1**t))
        self.assign(w, w - learning_rate * m_hat / (u + self.epsilon))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }

"""Adam: momentum over RMSprop, corrected for a cold start.

    t ← t + 1
    m ← m + (1 − beta_1) · (g − m)
    v ← v + (1 − beta_2) · (g² − v)
    m̂ ← m · (1 / (1 − beta_1ᵗ))
    v̂ ← v · (1 / (1 − beta_2ᵗ))
    w ← w − learning_rate · m̂ / (√(v̂) + epsilon)

Kingma and Ba (2014), Adam: A Method for Stochastic Optimization, Algorithm 1.
NB: the paper writes m = beta_1 · m + (1 − beta_1) · g and m̂ = m / (1 − beta_1ᵗ), and v likewise.
    The same in other words, which Keras computes faster: see notebook 16.
NB: Keras follows the formulation just before the paper's section 2.1. There epsilon ("epsilon hat")
    stands beside √(v) and not beside √(v̂). The two differ where gradients are as small as epsilon.
    Our epsilon defaults to Keras's 1e-7, the paper's is 1e-8.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "v": np.zeros_like(w), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon):
    m, v, t = state["m"], state["v"], state["t"]
    t = t + 1
    m = m + (1 - beta_1) * (g - m)
    v = v + (1 - beta_2) * (g**2 - v)
    m_hat = m * (1 / (1 - beta_1**t))
    v_hat = v * (1 / (1 - beta_2**t))
    w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return w, {"m": m, "v": v, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class Adam(keras.Optimizer):
    """Adam: momentum over RMSprop, corrected for a cold start.

        t ← t + 1
        m ← m + (1 − beta_1) · (g − m)
        v ← v + (1 − beta_2) · (g² − v)
        m̂ ← m · (1 / (1 − beta_1ᵗ))
        v̂ ← v · (1 / (1 − beta_2ᵗ))
        w ← w − learning_rate · m̂ / (√(v̂) + epsilon)

    Kingma and Ba (2014), Adam: A Method for Stochastic Optimization, Algorithm 1.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        beta_1: How much of m a step keeps, from 0 to below 1. Defaults to 0.9.
        beta_2: How much of v a step keeps, from 0 to below 1. Defaults to 0.999.
        epsilon: Added to √(v̂), against 0 / 0. A number, 0 or more. Defaults to 1e-7.
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
        self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, m, v = variable, self.m[i], self.v[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        self.assign_add(m, (1 - self.beta_1) * (g - m))
        self.assign_add(v, (1 - self.beta_2) * (ops.square(g) - v))
        m_hat = m * (1 / (1 - self.beta_1**t))
        v_hat = v * (1 / (1 - self.beta_2**t))
        self.assign(w, w - learning_rate * m_hat / (ops.sqrt(v_hat) + self.epsilon))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }

"""AdaBelief: Adam that divides by how far gradients are from what it expected.

    t ← t + 1
    m ← m + (1 − beta_1) · (g − m)
    s ← s + (1 − beta_2) · ((g − m)² − s) + epsilon
    m̂ ← m · (1 / (1 − beta_1ᵗ))
    ŝ ← s · (1 / (1 − beta_2ᵗ))
    w ← w − learning_rate · m̂ / (√(ŝ) + epsilon)

Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris and Duncan (2020), AdaBelief Optimizer:
Adapting Stepsizes by the Belief in Observed Gradients, Algorithm 2.
NB: the algorithm writes means as Adam's does: s = beta_2 · s + (1 − beta_2) · (g − m)² + epsilon.
NB: epsilon stands twice, and within s it adds up. It defaults to 1e-16, as in optax and in the
    authors' later versions for PyTorch (their first had 1e-8). For TensorFlow they recommend 1e-14.
NB: the authors' versions also rectify, as RAdam does, by default. This rule does not.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "s": np.zeros_like(w), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon):
    m, s, t = state["m"], state["s"], state["t"]
    t = t + 1
    m = m + (1 - beta_1) * (g - m)
    s = s + (1 - beta_2) * ((g - m) ** 2 - s) + epsilon
    m_hat = m * (1 / (1 - beta_1**t))
    s_hat = s * (1 / (1 - beta_2**t))
    w = w - learning_rate * m_hat / (np.sqrt(s_hat) + epsilon)
    return w, {"m": m, "s": s, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class AdaBelief(keras.Optimizer):
    """AdaBelief: Adam that divides by how far gradients are from what it expected.

        t ← t + 1
        m ← m + (1 − beta_1) · (g − m)
        s ← s + (1 − beta_2) · ((g − m)² − s) + epsilon
        m̂ ← m · (1 / (1 − beta_1ᵗ))
        ŝ ← s · (1 / (1 − beta_2ᵗ))
        w ← w − learning_rate · m̂ / (√(ŝ) + epsilon)

    Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris and Duncan (2020), AdaBelief Optimizer:
    Adapting Stepsizes by the Belief in Observed Gradients, Algorithm 2.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        beta_1: How much of m a step keeps, from 0 to below 1. Defaults to 0.9.
        beta_2: How much of s a step keeps, from 0 to below 1. Defaults to 0.999.
        epsilon: Added to s at each step, and to √(ŝ). A number, 0 or more. Defaults to 1e-16.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-16,
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
        self.m, self.s = self.add_optimizer_variables(variables, ["m", "s"])

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, m, s = variable, self.m[i], self.s[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        self.assign_add(m, (1 - self.beta_1) * (g - m))
        self.assign_add(s, (1 - self.beta_2) * (ops.square(g - m) - s) + self.epsilon)
        m_hat = m * (1 / (1 - self.beta_1**t))
        s_hat = s * (1 / (1 - self.beta_2**t))
        self.assign(w, w - learning_rate * m_hat / (ops.sqrt(s_hat) + self.epsilon))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }

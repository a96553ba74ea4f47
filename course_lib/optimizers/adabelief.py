"""AdaBelief: Adam that divides by how far gradients are from what it expected, not by how large they are.

    t ← t + 1
    m ← beta_1 · m + (1 − beta_1) · g
    s ← beta_2 · s + (1 − beta_2) · (g − m)² + epsilon
    m̂ ← m / (1 − beta_1ᵗ)
    ŝ ← s / (1 − beta_2ᵗ)
    w ← w − learning_rate · m̂ / (√(ŝ) + epsilon)

Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris and Duncan (2020), AdaBelief Optimizer: Adapting Stepsizes by the
Belief in Observed Gradients, Algorithm 2.
NB: epsilon stands twice, and within s it adds up.  It defaults to 1e-16, as in optax and in the authors' later versions
    (their first had 1e-8); those also rectify, as RAdam does, unless told otherwise, and this rule does not.
"""

import keras
import numpy as np
from keras import ops

from .rule import check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "s": np.zeros_like(w), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon):
    m, s, t = state["m"], state["s"], state["t"]
    t = t + 1
    m = beta_1 * m + (1 - beta_1) * g
    s = beta_2 * s + (1 - beta_2) * (g - m) ** 2 + epsilon
    m_hat = m / (1 - beta_1**t)
    s_hat = s / (1 - beta_2**t)
    w = w - learning_rate * m_hat / (np.sqrt(s_hat) + epsilon)
    return w, {"m": m, "s": s, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class AdaBelief(keras.Optimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-16, **kwargs):
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

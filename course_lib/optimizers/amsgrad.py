"""AMSGrad: Adam that divides by the largest v so far, and so forgets no large gradient.

    t ← t + 1
    m ← m + (1 − beta_1) · (g − m)
    v ← v + (1 − beta_2) · (g² − v)
    s ← max(s, v)
    m̂ ← m · (1 / (1 − beta_1ᵗ))
    ŝ ← s · (1 / (1 − beta_2ᵗ))
    w ← w − learning_rate · m̂ / (√(ŝ) + epsilon)

Reddi, Kale and Kumar (2018), On the Convergence of Adam and Beyond, Algorithm 2. Their v̂ is s.
NB: the paper writes means as Adam's does: see adam.py. It has neither bias correction nor epsilon.
    Its factor learning_rate / √(s) never grows.
NB: Keras, as Adam(amsgrad=True), and PyTorch correct the bias after the maximum, as here. So ŝ
    falls while s stands still. Example: a gradient of 10, then 0.001 for 5,000 steps. The factor
    learning_rate / √(ŝ) grows 31.5 times. Optax takes the maximum of v̂, which is never forgotten.
NB: on PyTorch, keras.ops.maximum of Keras 3.15 rounds float64 to float32, and this rule with it.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "v": np.zeros_like(w), "s": np.zeros_like(w), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon):
    m, v, s, t = state["m"], state["v"], state["s"], state["t"]
    t = t + 1
    m = m + (1 - beta_1) * (g - m)
    v = v + (1 - beta_2) * (g**2 - v)
    s = np.maximum(s, v)
    m_hat = m * (1 / (1 - beta_1**t))
    s_hat = s * (1 / (1 - beta_2**t))
    w = w - learning_rate * m_hat / (np.sqrt(s_hat) + epsilon)
    return w, {"m": m, "v": v, "s": s, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class AMSGrad(keras.Optimizer):
    """AMSGrad: Adam that divides by the largest v so far, and so forgets no large gradient.

        t ← t + 1
        m ← m + (1 − beta_1) · (g − m)
        v ← v + (1 − beta_2) · (g² − v)
        s ← max(s, v)
        m̂ ← m · (1 / (1 − beta_1ᵗ))
        ŝ ← s · (1 / (1 − beta_2ᵗ))
        w ← w − learning_rate · m̂ / (√(ŝ) + epsilon)

    Reddi, Kale and Kumar (2018), On the Convergence of Adam and Beyond, Algorithm 2. Their v̂ is s.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        beta_1: How much of m a step keeps, from 0 to below 1. Defaults to 0.9.
        beta_2: How much of v a step keeps, from 0 to below 1. Defaults to 0.999.
        epsilon: Added to √(ŝ), against 0 / 0. A number, 0 or more. Defaults to 1e-7.
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
        self.m, self.v, self.s = self.add_optimizer_variables(variables, ["m", "v", "s"])

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, m, v, s = variable, self.m[i], self.v[i], self.s[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        self.assign_add(m, (1 - self.beta_1) * (g - m))
        self.assign_add(v, (1 - self.beta_2) * (ops.square(g) - v))
        self.assign(s, ops.maximum(s, v))
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

"""LAMB: Adam's direction, and steps as long as each layer's weights.

    t ← t + 1
    m ← m + (1 − beta_1) · (g − m)
    v ← v + (1 − beta_2) · (g² − v)
    m̂ ← m · (1 / (1 − beta_1ᵗ))
    v̂ ← v · (1 / (1 − beta_2ᵗ))
    u ← m̂ / (√(v̂) + epsilon) + weight_decay · w
    a ← ‖w‖
    b ← ‖u‖
    ratio ← a / b if a > 0 and b > 0 else 1
    w ← w − learning_rate · ratio · u

You, Li, Reddi, Hseu, Kumar, Bhojanapalli, Song, Demmel, Keutzer and Hsieh (2020), Large Batch
Optimization for Deep Learning: Training BERT in 76 minutes, Algorithm 2. Its φ is the identity
here.
NB: the paper writes the means as Adam's does: see adam.py.
NB: it does not say what becomes of a variable of zeros; Keras and optax have the ratio 1 too.
NB: Keras decays the weights before the step and leaves the decay out of u.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "v": np.zeros_like(w), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon, weight_decay):
    m, v, t = state["m"], state["v"], state["t"]
    t = t + 1
    m = m + (1 - beta_1) * (g - m)
    v = v + (1 - beta_2) * (g**2 - v)
    m_hat = m * (1 / (1 - beta_1**t))
    v_hat = v * (1 / (1 - beta_2**t))
    u = m_hat / (np.sqrt(v_hat) + epsilon) + weight_decay * w
    a = np.linalg.norm(w)
    b = np.linalg.norm(u)
    ratio = a / b if a > 0 and b > 0 else 1
    w = w - learning_rate * ratio * u
    return w, {"m": m, "v": v, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class Lamb(keras.Optimizer):
    """LAMB: Adam's direction, and steps as long as each layer's weights.

        t ← t + 1
        m ← m + (1 − beta_1) · (g − m)
        v ← v + (1 − beta_2) · (g² − v)
        m̂ ← m · (1 / (1 − beta_1ᵗ))
        v̂ ← v · (1 / (1 − beta_2ᵗ))
        u ← m̂ / (√(v̂) + epsilon) + weight_decay · w
        a ← ‖w‖
        b ← ‖u‖
        ratio ← a / b if a > 0 and b > 0 else 1
        w ← w − learning_rate · ratio · u

    You, Li, Reddi, Hseu, Kumar, Bhojanapalli, Song, Demmel, Keutzer and Hsieh (2020), Large Batch
    Optimization for Deep Learning: Training BERT in 76 minutes, Algorithm 2. Its φ is the identity
    here.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        beta_1: How much of m a step keeps, from 0 to below 1. Defaults to 0.9.
        beta_2: How much of v a step keeps, from 0 to below 1. Defaults to 0.999.
        epsilon: Added to √(v̂), against 0 / 0. A number, 0 or more. Defaults to 1e-7.
        weight_decay: How much of w is added to u, within the ratio. A number, 0 or more. Defaults
            to 0.0.
        **kwargs: What every Keras optimizer takes, such as `name`, `clipnorm` or `use_ema`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            weight_decay=weight_decay,
        )
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
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
        weight_decay = self.weight_decay if self._use_weight_decay(variable) else 0.0
        t = ops.cast(self.iterations + 1, w.dtype)
        self.assign_add(m, (1 - self.beta_1) * (g - m))
        self.assign_add(v, (1 - self.beta_2) * (ops.square(g) - v))
        m_hat = m * (1 / (1 - self.beta_1**t))
        v_hat = v * (1 / (1 - self.beta_2**t))
        u = m_hat / (ops.sqrt(v_hat) + self.epsilon) + weight_decay * w
        a = ops.sqrt(ops.sum(ops.square(w)))
        b = ops.sqrt(ops.sum(ops.square(u)))
        ratio = ops.where(ops.logical_and(a > 0, b > 0), a / b, 1)
        self.assign(w, w - learning_rate * ratio * u)

    def _apply_weight_decay(self, variables):
        """NB: it is inside the ratio already."""

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }

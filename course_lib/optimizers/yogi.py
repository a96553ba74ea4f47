"""Yogi: Adam whose v takes steps of g's size, and so forgets a large gradient slowly.

    t ← t + 1
    m ← m + (1 − beta_1) · (g − m)
    v ← v − sign(v − g²) · (1 − beta_2) · g²
    m̂ ← m · (1 / (1 − beta_1ᵗ))
    v̂ ← v · (1 / (1 − beta_2ᵗ))
    w ← w − learning_rate · m̂ / (√(v̂) + epsilon)

v starts at initial_accumulator_value. It is not a running mean: it moves by (1 − beta_2) · g².

Zaheer, Reddi, Sachan, Kale and Kumar (2018), Adaptive Methods for Nonconvex Optimization, Algorithm
2.
NB: the algorithm writes m = beta_1 · m + (1 − beta_1) · g, and does not correct the bias.
    TensorFlow Addons and optax do, as here, although v does not start at 0.
NB: TensorFlow Addons puts epsilon beside √(v). Optax starts m at initial_accumulator_value too. Our
    defaults are theirs.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w, *, initial_accumulator_value):
    return {"m": np.zeros_like(w), "v": np.full_like(w, initial_accumulator_value), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon):
    m, v, t = state["m"], state["v"], state["t"]
    t = t + 1
    m = m + (1 - beta_1) * (g - m)
    v = v - np.sign(v - g**2) * (1 - beta_2) * g**2
    m_hat = m * (1 / (1 - beta_1**t))
    v_hat = v * (1 / (1 - beta_2**t))
    w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return w, {"m": m, "v": v, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class Yogi(keras.Optimizer):
    """Yogi: Adam whose v takes steps of g's size, and so forgets a large gradient slowly.

        t ← t + 1
        m ← m + (1 − beta_1) · (g − m)
        v ← v − sign(v − g²) · (1 − beta_2) · g²
        m̂ ← m · (1 / (1 − beta_1ᵗ))
        v̂ ← v · (1 / (1 − beta_2ᵗ))
        w ← w − learning_rate · m̂ / (√(v̂) + epsilon)

    Zaheer, Reddi, Sachan, Kale and Kumar (2018), Adaptive Methods for Nonconvex Optimization,
    Algorithm 2.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.01.
        beta_1: How much of m a step keeps, from 0 to below 1. Defaults to 0.9.
        beta_2: v moves by (1 − beta_2) · g² a step. From 0 to below 1. Defaults to 0.999.
        epsilon: Added to √(v̂), against 0 / 0. A number, 0 or more. Defaults to 1e-3.
        initial_accumulator_value: Where v starts. A number, 0 or more. Defaults to 1e-6.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-3,
        initial_accumulator_value: float = 1e-6,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            initial_accumulator_value=initial_accumulator_value,
        )
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.initial_accumulator_value = initial_accumulator_value

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        start = keras.initializers.Constant(self.initial_accumulator_value)
        self.m = self.add_optimizer_variables(variables, "m")
        self.v = self.add_optimizer_variables(variables, "v", initializer=start)

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, m, v = variable, self.m[i], self.v[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        self.assign_add(m, (1 - self.beta_1) * (g - m))
        self.assign(v, v - ops.sign(v - ops.square(g)) * (1 - self.beta_2) * ops.square(g))
        m_hat = m * (1 / (1 - self.beta_1**t))
        v_hat = v * (1 / (1 - self.beta_2**t))
        self.assign(w, w - learning_rate * m_hat / (ops.sqrt(v_hat) + self.epsilon))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "initial_accumulator_value": self.initial_accumulator_value,
        }

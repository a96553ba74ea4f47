"""Yogi: Adam whose v takes steps of its own size, up or down, and so forgets a large gradient slowly.

    t ← t + 1
    m ← beta_1 · m + (1 − beta_1) · g
    v ← v − sign(v − g²) · (1 − beta_2) · g²
    m̂ ← m / (1 − beta_1ᵗ)
    v̂ ← v / (1 − beta_2ᵗ)
    w ← w − learning_rate · m̂ / (√(v̂) + epsilon)

v starts at initial_accumulator_value.

Zaheer, Reddi, Sachan, Kale and Kumar (2018), Adaptive Methods for Nonconvex Optimization, Algorithm 2.
NB: the algorithm does not correct the bias; TensorFlow Addons and optax do, as here, although v does not start at 0.
    TensorFlow Addons puts epsilon beside √(v), optax starts m at initial_accumulator_value too.  Defaults as theirs.
"""

import keras
import numpy as np
from keras import ops

from .rule import check_hyperparameters


def init(w, *, initial_accumulator_value):
    return {"m": np.zeros_like(w), "v": np.full_like(w, initial_accumulator_value), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon):
    m, v, t = state["m"], state["v"], state["t"]
    t = t + 1
    m = beta_1 * m + (1 - beta_1) * g
    v = v - np.sign(v - g**2) * (1 - beta_2) * g**2
    m_hat = m / (1 - beta_1**t)
    v_hat = v / (1 - beta_2**t)
    w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return w, {"m": m, "v": v, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class Yogi(keras.Optimizer):
    def __init__(
        self,
        learning_rate=0.01,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-3,
        initial_accumulator_value=1e-6,
        **kwargs,
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

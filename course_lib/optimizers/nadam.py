"""Nadam: Adam that looks ahead, as Nesterov's momentum does.

    t ← t + 1
    a ← beta_1 · (1 − 0.96^(momentum_decay · t) / 2)
    b ← beta_1 · (1 − 0.96^(momentum_decay · (t + 1)) / 2)
    p ← p · a
    m ← m + (1 − beta_1) · (g − m)
    v ← v + (1 − beta_2) · (g² − v)
    m̂ ← b · m / (1 − p · b) + (1 − a) · g / (1 − p)
    v̂ ← v · (1 / (1 − beta_2ᵗ))
    w ← w − learning_rate · m̂ / (√(v̂) + epsilon)

a is the momentum of this step, b that of the next. p is the product of all a so far, one number for
each variable, and starts at 1.

Dozat (2016), Incorporating Nesterov Momentum into Adam, Algorithm 2. His μₜ and μₜ₊₁ are a and b,
his n is v.
NB: in his schedule momentum_decay is 1 / 250. The momentum grows from half of beta_1 to beta_1 over
    10⁴ steps and more. Keras 3 leaves the 250 out, and grows it over a hundred steps; so does our
    default. Its 0.96 is float32's.
NB: he makes m with a, m = a · m + (1 − a) · g, and multiplies v̂ by beta_2 once more. Keras and
    PyTorch do neither, as here. Optax has no schedule: a and b are beta_1, p is beta_1ᵗ.
NB: Keras's epsilon stands as it does here, although its documentation says "epsilon hat".
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "v": np.zeros_like(w), "p": np.ones_like(w, shape=()), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon, momentum_decay):
    m, v, p, t = state["m"], state["v"], state["p"], state["t"]
    t = t + 1
    a = beta_1 * (1 - 0.96 ** (momentum_decay * t) / 2)
    b = beta_1 * (1 - 0.96 ** (momentum_decay * (t + 1)) / 2)
    p = p * a
    m = m + (1 - beta_1) * (g - m)
    v = v + (1 - beta_2) * (g**2 - v)
    m_hat = b * m / (1 - p * b) + (1 - a) * g / (1 - p)
    v_hat = v * (1 / (1 - beta_2**t))
    w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return w, {"m": m, "v": v, "p": p, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class Nadam(keras.Optimizer):
    """Nadam: Adam that looks ahead, as Nesterov's momentum does.

        t ← t + 1
        a ← beta_1 · (1 − 0.96^(momentum_decay · t) / 2)
        b ← beta_1 · (1 − 0.96^(momentum_decay · (t + 1)) / 2)
        p ← p · a
        m ← m + (1 − beta_1) · (g − m)
        v ← v + (1 − beta_2) · (g² − v)
        m̂ ← b · m / (1 − p · b) + (1 − a) · g / (1 − p)
        v̂ ← v · (1 / (1 − beta_2ᵗ))
        w ← w − learning_rate · m̂ / (√(v̂) + epsilon)

    Dozat (2016), Incorporating Nesterov Momentum into Adam, Algorithm 2. His μₜ and μₜ₊₁ are a and
    b, his n is v.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        beta_1: The momentum in the end, and how much of m a step keeps. From 0 to below 1. Defaults
            to 0.9.
        beta_2: How much of v a step keeps, from 0 to below 1. Defaults to 0.999.
        epsilon: Added to √(v̂), against 0 / 0. A number, 0 or more. Defaults to 1e-7.
        momentum_decay: How fast the momentum grows to beta_1. A number, 0 or more. Defaults to 1.0.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        momentum_decay: float = 1.0,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            momentum_decay=momentum_decay,
        )
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.momentum_decay = momentum_decay

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])
        self.p = [
            self.add_variable((), "ones", w.dtype, name=f"{w.path.replace('/', '_')}_p")
            for w in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, m, v, p = variable, self.m[i], self.v[i], self.p[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        a = self.beta_1 * (1 - 0.96 ** (self.momentum_decay * t) / 2)
        b = self.beta_1 * (1 - 0.96 ** (self.momentum_decay * (t + 1)) / 2)
        self.assign(p, p * a)
        self.assign_add(m, (1 - self.beta_1) * (g - m))
        self.assign_add(v, (1 - self.beta_2) * (ops.square(g) - v))
        m_hat = b * m / (1 - p * b) + (1 - a) * g / (1 - p)
        v_hat = v * (1 / (1 - self.beta_2**t))
        self.assign(w, w - learning_rate * m_hat / (ops.sqrt(v_hat) + self.epsilon))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "momentum_decay": self.momentum_decay,
        }

"""RAdam: Adam that waits until it has seen enough gradients to judge their size.

    t ← t + 1
    m ← m + (1 − beta_1) · (g − m)
    v ← v + (1 − beta_2) · (g² − v)
    m̂ ← m · (1 / (1 − beta_1ᵗ))
    v̂ ← v · (1 / (1 − beta_2ᵗ))
    ρ∞ ← 2 / (1 − beta_2) − 1
    ρ ← ρ∞ − 2 · t · beta_2ᵗ / (1 − beta_2ᵗ)
    r ← √((ρ − 4) · (ρ − 2) · ρ∞ / ((ρ∞ − 4) · (ρ∞ − 2) · ρ)) if ρ > 4 else 0
    u ← r · m̂ / (√(v̂) + epsilon) if ρ > 4 else m̂
    w ← w − learning_rate · u

ρ is the number of gradients that v is worth: about t at first, ρ∞ in the end.

Liu, Jiang, He, Chen, Liu, Gao and Han (2019), On the Variance of the Adaptive Learning Rate and
Beyond, Algorithm 2.
NB: the algorithm writes the means as Adam's does (see adam.py), and prints 1/β₂ · v for β₂ · v, a
    slip. It has no epsilon; ours, and its default, are PyTorch's.
NB: the authors' code begins where ρ ≥ 5, optax too, PyTorch where ρ > 5. With beta_2 = 0.999 that
    is step 6, not 5. Until then the authors' code stands still, unless degenerated_to_sgd is set.
    It puts epsilon beside √(v), as PyTorch does.
"""

import math
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
    rho_inf = 2 / (1 - beta_2) - 1
    rho = rho_inf - 2 * t * beta_2**t / (1 - beta_2**t)
    r = (
        math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        if rho > 4
        else 0
    )
    u = r * m_hat / (np.sqrt(v_hat) + epsilon) if rho > 4 else m_hat
    w = w - learning_rate * u
    return w, {"m": m, "v": v, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class RAdam(keras.Optimizer):
    """RAdam: Adam that waits until it has seen enough gradients to judge their size.

        t ← t + 1
        m ← m + (1 − beta_1) · (g − m)
        v ← v + (1 − beta_2) · (g² − v)
        m̂ ← m · (1 / (1 − beta_1ᵗ))
        v̂ ← v · (1 / (1 − beta_2ᵗ))
        ρ∞ ← 2 / (1 − beta_2) − 1
        ρ ← ρ∞ − 2 · t · beta_2ᵗ / (1 − beta_2ᵗ)
        r ← √((ρ − 4) · (ρ − 2) · ρ∞ / ((ρ∞ − 4) · (ρ∞ − 2) · ρ)) if ρ > 4 else 0
        u ← r · m̂ / (√(v̂) + epsilon) if ρ > 4 else m̂
        w ← w − learning_rate · u

    Liu, Jiang, He, Chen, Liu, Gao and Han (2019), On the Variance of the Adaptive Learning Rate and
    Beyond, Algorithm 2.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        beta_1: How much of m a step keeps, from 0 to below 1. Defaults to 0.9.
        beta_2: How much of v a step keeps, from 0 to below 1. Defaults to 0.999.
        epsilon: Added to √(v̂), against 0 / 0. A number, 0 or more. Defaults to 1e-8.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
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
        rho_inf = 2 / (1 - self.beta_2) - 1
        # NB: the same number in other words, which keep its digits in float32
        rho = rho_inf - 2 * t / ops.expm1(t * -math.log(self.beta_2 or 1e-300))
        r = ops.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        u = ops.where(rho > 4, r * m_hat / (ops.sqrt(v_hat) + self.epsilon), m_hat)
        self.assign(w, w - learning_rate * u)

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }

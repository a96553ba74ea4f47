"""Lion: only the signs of momentum, every coordinate at the same speed.

    c ← beta_1 · m + (1 − beta_1) · g
    m ← m + (1 − beta_2) · (g − m)
    w ← w − learning_rate · (sign(c) + weight_decay · w)

Chen et al. (2023), Symbolic Discovery of Optimization Algorithms, Algorithm 2.
NB: the paper writes m = beta_2 · m + (1 − beta_2) · g, like c. But c is not kept: it is not a
    running mean.
NB: in Keras the base class decays the weights, just before the step. For this rule it is the same.
NB: with beta_1 = 0 it is the sign of the gradient, which Keras refuses.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w)}


def step(w, g, state, *, learning_rate, beta_1, beta_2, weight_decay):
    m = state["m"]
    c = beta_1 * m + (1 - beta_1) * g
    m = m + (1 - beta_2) * (g - m)
    w = w - learning_rate * (np.sign(c) + weight_decay * w)
    return w, {"m": m}


@keras.saving.register_keras_serializable("course_lib")
class Lion(keras.Optimizer):
    """Lion: only the signs of momentum, every coordinate at the same speed.

        c ← beta_1 · m + (1 − beta_1) · g
        m ← m + (1 − beta_2) · (g − m)
        w ← w − learning_rate · (sign(c) + weight_decay · w)

    Chen et al. (2023), Symbolic Discovery of Optimization Algorithms, Algorithm 2.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        beta_1: How much of c is m, the rest is g. From 0 to below 1. Defaults to 0.9.
        beta_2: How much of m a step keeps, from 0 to below 1. Defaults to 0.99.
        weight_decay: How much of w a step takes away, in learning rates. A number, 0 or more.
            Defaults to 0.0.
        **kwargs: What every Keras optimizer takes, such as `name`, `clipnorm` or `use_ema`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, weight_decay=weight_decay
        )
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.m = self.add_optimizer_variables(variables, "m")

    def update_step(self, gradient, variable, learning_rate):
        w, m = variable, self.m[self._get_variable_index(variable)]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        c = self.beta_1 * m + (1 - self.beta_1) * g
        self.assign_add(m, (1 - self.beta_2) * (g - m))
        self.assign(w, w - learning_rate * ops.sign(c))

    def get_config(self):
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}

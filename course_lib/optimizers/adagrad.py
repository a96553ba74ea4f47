"""Adagrad: a coordinate that has travelled far takes smaller steps.

    s ← s + g²
    w ← w − learning_rate · g / (√(s) + epsilon)

s starts at initial_accumulator_value; in the paper, at 0.

Duchi, Hazan and Singer (2011), Adaptive Subgradient Methods for Online Learning and Stochastic Optimization,
Journal of Machine Learning Research 12, Figure 1 (their δ is epsilon, and their s is the root of ours).
NB: Keras writes √(s + epsilon), and so much of epsilon's square root where s is small.
"""

import keras
import numpy as np
from keras import ops

from .rule import check_hyperparameters


def init(w, *, initial_accumulator_value):
    return {"s": np.full_like(w, initial_accumulator_value)}


def step(w, g, state, *, learning_rate, epsilon):
    s = state["s"]
    s = s + g**2
    w = w - learning_rate * g / (np.sqrt(s) + epsilon)
    return w, {"s": s}


@keras.saving.register_keras_serializable("course_lib")
class Adagrad(keras.Optimizer):
    def __init__(self, learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7, **kwargs):
        check_hyperparameters(
            learning_rate=learning_rate,
            initial_accumulator_value=initial_accumulator_value,
            epsilon=epsilon,
        )
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        start = keras.initializers.Constant(self.initial_accumulator_value)
        self.s = self.add_optimizer_variables(variables, "s", initializer=start)

    def update_step(self, gradient, variable, learning_rate):
        w, s = variable, self.s[self._get_variable_index(variable)]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        self.assign(s, s + ops.square(g))
        self.assign(w, w - learning_rate * g / (ops.sqrt(s) + self.epsilon))

    def get_config(self):
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }

"""Adagrad: a coordinate that has seen large gradients takes smaller steps.

    s ← s + g²
    w ← w − learning_rate · g / (√(s) + epsilon)

s starts at initial_accumulator_value.

Duchi, Hazan and Singer (2011), Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization, Journal of Machine Learning Research 12, Figure 1.
NB: in the paper s starts at 0. Its δ is epsilon, and its s is the root of ours.
NB: Keras writes √(s + epsilon). Where s is small, that adds up to the root of epsilon.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w, *, initial_accumulator_value):
    """The state before the first step: one number for each weight."""
    return {"s": np.full_like(w, initial_accumulator_value)}


def step(w, g, state, *, learning_rate, epsilon):
    """The new weights and the new state. The old ones stay as they are."""
    s = state["s"]
    s = s + g**2
    w = w - learning_rate * g / (np.sqrt(s) + epsilon)
    return w, {"s": s}


@keras.saving.register_keras_serializable("course_lib")
class Adagrad(keras.Optimizer):
    """Adagrad: a coordinate that has seen large gradients takes smaller steps.

        s ← s + g²
        w ← w − learning_rate · g / (√(s) + epsilon)

    Duchi, Hazan and Singer (2011), Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization, Journal of Machine Learning Research 12, Figure 1.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        initial_accumulator_value: Where s starts. A number, 0 or more. Defaults to 0.1.
        epsilon: Added to √(s), against 0 / 0. A number, 0 or more. Defaults to 1e-7.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ):
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
        """Assign the new weights and the new state. Keras calls it for each variable."""
        w, s = variable, self.s[self._get_variable_index(variable)]
        # In every class: an embedding's rows become an ordinary tensor, repeated rows added up; a
        # gradient of a wrong shape is refused; one in half precision gets the dtype of w.
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

"""Momentum: a velocity that remembers where it was going.

    v ← momentum · v − learning_rate · g
    w ← w + v

Polyak (1964), Some Methods of Speeding up the Convergence of Iteration Methods, the two-step
method: v is w minus the w of the step before.
NB: with momentum = 0, Keras's default and ours, this is gradient descent. The course passes 0.9.
NB: PyTorch keeps v = momentum · v + g and steps w = w − learning_rate · v. The paths are the same
    while the learning rate stays. Here each v remembers the learning rate that it was made with.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"v": np.zeros_like(w)}


def step(w, g, state, *, learning_rate, momentum):
    v = state["v"]
    v = momentum * v - learning_rate * g
    w = w + v
    return w, {"v": v}


@keras.saving.register_keras_serializable("course_lib")
class Momentum(keras.Optimizer):
    """Momentum: a velocity that remembers where it was going.

        v ← momentum · v − learning_rate · g
        w ← w + v

    Polyak (1964), Some Methods of Speeding up the Convergence of Iteration Methods, the two-step
    method: v is w minus the w of the step before.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.01.
        momentum: How much of v a step keeps, from 0 to 1. Defaults to 0.0.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(self, learning_rate: LearningRate = 0.01, momentum: float = 0.0, **kwargs: Any):
        check_hyperparameters(learning_rate=learning_rate, momentum=momentum)
        super().__init__(learning_rate, **kwargs)
        self.momentum = momentum

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.v = self.add_optimizer_variables(variables, "v")

    def update_step(self, gradient, variable, learning_rate):
        w, v = variable, self.v[self._get_variable_index(variable)]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        self.assign(v, self.momentum * v - learning_rate * g)
        self.assign(w, w + v)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}

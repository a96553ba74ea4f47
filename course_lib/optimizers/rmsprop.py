"""RMSprop: Adagrad that forgets.

    s ← s + (1 − rho) · (g² − s)
    v ← momentum · v − learning_rate · g / √(s + epsilon)
    w ← w + v

Tieleman and Hinton (2012), Lecture 6.5 of Neural Networks for Machine Learning.
NB: the lecture writes the mean as s = rho · s + (1 − rho) · g².
NB: its rule has no epsilon. Momentum is one of its "further developments"; with 0, our default, v
    is the step itself. Epsilon inside the root is Graves's (centered_rmsprop.py) and Keras's.
NB: PyTorch writes √(s) + epsilon, and keeps v without the learning rate.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"s": np.zeros_like(w), "v": np.zeros_like(w)}


def step(w, g, state, *, learning_rate, rho, momentum, epsilon):
    s, v = state["s"], state["v"]
    s = s + (1 - rho) * (g**2 - s)
    v = momentum * v - learning_rate * g / np.sqrt(s + epsilon)
    w = w + v
    return w, {"s": s, "v": v}


@keras.saving.register_keras_serializable("course_lib")
class RMSprop(keras.Optimizer):
    """RMSprop: Adagrad that forgets.

        s ← s + (1 − rho) · (g² − s)
        v ← momentum · v − learning_rate · g / √(s + epsilon)
        w ← w + v

    Tieleman and Hinton (2012), Lecture 6.5 of Neural Networks for Machine Learning.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        rho: How much of s a step keeps, from 0 to 1. Defaults to 0.9.
        momentum: How much of v a step keeps, from 0 to 1. Defaults to 0.0.
        epsilon: Added to s, against 0 / 0. A number, 0 or more. Defaults to 1e-7.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate, rho=rho, momentum=momentum, epsilon=epsilon
        )
        super().__init__(learning_rate, **kwargs)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.s, self.v = self.add_optimizer_variables(variables, ["s", "v"])

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, s, v = variable, self.s[i], self.v[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        self.assign_add(s, (1 - self.rho) * (ops.square(g) - s))
        self.assign(v, self.momentum * v - learning_rate * g / ops.sqrt(s + self.epsilon))
        self.assign(w, w + v)

    def get_config(self):
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }

"""Gradient descent: walk downhill, in proportion to the slope.

    w ← w − learning_rate · g

Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations simultanées.
NB: the "stochastic" of its name is a noisy g, here from a sample of the data. Steps from noisy
    readings go back to Robbins and Monro (1951), A Stochastic Approximation Method. They look for
    the root of a function, and have neither data nor gradients.
"""

from typing import Any

import keras
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {}


def step(w, g, state, *, learning_rate):
    w = w - learning_rate * g
    return w, {}


@keras.saving.register_keras_serializable("course_lib")
class SGD(keras.Optimizer):
    """Gradient descent: walk downhill, in proportion to the slope.

        w ← w − learning_rate · g

    Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations simultanées.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.01.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(self, learning_rate: LearningRate = 0.01, **kwargs: Any):
        check_hyperparameters(learning_rate=learning_rate)
        super().__init__(learning_rate, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        w = variable
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        self.assign(w, w - learning_rate * g)

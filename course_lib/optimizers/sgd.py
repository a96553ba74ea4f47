"""Gradient descent: walk downhill, in proportion to the slope.

    w ← w − learning_rate · g

Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations simultanées; on a sample of the data
instead of all of it ("stochastic"), Robbins and Monro (1951), A Stochastic Approximation Method.
"""

import keras
from keras import ops

from .rule import check_hyperparameters


def init(w):
    return {}


def step(w, g, state, *, learning_rate):
    w = w - learning_rate * g
    return w, {}


@keras.saving.register_keras_serializable("course_lib")
class SGD(keras.Optimizer):
    def __init__(self, learning_rate=0.01, **kwargs):
        check_hyperparameters(learning_rate=learning_rate)
        super().__init__(learning_rate, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        w = variable
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        self.assign(w, w - learning_rate * g)

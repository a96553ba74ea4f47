"""RMSprop: Adagrad that forgets.

    s ← rho · s + (1 − rho) · g²
    v ← momentum · v − learning_rate · g / √(s + epsilon)
    w ← w + v

Tieleman and Hinton (2012), Lecture 6.5 of Neural Networks for Machine Learning: the running mean of g² and the root of
it; the lecture has neither epsilon nor momentum (0 by default here, so that v is the step itself).  Epsilon inside the
root is Graves's (see centered_rmsprop.py) and Keras's.
NB: PyTorch writes √(s) + epsilon, and keeps v without the learning rate.
"""

import keras
import numpy as np
from keras import ops

from .rule import check_hyperparameters


def init(w):
    return {"s": np.zeros_like(w), "v": np.zeros_like(w)}


def step(w, g, state, *, learning_rate, rho, momentum, epsilon):
    s, v = state["s"], state["v"]
    s = rho * s + (1 - rho) * g**2
    v = momentum * v - learning_rate * g / np.sqrt(s + epsilon)
    w = w + v
    return w, {"s": s, "v": v}


@keras.saving.register_keras_serializable("course_lib")
class RMSprop(keras.Optimizer):
    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, **kwargs):
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
        self.assign(s, self.rho * s + (1 - self.rho) * ops.square(g))
        self.assign(v, self.momentum * v - learning_rate * g / ops.sqrt(s + self.epsilon))
        self.assign(w, w + v)

    def get_config(self):
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }

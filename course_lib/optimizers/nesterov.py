"""Nesterov's momentum: look where the velocity will take you, and correct there.

    v ← momentum · v − learning_rate · g
    w ← w + momentum · v − learning_rate · g

Nesterov (1983), A Method of Solving a Convex Programming Problem with Convergence Rate O(1/k²). In
the form of momentum: Sutskever, Martens, Dahl and Hinton (2013), On the Importance of
Initialization and Momentum in Deep Learning, equations 3 and 4.
NB: Sutskever takes the gradient at w + momentum · v. An optimizer gets it at the weights that the
    model holds. So w stands here for that point, as in Keras and PyTorch. With that renaming these
    are Sutskever's equations (Bengio, Boulanger-Lewandowski and Pascanu 2013, Advances in
    Optimizing Recurrent Networks, section 3.5).
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
    w = w + momentum * v - learning_rate * g
    return w, {"v": v}


@keras.saving.register_keras_serializable("course_lib")
class Nesterov(keras.Optimizer):
    """Nesterov's momentum: look where the velocity will take you, and correct there.

        v ← momentum · v − learning_rate · g
        w ← w + momentum · v − learning_rate · g

    Nesterov (1983), A Method of Solving a Convex Programming Problem with Convergence Rate O(1/k²).
    In the form of momentum: Sutskever, Martens, Dahl and Hinton (2013), On the Importance of
    Initialization and Momentum in Deep Learning, equations 3 and 4.

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
        self.assign(w, w + self.momentum * v - learning_rate * g)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}

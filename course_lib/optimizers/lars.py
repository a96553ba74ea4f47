"""LARS: momentum whose steps are as long as each layer's weights allow.

    a ← ‖w‖
    b ← ‖g‖ + weight_decay · a
    ratio ← trust_coefficient · a / b if a > 0 and b > 0 else 1
    v ← momentum · v − learning_rate · ratio · (g + weight_decay · w)
    w ← w + v

Each variable has a ratio of its own: ‖w‖ is the root of the sum of all its squares.

You, Gitman and Ginsburg (2017), Large Batch Training of Convolutional Networks, equation 6. Its λ
is our ratio, and its η is trust_coefficient.
NB: the paper's v is minus ours. Its learning rate decays, ours may: give a schedule.
NB: the paper's ratio of a variable of zeros is 0, and it would stay there; optax has 1 too.
NB: optax divides by ‖g + weight_decay · w‖. In practice biases and the scales of normalization are
    left out.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"v": np.zeros_like(w)}


def step(w, g, state, *, learning_rate, momentum, weight_decay, trust_coefficient):
    v = state["v"]
    a = np.linalg.norm(w)
    b = np.linalg.norm(g) + weight_decay * a
    ratio = trust_coefficient * a / b if a > 0 and b > 0 else 1
    v = momentum * v - learning_rate * ratio * (g + weight_decay * w)
    w = w + v
    return w, {"v": v}


@keras.saving.register_keras_serializable("course_lib")
class LARS(keras.Optimizer):
    """LARS: momentum whose steps are as long as each layer's weights allow.

        a ← ‖w‖
        b ← ‖g‖ + weight_decay · a
        ratio ← trust_coefficient · a / b if a > 0 and b > 0 else 1
        v ← momentum · v − learning_rate · ratio · (g + weight_decay · w)
        w ← w + v

    You, Gitman and Ginsburg (2017), Large Batch Training of Convolutional Networks, equation 6. Its
    λ is our ratio, and its η is trust_coefficient.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.01.
        momentum: How much of v a step keeps, from 0 to 1. Defaults to 0.9.
        weight_decay: How much of w is added to g, within the ratio. A number, 0 or more. Defaults
            to 0.0.
        trust_coefficient: The length of a step over the length of w, before learning_rate. 0 or
            more. Defaults to 0.001.
        **kwargs: What every Keras optimizer takes, such as `name`, `clipnorm` or `use_ema`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 0.001,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            trust_coefficient=trust_coefficient,
        )
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.momentum = momentum
        self.trust_coefficient = trust_coefficient

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.v = self.add_optimizer_variables(variables, "v")

    def update_step(self, gradient, variable, learning_rate):
        w, v = variable, self.v[self._get_variable_index(variable)]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        weight_decay = self.weight_decay if self._use_weight_decay(variable) else 0.0
        a = ops.sqrt(ops.sum(ops.square(w)))
        b = ops.sqrt(ops.sum(ops.square(g))) + weight_decay * a
        ratio = ops.where(ops.logical_and(a > 0, b > 0), self.trust_coefficient * a / b, 1)
        self.assign(v, self.momentum * v - learning_rate * ratio * (g + weight_decay * w))
        self.assign(w, w + v)

    def _apply_weight_decay(self, variables):
        """NB: it is inside the ratio already."""

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "trust_coefficient": self.trust_coefficient,
        }

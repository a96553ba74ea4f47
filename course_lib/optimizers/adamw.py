"""AdamW: weights shrink by themselves, and Adam does not hear of it.

    t ← t + 1
    m ← m + (1 − beta_1) · (g − m)
    v ← v + (1 − beta_2) · (g² − v)
    m̂ ← m · (1 / (1 − beta_1ᵗ))
    v̂ ← v · (1 / (1 − beta_2ᵗ))
    w ← w − learning_rate · (m̂ / (√(v̂) + epsilon) + weight_decay · w)

Loshchilov and Hutter (2017), Decoupled Weight Decay Regularization, Algorithm 2.
NB: the paper writes the means as Adam's does: see adam.py.
NB: it does not multiply its decay λ by the learning rate α. Both are multiplied by the schedule's
    η. So its λ is learning_rate · weight_decay. Keras, PyTorch and optax multiply, as here.
NB: in Keras the decay is the base class's. It takes learning_rate · weight_decay · w off every
    variable that is not excluded, then calls update_step. The class is Adam with another default.
NB: epsilon stands where the paper has it; Keras has it beside √(v), as in its Adam. weight_decay
    defaults to Keras's 0.004; PyTorch's is 0.01, optax's 0.0001.
"""

from typing import Any

import keras
import numpy as np

from .adam import Adam
from .hyperparameters import LearningRate, check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "v": np.zeros_like(w), "t": 0}


def step(w, g, state, *, learning_rate, weight_decay, beta_1, beta_2, epsilon):
    m, v, t = state["m"], state["v"], state["t"]
    t = t + 1
    m = m + (1 - beta_1) * (g - m)
    v = v + (1 - beta_2) * (g**2 - v)
    m_hat = m * (1 / (1 - beta_1**t))
    v_hat = v * (1 / (1 - beta_2**t))
    w = w - learning_rate * (m_hat / (np.sqrt(v_hat) + epsilon) + weight_decay * w)
    return w, {"m": m, "v": v, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class AdamW(Adam):
    """AdamW: weights shrink by themselves, and Adam does not hear of it.

        t ← t + 1
        m ← m + (1 − beta_1) · (g − m)
        v ← v + (1 − beta_2) · (g² − v)
        m̂ ← m · (1 / (1 − beta_1ᵗ))
        v̂ ← v · (1 / (1 − beta_2ᵗ))
        w ← w − learning_rate · (m̂ / (√(v̂) + epsilon) + weight_decay · w)

    Loshchilov and Hutter (2017), Decoupled Weight Decay Regularization, Algorithm 2.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        weight_decay: How much of w a step takes away, in learning rates. A number, 0 or more.
            Defaults to 0.004.
        beta_1: How much of m a step keeps, from 0 to below 1. Defaults to 0.9.
        beta_2: How much of v a step keeps, from 0 to below 1. Defaults to 0.999.
        epsilon: Added to √(v̂), against 0 / 0. A number, 0 or more. Defaults to 1e-7.
        **kwargs: What every Keras optimizer takes, such as `name`, `clipnorm` or `use_ema`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ):
        check_hyperparameters(weight_decay=weight_decay)
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, weight_decay=weight_decay, **kwargs
        )

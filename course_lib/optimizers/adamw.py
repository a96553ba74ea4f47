"""AdamW: weights shrink by themselves, and Adam is not told about it.

    t ← t + 1
    m ← beta_1 · m + (1 − beta_1) · g
    v ← beta_2 · v + (1 − beta_2) · g²
    m̂ ← m / (1 − beta_1ᵗ)
    v̂ ← v / (1 − beta_2ᵗ)
    w ← w − learning_rate · (m̂ / (√(v̂) + epsilon) + weight_decay · w)

Loshchilov and Hutter (2017), Decoupled Weight Decay Regularization, Algorithm 2.
NB: the paper does not multiply its decay λ by the learning rate α, only by the schedule's η, which multiplies both: its λ
    is learning_rate · weight_decay.  Keras, PyTorch and optax multiply, as here.
NB: in Keras the decay is the base class's, which takes learning_rate · weight_decay · w off every variable that is not
    excluded, and then calls update_step.  The class is Adam with another default.
NB: epsilon stands where the paper has it; Keras has it beside √(v), as in its Adam.  weight_decay defaults to Keras's
    0.004; PyTorch's is 0.01, optax's 0.0001.
"""

import keras
import numpy as np

from .adam import Adam
from .rule import check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "v": np.zeros_like(w), "t": 0}


def step(w, g, state, *, learning_rate, weight_decay, beta_1, beta_2, epsilon):
    m, v, t = state["m"], state["v"], state["t"]
    t = t + 1
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m / (1 - beta_1**t)
    v_hat = v / (1 - beta_2**t)
    w = w - learning_rate * (m_hat / (np.sqrt(v_hat) + epsilon) + weight_decay * w)
    return w, {"m": m, "v": v, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class AdamW(Adam):
    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        **kwargs,
    ):
        check_hyperparameters(weight_decay=weight_decay)
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, weight_decay=weight_decay, **kwargs
        )

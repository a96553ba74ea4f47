"""Nadam: Adam that looks ahead, as Nesterov's momentum does.

    t ← t + 1
    a ← beta_1 · (1 − 0.96^(momentum_decay · t) / 2)
    b ← beta_1 · (1 − 0.96^(momentum_decay · (t + 1)) / 2)
    p ← p · a
    m ← beta_1 · m + (1 − beta_1) · g
    v ← beta_2 · v + (1 − beta_2) · g²
    m̂ ← b · m / (1 − p · b) + (1 − a) · g / (1 − p)
    v̂ ← v / (1 − beta_2ᵗ)
    w ← w − learning_rate · m̂ / (√(v̂) + epsilon)

a is the momentum of this step, b that of the next, and p, one number a variable that starts at 1, the product of all so far.

Dozat (2016), Incorporating Nesterov Momentum into Adam, Algorithm 2 (his μₜ and μₜ₊₁ are a and b, his n is v) with its
schedule, in which momentum_decay is 1 / 250: the momentum grows from half of beta_1 to beta_1 over 10⁴ steps and more.
NB: Keras 3 leaves the 250 out, and grows it over a hundred steps; so does our default.  Its 0.96 is float32's.
NB: the algorithm makes m with a, and multiplies v̂ by beta_2 once more; Keras and PyTorch do neither, as here.  Keras's
    epsilon stands as it does here, although its documentation says "epsilon hat".  optax has no schedule: a and b are
    beta_1, p is beta_1ᵗ.
"""

import keras
import numpy as np
from keras import ops

from .rule import check_hyperparameters


def init(w):
    return {"m": np.zeros_like(w), "v": np.zeros_like(w), "p": np.ones_like(w, shape=()), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon, momentum_decay):
    m, v, p, t = state["m"], state["v"], state["p"], state["t"]
    t = t + 1
    a = beta_1 * (1 - 0.96 ** (momentum_decay * t) / 2)
    b = beta_1 * (1 - 0.96 ** (momentum_decay * (t + 1)) / 2)
    p = p * a
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    m_hat = b * m / (1 - p * b) + (1 - a) * g / (1 - p)
    v_hat = v / (1 - beta_2**t)
    w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
    return w, {"m": m, "v": v, "p": p, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class Nadam(keras.Optimizer):
    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        momentum_decay=1.0,
        **kwargs,
    ):
        check_hyperparameters(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            momentum_decay=momentum_decay,
        )
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.momentum_decay = momentum_decay

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])
        self.p = [
            self.add_variable((), "ones", w.dtype, name=f"{w.path.replace('/', '_')}_p")
            for w in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, m, v, p = variable, self.m[i], self.v[i], self.p[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        a = self.beta_1 * (1 - 0.96 ** (self.momentum_decay * t) / 2)
        b = self.beta_1 * (1 - 0.96 ** (self.momentum_decay * (t + 1)) / 2)
        self.assign(p, p * a)
        self.assign_add(m, (1 - self.beta_1) * (g - m))
        self.assign_add(v, (1 - self.beta_2) * (ops.square(g) - v))
        m_hat = b * m / (1 - p * b) + (1 - a) * g / (1 - p)
        v_hat = v * (1 / (1 - self.beta_2**t))
        self.assign(w, w - learning_rate * m_hat / (ops.sqrt(v_hat) + self.epsilon))

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "momentum_decay": self.momentum_decay,
        }

"""Schedule-free AdamW: gradients are taken near an average, and no rate has to fall.

    t ← t + 1
    v ← v + (1 − beta_2) · (g² − v)
    v̂ ← v · (1 / (1 − beta_2ᵗ))
    r ← learning_rate · min(1, t / max(1, warmup_steps))
    s ← s + r²
    c ← r² / where(s > 0, s, 1)
    x ← (w − (1 − beta_1) · z) / beta_1
    z ← z − r · (g / (√(v̂) + epsilon) + weight_decay · w)
    w ← (1 − beta_1) · z + beta_1 · ((1 − c) · x + c · z)

z starts at w. The weights w are the paper's y: gradients are taken there. The average x is what was
learned. Evaluate and deploy at x: `averaged(w, z, beta_1)`, or `with at_average(model)`.

Defazio et al. (2024), The Road Less Scheduled, Algorithm 1. Their γₜ is r; y, z and x as there.
NB: the paper writes v = beta_2 · v + (1 − beta_2) · g² and v̂ = v / (1 − beta_2ᵗ): see adam.py.
NB: Keras averages with c = 1 / t, also while r grows or falls. It lets weight decay shrink w, and
    so x, where the paper moves z.
NB: Keras 3.15 has two faults on TensorFlow. It takes x from w and the z of after the step: what it
    keeps as the old z is another name for the variable. And in a compiled `fit` z starts at 0 and
    not at w, so that the first step throws the weights away.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def averaged(w, z, beta_1):
    """The average x. The weights w stand between z and x, beta_1 of the way."""
    return (w - (1 - beta_1) * z) / beta_1


def init(w):
    return {"z": np.array(w), "v": np.zeros_like(w), "s": np.zeros((), w.dtype), "t": 0}


def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon, warmup_steps, weight_decay):
    z, v, s, t = state["z"], state["v"], state["s"], state["t"]
    t = t + 1
    v = v + (1 - beta_2) * (g**2 - v)
    v_hat = v * (1 / (1 - beta_2**t))
    r = learning_rate * min(1, t / max(1, warmup_steps))
    s = s + r**2
    c = r**2 / np.where(s > 0, s, 1)
    x = averaged(w, z, beta_1)
    z = z - r * (g / (np.sqrt(v_hat) + epsilon) + weight_decay * w)
    w = (1 - beta_1) * z + beta_1 * ((1 - c) * x + c * z)
    return w, {"z": z, "v": v, "s": s, "t": t}


@keras.saving.register_keras_serializable("course_lib")
class ScheduleFreeAdamW(keras.Optimizer):
    """Schedule-free AdamW: gradients are taken near an average, and no rate has to fall.

        t ← t + 1
        v ← v + (1 − beta_2) · (g² − v)
        v̂ ← v · (1 / (1 − beta_2ᵗ))
        r ← learning_rate · min(1, t / max(1, warmup_steps))
        s ← s + r²
        c ← r² / where(s > 0, s, 1)
        x ← (w − (1 − beta_1) · z) / beta_1
        z ← z − r · (g / (√(v̂) + epsilon) + weight_decay · w)
        w ← (1 − beta_1) · z + beta_1 · ((1 − c) · x + c · z)

    Defazio et al. (2024), The Road Less Scheduled, Algorithm 1. Their γₜ is r; y, z and x as there.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.0025.
        beta_1: How near to x, and how far from z, gradients are taken. Above 0 and below 1.
            Defaults to 0.9.
        beta_2: How much of v a step keeps, from 0 to below 1. Defaults to 0.999.
        epsilon: Added to √(v̂), against 0 / 0. A number, 0 or more. Defaults to 1e-8.
        warmup_steps: How many steps r takes to reach learning_rate. A whole number, 0 or more.
            Defaults to 0.
        weight_decay: How much of w is taken off z in a step, in learning rates. A number, 0 or
            more. Defaults to 0.0.
        **kwargs: What every Keras optimizer takes, such as `name`, `clipnorm` or `use_ema`.

    Raises:
        ValueError: If `beta_1` is 0, or a number is out of its range.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            warmup_steps=warmup_steps,
            weight_decay=weight_decay,
        )
        if beta_1 == 0:
            raise ValueError(
                f"`beta_1` must be above 0 here. Received: beta_1={beta_1!r}. "
                "With 0 the weights are z, and their average is kept nowhere."
            )
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.warmup_steps = warmup_steps

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.z, self.v = self.add_optimizer_variables(variables, ["z", "v"])
        self.s = [
            self.add_variable((), dtype=w.dtype, name=f"{w.path.replace('/', '_')}_s")
            for w in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, z, v, s = variable, self.z[i], self.v[i], self.s[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        t = ops.cast(self.iterations + 1, w.dtype)
        self.assign(z, z + ops.cast(t == 1, w.dtype) * w)  # NB: what `build` assigns is lost
        self.assign_add(v, (1 - self.beta_2) * (ops.square(g) - v))
        v_hat = v * (1 / (1 - self.beta_2**t))
        r = learning_rate * ops.clip(t / max(1, self.warmup_steps), 0, 1)
        self.assign(s, s + r**2)
        c = r**2 / ops.where(s > 0, ops.convert_to_tensor(s), 1)
        x = averaged(w, z, self.beta_1)
        self.assign(z, z - r * (g / (ops.sqrt(v_hat) + self.epsilon) + self._decay(variable) * w))
        self.assign(w, (1 - self.beta_1) * z + self.beta_1 * ((1 - c) * x + c * z))

    def averages(self) -> list[tuple[Any, Any]]:
        """Each weight with its x: what `at_average` of course_lib.wrappers puts into the model."""
        pairs = list(zip(self._trainable_variables, self.z, strict=True))
        begun = ops.convert_to_numpy(self.iterations) > 0
        return [(w, averaged(w, z, self.beta_1) if begun else w) for w, z in pairs]

    def _decay(self, variable):
        return self.weight_decay if self._use_weight_decay(variable) else 0.0

    def _apply_weight_decay(self, variables):
        """NB: nothing.  The base class would shrink w; here weight decay is a part of z's step."""

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "warmup_steps": self.warmup_steps,
        }

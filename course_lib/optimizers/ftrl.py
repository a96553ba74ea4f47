"""FTRL-Proximal: Adagrad that writes down zero until a gradient insists.

    p ← −learning_rate_power
    a ← (n + g²)ᵖ
    σ ← (a − nᵖ) / learning_rate
    z ← z + g + 2 · l2_shrinkage_regularization_strength · w − σ · w
    n ← n + g²
    q ← (beta + a) / learning_rate + 2 · l2_regularization_strength
    c ← clip(z, −l1_regularization_strength, l1_regularization_strength)
    w ← (c − z) / q

n starts at initial_accumulator_value. w is exactly 0 while z stays between −l1 and l1.

McMahan et al. (2013), Ad Click Prediction: a View from the Trenches, Algorithm 1.
NB: their α is the learning rate and their λ₁ is l1_regularization_strength. Their λ₂ is twice
    l2_regularization_strength, and p is ½. In the paper n starts at 0.
NB: the power and the shrinkage are TensorFlow's and Keras's, which also have the factors 2. The
    paper recommends beta = 1, Keras defaults to 0.
NB: w is made from z alone, and z starts at 0. Of weights that do not start at 0, the first step
    keeps a part of 1 − (n / (n + g²))ᵖ at most. So in Keras's class too; the paper starts at 0.
NB: q is 0, and w is NaN, where beta, l2 and n are 0 and no gradient has come yet. The same holds
    for a learning rate of 0.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .hyperparameters import LearningRate, check_hyperparameters


def init(w, *, initial_accumulator_value):
    return {"z": np.zeros_like(w), "n": np.full_like(w, initial_accumulator_value)}


def step(
    w,
    g,
    state,
    *,
    learning_rate,
    learning_rate_power,
    l1_regularization_strength,
    l2_regularization_strength,
    l2_shrinkage_regularization_strength,
    beta,
):
    z, n = state["z"], state["n"]
    p = -learning_rate_power
    a = (n + g**2) ** p
    sigma = (a - n**p) / learning_rate
    z = z + g + 2 * l2_shrinkage_regularization_strength * w - sigma * w
    n = n + g**2
    q = (beta + a) / learning_rate + 2 * l2_regularization_strength
    c = np.clip(z, -l1_regularization_strength, l1_regularization_strength)
    w = (c - z) / q
    return w, {"z": z, "n": n}


@keras.saving.register_keras_serializable("course_lib")
class Ftrl(keras.Optimizer):
    """FTRL-Proximal: Adagrad that writes down zero until a gradient insists.

        p ← −learning_rate_power
        a ← (n + g²)ᵖ
        σ ← (a − nᵖ) / learning_rate
        z ← z + g + 2 · l2_shrinkage_regularization_strength · w − σ · w
        n ← n + g²
        q ← (beta + a) / learning_rate + 2 · l2_regularization_strength
        c ← clip(z, −l1_regularization_strength, l1_regularization_strength)
        w ← (c − z) / q

    McMahan et al. (2013), Ad Click Prediction: a View from the Trenches, Algorithm 1.

    Args:
        learning_rate: How long steps are. A float, 0 or more; a Keras schedule; or a callable.
            Defaults to 0.001.
        learning_rate_power: −p, the power of n. A number, 0 or less. Defaults to -0.5.
        initial_accumulator_value: Where n starts. A number, 0 or more. Defaults to 0.1.
        l1_regularization_strength: How far z must go before w leaves 0. A number, 0 or more.
            Defaults to 0.0.
        l2_regularization_strength: Pulls w towards 0, in proportion to w². A number, 0 or more.
            Defaults to 0.0.
        l2_shrinkage_regularization_strength: The same, through the gradient: it reaches z and not
            n. A number, 0 or more. Defaults to 0.0.
        beta: Added to the root of n. A number, 0 or more. Defaults to 0.0.
        **kwargs: What every Keras optimizer takes, such as `weight_decay` or `clipnorm`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **kwargs: Any,
    ):
        check_hyperparameters(
            learning_rate=learning_rate,
            learning_rate_power=learning_rate_power,
            initial_accumulator_value=initial_accumulator_value,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
            beta=beta,
        )
        super().__init__(learning_rate, **kwargs)
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        start = keras.initializers.Constant(self.initial_accumulator_value)
        self.z = self.add_optimizer_variables(variables, "z")
        self.n = self.add_optimizer_variables(variables, "n", initializer=start)

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        w, z, n = variable, self.z[i], self.n[i]
        g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)
        learning_rate = ops.cast(learning_rate, w.dtype)
        p = -self.learning_rate_power
        a = (n + ops.square(g)) ** p
        sigma = (a - n**p) / learning_rate
        self.assign(z, z + g + 2 * self.l2_shrinkage_regularization_strength * w - sigma * w)
        self.assign(n, n + ops.square(g))
        q = (self.beta + a) / learning_rate + 2 * self.l2_regularization_strength
        c = ops.clip(z, -self.l1_regularization_strength, self.l1_regularization_strength)
        self.assign(w, (c - z) / q)

    def get_config(self):
        return {
            **super().get_config(),
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }

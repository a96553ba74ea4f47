"""Every optimizer of the course, one short file each: the equation, the NumPy rule, the Keras class.

RULES is the list of them, in teaching order.  Tests, colours, tables and races go through it.
"""

from functools import partial

import keras
import numpy as np

from . import (
    adabelief,
    adagrad,
    adam,
    adamax,
    amsgrad,
    centered_rmsprop,
    momentum,
    nadam,
    nesterov,
    rmsprop,
    sgd,
    yogi,
)
from .rule import Rule, Rules, check_hyperparameters
from .side_by_side import side_by_side

__all__ = ["RULES", "Rule", "check_hyperparameters", "side_by_side"]

# Keras's Nadam casts 0.96 to the weights' dtype; on TensorFlow, keras.ops.cast takes numbers there by way of float32.
_CAST = float(np.float32(0.96)) if keras.backend.backend() == "tensorflow" else 0.96

RULES = Rules(
    sgd=Rule(
        sgd,
        sgd.SGD,
        settings=dict(learning_rate=0.125),
        builtin=keras.optimizers.SGD,
    ),
    momentum=Rule(
        momentum,
        momentum.Momentum,
        settings=dict(learning_rate=0.125, momentum=0.75),
        builtin=keras.optimizers.SGD,
    ),
    nesterov=Rule(
        nesterov,
        nesterov.Nesterov,
        settings=dict(learning_rate=0.125, momentum=0.75),
        builtin=partial(keras.optimizers.SGD, nesterov=True),
    ),
    adagrad=Rule(
        adagrad,
        adagrad.Adagrad,
        settings=dict(learning_rate=0.125, initial_accumulator_value=0.25, epsilon=0.0625),
        builtin=keras.optimizers.Adagrad,
        dialect="w ← w − learning_rate · g / √(s + epsilon)",
        agree_when=dict(epsilon=0.0),
    ),
    rmsprop=Rule(
        rmsprop,
        rmsprop.RMSprop,
        settings=dict(learning_rate=0.125, rho=0.75, momentum=0.5, epsilon=0.0625),
        builtin=keras.optimizers.RMSprop,
    ),
    centered_rmsprop=Rule(
        centered_rmsprop,
        centered_rmsprop.CenteredRMSprop,
        settings=dict(learning_rate=0.125, rho=0.75, momentum=0.5, epsilon=0.0625),
        builtin=partial(keras.optimizers.RMSprop, centered=True),
    ),
    adam=Rule(
        adam,
        adam.Adam,
        settings=dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625),
        builtin=keras.optimizers.Adam,
        dialect="w ← w − learning_rate · √(1 − beta_2ᵗ) / (1 − beta_1ᵗ) · m / (√(v) + epsilon)",
        agree_when=dict(epsilon=0.0),
    ),
    amsgrad=Rule(
        amsgrad,
        amsgrad.AMSGrad,
        settings=dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625),
        builtin=partial(keras.optimizers.Adam, amsgrad=True),
        dialect="w ← w − learning_rate · √(1 − beta_2ᵗ) / (1 − beta_1ᵗ) · m / (√(s) + epsilon)",
        agree_when=dict(epsilon=0.0),
    ),
    adamax=Rule(
        adamax,
        adamax.Adamax,
        settings=dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625),
        builtin=keras.optimizers.Adamax,
    ),
    nadam=Rule(
        nadam,
        nadam.Nadam,
        settings=dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625),
        builtin=keras.optimizers.Nadam,
        dialect=f"a ← beta_1 · (1 − {_CAST}^t / 2)\nb ← beta_1 · (1 − {_CAST}^(t + 1) / 2)\n"
        "p ← p · beta_1 · (1 − 0.96^t / 2)",
        agree_when=dict(beta_1=0.0),  # no momentum, no schedule
    ),
    yogi=Rule(
        yogi,
        yogi.Yogi,
        settings=dict(
            learning_rate=0.125,
            beta_1=0.75,
            beta_2=0.875,
            epsilon=0.0625,
            initial_accumulator_value=0.25,
        ),
    ),
    adabelief=Rule(
        adabelief,
        adabelief.AdaBelief,
        settings=dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625),
    ),
)

"""Every optimizer of the course, one short file each: the equation, the NumPy rule, the Keras class.

RULES is the list of them, in teaching order.  Tests, colours, tables and races go through it.
"""

from functools import partial

import keras

from . import (
    adagrad,
    adam,
    amsgrad,
    centered_rmsprop,
    momentum,
    nesterov,
    rmsprop,
    schedule_free,
    sgd,
)
from .rule import Rule, Rules, check_hyperparameters
from .side_by_side import side_by_side

__all__ = ["RULES", "Rule", "check_hyperparameters", "side_by_side"]

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
    schedule_free=Rule(
        schedule_free,
        schedule_free.ScheduleFreeAdamW,
        settings=dict(
            learning_rate=0.125,
            beta_1=0.75,
            beta_2=0.875,
            epsilon=0.0625,
            warmup_steps=2,
            weight_decay=0.0625,
        ),
        builtin=keras.optimizers.ScheduleFreeAdamW,
        dialect="""
            c ← 1 / t
            x ← (w − learning_rate · weight_decay · w − (1 − beta_1) · (z − r · g / (√(v̂) + epsilon))) / beta_1
            z ← z − r · g / (√(v̂) + epsilon)
        """,
        agree_when=None,
    ),
)

"""Every optimizer of the course, one short file each: the equation, the NumPy rule, the Keras class.

RULES is the list of them, in teaching order.  Tests, colours, tables and races go through it.
"""

from functools import partial

import keras

from . import (
    adafactor,
    adagrad,
    adam,
    amsgrad,
    centered_rmsprop,
    lamb,
    lars,
    lion,
    momentum,
    muon,
    nesterov,
    rmsprop,
    sgd,
    shampoo,
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
    adafactor=Rule(
        adafactor,
        adafactor.Adafactor,
        settings=dict(
            learning_rate=0.75,
            beta_2_decay=-0.5,
            epsilon_1=0.0625,
            epsilon_2=1.25,
            clip_threshold=0.75,
        ),
        builtin=keras.optimizers.Adafactor,
    ),
    lars=Rule(
        lars,
        lars.LARS,
        settings=dict(
            learning_rate=0.125, momentum=0.75, weight_decay=0.0625, trust_coefficient=0.5
        ),
    ),
    lamb=Rule(
        lamb,
        lamb.Lamb,
        settings=dict(
            learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625, weight_decay=0.25
        ),
        builtin=keras.optimizers.Lamb,
        dialect="""
            u ← m̂ / (√(v̂) + epsilon)
            a ← ‖w − learning_rate · weight_decay · w‖
            w ← w − learning_rate · weight_decay · w − learning_rate · ratio · u
        """,
        agree_when=dict(weight_decay=0.0),
    ),
    lion=Rule(
        lion,
        lion.Lion,
        settings=dict(learning_rate=0.125, beta_1=0.984375, beta_2=0.25, weight_decay=0.25),
        builtin=keras.optimizers.Lion,
    ),
    shampoo=Rule(
        shampoo,
        shampoo.Shampoo,
        settings=dict(learning_rate=0.125, epsilon=0.0625),
    ),
    muon=Rule(
        muon,
        muon.Muon,
        settings=dict(
            learning_rate=0.125,
            adam_beta_1=0.75,
            adam_beta_2=0.875,
            adam_weight_decay=0.25,
            epsilon=0.0625,
            weight_decay=0.125,
            adam_lr_ratio=0.5,
            momentum=0.75,
            ns_steps=3,
            rms_rate=0.75,
        ),
        builtin=keras.optimizers.Muon,
    ),
)

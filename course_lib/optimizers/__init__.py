"""Every optimizer of the course, one short file each: the equation, the NumPy rule, the Keras class.

RULES is the list of them, in teaching order.  Tests, colours, tables and races go through it.
"""

from functools import partial

import keras

from . import (
    adabelief,
    adadelta,
    adafactor,
    adagrad,
    adam,
    adamax,
    adamw,
    amsgrad,
    centered_rmsprop,
    ftrl,
    lamb,
    lars,
    lion,
    momentum,
    muon,
    nadam,
    nesterov,
    radam,
    rmsprop,
    schedule_free,
    sgd,
    shampoo,
    yogi,
)
from .rule import Rule, Rules, check_hyperparameters
from .side_by_side import side_by_side

__all__ = ["RULES", "Rule", "check_hyperparameters", "side_by_side"]


def _nadam_of_keras(momentum_decay=1.0, **settings):
    return keras.optimizers.Nadam(**settings)  # its momentum_decay is 1, and no argument


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
    adadelta=Rule(
        adadelta,
        adadelta.Adadelta,
        settings=dict(learning_rate=0.125, rho=0.75, epsilon=0.0625),
        builtin=keras.optimizers.Adadelta,
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
        settings=dict(
            learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625, momentum_decay=0.004
        ),
        builtin=_nadam_of_keras,
        dialect="a ← beta_1 · (1 − 0.9599999785423279^t / 2)\n"  # 0.96 in float32; not so in p
        "b ← beta_1 · (1 − 0.9599999785423279^(t + 1) / 2)\n"
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
    adamw=Rule(
        adamw,
        adamw.AdamW,
        settings=dict(
            learning_rate=0.125, weight_decay=0.25, beta_1=0.75, beta_2=0.875, epsilon=0.0625
        ),
        builtin=keras.optimizers.AdamW,
        dialect="w ← w − learning_rate · "
        "(√(1 − beta_2ᵗ) / (1 − beta_1ᵗ) · m / (√(v) + epsilon) + weight_decay · w)",
        agree_when=dict(epsilon=0.0),
    ),
    ftrl=Rule(
        ftrl,
        ftrl.Ftrl,
        settings=dict(
            learning_rate=0.125,
            learning_rate_power=-0.75,
            initial_accumulator_value=0.25,
            l1_regularization_strength=0.5,
            l2_regularization_strength=0.3125,
            l2_shrinkage_regularization_strength=0.125,
            beta=0.75,
        ),
        builtin=keras.optimizers.Ftrl,
    ),
    radam=Rule(
        radam,
        radam.RAdam,
        settings=dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625),
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

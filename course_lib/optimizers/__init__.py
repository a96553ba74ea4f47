"""Every optimizer of the course, one short file each: equation, NumPy rule, Keras class.

RULES is the list of them, in teaching order. Tests, colours, tables and races go through it.
adagrad.py is the pattern: what every file has is explained there.

Example:
    >>> from course_lib.optimizers import RULES, Adam
    >>> RULES["adam"].keras_class is Adam
    True
"""

from functools import partial

import keras
import numpy as np

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
from .adabelief import AdaBelief
from .adadelta import Adadelta
from .adafactor import Adafactor
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .adamw import AdamW
from .amsgrad import AMSGrad
from .centered_rmsprop import CenteredRMSprop
from .ftrl import Ftrl
from .hyperparameters import check_hyperparameters
from .lamb import Lamb
from .lars import LARS
from .lion import Lion
from .momentum import Momentum
from .muon import Muon
from .nadam import Nadam
from .nesterov import Nesterov
from .radam import RAdam
from .rmsprop import RMSprop
from .rule import Rule, Rules
from .schedule_free import ScheduleFreeAdamW
from .sgd import SGD
from .shampoo import Shampoo
from .side_by_side import side_by_side
from .yogi import Yogi

__all__ = [
    "AMSGrad",
    "AdaBelief",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "CenteredRMSprop",
    "Ftrl",
    "LARS",
    "Lamb",
    "Lion",
    "Momentum",
    "Muon",
    "Nadam",
    "Nesterov",
    "RAdam",
    "RMSprop",
    "RULES",
    "Rule",
    "Rules",
    "SGD",
    "ScheduleFreeAdamW",
    "Shampoo",
    "Yogi",
    "check_hyperparameters",
    "side_by_side",
]

# Keras's Nadam casts 0.96 to the weights' dtype. On TensorFlow keras.ops.cast takes it there by way
# of float32.
_CAST = float(np.float32(0.96)) if keras.backend.backend() == "tensorflow" else 0.96

# Settings of runs that compare: exact in binary, and an epsilon large enough for its place to show.
_PLAIN = dict(learning_rate=0.125)
_MOMENTUM = dict(_PLAIN, momentum=0.75)
_RMSPROP = dict(_PLAIN, rho=0.75, momentum=0.5, epsilon=0.0625)
_ADAM = dict(_PLAIN, beta_1=0.75, beta_2=0.875, epsilon=0.0625)


def _nadam_of_keras(momentum_decay=1.0, **settings):
    return keras.optimizers.Nadam(**settings)  # its momentum_decay is 1, and not an argument


RULES = Rules(
    sgd=Rule(
        sgd,
        SGD,
        settings=_PLAIN,
        builtin=keras.optimizers.SGD,
    ),
    momentum=Rule(
        momentum,
        Momentum,
        settings=_MOMENTUM,
        builtin=keras.optimizers.SGD,
    ),
    nesterov=Rule(
        nesterov,
        Nesterov,
        settings=_MOMENTUM,
        builtin=partial(keras.optimizers.SGD, nesterov=True),
    ),
    adagrad=Rule(
        adagrad,
        Adagrad,
        settings=dict(_PLAIN, initial_accumulator_value=0.25, epsilon=0.0625),
        builtin=keras.optimizers.Adagrad,
        dialect="w ← w − learning_rate · g / √(s + epsilon)",
        agree_when=dict(epsilon=0.0),
    ),
    rmsprop=Rule(
        rmsprop,
        RMSprop,
        settings=_RMSPROP,
        builtin=keras.optimizers.RMSprop,
    ),
    centered_rmsprop=Rule(
        centered_rmsprop,
        CenteredRMSprop,
        settings=_RMSPROP,
        builtin=partial(keras.optimizers.RMSprop, centered=True),
    ),
    adadelta=Rule(
        adadelta,
        Adadelta,
        settings=dict(_PLAIN, rho=0.75, epsilon=0.0625),
        builtin=keras.optimizers.Adadelta,
    ),
    adam=Rule(
        adam,
        Adam,
        settings=_ADAM,
        builtin=keras.optimizers.Adam,
        dialect="w ← w − learning_rate · √(1 − beta_2ᵗ) / (1 − beta_1ᵗ) · m / (√(v) + epsilon)",
        agree_when=dict(epsilon=0.0),
    ),
    amsgrad=Rule(
        amsgrad,
        AMSGrad,
        settings=_ADAM,
        builtin=partial(keras.optimizers.Adam, amsgrad=True),
        dialect="w ← w − learning_rate · √(1 − beta_2ᵗ) / (1 − beta_1ᵗ) · m / (√(s) + epsilon)",
        agree_when=dict(epsilon=0.0),
    ),
    adamax=Rule(
        adamax,
        Adamax,
        settings=_ADAM,
        builtin=keras.optimizers.Adamax,
    ),
    nadam=Rule(
        nadam,
        Nadam,
        settings=dict(_ADAM, momentum_decay=0.004),
        builtin=_nadam_of_keras,
        dialect=f"a ← beta_1 · (1 − {_CAST}^t / 2)\nb ← beta_1 · (1 − {_CAST}^(t + 1) / 2)\n"
        "p ← p · beta_1 · (1 − 0.96^t / 2)",
        agree_when=dict(beta_1=0.0),  # no momentum, no schedule
    ),
    yogi=Rule(
        yogi,
        Yogi,
        settings=dict(_ADAM, initial_accumulator_value=0.25),
    ),
    adabelief=Rule(
        adabelief,
        AdaBelief,
        settings=_ADAM,
    ),
    adamw=Rule(
        adamw,
        AdamW,
        settings=dict(_ADAM, weight_decay=0.25),
        builtin=keras.optimizers.AdamW,
        dialect="w ← w − learning_rate · "
        "(√(1 − beta_2ᵗ) / (1 − beta_1ᵗ) · m / (√(v) + epsilon) + weight_decay · w)",
        agree_when=dict(epsilon=0.0),
    ),
    ftrl=Rule(
        ftrl,
        Ftrl,
        settings=dict(
            _PLAIN,
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
        RAdam,
        settings=_ADAM,
    ),
    schedule_free=Rule(
        schedule_free,
        ScheduleFreeAdamW,
        settings=dict(_ADAM, warmup_steps=2, weight_decay=0.0625),
        builtin=getattr(keras.optimizers, "ScheduleFreeAdamW", None),  # since Keras 3.14
        dialect="""
            c ← 1 / t
            x ← (w − learning_rate · weight_decay · w − (1 − beta_1) · (z − r · g / (√(v̂) + epsilon))) / beta_1
            z ← z − r · g / (√(v̂) + epsilon)
        """,
        agree_when=None,
    ),
    adafactor=Rule(
        adafactor,
        Adafactor,
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
        LARS,
        settings=dict(_MOMENTUM, weight_decay=0.0625, trust_coefficient=0.5),
    ),
    lamb=Rule(
        lamb,
        Lamb,
        settings=dict(_ADAM, weight_decay=0.25),
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
        Lion,
        settings=dict(_PLAIN, beta_1=0.984375, beta_2=0.25, weight_decay=0.25),
        builtin=keras.optimizers.Lion,
    ),
    shampoo=Rule(
        shampoo,
        Shampoo,
        settings=dict(_PLAIN, epsilon=0.0625),
    ),
    muon=Rule(
        muon,
        Muon,
        settings=dict(
            _MOMENTUM,
            adam_beta_1=0.75,
            adam_beta_2=0.875,
            adam_weight_decay=0.25,
            epsilon=0.0625,
            weight_decay=0.125,
            adam_lr_ratio=0.5,
            ns_steps=3,
            rms_rate=0.75,
        ),
        builtin=keras.optimizers.Muon,
    ),
)

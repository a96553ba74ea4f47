"""What each hyper-parameter may be, and the check that says so."""

from collections.abc import Callable
from typing import Any

import numpy as np

# A number, a Keras schedule (which is a function of the step), or a function without arguments.
LearningRate = float | Callable[..., Any]


_ANY = ("a finite float, 0 or more", lambda x: 0 <= x < np.inf)
_PART = ("a float between [0, 1]", lambda x: 0 <= x <= 1)
_MEAN = ("a float, 0 or more and less than 1", lambda x: 0 <= x < 1)
_COUNT = ("a whole number, 0 or more", lambda x: 0 <= x < np.inf and x == int(x))
# The sentence says what a hyper-parameter may be, the function decides it.
RANGES = {
    "learning_rate": _ANY,
    "momentum": _PART,
    "momentum_decay": _ANY,
    "rho": _PART,
    "beta_1": _MEAN,
    "beta_2": _MEAN,
    "epsilon": _ANY,
    "initial_accumulator_value": _ANY,
    "weight_decay": _ANY,
    "trust_coefficient": _ANY,
    "learning_rate_power": ("a finite float, 0 or less", lambda x: -np.inf < x <= 0),
    "l1_regularization_strength": _ANY,
    "l2_regularization_strength": _ANY,
    "l2_shrinkage_regularization_strength": _ANY,
    "beta": _ANY,
    "beta_2_decay": ("a float between [-1, 0]", lambda x: -1 <= x <= 0),
    "epsilon_1": _ANY,
    "epsilon_2": _ANY,
    "clip_threshold": ("a float above 0", lambda x: x > 0),
    "warmup_steps": _COUNT,
    "ns_steps": _COUNT,
    "adam_beta_1": _MEAN,
    "adam_beta_2": _MEAN,
    "adam_weight_decay": _ANY,
    "adam_lr_ratio": _ANY,
    "rms_rate": _ANY,
}


def check_hyperparameters(**given: Any) -> None:
    """Check that hyper-parameters are numbers within their ranges.

    Args:
        **given: Hyper-parameters by name. A learning rate may be a schedule or another callable.
            An array passes if each of its entries does: many learning rates at once. Names
            without an entry in `RANGES` pass unchecked.

    Raises:
        ValueError: If a number is out of its range; the error names the argument.
        TypeError: If a value is not a number; the error names the argument.

    Example:
        >>> check_hyperparameters(learning_rate=0.1, rho=0.9)
        >>> check_hyperparameters(rho=1.5)
        Traceback (most recent call last):
        ValueError: `rho` must be a float between [0, 1]. Received: rho=1.5.
    """
    for name, value in given.items():
        if name not in RANGES or (name == "learning_rate" and callable(value)):
            continue
        wanted, is_sound = RANGES[name]
        entries = np.ravel(value)
        if entries.dtype.kind not in "fiu":
            raise TypeError(f"`{name}` must be {wanted}. Received: {name}={value!r}.")
        if entries.size == 0:
            raise ValueError(f"`{name}` is empty. Received: {name}={value!r}. Give at least one.")
        if not all(is_sound(entry) for entry in entries):
            raise ValueError(f"`{name}` must be {wanted}. Received: {name}={value!r}.")

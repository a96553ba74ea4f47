"""Around each check: how long it may take, and the settings and random numbers of the program that asks."""

import contextlib
import random
from collections.abc import Iterator

import keras
import numpy as np

LIMIT = 180.0  # seconds a check, on the busiest of machines


@contextlib.contextmanager
def environment_restored() -> Iterator[None]:
    """Restore Keras's settings and the random numbers of the program that asks."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    # Keras seeds the old generator
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002

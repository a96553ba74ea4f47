"""What the tests of the wrappers share: a small regression, optimizers to wrap, differences."""

import course_lib.quiet  # noqa: F401
from course_lib.wrappers import SoftBatch

import keras
import numpy as np
from keras import ops

K = keras.optimizers
TOLERANCE = 1e-12
TORCH = keras.backend.backend() == "torch"


def numpy_of(variables):
    return [ops.convert_to_numpy(v) for v in variables]


def apart(ones, others):
    pairs = zip(numpy_of(ones), numpy_of(others), strict=True)
    return max(float(np.max(np.abs(one - other))) for one, other in pairs)


BUILT_IN = {
    "SGD": lambda: K.SGD(0.125),
    "momentum": lambda: K.SGD(0.125, momentum=0.75),
    "Adam": lambda: K.Adam(0.125),
    "AdamW, schedule": lambda: K.AdamW(K.schedules.CosineDecay(0.125, 9), clipnorm=0.5),
    "EMA": lambda: K.SGD(0.125, use_ema=True, ema_momentum=0.5),
    "Lion": lambda: K.Lion(0.125),
    "several": lambda: K.MultiOptimizer(K.OptimizerMap(K.Adam(), {"w1": K.SGD(0.125)})),
}


x = np.random.default_rng(0).normal(size=(48, 5))
y = np.sin(x[:, :1])


def network():
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    return keras.Sequential(
        [
            keras.Input((5,), dtype="float64"),
            dense(6, activation="tanh", dtype="float64"),
            dense(1, dtype="float64"),
        ]
    )


def fit(optimizer, model=None, epochs=2, batch_size=8, **how):
    if model is None:
        model = network()
        model.compile(optimizer, loss="mse", **{"jit_compile": False, **how})
    model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)
    return model


HOWS = [dict(jit_compile=not TORCH), dict(jit_compile=False)]
HOWS += [] if TORCH else [dict(steps_per_execution=4)]  # PyTorch has no such setting


INSIDE = {
    "SoftBatch": lambda: SoftBatch(K.SGD(0.125, momentum=0.75), 4),
    "Keras's own": lambda: K.SGD(0.125, momentum=0.75, gradient_accumulation_steps=4),
}

"""Answers to the exercises of notebook 18: RIGHT, and WRONG with words of its hint."""

from functools import partial

import course_lib.quiet  # noqa: F401

import keras
import numpy as np
import pytest
from keras import ops

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # within Keras


@keras.saving.register_keras_serializable("answers_18")
class Right(keras.Optimizer):
    """Momentum, for 18.1; and what the wrong ones are derived from."""

    def __init__(self, learning_rate=0.0625, momentum=0.75, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.momentum = momentum

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self.v = self.add_optimizer_variables(variables, "v")

    def slot(self, w):
        return self.v[self._get_variable_index(w)]

    def direction(self, v):
        return v

    def update_step(self, gradient, variable, learning_rate):
        v, rate = self.slot(variable), ops.cast(learning_rate, variable.dtype)
        self.assign(v, self.momentum * v - rate * ops.cast(gradient, v.dtype))
        self.assign(variable, variable + self.direction(v))

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}


def variant(base=Right, name="Variant", registered=True, **methods):
    """A class derived from `base`, with other methods."""
    cls = type(name, (base,), {"__module__": __name__, **methods})
    enter = keras.saving.register_keras_serializable("answers_18", name=f"{name}{id(cls)}")
    return enter(cls) if registered else cls


Own = variant(direction=lambda self, v: v / ops.sqrt(1 + v**2))
own = partial(variant, Own)


def mirrored(make, atol=1e-9, steps=6, dtype="float64", weigh=1.0):
    rng = np.random.default_rng(0)
    start, gradients, ends = rng.normal(size=5), rng.normal(size=(steps, 5)), []
    for sign in (1, -1):
        optimizer, w = make(), keras.Variable(sign * start, dtype=dtype)
        for g in gradients:
            optimizer.apply([ops.convert_to_tensor(sign * g, dtype)], [w])
        ends.append(sign * ops.convert_to_numpy(w))
    return bool(np.allclose(*ends, rtol=0, atol=atol))


def gives(cls):
    return lambda: cls


def in_python(self, variable):
    """The velocity of a variable, where no file finds it."""
    self.kept = getattr(self, "kept", {})
    i = self._get_variable_index(variable)
    return self.kept.setdefault(i, keras.Variable(ops.zeros_like(variable), dtype=variable.dtype))


def no_memory(self, gradient, variable, learning_rate):
    self.assign(variable, variable - ops.cast(learning_rate, variable.dtype) * gradient)


def numbered(self, gradient, variable, learning_rate):
    Own.update_step(self, gradient, variable, learning_rate)
    self.iterations.assign_add(1)


def uphill(self, v):
    return -v / ops.sqrt(1 + v**2)


RIGHT = [
    ("18.1", gives(Right)),
    ("18.2", mirrored),
    ("18.3", gives(Own)),
    ("18.3", gives(own(direction=lambda self, v: ops.tanh(v)))),
]
WRONG = [
    ("18.1", gives(None), "returned None"),
    ("18.1", gives(3), "derived from keras.Optimizer"),
    ("18.1", gives(keras.optimizers.SGD), "not your own class"),
    ("18.1", gives(variant(slot=lambda self, w: self.v[0])), "no state is shared"),
    ("18.1", gives(variant(slot=in_python)), "all state is in its variables"),
    ("18.1", gives(variant(update_step=no_memory)), "follows the reference"),
    ("18.1", gives(variant(keras.Optimizer, update_step=no_memory)), "takes no learning_rate"),
    ("18.2", lambda make: None, "returned None"),
    ("18.2", lambda make: 3, "True or False"),
    ("18.2", lambda make: False, "wrong: gradient descent"),
    ("18.2", lambda make: True, "gradient's size alone"),
    ("18.2", partial(mirrored, atol=1e-3), "a millionth"),
    ("18.2", partial(mirrored, steps=2), "fine for two steps"),
    ("18.3", gives(variant(keras.Optimizer)), "no update_step"),
    ("18.3", gives(own(slot=lambda self, w: self.v[-1])), "a step can be taken"),
    ("18.3", gives(own(direction=uphill)), "a bowl is descended"),
    ("18.3", gives(own(direction=lambda self, v: v + 1e-6)), "pushes nothing away"),
    ("18.3", gives(own(direction=lambda self, v: v / (1 + v**2))), "makes no smaller step"),
    ("18.3", gives(own(registered=False, __init__=Own.__init__)), "it is registered"),
    ("18.3", gives(own(get_config=keras.Optimizer.get_config)), "holds every argument"),
    ("18.3", gives(own(slot=in_python)), "no slot stays empty"),
    ("18.3", gives(own(update_step=numbered)), "every update is counted once"),
    ("18.3", gives(Right), "goes where Momentum goes"),
]

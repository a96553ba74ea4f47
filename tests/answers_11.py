"""Answers to the exercises of notebook 11: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # within Keras


def load_with_another_learning_rate(path, learning_rate):
    model = keras.saving.load_model(path)
    model.optimizer.learning_rate = learning_rate
    return model


def recompiled(path, learning_rate):
    model = keras.saving.load_model(path)
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse")
    return model


def under_the_old_name(path, learning_rate):
    model = keras.saving.load_model(path)
    model.optimizer.lr = learning_rate
    return model


def counter_only(path, learning_rate):
    iterations = int(keras.saving.load_model(path).optimizer.iterations)
    model = recompiled(path, learning_rate)
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(iterations)
    return model


def rows_of_a_step(seed, epoch, step, examples, batch_size):
    order = np.random.default_rng((seed, epoch)).permutation(examples)
    return order[step * batch_size : (step + 1) * batch_size]


def ordered_by(rng):
    def rows(seed, epoch, step, examples, batch_size):
        order = rng(seed, epoch).permutation(examples)
        return order[step * batch_size : (step + 1) * batch_size]

    return rows


def in_the_order_of_the_file(seed, epoch, step, examples, batch_size):
    return np.arange(examples)[step * batch_size : (step + 1) * batch_size]


one_for_all = np.random.default_rng(0)


RIGHT = [
    ("11.1", load_with_another_learning_rate),
    ("11.2", rows_of_a_step),
]
WRONG = [
    ("11.1", recompiled, "forgotten its slots"),
    ("11.1", under_the_old_name, "still the file's"),
    ("11.1", lambda path, rate: keras.saving.load_model(path, compile=False), "no optimizer"),
    ("11.1", counter_only, "the slots are not those"),
    ("11.1", lambda path, rate: None, "replace the line"),
    ("11.2", ordered_by(lambda seed, epoch: one_for_all), "remembers"),
    ("11.2", ordered_by(lambda seed, epoch: np.random.default_rng(seed)), "on the epoch"),
    ("11.2", ordered_by(lambda seed, epoch: np.random.default_rng(epoch)), "on the seed"),
    (
        "11.2",
        ordered_by(lambda seed, epoch: np.random.default_rng(seed + epoch)),
        "keep the two apart",
    ),
    ("11.2", in_the_order_of_the_file, "shuffle"),
    ("11.2", lambda **where: None, "replace the line"),
]

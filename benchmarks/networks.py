"""The networks and the data that whole steps are measured on."""

from course_lib.models import fresh
from course_lib.problems import load_digits

import keras
import numpy as np


def network(widths):
    """784-...-10."""
    hidden = [keras.layers.Dense(width, activation="relu") for width in widths]
    last = keras.layers.Dense(10, activation="softmax")
    return keras.Sequential([keras.Input((784,)), *hidden, last])


def compiled(optimizer, widths=(256, 128), wrap=lambda model: model, **more):
    """A fresh network, always with the same weights, compiled; 784-256-128-10 is notebook 01's."""
    model = wrap(fresh(lambda: network(widths), seed=0))
    model.compile(optimizer, loss="sparse_categorical_crossentropy", **more)
    return model


def batches(rows, number):
    """A tf.data pipeline of `number` batches of `rows` digits each (they repeat), cut in advance."""
    import tensorflow as tf

    x, y = load_digits(side=28)
    at = np.arange(rows * number) % len(x)
    return tf.data.Dataset.from_tensor_slices(
        (x[at].reshape(number, rows, 784), y[at].reshape(number, rows))
    )

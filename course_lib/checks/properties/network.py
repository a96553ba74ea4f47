"""A small network, trained on a few numbers: for `fit`, and for files."""

import keras
import numpy as np

X = np.random.default_rng(7).normal(size=(8, 3))
Y = np.random.default_rng(8).normal(size=(8, 1))


def network(optimizer, run_eagerly=True, build=False, dtype="float32"):
    """A small network with fixed weights, compiled."""
    layers = [
        keras.layers.Dense(
            units,
            kernel_initializer=keras.initializers.RandomNormal(seed=units),
            dtype=dtype,
            name=f"dense_{units}",
        )
        for units in (2, 1)
    ]
    model = keras.Sequential([keras.Input((3,), dtype=dtype), *layers])
    loss = keras.losses.MeanSquaredError(dtype=dtype)
    model.compile(optimizer, loss=loss, run_eagerly=run_eagerly, jit_compile=False)
    if build:
        optimizer.build(model.trainable_variables)
    return model


def train(model, epochs):
    """Two batches an epoch, in the same order each time."""
    model.fit(X, Y, epochs=epochs, batch_size=4, shuffle=False, verbose=0)
    return model


def trained(optimizer, epochs=4, **how):
    """The network after some epochs with this optimizer."""
    return train(network(optimizer, **how), epochs)

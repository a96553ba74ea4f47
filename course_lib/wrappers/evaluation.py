"""Evaluation at the average: a model holds it for a moment, and gets its own weights back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from .base import chain


@contextmanager
def at_average(
    model: keras.Model, batchnorm: Any = None, batch_size: int = 256
) -> Iterator[keras.Model]:
    """Let the model hold the average of its weights within `with at_average(model):`.

    Evaluate, predict, save or export within. Afterwards the model has its own weights again, also
    after an error or Ctrl-C. What training within changes is lost. Before the first update the
    average is the weights themselves.

    Args:
        model: Compiled with Averaging, with a Keras optimizer that has use_ema=True, or with our
            ScheduleFreeAdamW. A wrapper around one of these is fine.
        batchnorm: Inputs of the training data (an array, or a structure of arrays). On them the
            moving means and variances of batch normalization are counted again for the average.
            They too are put back afterwards. False leaves them as they are, which are those of
            other weights.
        batch_size: How many rows of `batchnorm` the model sees at a time.

    Yields:
        The model.

    Raises:
        ValueError: If the model's optimizer keeps no average. If the model has batch normalization
            and `batchnorm` is not given.

    Example:
        >>> from course_lib.wrappers import Averaging
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(Averaging(keras.optimizers.SGD()), loss="mse")
        >>> with at_average(model):
        ...     loss = model.evaluate(np.ones((2, 1)), np.ones((2, 1)), verbose=0)
    """
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    if layers and batchnorm is None:
        raise ValueError(
            "`batchnorm` must be given for a model with BatchNormalization (layers here: "
            f"{len(layers)}): its means and variances belong to other weights than the average. "
            "Hand over training inputs, at_average(model, batchnorm=x), "
            "or batchnorm=False to leave them as they are."
        )
    averages = [(w, np.array(ops.convert_to_numpy(a))) for w, a in _averages(model.optimizer)]
    kept = [(v, np.array(ops.convert_to_numpy(v))) for v in model.variables]
    try:
        for w, average in averages:
            w.assign(ops.cast(average, w.dtype))
        if layers and batchnorm is not False:
            _count_again(model, layers, batchnorm, batch_size)
        yield model
    finally:
        for variable, own in kept:
            variable.assign(own)


def _averages(optimizer):
    """(weight, its average), from whichever optimizer of the chain keeps one."""
    for each in chain(optimizer):
        if hasattr(each, "averages"):
            return each.averages() if each.built else []
        if getattr(each, "use_ema", False):
            if not each.built or ops.convert_to_numpy(each.iterations) == 0:
                return []  # NB: Keras's averages are zeros before the first step
            pairs = each._trainable_variables, each._model_variables_moving_average
            return list(zip(*pairs, strict=True))
    raise ValueError(
        f"this optimizer keeps no average: {optimizer!r}. Compile with Averaging(optimizer), with "
        "use_ema=True, or with the ScheduleFreeAdamW of course_lib (Keras's own does not give out "
        "its average)."
    )


def _count_again(model, layers, x, batch_size):
    """Let batch normalization see x once, each batch weighted by its rows; nothing else moves."""
    counted = {id(v) for layer in layers for v in (layer.moving_mean, layer.moving_variance)}
    others = [
        (v, np.array(ops.convert_to_numpy(v))) for v in model.variables if id(v) not in counted
    ]
    momentums = [layer.momentum for layer in layers]
    rows = len(keras.tree.flatten(x)[0])
    try:
        for begin in range(0, rows, batch_size):
            end = min(begin + batch_size, rows)
            for layer in layers:
                layer.momentum = begin / end
            model(keras.tree.map_structure(lambda a, i=begin, j=end: a[i:j], x), training=True)
    finally:
        for layer, momentum in zip(layers, momentums, strict=True):
            layer.momentum = momentum
        for variable, value in others:  # the seed generators of dropout
            variable.assign(value)


class EvaluateAtAverage(keras.callbacks.Callback):
    """After each epoch of `fit`, evaluate the model at its average; log it as average_val_loss ...

    Put it before callbacks that watch the result: EarlyStopping(monitor="average_val_loss").
    Training continues from the model's own weights. They are in place again when evaluation fails
    or is interrupted, unlike with SwapEMAWeights.

    Args:
        x: The inputs to evaluate on.
        y: The targets.
        batchnorm: As in `at_average`.
        batch_size: How many rows the model sees at a time.
    """

    def __init__(self, x: Any, y: Any, batchnorm: Any = None, batch_size: int = 256):
        super().__init__()
        self.x, self.y, self.batchnorm, self.batch_size = x, y, batchnorm, batch_size

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate at the average, and add the results to the logs."""
        with at_average(self.model, self.batchnorm, self.batch_size):
            seen = self.model.evaluate(
                self.x, self.y, batch_size=self.batch_size, verbose=0, return_dict=True
            )
        if logs is not None:
            logs |= {f"average_val_{name}": value for name, value in seen.items()}

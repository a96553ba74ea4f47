"""The old `Optimizer` and `Model`, as far as the recipes reach into them, over `old_backend`.

A Model here is a loss, some weights and placeholders. It has no layers; `updates` and
`metrics_updates` only count how often they were run.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from . import old_backend as K


def legacy_get_updates_support(get_updates: Callable) -> Callable:
    """Keras 2's decorator: get_updates(loss, params) may still be called in the order of Keras 1.

    Args:
        get_updates: The method to decorate.

    Returns:
        A method that also takes (params, constraints, loss).
    """

    @functools.wraps(get_updates)
    def called_either_way(self, *args, **kwargs):
        if len(args) == 3:
            # The constraints are dropped: Keras 2 keeps them on the variables.
            params, _, loss = args
            return get_updates(self, loss=loss, params=params)
        return get_updates(self, *args, **kwargs)

    return called_either_way


class Optimizer:
    """The old base class: two empty lists, gradients, and its half of model.save and load_model.

    Args:
        **kwargs: `clipnorm`, one norm over all gradients, unlike today's; and `clipvalue`.

    Raises:
        TypeError: If there are other arguments.
    """

    clipnorm: float
    clipvalue: float

    def __init__(self, **kwargs: float):
        for name in kwargs:
            if name not in ("clipnorm", "clipvalue"):
                raise TypeError(f"Unexpected keyword argument passed to optimizer: {name}")
        self.__dict__.update(kwargs)
        self.updates: list = []
        self.weights: list = []

    def get_updates(self, loss: Any, params: list) -> list:
        """Record all updates of a step. Subclasses implement it.

        Args:
            loss: The loss of the graph, a scalar tensor.
            params: The weights.

        Returns:
            Operations that assign when they run.
        """
        raise NotImplementedError

    def get_gradients(self, loss: Any, params: list) -> list:
        """The gradients as tensors of the graph, clipped.

        Args:
            loss: A scalar tensor.
            params: The weights.

        Returns:
            A tensor for each weight.

        Raises:
            ValueError: If the loss does not depend on a weight.
        """
        grads = K.gradients(loss, params)
        if any(g is None for g in grads):
            raise ValueError("An operation has `None` for gradient.")
        if getattr(self, "clipnorm", 0) > 0:
            norm = K.sqrt(K.sum([K.sum(K.square(g)) for g in grads]))
            grads = [g * tf.minimum(tf.ones_like(norm), self.clipnorm / norm) for g in grads]
        if getattr(self, "clipvalue", 0) > 0:
            grads = [tf.clip_by_value(g, -self.clipvalue, self.clipvalue) for g in grads]
        return grads

    def get_weights(self) -> list[np.ndarray]:
        """What model.save wrote: the values of `self.weights`, and of nothing else."""
        return K.batch_get_value(self.weights)

    def set_weights(self, weights: list[np.ndarray]) -> None:
        """What load_model called. Before get_updates has run, `self.weights` is empty.

        Args:
            weights: A value for each of `self.weights`.

        Raises:
            ValueError: If their numbers differ.
        """
        if len(self.weights) != len(weights):
            raise ValueError(
                f"Length of the specified weight list ({len(weights)}) does not match the number "
                f"of weights of the optimizer ({len(self.weights)})"
            )
        for w, value in zip(self.weights, weights, strict=True):
            K.set_value(w, value)

    def get_config(self) -> dict[str, float]:
        """The arguments that make an optimizer like this one."""
        return {
            name: getattr(self, name) for name in ("clipnorm", "clipvalue") if hasattr(self, name)
        }

    @classmethod
    def from_config(cls, config: dict[str, float]) -> "Optimizer":
        """The optimizer that these arguments make.

        Args:
            config: What get_config returned.

        Returns:
            A new optimizer.
        """
        return cls(**config)


class Model:
    """A compiled model of Keras 2, as far as an optimizer could see or change it.

    Args:
        loss: From weights and placeholders to a scalar: loss(*weights, *batch).
        weights: Arrays to start from.
        batch: A batch of the shapes to come: a tuple of arrays, the target last. May be empty.
        constraint: What each weight is projected with, or None.
    """

    def __init__(
        self,
        loss: Callable[..., Any],
        weights: Sequence[Any],
        batch: tuple = (),
        constraint: Callable[[Any], Any] | None = None,
    ):
        self._collected_trainable_weights = [K.variable(w, constraint=constraint) for w in weights]
        self.constraints = {w: constraint for w in self._collected_trainable_weights if constraint}
        inputs = [K.placeholder(K.FLOATX, (None, *np.shape(values)[1:])) for values in batch]
        self._feed_inputs, self._feed_targets = inputs[:-1], inputs[-1:]
        self._feed_sample_weights: list = []
        self.total_loss = loss(*self._collected_trainable_weights, *inputs)
        self.layer_updates_run = K.variable(0, "int64")  # where BatchNorm kept its moving averages
        self.metric_updates_run = K.variable(0, "int64")  # where a metric counted examples
        self.updates = [K.update_add(self.layer_updates_run, 1)]
        self.metrics_updates = [K.update_add(self.metric_updates_run, 1)]
        self.metrics_tensors: list = []
        self._function_kwargs: dict = {}
        self.compile(None)

    def compile(self, optimizer: Any) -> None:
        """Take an optimizer, and forget the training function.

        Args:
            optimizer: An Optimizer of this file, or None.
        """
        self.optimizer = optimizer
        self.train_function: Any = None

    def _make_train_function(self):
        if self.train_function is not None:
            return
        inputs = self._feed_inputs + self._feed_targets + self._feed_sample_weights
        inputs += [K.learning_phase()]
        params, loss = self._collected_trainable_weights, self.total_loss
        if "constraints" in inspect.signature(self.optimizer.get_updates).parameters:  # Keras 1
            training_updates = self.optimizer.get_updates(params, self.constraints, loss)
        else:
            training_updates = self.optimizer.get_updates(params=params, loss=loss)
        updates = self.updates + training_updates + self.metrics_updates
        outputs = [loss] + self.metrics_tensors
        self.train_function = K.function(inputs, outputs, updates=updates, name="train_function")

    def train_on_batch(self, *batch: Any) -> Any:
        """One step.

        Args:
            *batch: Arrays, the target last.

        Returns:
            The loss that the training function returns.
        """
        self._make_train_function()
        return self.train_function([*batch, 1.0])[0]

    def get_weights(self) -> list[np.ndarray]:
        """The present values of the weights."""
        return K.batch_get_value(self._collected_trainable_weights)

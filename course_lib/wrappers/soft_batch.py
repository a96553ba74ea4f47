"""Soft batches: k micro-batches fit into memory one after the other, and make one step.

Add up the gradients of k micro-batches at the same weights, divide by k, and take one step of any
optimizer. This is the step of the large batch if the micro-batches are equally large, and the
network has neither batch normalization nor dropout. `soft_batch` does it for any NumPy rule,
`SoftBatch` for any Keras optimizer.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from ..arguments import number, whole_number
from .base import Wrapper, accumulation_dtype, chain
from .replicas import number_of_replicas


def check_steps(steps: int) -> None:
    """Check that `steps` says how many micro-batches make one step.

    Args:
        steps: What was received.

    Raises:
        ValueError: If it is not a whole number above 0.
    """
    whole_number("steps", steps, because="It says how many micro-batches make one step.")


def soft_batch(rule: Any, steps: int) -> SimpleNamespace:
    """Make the same rule with a step that takes one micro-batch's gradient at a time.

    The state is a value: {"sum", "count", "rule": the rule's own state}. Inputs are not changed.

    Args:
        rule: Anything with `init(w, **hyper)` and `step(w, g, state, **hyper)`: a Rule of RULES,
            or another wrapper.
        steps: How many micro-batches make one step.

    Returns:
        `init` and `step` of the same form, and `fire(w, state, **hyper)`, which steps at once
        with the micro-batches that there are.

    Raises:
        ValueError: If `steps` is not a whole number above 0.

    Example:
        >>> from course_lib.optimizers import RULES
        >>> soft = soft_batch(RULES["sgd"], steps=2)
        >>> w, state = 0.0, soft.init(0.0, learning_rate=0.5)
        >>> for g in (-1.5, -4.5):
        ...     w, state = soft.step(w, g, state, learning_rate=0.5)
        >>> float(w)
        1.5
    """
    check_steps(steps)

    def init(w, **hyper):
        return {"sum": np.zeros_like(w), "count": 0, "rule": rule.init(w, **hyper)}

    def step(w, g, state, **hyper):
        state = {**state, "sum": state["sum"] + g, "count": state["count"] + 1}
        return fire(w, state, **hyper) if state["count"] == steps else (w, state)

    def fire(w, state, **hyper):
        if state["count"] == 0:
            return w, state
        w, inner = rule.step(w, state["sum"] / state["count"], state["rule"], **hyper)
        return w, {"sum": np.zeros_like(w), "count": 0, "rule": inner}

    return SimpleNamespace(init=init, step=step, fire=fire)


@keras.saving.register_keras_serializable("course_lib")
class SoftBatch(Wrapper):
    """Any Keras optimizer, stepping once every `steps` micro-batches with their mean gradient.

    The inner optimizer is called once per update. So its learning rate, schedule, weight decay,
    clipping, constraints, EMA and `iterations` all count updates. `compile` accepts the wrapper;
    `learning_rate` and `iterations` are the inner optimizer's, to read and to set.

    Gradients are added up in variables of the weights' shape, one more number per weight. They
    have the weights' dtype, but float32 for float16 and bfloat16 weights. A `.keras` file keeps
    them with the count: a run that was saved between two updates continues exactly. What is in
    the buffer at the end of an epoch stays there, and the next epoch fills it up. `fire()` steps
    at once instead, and FireAtEpochEnd does so after each epoch.

    The mean counts each micro-batch alike. If their sizes differ, that is not the large batch's
    mean over examples. In a training loop of your own, tell `apply` the `weight` of each: the
    number of its examples, or of its tokens. `fit` has no place to say it.

    Sparse gradients (of an Embedding) are made dense, and rows that repeat are summed. Keras's
    own Adam and others square such rows before they sum them. With an Embedding they differ from
    their own large batch; ours do not. Under mixed precision `compile` puts its
    LossScaleOptimizer around this one. A micro-batch that overflows is skipped and not counted.

    It works on TensorFlow (eager, in a graph, under XLA), JAX and PyTorch.

    Under tf.distribute (MirroredStrategy; MultiWorkerMirroredStrategy in your own loop, as
    Keras's `fit` does not take it) a micro-batch is what all replicas see in a call. Each replica
    adds up its own gradients. The replicas exchange gradients once per update instead of once per
    micro-batch. A file holds the sum of all buffers, so a run can continue on another number of
    devices; several processes must save together. Keras's own gradient_accumulation_steps fails
    there in `fit`. NB: Keras's LossScaleOptimizer skips a step if the first replica overflows. If
    another one does, alone, that reaches the weights, here as without a SoftBatch (Keras 3.15).

    Args:
        optimizer: The keras.Optimizer that steps.
        steps: How many micro-batches make one update.
        name: The name of the wrapper.

    Raises:
        TypeError: If `optimizer` is not a keras.Optimizer.
        ValueError: For `steps` below 1, an optimizer that accumulates itself, and as Wrapper
            does. In a step: if the variables that have a gradient change between micro-batches.
        NotImplementedError: As Wrapper does.

    Example:
        >>> optimizer = SoftBatch(keras.optimizers.SGD(0.5), steps=2)
        >>> w = keras.Variable(0.0)
        >>> for g in (-1.5, -4.5):
        ...     optimizer.apply([ops.convert_to_tensor(g)], [w])
        >>> float(w)
        1.5
    """

    arguments = ("steps",)

    def __init__(self, optimizer: keras.Optimizer, steps: int, name: str = "soft_batch"):
        check_steps(steps)
        super().__init__(optimizer, name)
        if optimizer.gradient_accumulation_steps:
            raise ValueError(
                "`optimizer` accumulates by itself. Received: gradient_accumulation_steps="
                f"{optimizer.gradient_accumulation_steps}. Leave that out; SoftBatch does it."
            )
        self.steps = int(steps)
        # Which variables have a gradient: a graph must know it when it is made, so it is kept in
        # Python beside `divisors`, which says the same and is saved.
        self._reached_cache: tuple[int, ...] | None = None

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Make the sums, the count, the divisors and the inner optimizer's variables.

        Args:
            variables: The weights that will be trained.
        """
        if self.built:
            return
        super().build(variables)
        self.sums = self.add_shares(variables, "sum")
        self.count = self.add_variable((), dtype="int", name="count")
        dtypes = {accumulation_dtype(v.dtype) for v in variables}
        dtype = "float64" if "float64" in dtypes else "float32"
        # The weight of all micro-batches so far that had a gradient for the variable; 0 for none.
        self.divisors = self.add_variable((len(self.sums),), dtype=dtype, name="divisors")

    def apply(  # type: ignore[override]  # of a step's keywords it has one, `weight`
        self,
        grads: Sequence[Any],
        trainable_variables: Sequence[keras.Variable] | None = None,
        weight: Any = None,
    ) -> None:
        """Add one micro-batch's gradients, and step if it completes the soft batch.

        The update takes Σ weight · gradient / Σ weight. If each gradient is that of a mean over
        examples, and `weight` is the number of examples, this is the large batch's gradient
        exactly. With a loss that is a mean over tokens, give the number of tokens.

        Args:
            grads: One gradient per variable, each of the variable's shape; None for a variable
                that the loss does not reach.
            trainable_variables: The weights. May be left out after `build`.
            weight: How much this micro-batch counts: a number or a scalar tensor, 0 or more.
                None counts each micro-batch as 1.

        Raises:
            ValueError: If `weight` is not such a number, or if other variables have a gradient
                than in the micro-batches before.
            NotImplementedError: If there is a `weight` and several replicas step together.
        """
        if weight is not None:
            if number_of_replicas(self) > 1:
                raise NotImplementedError(
                    "`weight` works on one device: each replica would divide by its own weights. "
                    "Leave it out, and divide the loss by the size of the whole batch."
                )
            if not ops.is_tensor(weight) and not isinstance(weight, keras.Variable):
                weight = number("weight", weight, "a number, 0 or more", lambda x: 0 <= x < np.inf)
        super().apply(grads, trainable_variables, weight=weight)

    def step(
        self, grads: Sequence[Any], variables: list[keras.Variable], weight: Any = None
    ) -> None:
        """Add the gradients to the sums, and fire if enough micro-batches have come.

        Args:
            grads: One gradient per variable.
            variables: The weights, in the same order.
            weight: How much this micro-batch counts; None for 1.
        """
        self._check_variables_are_known(variables)
        pairs = list(zip(grads, variables, strict=True))
        grads, variables = self._filter_empty_gradients(*zip(*pairs, strict=True))
        reached = self._check_reached(variables)
        for g, i in zip(grads, reached, strict=True):
            total = self.sums[i]
            g = ops.cast(ops.reshape(g, total.shape), total.dtype)
            if weight is not None:
                g = g * ops.cast(weight, g.dtype)
            self.assign(total, total + g)
        share = np.isin(np.arange(len(self.sums)), reached).astype(self.divisors.dtype)
        if weight is not None:
            share = share * ops.cast(weight, self.divisors.dtype)
        self.assign(self.divisors, self.divisors + share)
        self.assign(self.count, self.count + 1)
        self.perform_if(self.count >= self.steps, self._fire)
        self._iterations.assign_add(1)

    def fire(self) -> None:
        """Step now, with the mean of the micro-batches that there are; without any, do nothing."""
        if not self.built:
            return
        if self._reached_cache is None and _eager() and int(self.count) > 0:  # it was loaded
            divisors = ops.convert_to_numpy(self.divisors)
            self._reached_cache = tuple(int(i) for i in np.flatnonzero(divisors))
        self.perform_if(self.count > 0, self._fire)

    def _fire(self):
        reached = self._reached_cache
        reached = range(len(self.sums)) if reached is None else reached
        means = []
        for i in reached:
            divisor = self.divisors[i]
            divisor = ops.where(divisor > 0, divisor, ops.ones_like(divisor))
            mean = self.sums[i] / ops.cast(divisor, self.sums[i].dtype)
            means.append(ops.cast(mean, self._trainable_variables[i].dtype))
        self.inner_optimizer.apply(means, [self._trainable_variables[i] for i in reached])
        for variable in [*self.sums, self.divisors, self.count]:
            self.assign(variable, ops.zeros(variable.shape, variable.dtype))

    def _check_reached(self, variables):
        reached = tuple(self._get_variable_index(v) for v in variables)
        if self._reached_cache not in (None, reached):
            raise ValueError(
                "each micro-batch must have gradients for the same variables. Received gradients "
                f"for {[v.path for v in variables]}, and earlier for "
                f"{[self._trainable_variables[i].path for i in self._reached_cache]}. Give zeros "
                "instead of None, or make a new SoftBatch after freezing layers."
            )
        self._reached_cache = reached
        return reached


def _eager():
    """Whether values can be read: not while TensorFlow records a graph."""
    if keras.backend.backend() != "tensorflow":
        return True
    import tensorflow as tf

    return tf.executing_eagerly()


class FireAtEpochEnd(keras.callbacks.Callback):
    """After each epoch the buffer fires, so that no gradient crosses the end of an epoch.

    The sum is divided by the true number of micro-batches. Put it before callbacks that save.
    `fit` validates before any callback sees the end of the epoch, hence without that last step.

    Raises:
        ValueError: When training begins, if the model's optimizer is not a SoftBatch.
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check that the model's optimizer is a SoftBatch."""
        self._soft_batch()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Let the SoftBatch step with what is in its buffer."""
        self._soft_batch().fire()

    def _soft_batch(self):
        for optimizer in chain(self.model.optimizer):
            if isinstance(optimizer, SoftBatch):
                return optimizer
            if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                break  # around a SoftBatch, Lookahead and Averaging would not see that it fired
        raise ValueError(
            f"FireAtEpochEnd needs a SoftBatch. The model's optimizer is {self.model.optimizer!r}. "
            "Compile with SoftBatch(optimizer, steps=...)."
        )

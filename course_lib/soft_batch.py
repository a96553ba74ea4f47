"""Soft batches: k micro-batches fit into memory one after the other, and make one step.

Add up the gradients of k micro-batches at the same weights, divide by k, and take one step of any optimizer.  Where the
micro-batches are equally large and the network has neither batch normalization nor dropout, this is the step of the
large batch.  Told twice: `soft_batch` for any NumPy rule, `SoftBatch` for any Keras optimizer.
"""

from types import SimpleNamespace

import keras
import numpy as np
from keras import ops

from .wrapper import Wrapper


def check_steps(steps):
    """Let a whole number above 0 pass, in silence; ValueError for anything else."""
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise ValueError(
            f"`steps` must be a whole number above 0. Received: steps={steps!r}. "
            "It says how many micro-batches make one step."
        )


def soft_batch(rule, steps):
    """The same rule, with a step that is handed one micro-batch's gradient at a time.

    rule     whatever has `init(w, **hyper)` and `step(w, g, state, **hyper)`: a Rule of RULES, or another wrapper
    steps    how many micro-batches make one step
    Returns `init` and `step` of the same form, and `fire(w, state, **hyper)`: step now, with the micro-batches that there
    are.  The state is a value: {"sum", "count", "rule": the rule's own state}; nothing that is handed in is changed.
    Raises ValueError for a number of steps that is no whole number above 0.
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
    """Any Keras optimizer, stepping once every `steps` micro-batches, with the mean of their gradients.

    optimizer    the keras.Optimizer that steps.  Learning rate, schedule, weight decay, clipping, constraints, EMA and
                 `iterations` are its business, and it is called once an update: all of them count updates.
    steps        how many micro-batches make one update

    `compile` accepts it; `learning_rate` and `iterations` are the inner optimizer's, to read and to set.  Gradients are added
    up in variables of the weights' shape and dtype, one more a weight, which a `.keras` file keeps along with the count: a
    run that was saved between two updates goes on exactly.  What is in the buffer at the end of an epoch stays there, and
    the next epoch fills it up; `fire()` steps at once instead, and FireAtEpochEnd does so after each epoch.

    The mean is one over micro-batches.  If their sizes differ it is not the large batch's mean over examples.
    Sparse gradients (of an Embedding) are made dense, rows that repeat are summed.  Keras's own Adam and others square such
    rows before they sum them; with an Embedding they differ from their own large batch, ours do not.  Under mixed precision
    `compile` puts its LossScaleOptimizer around this one: a micro-batch that overflows is skipped and not counted.

    On TensorFlow (eager, in a graph, under XLA), JAX and PyTorch.

    Under tf.distribute (MirroredStrategy; MultiWorkerMirroredStrategy in a loop of your own, as Keras's `fit` does not take
    it) a micro-batch is what all replicas see in a call.  Each replica adds up its own gradients, which costs each device one
    more number a weight, and the replicas exchange gradients once an update instead of once a micro-batch.  A file holds the
    sum of what is in the buffers, so that a run goes on on another number of devices; several processes must save together.
    Keras's own gradient_accumulation_steps fails there in `fit`.  NB: Keras's LossScaleOptimizer skips a step if the
    first replica overflows; if another one does, alone, that reaches the weights, here as without a SoftBatch (Keras 3.15).

    Raises TypeError for what is no optimizer; ValueError for `steps` below 1, for an optimizer that accumulates itself, for a
    LossScaleOptimizer (it belongs outside), for variables that float8 training overwrites with their gradients, and when the
    variables that have a gradient change from one micro-batch to the next; under tf.distribute as Wrapper does.
    """

    arguments = ("steps",)

    def __init__(self, optimizer, steps, name="soft_batch"):
        check_steps(steps)
        super().__init__(optimizer, name)
        if optimizer.gradient_accumulation_steps:
            raise ValueError(
                "`optimizer` accumulates by itself. Received: gradient_accumulation_steps="
                f"{optimizer.gradient_accumulation_steps}. Leave that out; SoftBatch does it."
            )
        self.steps = int(steps)
        self._reached = None  # which variables have a gradient; known from the first micro-batch on

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.sums = self.add_shares(variables, "sum")
        self.count = self.add_variable((), dtype="int", name="count")

    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self._reached is not None:
            store["reached"] = np.array(self._reached, "int32")

    def load_own_variables(self, store):
        values = {key: store[key] for key in store.keys()}  # noqa: SIM118  it is Keras's, no dict
        reached = values.pop("reached", None)
        super().load_own_variables(values)
        self._reached = None if reached is None else tuple(int(i) for i in np.asarray(reached))

    def step(self, grads, variables):
        self._check_variables_are_known(variables)
        pairs = list(zip(grads, variables, strict=True))
        grads, variables = self._filter_empty_gradients(*zip(*pairs, strict=True))
        self._check_reached(variables)
        for g, variable in zip(grads, variables, strict=True):
            total = self.sums[self._get_variable_index(variable)]
            g = ops.cast(ops.reshape(g, total.shape), total.dtype)
            self.assign(total, total + g)
        self.assign(self.count, self.count + 1)
        self.perform_if(self.count >= self.steps, self._fire)
        self._iterations.assign_add(1)

    def fire(self):
        """Step now, with the mean of the micro-batches that there are; without any, do nothing."""
        if self.built:
            self.perform_if(self.count > 0, self._fire)

    def _fire(self):
        reached = range(len(self.sums)) if self._reached is None else self._reached
        means = [self.sums[i] / ops.cast(self.count, self.sums[i].dtype) for i in reached]
        self.inner_optimizer.apply(means, [self._trainable_variables[i] for i in reached])
        for total in self.sums:
            self.assign(total, ops.zeros(total.shape, total.dtype))
        self.assign(self.count, ops.zeros((), self.count.dtype))

    def _check_reached(self, variables):
        reached = tuple(self._get_variable_index(v) for v in variables)
        if self._reached not in (None, reached):
            raise ValueError(
                "each micro-batch must have gradients for the same variables. Received gradients "
                f"for {[v.path for v in variables]}, and earlier for "
                f"{[self._trainable_variables[i].path for i in self._reached]}. Give zeros instead "
                "of None, or make a new SoftBatch after freezing layers."
            )
        self._reached = reached


class FireAtEpochEnd(keras.callbacks.Callback):
    """No gradient crosses the end of an epoch: what is in the buffer fires, divided by the true number of micro-batches.

    Put it before callbacks that save.  `fit` validates before any callback sees the end of the epoch, hence without that
    last step.  Raises ValueError when training begins and the model's optimizer is no SoftBatch.
    """

    def on_train_begin(self, logs=None):
        self._soft_batch()

    def on_epoch_end(self, epoch, logs=None):
        self._soft_batch().fire()

    def _soft_batch(self):
        optimizer = self.model.optimizer
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = optimizer.inner_optimizer
        if not isinstance(optimizer, SoftBatch):
            raise ValueError(
                f"FireAtEpochEnd needs a SoftBatch. The model's optimizer is {optimizer!r}. "
                "Compile with SoftBatch(optimizer, steps=...)."
            )
        return optimizer

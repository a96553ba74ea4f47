"""The mean of noisy iterates beats the last; slow weights behind fast ones; and one step with memory, for games.

Averaging, after every `every`-th update from `start` on (n counts the points; 1 / n if momentum is 1):

    part ← (1 − momentum) / (1 − momentumⁿ)
    average ← average + part · (w − average)

    averaging(rule, start=t0)                 Polyak and Juditsky (1992), Ruppert (1988): the mean of all iterates
    averaging(rule, start=t0, every=k)        Izmailov et al. (2018), SWA, Algorithm 1: the mean of one iterate a cycle
    averaging(rule, momentum=0.99)            the exponential moving average (EMA), corrected for its start as Adam's m is

Lookahead, every `steps` steps:

    slow ← slow + alpha · (w − slow)
    w ← slow

Zhang, Lucas, Hinton and Ba (2019), Lookahead Optimizer: k steps forward, 1 step back, Algorithm 1.  Both are told twice:
`averaging` and `lookahead` for any NumPy rule, `Averaging` and `Lookahead` for any Keras optimizer; `at_average` puts a
model at its average for as long as a `with` lasts.
Optimistic descent: Popov (1980); for training, Daskalakis, Ilyas, Syrgkanis and Zeng (2018), Training GANs with Optimism.
"""

from contextlib import contextmanager
from types import SimpleNamespace

import keras
import numpy as np
from keras import ops

from .wrapper import Wrapper


def _check(steps, alpha):
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise ValueError(
            f"`steps` must be a whole number above 0. Received: steps={steps!r}. "
            "It says after how many fast steps the slow weights follow."
        )
    number = isinstance(alpha, int | float | np.number) and not isinstance(alpha, bool)
    if not number or not 0 < alpha <= 1:
        raise ValueError(
            f"`alpha` must be a number above 0 and at most 1. Received: alpha={alpha!r}. "
            "It says which part of the way the slow weights go; with 1 they go all of it."
        )


def optimistic(gradient, w, before, learning_rate):
    """One optimistic step, w ← w − learning_rate · (2·g − before): a second look's worth of foresight, for one gradient.

    2·g − before guesses the next gradient: this one, and once more what has changed since the last.
    before    the gradient of the step before; None in the first step, which is then a plain one
    Returns the new w and g, the next step's `before`; what is handed in is left alone.
    """
    g = gradient(w)
    before = g if before is None else before
    return w - learning_rate * (2 * g - before), g


def lookahead(rule, steps, alpha):
    """The same rule, pulled back every `steps` steps to a point between where it stood then and where it is.

    rule     whatever has `init(w, **hyper)` and `step(w, g, state, **hyper)`: a Rule of RULES, or another wrapper
    steps    how many fast steps there are between two slow ones
    alpha    which part of the way the slow weights go: above 0, at most 1 (with 1 nothing is changed)
    Returns `init` and `step` of the same form.  The state is a value: {"slow", "count", "rule": the rule's own state, which
    is kept when w is pulled back}; nothing that is handed in is changed.  Raises ValueError for other steps and alpha.
    """
    _check(steps, alpha)

    def init(w, **hyper):
        return {"slow": np.array(w), "count": 0, "rule": rule.init(w, **hyper)}

    def step(w, g, state, **hyper):
        slow, count = state["slow"], state["count"] + 1
        w, inner = rule.step(w, g, state["rule"], **hyper)
        if count == steps:
            slow = slow + alpha * (w - slow)
            w, count = slow, 0
        return w, {"slow": slow, "count": count, "rule": inner}

    return SimpleNamespace(init=init, step=step)


def part(n, momentum):
    """Which part of the way the average goes to its n-th point: 1 / n, if all points are to count alike (momentum 1).

    Below 1, the point before the last counts momentum times as much as the last, the one before that momentum², and so on.
    """
    return 1 / n if momentum == 1 else (1 - momentum) / (1 - momentum**n)


def averaging(rule, momentum=1.0, start=0, every=1):
    """The same rule, with an average of its iterates beside it; the path of w is not changed.

    rule        whatever has `init(w, **hyper)` and `step(w, g, state, **hyper)`: a Rule of RULES, or another wrapper
    momentum    1 for the plain mean; below 1, 0.99 say, old iterates fade (and the beginning has no part in it)
    start       after how many steps averaging begins; until then the average is w
    every       of how many iterates one is averaged, the last of them
    Returns `init` and `step` of the same form.  The state is a value: {"average", "count", "updates", "rule": the rule's own
    state}; nothing that is handed in is changed.  Raises ValueError for a momentum, start or every that makes no sense.
    NB: Izmailov et al. count the weights of step `start` as the first point; begin one cycle earlier for that.
    """
    check_averaging(momentum, start, every)

    def init(w, **hyper):
        return {"average": np.array(w), "count": 0, "updates": 0, "rule": rule.init(w, **hyper)}

    def step(w, g, state, **hyper):
        average, count, updates = state["average"], state["count"], state["updates"] + 1
        w, inner = rule.step(w, g, state["rule"], **hyper)
        if count == 0:
            average = np.array(w)
        if updates > start and (updates - start) % every == 0:
            count = count + 1
            average = average + part(count, momentum) * (w - average)
        return w, {"average": average, "count": count, "updates": updates, "rule": inner}

    return SimpleNamespace(init=init, step=step)


def check_averaging(momentum, start, every):
    """Let numbers that make an average pass, in silence; ValueError for others."""
    number = isinstance(momentum, int | float | np.number) and not isinstance(momentum, bool)
    if not number or not 0 <= momentum <= 1:
        raise ValueError(
            f"`momentum` must be a number from 0 to 1. Received: momentum={momentum!r}. "
            "With 1 all iterates count alike, with 0 only the last one counts."
        )
    for name, count, lowest in (("start", start, 0), ("every", every, 1)):
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if not whole or count < lowest:
            raise ValueError(
                f"`{name}` must be a whole number, {lowest} or more. Received: {name}={count!r}. "
                "Both `start` and `every` count updates."
            )


def _refuse_schedule_free(optimizer, kind):
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    if type(optimizer).__name__ == "ScheduleFreeAdamW":
        raise NotImplementedError(
            f"ScheduleFreeAdamW averages by itself, and keeps positions that {kind} knows nothing of. "
            "Use one of the two."
        )


@keras.saving.register_keras_serializable("course_lib")
class Lookahead(Wrapper):
    """Any Keras optimizer, pulled back every `steps` updates to a point between where it stood then and where it is.

    optimizer    the keras.Optimizer that makes the fast steps.  Learning rate, schedule, weight decay, clipping, constraints,
                 EMA and `iterations` are its business; its state is kept when the weights are pulled back.
    steps        how many updates there are between two slow steps.  Updates, not calls: where the inner optimizer
                 accumulates gradients (Keras's own way, or a SoftBatch inside), its `iterations` says whether it has moved.
    alpha        which part of the way the slow weights go: above 0, at most 1

    `compile` accepts it.  The slow weights are one more variable a weight, of its shape and dtype; a `.keras` file keeps them
    along with the count, and a run saved between two slow steps goes on exactly.  They are read off w when a cycle begins
    (after a slow step the two are equal), so weights that were loaded before it are not pulled back to older ones.  A
    constraint is applied once more after a slow step.  Between slow steps, also in `evaluate` and at the end of `fit`, the
    model holds the fast weights.  `fire()` called by hand on a SoftBatch inside is not seen; put the SoftBatch outside.

    On TensorFlow (eager, in a graph, under XLA, on the replicas of tf.distribute), JAX and PyTorch.  Raises as Wrapper does;
    ValueError for other steps and alpha; NotImplementedError for ScheduleFreeAdamW, which keeps positions of its own that
    would not be pulled back.
    """

    arguments = ("steps", "alpha")

    def __init__(self, optimizer, steps=5, alpha=0.5, name="lookahead"):
        _check(steps, alpha)
        super().__init__(optimizer, name)
        _refuse_schedule_free(optimizer, "Lookahead")
        self.steps, self.alpha = int(steps), float(alpha)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.slow = self.add_optimizer_variables(variables, "slow")
        self.count = self.add_variable((), dtype="int", name="count")

    def step(self, grads, variables):
        pairs = list(zip(self.slow, self._trainable_variables, strict=True))
        value = ops.convert_to_tensor  # NB: JAX's where takes no keras.Variable
        for slow, w in pairs:
            self.assign(slow, ops.where(value(self.count) == 0, value(w), value(slow)))
        moved = self.inner_moves(grads, variables)
        count = value(self.count) + ops.cast(moved, self.count.dtype)
        due = count >= self.steps
        for slow, w in pairs:
            between = slow + self.alpha * (w - slow)
            if w.constraint is not None:
                between = w.constraint(between)
            self.assign(w, ops.where(due, between, value(w)))
        self.assign(self.count, ops.where(due, ops.zeros_like(count), count))


@keras.saving.register_keras_serializable("course_lib")
class Averaging(Wrapper):
    """Any Keras optimizer, with an average of the weights kept beside it; training itself is not changed by a bit.

    optimizer    the keras.Optimizer that steps
    momentum     1 for the plain mean (Polyak and Ruppert; SWA); below 1 for an exponential moving average
    start        after how many updates averaging begins; until then the average is the weights
    every        of how many updates one is averaged, the last of them: a cycle's length for SWA
    Updates, not calls: where the inner optimizer accumulates gradients, its `iterations` says whether it has moved.

    `compile` accepts it.  The model holds the last weights, in `evaluate`, in `save` and at the end of `fit` too; with
    `at_average(model)` it holds their average.  The average is one more variable a weight, of its shape and dtype, which
    a `.keras` file keeps along with both counts: a saved run goes on exactly.  Constraints are not applied to the average
    (that of unit vectors is shorter than 1).  What batch normalization has counted belongs to the last weights, not to
    the average: `at_average(model, batchnorm=x)` counts anew.

    On TensorFlow (eager, in a graph, under XLA, on the replicas of tf.distribute), JAX and PyTorch.  Raises as Wrapper does; ValueError for a momentum, start
    or every that makes no sense; NotImplementedError for ScheduleFreeAdamW, which averages by itself.
    NB: Keras's use_ema gives the first iterate the part momentumⁿ⁻¹ and not (1 − momentum) · momentumⁿ⁻¹ / (1 − momentumⁿ):
        its average is (1 − momentumⁿ) · ours + momentumⁿ · w₁.
    """

    arguments = ("momentum", "start", "every")

    def __init__(self, optimizer, momentum=1.0, start=0, every=1, name="averaging"):
        check_averaging(momentum, start, every)
        super().__init__(optimizer, name)
        _refuse_schedule_free(optimizer, "Averaging")
        self.momentum, self.start, self.every = float(momentum), int(start), int(every)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.average = self.add_optimizer_variables(variables, "average")
        self.count = self.add_variable((), dtype="int", name="count")
        self.updates = self.add_variable((), dtype="int", name="updates")

    def step(self, grads, variables):
        value = ops.convert_to_tensor  # NB: JAX's where takes no keras.Variable
        moved = ops.cast(self.inner_moves(grads, variables), self.updates.dtype)
        first, count, updates = value(self.count) == 0, value(self.count), self.updates + moved
        due = (updates > self.start) & ((updates - self.start) % self.every == 0) & (moved == 1)
        count = count + ops.cast(due, count.dtype)
        for average, w in zip(self.average, self._trainable_variables, strict=True):
            before = ops.where(first, value(w), value(average))
            n = ops.cast(ops.where(due, count, ops.ones_like(count)), w.dtype)
            after = before + part(n, self.momentum) * (w - before)
            self.assign(average, ops.where(due, after, before))
        self.assign(self.count, count)
        self.assign(self.updates, updates)

    def averages(self):
        """Each weight with its average."""
        begun = ops.convert_to_numpy(self.updates) > 0
        pairs = zip(self._trainable_variables, self.average, strict=True)
        return [(w, average if begun else w) for w, average in pairs]


@contextmanager
def at_average(model, batchnorm=None, batch_size=256):
    """Within `with at_average(model):` the model holds the average of its weights; afterwards, whatever happens, its own.

    model        compiled with Averaging, with a Keras optimizer that has use_ema=True, or with our ScheduleFreeAdamW; a
                 wrapper around one of these is fine
    batchnorm    inputs of the training data (an array, or a structure of arrays), on which the moving means and variances of
                 batch normalization are counted anew for the average, `batch_size` rows at a time; they too are put back
                 afterwards.  False: leave them as they are, which are those of other weights.
    Evaluate, predict, save or export within.  An error or Ctrl-C puts the weights back; what training within changes is lost.
    Before the first update the average is the weights themselves.

    Raises ValueError for a model whose optimizer keeps no average, and for a model with batch normalization where nothing is
    said about it.
    """
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    if layers and batchnorm is None:
        raise ValueError(
            f"`batchnorm` must be given for a model with BatchNormalization (layers here: {len(layers)}): "
            "its means and variances belong to other weights than the average. Hand over training inputs, "
            "at_average(model, batchnorm=x), "
            "or batchnorm=False to leave them as they are."
        )
    averages = [(w, np.array(ops.convert_to_numpy(a))) for w, a in _averages(model.optimizer)]
    kept = [(v, np.array(ops.convert_to_numpy(v))) for v in model.variables]
    try:
        for w, average in averages:
            w.assign(average)
        if layers and batchnorm is not False:
            _count_anew(model, layers, batchnorm, batch_size)
        yield model
    finally:
        for variable, own in kept:
            variable.assign(own)


def _averages(optimizer):
    """(weight, its average): whatever optimizer it is that keeps one."""
    if hasattr(optimizer, "averages"):
        return optimizer.averages() if optimizer.built else []
    if getattr(optimizer, "use_ema", False):
        if not optimizer.built or ops.convert_to_numpy(optimizer.iterations) == 0:
            return []  # NB: Keras's averages are zeros before the first step
        pairs = optimizer._trainable_variables, optimizer._model_variables_moving_average
        return list(zip(*pairs, strict=True))
    if hasattr(optimizer, "inner_optimizer"):
        return _averages(optimizer.inner_optimizer)
    raise ValueError(
        f"this optimizer keeps no average: {optimizer!r}. Compile with Averaging(optimizer), with "
        "use_ema=True, or with the ScheduleFreeAdamW of course_lib (Keras's own hands out no average)."
    )


def _count_anew(model, layers, x, batch_size):
    """Let batch normalization see x once, each batch with the weight of its rows; nothing else in the model moves."""
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
    """After each epoch of `fit`, the model is evaluated at its average; the results go into the logs as average_val_loss ...

    x, y         the data to evaluate on
    batchnorm    as in `at_average`
    Put it before callbacks that watch the result: EarlyStopping(monitor="average_val_loss").  Training goes on from the
    model's own weights, and they are in place again when evaluation fails or is interrupted, unlike with SwapEMAWeights.
    """

    def __init__(self, x, y, batchnorm=None, batch_size=256):
        super().__init__()
        self.x, self.y, self.batchnorm, self.batch_size = x, y, batchnorm, batch_size

    def on_epoch_end(self, epoch, logs=None):
        with at_average(self.model, self.batchnorm, self.batch_size):
            seen = self.model.evaluate(
                self.x, self.y, batch_size=self.batch_size, verbose=0, return_dict=True
            )
        if logs is not None:
            logs |= {f"average_val_{name}": value for name, value in seen.items()}

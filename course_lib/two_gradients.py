"""Two gradients a step: look, step, look again; then one step from where you stood.

    gᵢ = gradient(w − learning_rate · Σⱼ aᵢⱼ gⱼ)
    w ← w − learning_rate · Σᵢ bᵢ gᵢ

A method is data: the numbers a and b, a Butcher tableau.  Gradient descent is Euler's method for dw/dt = −gradient(w).

Euler (1768), Institutiones calculi integralis; Runge (1895), the midpoint; Heun (1900); Kutta (1901), order three.
Extragradient: Korpelevich (1976), The extragradient method for finding saddle points and other problems.
SAM: Foret, Kleiner, Mobahi and Neyshabur (2020), Sharpness-Aware Minimization for Efficiently Improving Generalization.
"""

from dataclasses import asdict, dataclass
from functools import reduce
from math import isclose, isfinite

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.global_state import get_global_attribute

from .soft_batch import SoftBatch

# What a method is, for everything below: an object with
#   looks                           how many gradients it takes
#   probe(w, gs, learning_rate)     where to look next, after the gradients gs
#   combine(gs)                     the one gradient that the optimizer is handed
# w is a list of arrays, one a variable; gs a list of such lists, one a look.  The first look is always at w.


class _Saved:
    """A method's numbers travel in a model's saved configuration."""

    def get_config(self):
        return asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("course_lib")
@dataclass(frozen=True)
class Tableau(_Saved):
    """An explicit Runge-Kutta method as its table of numbers: row i of `a` says where look i is taken, `b` what counts.

    Raises ValueError for rows of a wrong length (row i has i numbers: it can only use the looks before it), for weights
    that do not sum to 1 (then it does not even follow the flow to first order), TypeError for what is no number.
    """

    a: tuple
    b: tuple

    def __post_init__(self):
        try:
            object.__setattr__(self, "a", tuple(tuple(float(x) for x in row) for row in self.a))
            object.__setattr__(self, "b", tuple(float(x) for x in self.b))
        except (TypeError, ValueError):
            raise TypeError(
                f"`a` must be rows of numbers and `b` numbers. Received: a={self.a!r}, b={self.b!r}."
            ) from None
        lengths = [len(row) for row in self.a]
        if not self.b or lengths != list(range(len(self.b))):
            raise ValueError(
                f"`a` must have one row for each number of `b`, and row i must hold i numbers: (), (x,), (x, x), ... "
                f"Received: {len(self.b)} numbers in b, rows of the lengths {lengths} in a."
            )
        if not all(map(isfinite, sum(self.a, self.b))):
            raise ValueError(f"a tableau's numbers must be finite. Received: {self!r}.")
        if not isclose(sum(self.b), 1, abs_tol=1e-12):
            raise ValueError(
                f"`b` must sum to 1. Received: b={self.b}, which sums to {sum(self.b):g}. Divide it by that."
            )

    @property
    def looks(self):
        return len(self.b)

    def probe(self, w, gs, learning_rate):
        return _ahead(w, gs, self.a[len(gs)], learning_rate)

    def combine(self, gs):
        return [
            sum(b * g for b, g in zip(self.b, each, strict=True)) for each in zip(*gs, strict=True)
        ]


EULER = Tableau(a=((),), b=(1.0,))
MIDPOINT = Tableau(a=((), (0.5,)), b=(0.0, 1.0))
HEUN = Tableau(a=((), (1.0,)), b=(0.5, 0.5))
EXTRAGRADIENT = Tableau(a=((), (1.0,)), b=(0.0, 1.0))


@keras.saving.register_keras_serializable("course_lib")
@dataclass(frozen=True)
class SAM(_Saved):
    """Sharpness-aware: look again where it is worst nearby, a distance `rho` uphill, and step from w with that gradient.

        ŵ = w + rho · g / ‖g‖,   the norm over all variables together
        w ← w − learning_rate · gradient(ŵ)

    Where the first gradient is zero there is no uphill, and ŵ = w.  Raises ValueError for a rho that is no finite number
    of 0 or more.
    """

    rho: float = 0.05
    looks = 2

    def __post_init__(self):
        if isinstance(self.rho, bool) or not isinstance(self.rho, int | float):
            raise TypeError(f"`rho` must be a number. Received: rho={self.rho!r}.")
        if not 0 <= self.rho < float("inf"):
            raise ValueError(f"`rho` must be finite, and 0 or more. Received: rho={self.rho!r}.")

    def probe(self, w, gs, learning_rate):
        (g,) = gs
        norm = ops.sqrt(reduce(ops.add, [ops.sum(each**2) for each in g]))
        norm = ops.where(norm > 0, norm, ops.ones_like(norm))
        return [w + self.rho * g / ops.cast(norm, g.dtype) for w, g in zip(w, g, strict=True)]

    def combine(self, gs):
        return gs[-1]


def _ahead(w, gs, row, learning_rate):
    """w − learning_rate · Σⱼ aⱼ gⱼ for each variable."""
    return [
        w - ops.cast(learning_rate, w.dtype) * sum(a * g for a, g in zip(row, each, strict=True))
        for w, *each in zip(w, *gs, strict=True)
    ]


# ---- In NumPy ----


def step(gradient, w, learning_rate, tableau):
    """One step of a tableau along dw/dt = −gradient(w): the new w, an array like w; the old one is left alone.

    gradient         a function of w
    learning_rate    the length of the step in time
    """
    gs = []
    for row in tableau.a:
        place = w - learning_rate * sum(a * g for a, g in zip(row, gs, strict=True))
        gs.append(gradient(place))
    return w - learning_rate * sum(b * g for b, g in zip(tableau.b, gs, strict=True))


def flow_errors(tableau, gradient, flow, w, *, time=1.0, steps=(16, 32, 64, 128)):
    """How far from the exact flow a method ends, for several numbers of steps over the same time: (rates, errors).

    flow     flow(w, time): where the exact solution of dw/dt = −gradient(w) that starts at w is after that time
    steps    whole numbers of 1 or more; the learning rates are time / steps
    Raises ValueError for a time that is not above 0, and for steps that are no such numbers.
    """
    if not 0 < time < np.inf:
        raise ValueError(f"`time` must be above 0 and finite. Received: time={time!r}.")
    if len(steps) == 0 or any(n != int(n) or n < 1 for n in steps):
        raise ValueError(f"`steps` must be whole numbers of 1 or more. Received: steps={steps!r}.")
    start, errors = np.asarray(w, float), []
    for n in steps:
        w = start
        for _ in range(int(n)):
            w = step(gradient, w, time / n, tableau)
        errors.append(float(np.linalg.norm(w - flow(start, time))))
    return time / np.asarray(steps, float), np.array(errors)


def fitted_order(learning_rates, errors):
    """The slope of log(error) against log(learning rate): 1 for Euler, 2 for Heun; halve the step, and see.

    Raises ValueError for fewer than two rates, and for errors that have no logarithm: an error of exactly zero means that
    the problem is too easy to tell methods apart, one that is not finite means that the steps were too large.
    """
    learning_rates, errors = np.asarray(learning_rates, float), np.asarray(errors, float)
    if learning_rates.shape != errors.shape or len(np.unique(learning_rates)) < 2:
        raise ValueError(
            "give two different learning rates or more, and an error for each. "
            f"Received: learning_rates={learning_rates}, errors={errors}."
        )
    if not np.all((errors > 0) & np.isfinite(errors)):
        raise ValueError(f"`errors` must be above 0 and finite. Received: errors={errors}.")
    return float(np.polyfit(np.log(learning_rates), np.log(errors), 1)[0])


# ---- In Keras ----


def two_gradient_step(model, method, data):
    """What a `train_step` does when it takes several gradients: for a model whose train_step you write yourself.

        class MyHeunModel(MyModel):
            def train_step(self, data):
                return two_gradient_step(self, HEUN, data)

    All looks are at the same batch.  BatchNorm's statistics, dropout's masks and every other thing that a forward pass
    changes are those of the first look; before each later look they are put back, so that it draws the same masks, and
    nothing moves twice.  Then the weights are put back, to the bit, and the combined gradient is handed to
    `model.optimizer.apply`, once: clipping, weight decay, momentum, schedules, EMA, constraints and the count stay Keras's.
    The reported loss and metrics are those of the first look, as in Keras's own step.

    On several replicas (tf.distribute) a look's gradients are added up over all of them before the next, so that all look at
    one point, that of one device with the whole batch; SAM's norm and clipping are the whole gradient's too.  The price is
    one exchange of gradients a look, besides the optimizer's own.

    model     a compiled keras.Model; with the method EULER the step is Keras's own
    method    a Tableau, SAM, or an object with `looks`, `probe` and `combine`
    data      what `train_step` is handed
    Returns the logs.  Gradients of embeddings are made dense.  TensorFlow only.
    Raises NotImplementedError for what would be another algorithm, or wrong: another backend, accumulation, Keras's
    or SoftBatch's (each micro-batch would look at a point of its own), MultiOptimizer (it has no one learning rate), weights
    that are overwritten by their gradients (float8); ValueError outside of `strategy.run`.
    """
    _refuse_what_would_be_wrong(model)
    replicas = _replicas()
    model._symbolic_build(data_batch=data)  # whatever has no variables yet gets them now
    optimizer, weights = model.optimizer, model.trainable_variables
    data = keras.utils.unpack_x_y_sample_weight(data)
    the_rest = _all_but_weights(model)
    before, w = _values(the_rest), _values(weights)

    loss, y_pred, g = _look(model, *data)
    after = _values(the_rest)
    used = [i for i, each in enumerate(g) if each is not None]
    start, gs = [w[i] for i in used], [_of_all_replicas([g[i] for i in used])]
    while len(gs) < method.looks:
        _put(the_rest, before)
        _put([weights[i] for i in used], method.probe(start, gs, optimizer.learning_rate))
        *_, g = _look(model, *data)
        gs.append(_of_all_replicas([g[i] for i in used]))
    _put(the_rest, after)
    _put(weights, w)

    for i, each in zip(used, method.combine(gs), strict=True):
        g[i] = each
    optimizer.apply(_as_the_optimizer_expects(g, gs, optimizer, replicas), weights)
    return _logs(model, loss * replicas, y_pred, *data)  # NB: Keras divides a replica's loss


def _look(model, x, y, sample_weight):
    """Loss, prediction and the gradients of the loss, dense and unscaled; None for a weight that the loss does not see.

    NB: `_call_has_training_arg`, `_compute_loss` and (below) `_loss_tracker` are what Keras's own train_step uses.
    """
    import tensorflow as tf

    with tf.GradientTape() as tape:
        y_pred = model(x, training=True) if model._call_has_training_arg else model(x)
        loss = model._compute_loss(x, y, y_pred, sample_weight, training=True)
        scaled = model.optimizer.scale_loss(loss)
    weights, scale = model.trainable_variables, model.optimizer.scale_loss(1.0)
    gradients = tape.gradient(scaled, weights)
    g = [
        each if each is None else ops.reshape(each, w.shape)
        for each, w in zip(gradients, weights, strict=True)
    ]
    return (
        loss,
        y_pred,
        [each if each is None else each / ops.cast(scale, each.dtype) for each in g],
    )


def _replicas():
    """How many take the step together: 1 without a tf.distribute strategy."""
    import tensorflow as tf

    if tf.distribute.in_cross_replica_context():
        raise ValueError(
            "two gradients a step are taken within `strategy.run(...)`, as `fit` does. The step was called outside of it."
        )
    return tf.distribute.get_strategy().num_replicas_in_sync


def _of_all_replicas(gradients):
    """Their sum over the replicas: the gradient of the whole batch, as Keras divides a replica's loss by their number."""
    import tensorflow as tf

    if not gradients:
        return gradients
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)


def _as_the_optimizer_expects(g, gs, optimizer, replicas):
    """The combined gradient times the loss scale; not finite if any look was not, so that the step is skipped.

    Of several replicas each hands over an equal share, as the optimizer adds up what it gets from them.  It would clip a
    share as if it were all, so that what it clips is clipped before.
    """
    if replicas > 1:
        innermost = optimizer
        while hasattr(innermost, "inner_optimizer"):
            innermost = innermost.inner_optimizer
        used = [i for i, each in enumerate(g) if each is not None]
        for i, each in zip(used, innermost._clip_gradients([g[i] for i in used]), strict=True):
            g[i] = each / replicas
    scale = optimizer.scale_loss(1.0)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        sound = optimizer.check_finite([each for look in gs for each in look])
        scale = ops.where(sound, scale, float("nan"))
    return [each if each is None else each * ops.cast(scale, each.dtype) for each in g]


def _logs(model, loss, y_pred, x, y, sample_weight):
    batch_size = ops.shape(next(each for each in keras.tree.flatten(x) if each is not None))[0]
    model._loss_tracker.update_state(loss, sample_weight=batch_size)  # or fit reports 0.0
    return model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)


def _all_but_weights(model):
    """What else a forward pass can change: BatchNorm's statistics, the states of random generators, metrics."""
    variables = model.non_trainable_variables + model.metrics_variables
    everyones = get_global_attribute("global_seed_generator")  # for keras.random without a seed
    variables += [everyones.state] if everyones else []
    return list({id(v): v for v in variables}.values())


def _values(variables):
    return [ops.copy(v) for v in variables]


def _put(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _refuse_what_would_be_wrong(model):
    _refuse_other_backends()
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if optimizer is None:
        raise ValueError("the model has no optimizer. Give compile one.")
    if not hasattr(optimizer, "learning_rate"):
        raise NotImplementedError(
            f"{type(optimizer).__name__} has no one learning rate, so there is no one place to look next."
        )
    chain = [model.optimizer]
    while hasattr(chain[-1], "inner_optimizer"):
        chain.append(chain[-1].inner_optimizer)
    if any(isinstance(each, SoftBatch) or each.gradient_accumulation_steps for each in chain):
        raise NotImplementedError(
            "accumulating micro-batches with two gradients a step is another algorithm: each would look at a point of "
            "its own. Leave it out, and make the batch larger."
        )
    if any(getattr(w, "overwrite_with_gradient", False) for w in model.trainable_variables):
        raise NotImplementedError(
            "a weight that is overwritten by its gradient (a float8 scale) cannot be moved to another point."
        )


def _refuse_other_backends():
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            "two gradients a step in Keras need TensorFlow here; the backend is "
            f"{keras.backend.backend()}. On it, write a train_step by hand, or use the NumPy `step`."
        )


@keras.saving.register_keras_serializable("course_lib")
class TwoGradientModel(keras.Model):
    """A model that trains with several gradients a step; to compile, fit, evaluate, predict and save like any other.

    It wraps a model and shares all of its weights, so `wrapped.inner` is the trained model, for use without the wrapper.

    inner     a Functional or Sequential model, or a subclass
    method    HEUN, MIDPOINT, EXTRAGRADIENT, SAM(), another Tableau, or an object with `looks`, `probe` and `combine`
              (registered with Keras, if the model is to be saved)
    Raises TypeError for an `inner` that is no model and a `method` that is none; NotImplementedError for an inner model
    with its own train_step, compute_loss or the like, which a wrapper would silently not call (its class can call
    `two_gradient_step` itself), and on another backend than TensorFlow.  See `two_gradient_step` for what a step does
    and refuses.
    """

    def __init__(self, inner, method=HEUN, **kwargs):
        _refuse_other_backends()
        if not isinstance(inner, keras.Model):
            raise TypeError(f"`inner` must be a keras.Model. Received: inner={inner!r}.")
        if not all(hasattr(method, name) for name in ("looks", "probe", "combine")):
            raise TypeError(
                f"`method` must have looks, probe and combine, as HEUN has. Received: method={method!r}."
            )
        for name in (
            "train_step",
            "test_step",
            "predict_step",
            "compute_loss",
            "compute_metrics",
            "metrics",
        ):
            if getattr(type(inner), name) is not getattr(keras.Model, name):
                raise NotImplementedError(
                    f"{type(inner).__name__} has its own {name}, which a wrapper would not call. "
                    "Give the class a train_step that returns two_gradient_step(self, method, data) instead."
                )
        super().__init__(**{"dtype": inner.dtype_policy, **kwargs})
        self.inner, self.method = inner, method

    def call(self, x, training=None):
        return self.inner(x, training=training)

    def train_step(self, data):
        return two_gradient_step(self, self.method, data)

    @property
    def output_names(self):  # so that compile takes losses and metrics by the outputs' names
        return self.inner.output_names

    @property
    def metrics(self):
        return super().metrics + self.inner._metrics  # what a subclass made in its __init__

    def get_config(self):
        def serialize(thing):
            return keras.saving.serialize_keras_object(thing)

        return {
            **super().get_config(),
            "inner": serialize(self.inner),
            "method": serialize(self.method),
        }

    @classmethod
    def from_config(cls, config):
        inner, method = (
            keras.saving.deserialize_keras_object(config.pop(name)) for name in ("inner", "method")
        )
        return cls(inner, method, **config)

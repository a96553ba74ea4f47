"""Two gradients per step in Keras: a `train_step`, and a model that has it."""

from typing import Any

import keras
from keras import ops
from keras.src.backend.common.global_state import get_global_attribute

from ..wrappers.base import chain
from ..wrappers.soft_batch import SoftBatch
from .methods import HEUN, Method


def two_gradient_step(model: keras.Model, method: Method, data: Any) -> dict[str, Any]:
    """Take one step with several gradients, in a `train_step` that you write yourself.

        class MyHeunModel(MyModel):
            def train_step(self, data):
                return two_gradient_step(self, HEUN, data)

    All looks are at the same batch. BatchNorm's statistics, dropout's masks and everything else
    that a forward pass changes are those of the first look. They are put back before each later
    look, so that it draws the same masks, and nothing moves twice. Then the weights are put back,
    to the bit, and `model.optimizer.apply` gets the combined gradient, once. So clipping, weight
    decay, momentum, schedules, EMA, constraints and the count stay Keras's. The reported loss and
    metrics are those of the first look, as in Keras's own step. Gradients of embeddings are made
    dense.

    On several replicas (tf.distribute) a look's gradients are added up over all of them before
    the next look. So all look at one point, that of one device with the whole batch. SAM's norm
    and clipping are the whole gradient's too. The price is one exchange of gradients per look,
    besides the optimizer's own. It works on TensorFlow only.

    Args:
        model: A compiled model. With the method EULER the step is Keras's own.
        method: A Tableau, SAM, or another object with `looks`, `probe` and `combine`.
        data: What `train_step` received.

    Returns:
        The logs: the loss and the metrics, by name.

    Raises:
        NotImplementedError: For what would be another algorithm, or wrong. Another backend.
            Accumulation, Keras's or SoftBatch's: each micro-batch would look at a point of its
            own. MultiOptimizer: it has no single learning rate. Weights that are overwritten by
            their gradients (float8).
        ValueError: Outside of `strategy.run`, and for a model without an optimizer.
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
    """Loss, prediction and the loss's gradients, dense and unscaled; None for an unused weight.

    NB: `_call_has_training_arg`, `_compute_loss` and (below) `_loss_tracker` are what Keras's own
    train_step uses.
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
            "two gradients a step are taken within `strategy.run(...)`, as `fit` does. "
            "The step was called outside of it."
        )
    return tf.distribute.get_strategy().num_replicas_in_sync


def _of_all_replicas(gradients):
    """Their sum over the replicas, the whole batch's gradient: Keras divides a replica's loss."""
    import tensorflow as tf

    if not gradients:
        return gradients
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)


def _as_the_optimizer_expects(g, gs, optimizer, replicas):
    """The combined gradient times the loss scale; not finite if any look was not: a skipped step.

    Each of several replicas gives an equal share, as the optimizer adds up what it gets. It would
    clip a share as if it were all, so what it clips is clipped here.
    """
    if replicas > 1:
        *_, innermost = chain(optimizer)
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
    """What else a forward pass changes: BatchNorm's statistics, random generators, metrics."""
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
    optimizers = list(chain(model.optimizer))
    if not optimizers:
        raise ValueError("the model has no optimizer. Give compile one.")
    if not hasattr(optimizers[-1], "learning_rate"):
        raise NotImplementedError(
            f"{type(optimizers[-1]).__name__} has no one learning rate, so there is no one place "
            "to look next."
        )
    if any(isinstance(each, SoftBatch) or each.gradient_accumulation_steps for each in optimizers):
        raise NotImplementedError(
            "accumulating micro-batches with two gradients a step is another algorithm: each "
            "would look at a point of its own. Leave it out, and make the batch larger."
        )
    if any(getattr(w, "overwrite_with_gradient", False) for w in model.trainable_variables):
        raise NotImplementedError(
            "a weight that is overwritten by its gradient (a float8 scale) cannot be moved to "
            "another point."
        )


def _refuse_other_backends():
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            "two gradients a step in Keras need TensorFlow here; the backend is "
            f"{keras.backend.backend()}. Write a train_step by hand, or use the NumPy `step`."
        )


@keras.saving.register_keras_serializable("course_lib")
class TwoGradientModel(keras.Model):
    """A model that trains with several gradients per step, and otherwise is like any other.

    It wraps a model and shares all of its weights. So `wrapped.inner` is the trained model, for use
    without the wrapper. See `two_gradient_step` for what a step does and refuses.

    Args:
        inner: A Functional or Sequential model, or a subclass.
        method: HEUN, MIDPOINT, EXTRAGRADIENT, SAM(), another Tableau, or an object with `looks`,
            `probe` and `combine` (registered with Keras, if the model is to be saved).
        kwargs: Passed on to keras.Model: `name`, `dtype`.

    Raises:
        TypeError: If `inner` is not a model, or `method` is not a method.
        NotImplementedError: For an inner model with its own train_step, compute_loss or the like,
            which a wrapper would not call (its class can call `two_gradient_step` itself). On
            another backend than TensorFlow.

    Example:
        >>> inner = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model = TwoGradientModel(inner, HEUN)
        >>> model.compile(keras.optimizers.SGD(), loss="mse")
    """

    def __init__(self, inner: keras.Model, method: Method = HEUN, **kwargs: Any):
        _refuse_other_backends()
        if not isinstance(inner, keras.Model):
            raise TypeError(f"`inner` must be a keras.Model. Received: inner={inner!r}.")
        if isinstance(method, type) or not isinstance(method, Method):
            raise TypeError(
                "`method` must have looks, probe and combine, as HEUN has. "
                f"Received: method={method!r}."
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
                    "Give the class a train_step that returns "
                    "two_gradient_step(self, method, data) instead."
                )
        super().__init__(**{"dtype": inner.dtype_policy, **kwargs})
        self.inner, self.method = inner, method

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Call the inner model."""
        return self.inner(x, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step with the gradients of all looks."""
        return two_gradient_step(self, self.method, data)

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, by which `compile` takes losses and metrics."""
        return self.inner.output_names

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return super().metrics + self.inner._metrics  # what a subclass made in its __init__

    def get_config(self) -> dict[str, Any]:
        """Return the configuration, with the inner model and the method."""

        def serialize(thing):
            return keras.saving.serialize_keras_object(thing)

        return {
            **super().get_config(),
            "inner": serialize(self.inner),
            "method": serialize(self.method),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "TwoGradientModel":
        """Make a model from what `get_config` returned."""
        config = dict(config)
        inner, method = (
            keras.saving.deserialize_keras_object(config.pop(name), custom_objects)
            for name in ("inner", "method")
        )
        return cls(inner, method, **config)

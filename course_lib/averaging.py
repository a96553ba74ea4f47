"""Lookahead: a fast optimizer explores, and slow weights follow it part of the way; and one step with memory, for games.

    every `steps` steps:
    slow ← slow + alpha · (w − slow)
    w ← slow

Zhang, Lucas, Hinton and Ba (2019), Lookahead Optimizer: k steps forward, 1 step back, Algorithm 1.  Told twice:
`lookahead` for any NumPy rule, `Lookahead` for any Keras optimizer.
Optimistic descent: Popov (1980); for training, Daskalakis, Ilyas, Syrgkanis and Zeng (2018), Training GANs with Optimism.
"""

from types import SimpleNamespace

import keras
import numpy as np
from keras import ops


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


@keras.saving.register_keras_serializable("course_lib")
class Lookahead(keras.Optimizer):
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

    On TensorFlow (eager, in a graph, under XLA), JAX and PyTorch.  Raises TypeError for what is no optimizer; ValueError
    for other steps and alpha, for a LossScaleOptimizer (it belongs outside) and for variables that float8 training overwrites
    with their gradients; NotImplementedError for ScheduleFreeAdamW, which keeps positions of its own that would not be
    pulled back, and under a tf.distribute strategy.
    """

    def __init__(self, optimizer, steps=5, alpha=0.5, name="lookahead"):
        _check(steps, alpha)
        if not isinstance(optimizer, keras.Optimizer):
            raise TypeError(
                f"`optimizer` must be a keras.Optimizer. Received: optimizer={optimizer!r}. "
                "Make one: Lookahead(keras.optimizers.Adam())."
            )
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "`optimizer` is a LossScaleOptimizer, which must see every gradient first. "
                "Put it outside: LossScaleOptimizer(Lookahead(...)), as `compile` does by itself."
            )
        innermost = optimizer
        while hasattr(innermost, "inner_optimizer"):
            innermost = innermost.inner_optimizer
        if type(innermost).__name__ == "ScheduleFreeAdamW":
            raise NotImplementedError(
                "ScheduleFreeAdamW averages by itself, and keeps positions that Lookahead would not pull back. "
                "Use one of the two."
            )
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if tf.distribute.has_strategy():
                raise NotImplementedError("Lookahead works on one device, not under tf.distribute.")
        # The base class gets a callable so that it makes no learning-rate variable of its own.
        super().__init__(learning_rate=lambda: optimizer.learning_rate, name=name)
        self.inner_optimizer = optimizer
        self.steps, self.alpha = int(steps), float(alpha)

    def build(self, variables):
        if self.built:
            return
        overwritten = [v.path for v in variables if getattr(v, "overwrite_with_gradient", False)]
        if overwritten:
            raise ValueError(f"Lookahead cannot average what float8 overwrites: {overwritten}.")
        self.inner_optimizer.build(variables)
        super().build(variables)
        self.slow = self.add_optimizer_variables(variables, "slow")
        self.count = self.add_variable((), dtype="int", name="count")

    def apply(self, grads, trainable_variables=None):
        if len(grads) == 0:
            return
        if not self.built:
            if trainable_variables is None:
                raise ValueError("Call `build(variables)` first, or hand the variables over.")
            self.build(list(trainable_variables))
        pairs = list(zip(self.slow, self._trainable_variables, strict=True))
        value = ops.convert_to_tensor  # NB: JAX's where takes no keras.Variable
        for slow, w in pairs:
            self.assign(slow, ops.where(value(self.count) == 0, value(w), value(slow)))
        before = ops.copy(value(self.inner_optimizer.iterations))
        self.inner_optimizer.apply(grads, trainable_variables)
        moved = value(self.inner_optimizer.iterations) != before
        count = value(self.count) + ops.cast(moved, self.count.dtype)
        due = count >= self.steps
        for slow, w in pairs:
            between = slow + self.alpha * (w - slow)
            if w.constraint is not None:
                between = w.constraint(between)
            self.assign(w, ops.where(due, between, value(w)))
        self.assign(self.count, ops.where(due, ops.zeros_like(count), count))

    @property
    def variables(self):
        return self._variables + self.inner_optimizer.variables

    @property
    def iterations(self):
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self):
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def loss_scale_factor(self):
        return self.inner_optimizer.loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, factor):
        if hasattr(self, "inner_optimizer"):  # the base class sets it once before there is one
            self.inner_optimizer.loss_scale_factor = factor

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list):
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self):
        optimizer = keras.saving.serialize_keras_object(self.inner_optimizer)
        numbers = {"steps": self.steps, "alpha": self.alpha}
        return {"name": self.name, "optimizer": optimizer, **numbers}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        optimizer = keras.saving.deserialize_keras_object(config["optimizer"], custom_objects)
        return cls(**{**config, "optimizer": optimizer})

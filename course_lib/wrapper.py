"""Wrapper: a Keras optimizer around another one; everything that is the inner one's business stays there."""

import keras
from keras import ops


class Wrapper(keras.Optimizer):
    """What SoftBatch, Lookahead and Averaging share: `compile` accepts it, and the inner optimizer goes on as it would alone.

    Learning rate, `iterations`, loss scale and what is excluded from weight decay are the inner optimizer's, to read and to
    set; `variables` are the wrapper's own and then the inner one's, so a saved file holds both.

    A subclass hands over its optimizer and its name, lists its other constructor arguments in `arguments` (they are kept
    as attributes of the same name), adds its variables in `build`, and says in `step` what happens to the gradients.
    Under a tf.distribute strategy it is made where the model is, in `strategy.scope()`, and steps in `strategy.run`, as in
    `fit`; several replicas step as one device does with the whole batch.  NB: not with clipping, with a wrapper or without:
    Keras 3.15 clips the share of each replica, before the shares are added up.

    Raises TypeError for what is no optimizer; ValueError for a LossScaleOptimizer (it belongs outside), for variables
    that float8 training overwrites with their gradients, and for an optimizer that is made or steps under another strategy
    than the wrapper; NotImplementedError under a strategy that is neither Mirrored nor MultiWorkerMirrored nor OneDevice.
    """

    arguments = ()

    def __init__(self, optimizer, name):
        kind = type(self).__name__
        if not isinstance(optimizer, keras.Optimizer):
            raise TypeError(
                f"`optimizer` must be a keras.Optimizer. Received: optimizer={optimizer!r}. "
                f"Make one, and put it inside: {kind}(keras.optimizers.Adam(), ...)."
            )
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "`optimizer` is a LossScaleOptimizer, which must see every gradient first. "
                f"Put it outside: LossScaleOptimizer({kind}(...)), as `compile` does by itself."
            )
        # The base class gets a callable so that it makes no learning-rate variable of its own.
        super().__init__(learning_rate=lambda: optimizer.learning_rate, name=name)
        self.inner_optimizer = optimizer
        _check_strategies(self, optimizer)

    def build(self, variables):
        overwritten = [v.path for v in variables if getattr(v, "overwrite_with_gradient", False)]
        if overwritten:
            kind = type(self).__name__
            raise ValueError(f"{kind} cannot average what float8 overwrites: {overwritten}.")
        self.inner_optimizer.build(variables)
        super().build(variables)

    def apply(self, grads, trainable_variables=None):
        if len(grads) == 0:
            return
        _check_place(self)
        if not self.built:
            if trainable_variables is None:
                raise ValueError("Call `build(variables)` first, or hand the variables over.")
            self.build(list(trainable_variables))
        self.step(grads, list(trainable_variables or self._trainable_variables))

    def step(self, grads, variables):
        """What becomes of one call's gradients.  A subclass says so."""
        raise NotImplementedError

    def inner_moves(self, grads, variables):
        """Let the inner optimizer step; hand back whether it did: one that accumulates only counts updates."""
        before = ops.copy(ops.convert_to_tensor(self.inner_optimizer.iterations))
        self.inner_optimizer.apply(grads, variables)
        return ops.convert_to_tensor(self.inner_optimizer.iterations) != before

    def add_shares(self, variables, name):
        """Variables like those that `add_optimizer_variables` adds, of which each replica keeps a share of its own.

        Within a step a replica reads and assigns its share.  From outside it is one variable, the sum of all shares: that
        is saved, and what is loaded is spread over the replicas that there are.
        """
        shares = []
        for v in variables:
            with keras.name_scope(self.name, caller=self):
                share = keras.Variable(
                    "zeros",
                    v.shape,
                    v.dtype,
                    trainable=False,
                    aggregation="sum",
                    synchronization="on_read",
                    layout=getattr(v, "_layout", None),
                    name=f"{v.path.replace('/', '_')}_{name}",
                )
            self._track_variable(share)
            shares.append(share)
        return shares

    def perform_if(self, due, action):
        """Perform `action`, which may step and assign, if `due` is true: on several replicas on all of them or on none."""
        if keras.backend.backend() == "jax":
            self._perform_if_on_jax(due, action)
        elif _replicas_must_meet(self):
            self._perform_if_on_replicas(due, action)
        else:
            ops.cond(due, action, lambda: None)

    def _perform_if_on_jax(self, due, action):
        # NB: a branch of JAX's cond cannot assign. Both hand back all values, and they are assigned after it.
        everything = self._trainable_variables + self.variables
        before = [v.value for v in everything]

        def performed():
            mapping = list(zip(everything, before, strict=True))
            with keras.StatelessScope(mapping) as scope:
                action()
            return [scope.get_current_value(v) for v in everything]

        for v, value in zip(everything, ops.cond(due, performed, lambda: before), strict=True):
            v.assign(value)

    def _perform_if_on_replicas(self, due, action):
        # NB: replicas cannot meet within a branch. So they meet first, one decides, and within its branch all perform.
        import tensorflow as tf

        def decide(strategy, due):
            all_perform = lambda: strategy.extended.call_for_each_replica(action)  # noqa: E731
            ops.cond(strategy.experimental_local_results(due)[0], all_perform, lambda: None)

        if tf.distribute.has_strategy() and not tf.distribute.in_cross_replica_context():
            tf.distribute.get_replica_context().merge_call(decide, args=(due,))
        else:
            with self._distribution_strategy.scope():
                decide(self._distribution_strategy, due)

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
        own = {argument: getattr(self, argument) for argument in self.arguments}
        return {"name": self.name, "optimizer": optimizer, **own}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        optimizer = keras.saving.deserialize_keras_object(config["optimizer"], custom_objects)
        return cls(**{**config, "optimizer": optimizer})


# ---- Several replicas: tf.distribute ----


def _check_strategies(wrapper, optimizer):
    """Both were made under the same strategy, one that is known here; or under none."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    kind, strategy = type(wrapper).__name__, wrapper._distribution_strategy
    known = (
        tf.distribute.MirroredStrategy,
        tf.distribute.MultiWorkerMirroredStrategy,
        tf.distribute.OneDeviceStrategy,
    )
    if tf.distribute.has_strategy() and not isinstance(strategy, known):
        raise NotImplementedError(
            f"{kind} works under MirroredStrategy, MultiWorkerMirroredStrategy and OneDeviceStrategy. "
            f"Received: {type(strategy).__name__}."
        )
    if optimizer._distribution_strategy is not strategy:
        raise ValueError(
            f"`optimizer` was made under {_named(optimizer._distribution_strategy)}, and {kind} under "
            f"{_named(strategy)}. Make both within the same `with strategy.scope():`, as the model."
        )


def _check_place(wrapper):
    """A step is taken where the wrapper was made: on one device, or in `strategy.run` of its own strategy."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    kind, strategy = type(wrapper).__name__, wrapper._distribution_strategy
    if tf.distribute.get_strategy() is not strategy:
        raise ValueError(
            f"{kind} was made under {_named(strategy)} and steps under {_named(tf.distribute.get_strategy())}. "
            "Make model and optimizer within `with strategy.scope():`, and step in `strategy.run` of that strategy."
        )
    if tf.distribute.in_cross_replica_context():
        raise ValueError(
            f"{kind} steps within `strategy.run(...)`, where each replica has its own gradients. "
            "`apply` was called outside of it."
        )


def _named(strategy):
    import tensorflow as tf

    known = isinstance(strategy, tf.distribute.Strategy)
    return (
        type(strategy).__name__
        if known and "Default" not in type(strategy).__name__
        else "no strategy"
    )


def _replicas_must_meet(wrapper):
    """Whether the wrapper's replicas wait for each other; not so on one device, nor when XLA compiles for GPUs alone."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    if _named(wrapper._distribution_strategy) == "no strategy":
        return False
    without_meeting = tf.__internal__.distribute.strategy_supports_no_merge_call
    return not (tf.distribute.has_strategy() and without_meeting())

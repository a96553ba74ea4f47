"""What every wrapper shares: a Keras optimizer around another one, which goes on as if alone."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import ops

from .replicas import check_place, check_strategies, replicas_must_meet


def chain(optimizer: keras.Optimizer | None) -> Iterator[keras.Optimizer]:
    """Walk from an optimizer to the one that it wraps, the one that this one wraps, and so on.

    Args:
        optimizer: Where the walk begins. None is an empty chain.

    Yields:
        The optimizer itself, then each `inner_optimizer`, from the outermost to the innermost.

    Example:
        >>> optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
        >>> [type(each).__name__ for each in chain(optimizer)]
        ['LossScaleOptimizer', 'SGD']
    """
    while optimizer is not None:
        yield optimizer
        optimizer = getattr(optimizer, "inner_optimizer", None)


def accumulation_dtype(dtype: Any) -> str:
    """Choose the dtype in which numbers of a dtype are added up or averaged.

    A float16 sum overflows above 65,504. A bfloat16 average stands still after a few hundred
    points, since it keeps eight bits of each number. Both are added up in float32.

    Args:
        dtype: The dtype of a variable, as Keras or NumPy names it.

    Returns:
        "float32" for the two half precisions, and the same dtype for all others.

    Example:
        >>> accumulation_dtype("bfloat16"), accumulation_dtype("float64")
        ('float32', 'float64')
    """
    dtype = keras.backend.standardize_dtype(dtype)
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def refuse_what_averages_by_itself(optimizer, kind):
    """Refuse ScheduleFreeAdamW, ours and Keras's: its positions would not be moved along."""
    *_, innermost = chain(optimizer)
    if type(innermost).__name__ == "ScheduleFreeAdamW":
        raise NotImplementedError(
            f"ScheduleFreeAdamW averages by itself, and keeps positions that {kind} knows "
            "nothing of. Use one of the two."
        )


class Wrapper(keras.Optimizer):
    """The base of SoftBatch, Lookahead and Averaging: an optimizer around another one.

    `compile` accepts it. Learning rate, `iterations`, loss scale and what is excluded from weight
    decay belong to the inner optimizer: to read and to set. `variables` are the wrapper's own,
    then the inner optimizer's, so a saved file holds both.

    A subclass passes its optimizer and its name on. It lists its other constructor arguments in
    `arguments`, and keeps them as attributes of the same name. It adds its variables in `build`,
    and implements `step`.

    Under a tf.distribute strategy, make it in `strategy.scope()`, where the model is made. It
    steps in `strategy.run`, as `fit` does. Several replicas then step as one device does with the
    whole batch. NB: not with clipping, with or without a wrapper. Keras 3.15 clips the share of
    each replica, before the shares are added up.

    Args:
        optimizer: The keras.Optimizer that it wraps.
        name: The name of the wrapper.

    Raises:
        TypeError: If `optimizer` is not a keras.Optimizer.
        ValueError: For a LossScaleOptimizer (it belongs outside). For variables that float8
            training overwrites with their gradients. For an optimizer that was made, or that
            steps, under another strategy than the wrapper.
        NotImplementedError: Under a strategy other than MirroredStrategy,
            MultiWorkerMirroredStrategy and OneDeviceStrategy.
    """

    arguments: tuple[str, ...] = ()

    def __init__(self, optimizer: keras.Optimizer, name: str):
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
        check_strategies(self, optimizer)

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Make the variables of the inner optimizer; a subclass adds its own.

        Args:
            variables: The weights that will be trained.

        Raises:
            ValueError: If float8 training overwrites some of them with their gradients.
        """
        overwritten = [v.path for v in variables if getattr(v, "overwrite_with_gradient", False)]
        if overwritten:
            kind = type(self).__name__
            raise ValueError(f"{kind} cannot average what float8 overwrites: {overwritten}.")
        self.inner_optimizer.build(variables)
        super().build(variables)

    def apply(
        self,
        grads: Sequence[Any],
        trainable_variables: Sequence[keras.Variable] | None = None,
        **of_step: Any,
    ) -> None:
        """Process the gradients of one batch; build first, if that has not been done.

        Args:
            grads: One gradient per variable, each of the variable's shape.
            trainable_variables: The weights. May be left out after `build`.
            of_step: Passed on to `step`.

        Raises:
            ValueError: If there are no variables to build with, or in the wrong place under
                tf.distribute.
        """
        if len(grads) == 0:
            return
        check_place(self)
        if not self.built:
            if trainable_variables is None:
                raise ValueError("Call `build(variables)` first, or hand the variables over.")
            self.build(list(trainable_variables))
        self.step(grads, list(trainable_variables or self._trainable_variables), **of_step)

    def step(self, grads: Sequence[Any], variables: list[keras.Variable]) -> None:
        """Process the gradients of one call. Subclasses implement this.

        Args:
            grads: One gradient per variable.
            variables: The weights, in the same order.
        """
        raise NotImplementedError

    def inner_moves(self, grads: Sequence[Any], variables: Sequence[keras.Variable]) -> Any:
        """Let the inner optimizer step, and find out whether it made an update.

        Args:
            grads: One gradient per variable.
            variables: The weights, in the same order.

        Returns:
            A boolean tensor: False where the inner optimizer only collected the gradients.
        """
        before = ops.copy(ops.convert_to_tensor(self.inner_optimizer.iterations))
        self.inner_optimizer.apply(grads, variables)
        return ops.convert_to_tensor(self.inner_optimizer.iterations) != before

    def add_averages(self, variables: Sequence[keras.Variable], name: str) -> list[keras.Variable]:
        """Add one variable per weight, of its shape, in which numbers can be averaged.

        Args:
            variables: The weights.
            name: What the new variables are called; the weight's path stands before it.

        Returns:
            Variables of zeros, in float32 where the weight has half precision.
        """
        return [
            self.add_variable_from_reference(v, name)
            if accumulation_dtype(v.dtype) == v.dtype
            else self.add_variable(
                v.shape,
                dtype=accumulation_dtype(v.dtype),
                layout=getattr(v, "_layout", None),
                name=f"{v.path.replace('/', '_')}_{name}",
            )
            for v in variables
        ]

    def add_shares(self, variables: Sequence[keras.Variable], name: str) -> list[keras.Variable]:
        """Add one variable per weight, of its shape, of which each replica keeps its own share.

        Within a step a replica reads and assigns its share. From outside it is one variable, the
        sum of all shares. That sum is saved. What is loaded is spread over the replicas.

        Args:
            variables: The weights.
            name: What the new variables are called; the weight's path stands before it.

        Returns:
            Variables of zeros, in float32 where the weight has half precision.
        """
        shares = []
        for v in variables:
            with keras.name_scope(self.name, caller=self):
                share = keras.Variable(
                    "zeros",
                    v.shape,
                    accumulation_dtype(v.dtype),
                    trainable=False,
                    aggregation="sum",
                    synchronization="on_read",
                    layout=getattr(v, "_layout", None),
                    name=f"{v.path.replace('/', '_')}_{name}",
                )
            self._track_variable(share)
            shares.append(share)
        return shares

    def perform_if(self, due: Any, action: Callable[[], None]) -> None:
        """Perform an action if a condition holds; on several replicas, on all or on none.

        Args:
            due: A boolean tensor.
            action: What to do. It may step and assign variables.
        """
        if keras.backend.backend() == "jax":
            self._perform_if_on_jax(due, action)
        elif replicas_must_meet(self):
            self._perform_if_on_replicas(due, action)
        else:
            ops.cond(due, action, lambda: None)

    def _perform_if_on_jax(self, due, action):
        # NB: a branch of JAX's cond cannot assign. Both return all values, assigned after it.
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
        # NB: replicas cannot meet within a branch. They meet first; in its branch all perform.
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
    def variables(self) -> list[keras.Variable]:
        """The wrapper's own variables, then the inner optimizer's."""
        return self._variables + self.inner_optimizer.variables

    @property
    def iterations(self) -> keras.Variable:
        """How many updates the inner optimizer has made."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's learning rate; setting it sets the inner optimizer's."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def loss_scale_factor(self) -> float | None:
        """The inner optimizer's fixed loss scale; setting it sets the inner optimizer's."""
        return self.inner_optimizer.loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, factor: float | None) -> None:
        if hasattr(self, "inner_optimizer"):  # the base class sets it once before there is one
            self.inner_optimizer.loss_scale_factor = factor

    def exclude_from_weight_decay(
        self,
        var_list: Sequence[keras.Variable] | None = None,
        var_names: Sequence[str] | None = None,
    ) -> None:
        """Exclude variables from the inner optimizer's weight decay, as Keras's method does.

        Args:
            var_list: The variables.
            var_names: Parts of the names of variables.
        """
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: Sequence[keras.Variable]) -> None:
        """Overwrite weights with the inner optimizer's EMA, if it keeps one, as `fit` does.

        Args:
            var_list: The weights.
        """
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which `from_config` makes an equal wrapper."""
        optimizer = keras.saving.serialize_keras_object(self.inner_optimizer)
        own = {argument: getattr(self, argument) for argument in self.arguments}
        return {"name": self.name, "optimizer": optimizer, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Wrapper":
        """Make a wrapper from a configuration, with a new inner optimizer.

        Args:
            config: What `get_config` returned.
            custom_objects: Classes that Keras does not know, by name.
        """
        optimizer = keras.saving.deserialize_keras_object(config["optimizer"], custom_objects)
        return cls(**{**config, "optimizer": optimizer})

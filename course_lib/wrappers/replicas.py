"""Several replicas under tf.distribute: where a wrapper is made, where it steps, who waits."""

import keras


def check_strategies(wrapper, optimizer):
    """Check that both were made under one strategy, which is known here, or under none."""
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
            f"{kind} works under MirroredStrategy, MultiWorkerMirroredStrategy and "
            f"OneDeviceStrategy. Received: {type(strategy).__name__}."
        )
    if optimizer._distribution_strategy is not strategy:
        raise ValueError(
            f"`optimizer` was made under {strategy_name(optimizer._distribution_strategy)}, "
            f"and {kind} under {strategy_name(strategy)}. Make both within the same "
            "`with strategy.scope():`, as the model."
        )


def check_place(wrapper):
    """Check that a step is taken on one device, or in `strategy.run` of the wrapper's strategy."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    kind, strategy = type(wrapper).__name__, wrapper._distribution_strategy
    if tf.distribute.get_strategy() is not strategy:
        raise ValueError(
            f"{kind} was made under {strategy_name(strategy)} and steps under "
            f"{strategy_name(tf.distribute.get_strategy())}. Make model and optimizer within "
            "`with strategy.scope():`, and step in `strategy.run` of that strategy."
        )
    if tf.distribute.in_cross_replica_context():
        raise ValueError(
            f"{kind} steps within `strategy.run(...)`, where each replica has its own gradients. "
            "`apply` was called outside of it."
        )


def number_of_replicas(wrapper):
    """How many replicas step together: 1 without a strategy."""
    strategy = getattr(wrapper, "_distribution_strategy", None)
    return getattr(strategy, "num_replicas_in_sync", 1)


def replicas_must_meet(wrapper):
    """Whether replicas wait for each other: not on one device, nor when XLA compiles for GPUs."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    if strategy_name(wrapper._distribution_strategy) == "no strategy":
        return False
    without_meeting = tf.__internal__.distribute.strategy_supports_no_merge_call
    return not (tf.distribute.has_strategy() and without_meeting())


def strategy_name(strategy):
    """The name of a strategy's class; "no strategy" for TensorFlow's default one."""
    import tensorflow as tf

    name = type(strategy).__name__
    known = isinstance(strategy, tf.distribute.Strategy) and "Default" not in name
    return name if known else "no strategy"

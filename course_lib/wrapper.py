"""Wrapper: a Keras optimizer around another one; everything that is the inner one's business stays there."""

import keras
from keras import ops


class Wrapper(keras.Optimizer):
    """What SoftBatch, Lookahead and Averaging share: `compile` accepts it, and the inner optimizer goes on as it would alone.

    Learning rate, `iterations`, loss scale and what is excluded from weight decay are the inner optimizer's, to read and to
    set; `variables` are the wrapper's own and then the inner one's, so a saved file holds both.

    A subclass hands over its optimizer and its name, lists its other constructor arguments in `arguments` (they are kept
    as attributes of the same name), adds its variables in `build`, and says in `step` what happens to the gradients.
    Raises TypeError for what is no optimizer; ValueError for a LossScaleOptimizer (it belongs outside) and for variables
    that float8 training overwrites with their gradients; NotImplementedError under a tf.distribute strategy.
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
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if tf.distribute.has_strategy():
                raise NotImplementedError(f"{kind} works on one device, not under tf.distribute.")
        # The base class gets a callable so that it makes no learning-rate variable of its own.
        super().__init__(learning_rate=lambda: optimizer.learning_rate, name=name)
        self.inner_optimizer = optimizer

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

"""Mistakes in counting: steps, micro-batches, and which learning rate is the present one."""

from course_lib.optimizers.adam import Adam
from course_lib.optimizers.sgd import SGD

from .edit import edit
from .table import Wrong, registered

COUNTED = "every_update_is_counted_once"
MICRO = "micro_batches_equal_the_large_batch"


@registered
class CountsTwice(Adam):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate)
        self.iterations.assign_add(1)


@registered
class DoesNotCount(SGD):
    def apply(self, grads, trainable_variables=None):
        super().apply(grads, trainable_variables)
        self._iterations.assign_sub(1)


@registered
class SumsMicroBatches(SGD):
    def update_step(self, gradient, variable, learning_rate):
        steps = self.gradient_accumulation_steps or 1
        super().update_step(gradient * steps, variable, learning_rate)


@registered
class LastMicroBatchOnly(SGD):
    def _backend_increment_gradient_accumulators(self, grads, acc_grads):
        pass


@registered
class IgnoresTheLearningRate(SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, 0.125)


@registered
class FrozenAtConstruction(SGD):
    def __init__(self, learning_rate=0.01, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.rate = learning_rate

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, self.rate)


@registered
class FrozenSchedule(SGD):
    def __init__(self, learning_rate=0.01, **kwargs):
        first = float(learning_rate(0)) if callable(learning_rate) else learning_rate
        super().__init__(first, **kwargs)


@registered
class FrozenInTheGraph(SGD):
    def update_step(self, gradient, variable, learning_rate):
        import tensorflow as tf

        with tf.init_scope():
            rate = float(self._learning_rate.numpy())
        super().update_step(gradient, variable, rate)


@registered
class StaleFirstGradient(SGD):
    def _backend_reset_gradient_accumulators(self):
        pass


@registered
class MovesWithEachMicroBatch(SGD):
    def _backend_apply_gradients(self, grads, trainable_variables):
        steps, self.gradient_accumulation_steps = self.gradient_accumulation_steps, None
        super()._backend_apply_gradients(grads, trainable_variables)
        self.gradient_accumulation_steps = steps


LEARNING_RATES = [
    Wrong("counts twice", "adam", CountsTwice, COUNTED),
    Wrong("does not count", "sgd", DoesNotCount, COUNTED),
    Wrong("counts micro-batches", "adam", edit("adam", "self.iter", "self._iter"), MICRO),
    Wrong("sums micro-batches, does not average", "sgd", SumsMicroBatches, MICRO),
    Wrong("steps with the last micro-batch", "sgd", LastMicroBatchOnly, MICRO),
    Wrong("learning rate ignored", "sgd", IgnoresTheLearningRate, "the_learning_rate_matters"),
    Wrong(
        "learning rate frozen at construction",
        "sgd",
        FrozenAtConstruction,
        "a_new_learning_rate_is_followed",
    ),
    Wrong("schedule frozen at its first value", "sgd", FrozenSchedule, "a_schedule_is_followed"),
    Wrong(
        "learning rate frozen in the graph",
        "sgd",
        FrozenInTheGraph,
        "a_new_learning_rate_reaches_the_graph",
    ),
    Wrong("the buffer is not emptied: a stale first gradient", "sgd", StaleFirstGradient, MICRO),
    Wrong(
        "moves with each micro-batch, as K.switch around an assignment did",
        "sgd",
        MovesWithEachMicroBatch,
        MICRO,
    ),
]

"""Mistakes that show in a graph, under XLA, in `fit`, or in the second of two runs."""

import functools
import itertools

from course_lib.optimizers.sgd import SGD

from keras import ops

from .edit import edit
from .table import Wrong, registered

GRAPH = "eager_equals_graph"
NOISE = (1 + 1e-3 * i for i in itertools.count())


@registered
class CountsOnlyCalls(edit("adam", "self.iterations + 1", "self.counted()")):
    calls = 0

    def counted(self):
        self.calls += 1
        return (self.calls + 3) // 4  # right for four variables, while it is not in a graph


@registered
class ComputesInNumPy(SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient.numpy(), variable, learning_rate)


@registered
class BranchesInPython(SGD):
    def update_step(self, gradient, variable, learning_rate):
        import tensorflow as tf

        size = 0.5 if tf.executing_eagerly() else 1.0
        super().update_step(gradient * size, variable, learning_rate)


@registered
class SpellsItsGradient(SGD):
    def update_step(self, gradient, variable, learning_rate):
        import tensorflow as tf

        number = tf.strings.to_number(tf.strings.as_string(gradient))
        super().update_step(tf.cast(number, gradient.dtype), variable, learning_rate)


@functools.cache
def traced():
    import tensorflow as tf

    return tf.function(lambda g, n: g * 1.0, autograph=False)


@registered
class TracedAgain(SGD):
    calls = 0

    def update_step(self, gradient, variable, learning_rate):
        type(self).calls += 1  # of all together: no key comes back, in a later run neither
        super().update_step(traced()(gradient, self.calls), variable, learning_rate)


@registered
class Noisy(SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient * next(NOISE), variable, learning_rate)


PULLED = "self.assign(w, w + v + 0.125 * (self.start[self._get_variable_index(variable)] - w))"


@registered
class AssignsInBuild(edit("momentum", w=PULLED)):
    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.start = self.add_optimizer_variables(variables, "start")
        for start, variable in zip(self.start, variables, strict=True):
            self.assign(start, ops.copy(variable))


EXECUTION = [
    Wrong("t in Python", "adam", CountsOnlyCalls, GRAPH),
    Wrong("computed in NumPy", "sgd", ComputesInNumPy, GRAPH),
    Wrong("branches in Python", "sgd", BranchesInPython, GRAPH),
    Wrong("a string operation, which XLA has not", "sgd", SpellsItsGradient, "eager_equals_xla"),
    Wrong("traced again each step", "sgd", TracedAgain, "nothing_is_traced_again"),
    Wrong("noise without a seed", "sgd", Noisy, "the_same_run_twice_is_the_same"),
    Wrong("assigns in build", "momentum", AssignsInBuild, "fit_equals_a_loop"),
]

"""Mistakes about gradients as they come: None, sparse ones, and those of every rank."""

from course_lib.optimizers.sgd import SGD

from keras import ops

from .edit import edit
from .table import Wrong, registered

NONE = "variables_without_a_gradient_stay"
RANKS = "scalars_to_rank_four_are_stepped"


@registered
class NoneShiftsTheRest(SGD):
    def apply(self, grads, trainable_variables=None):
        given = [g for g in grads if g is not None]
        super().apply(given, (trainable_variables or self._trainable_variables)[: len(given)])


@registered
class NoneBecomesOne(SGD):
    def apply(self, grads, trainable_variables=None):
        variables = trainable_variables or self._trainable_variables
        pairs = zip(grads, variables, strict=True)
        super().apply([ops.ones_like(v) if g is None else g for g, v in pairs], variables)


@registered
class LosesItsRows(SGD):
    def update_step(self, gradient, variable, learning_rate):
        g = getattr(gradient, "values", gradient)
        missing = int(variable.shape[0]) - int(g.shape[0]) if len(variable.shape) else 0
        if missing:
            g = ops.concatenate([g, ops.zeros((missing, *variable.shape[1:]), variable.dtype)])
        super().update_step(g, variable, learning_rate)


@registered
class NoConvolutions(SGD):
    def update_step(self, gradient, variable, learning_rate):
        g = gradient if len(variable.shape) < 4 else 0 * gradient
        super().update_step(g, variable, learning_rate)


GRADIENTS = [
    Wrong("None shifts the rest", "sgd", NoneShiftsTheRest, NONE),
    Wrong("None becomes 1", "sgd", NoneBecomesOne, NONE),
    Wrong(
        "rows of a sparse gradient lose their place",
        "sgd",
        LosesItsRows,
        "sparse_gradients_step_like_dense_ones",
    ),
    Wrong("scalars break it", "sgd", edit("sgd", "* g)", "* g * len(g) / len(g))"), RANKS),
    Wrong("no convolutions", "sgd", NoConvolutions, RANKS),
]

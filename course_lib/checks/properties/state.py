"""State and gradients: each variable and each optimizer has its own, for gradients of all kinds."""

import warnings

import keras
import numpy as np

from ..engine.check import ANATOMY, NAMES, STATE, check
from ..engine.classes import is_kerass_own
from ..engine.report import CheckFailed, DoesNotApply, KerasFault
from ..engine.runs import (
    difference,
    dtype_policy,
    gradient,
    loss_scale,
    number,
    on_tensorflow,
    start_of,
    variables_of,
)


@check(
    otherwise="layers overwrite each other's momentum; the loss falls all the same, and the larger "
    "the network the worse",
    read=STATE,
)
def no_state_is_shared_between_variables(candidate):
    """A variable's path is the same alone and in company."""
    try:
        together = candidate.standard
    except DoesNotApply:
        if not candidate.broken.startswith("no step"):
            raise
        together = None
    try:
        alone = candidate.alone
    except Exception as error:
        raise DoesNotApply(f"not even one variable can be stepped ({error})") from None
    if together is None:
        raise CheckFailed(
            "each variable can be stepped alone, and not all of them together",
            "one slot a variable",
        )
    if candidate.is_joined:
        raise DoesNotApply("the rule joins its variables, in whichever order (as global norms do)")
    candidate.same_path(together.path, alone, "in company", "its path alone")
    return f"{len(alone[0])} variables, two alike each: together as alone"


@check(
    otherwise="something that belongs to one variable (a slot, a step count) moves on with each of "
    "them",
    read=STATE,
)
def the_order_of_the_variables_does_not_matter(candidate, standard):
    """Variables may come in any order."""
    if not candidate.order_matters <= candidate.tolerance:
        raise CheckFailed(
            f"in another order the variables end {candidate.order_matters:.1e} elsewhere",
            f"at most {candidate.tolerance:.0e}",
        )
    return "in another order, the same paths"


@check(otherwise="as soon as a layer is frozen, the others go on with the wrong memory", read=STATE)
def a_part_of_the_variables_finds_its_own_state(candidate, standard):
    """Built on all and applied to some, each finds its own slots."""
    if candidate.is_joined:
        raise DoesNotApply("the rule joins its variables")
    one = candidate.make()
    variables = variables_of(tuple(np.shape(w) for w in standard.start), candidate.dtype)
    one.build(variables)
    _refused_by_keras(
        one,
        lambda: candidate.run(one, order=[1, 2], variables=variables[1:3], steps=4),
    )
    for i, (v, start) in enumerate(zip(variables, standard.start, strict=True)):
        expected = standard.path[3][i] if i in (1, 2) else start
        if not difference([[number(v)]], [[expected]]) <= candidate.tolerance:
            raise CheckFailed(
                f"given gradients for variables 1 and 2 of 4, variable {i} ends elsewhere than in "
                "a run of all",
                "slots found by `self._get_variable_index(variable)`",
            )
    return "2 of 4 variables: the same paths, the others at rest"


def _refused_by_keras(one, ask):
    """Do it; a refusal by Keras's own class (MultiOptimizer wants all gradients) is Keras's."""
    try:
        return ask()
    except ValueError as error:
        if is_kerass_own(type(one)):
            raise KerasFault(f"{type(one).__name__} refuses: {error}") from None
        raise


@check(
    otherwise="layers that the loss does not reach drift, unseen, or change how the rest of the "
    "network is trained",
    read=ANATOMY,
)
def variables_without_a_gradient_stay(candidate, standard):
    """A gradient of None leaves its variable alone, and the others go their way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says that gradients are missing
        done = candidate.run(gradients=lambda i, t, g: None if i == 1 else g)
    if not np.array_equal(done.path[-1][1], done.start[1]):
        raise CheckFailed(
            "a variable whose gradient is None has moved",
            "it to stay where it is",
        )
    if not candidate.is_joined:
        rest = [[w for i, w in enumerate(step) if i != 1] for step in standard.path]
        candidate.same_path(
            [[w for i, w in enumerate(step) if i != 1] for step in done.path],
            rest,
            "beside a gradient of None",
            "its path without one",
        )
    return "None: at rest, the others as ever"


@check(
    otherwise="what one model learns moves the other: state hangs on a class, a module or a name",
    read=NAMES,
)
def two_optimizers_do_not_meet(candidate, standard):
    """Two of them side by side, each with a model of its own, are as if alone."""
    other = candidate.make()
    theirs = variables_of(tuple(np.shape(w) for w in standard.start), candidate.dtype)
    other.build(theirs)

    def step_the_other(t, one, variables):
        given = [-3.0 * gradient(np.shape(w), i, t + 7) for i, w in enumerate(standard.start)]
        scale = loss_scale(other)
        tensors = [keras.ops.convert_to_tensor(g * scale, candidate.dtype) for g in given]
        for _ in range(candidate.period):
            other.apply(tensors, theirs)

    candidate.same_path(
        candidate.run(before=step_the_other).path,
        standard.path,
        "beside a second optimizer with a model of its own",
        "the run without one",
    )
    return "side by side with another: the same path"


@check(otherwise="an Embedding is trained by another rule than the rest of the network", read=STATE)
def sparse_gradients_step_like_dense_ones(candidate, standard):
    """An Embedding's sparse gradient does what the same gradient does densely."""
    tf = on_tensorflow("IndexedSlices are")
    shape = (4, 2)

    def step(ids, sparsely):
        def gradients(i, t, g):
            rows = g[: len(ids[t % 2])]
            dense = np.zeros(shape)
            np.add.at(dense, ids[t % 2], rows)
            if not sparsely:
                return dense
            values = tf.constant(rows * scale, candidate.dtype)
            return tf.IndexedSlices(values, tf.constant(ids[t % 2]), tf.constant(shape))

        one = candidate.make()
        with keras.name_scope("embedding"):
            start = start_of(0, shape)
            table = keras.Variable(start, dtype=candidate.dtype, name="embeddings")
        one.build([table])
        scale = loss_scale(one)
        return candidate.run(one, shapes=(shape,), gradients=gradients, variables=[table], steps=4)

    seldom, often = ([0, 2, 3], [1, 2, 3]), ([1, 3, 1], [2, 2, 2])
    dense = step(seldom, False).path
    try:
        sparse = step(seldom, True).path
    except NotImplementedError:
        raise
    except Exception as error:
        raise KerasFault(
            "an Embedding's gradient is given to update_step as tf.IndexedSlices, which is not a "
            f"tensor, and with it this class raises {type(error).__name__}: {error}. "
            "`g = ops.broadcast_to(gradient, variable.shape)` mends it."
        ) from error
    candidate.same_path(
        sparse,
        dense,
        "with a sparse gradient",
        "its path with the same gradient made dense",
    )
    try:
        sparse, dense = step(often, True).path, step(often, False).path
        distance = difference(sparse, dense)
    except Exception as error:
        raise KerasFault(f"with repeated rows it raises {type(error).__name__}: {error}") from error
    if not distance <= candidate.tolerance:
        raise KerasFault(
            "rows that repeat in a sparse gradient arrive unsummed, and this rule ends "
            f"{distance:.1e} elsewhere than with the same gradient made dense. "
            "`g = ops.broadcast_to(gradient, variable.shape)` sums them."
        )
    return "seldom and repeated rows: equal to dense"


@check(otherwise="the model cannot be trained in mixed precision", read=ANATOMY)
def mixed_precision_trains(candidate, standard):
    """Under mixed_float16 weights stay float32, finite, and move."""
    with dtype_policy("mixed_float16"):
        layer = keras.layers.Dense(2, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((3,)), layer])
        model.compile(candidate.make(), loss="mse", run_eagerly=True)
        x = np.array([[1.0, 0.25, -0.5], [0.5, -1.0, 0.75], [-0.25, 0.5, 1.0]], "float32")
        model.fit(x, x[:, :2] * [[2.0, -1.0]], epochs=2 * candidate.period, verbose=0)
    kernel = number(layer.kernel)
    if layer.kernel.dtype != "float32" or not np.all(np.isfinite(kernel)) or np.all(kernel == 1):
        raise CheckFailed(
            f"after two steps under mixed_float16 the kernel is {kernel.ravel()[:3]}, "
            f"{layer.kernel.dtype}",
            "finite float32 numbers that have moved",
        )
    return "weights float32, finite, moved"


STATES = (
    no_state_is_shared_between_variables,
    the_order_of_the_variables_does_not_matter,
    a_part_of_the_variables_finds_its_own_state,
    variables_without_a_gradient_stay,
    two_optimizers_do_not_meet,
    sparse_gradients_step_like_dense_ones,
    mixed_precision_trains,
)

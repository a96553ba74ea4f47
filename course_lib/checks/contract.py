"""The contract of a Keras optimizer: what Keras, and everybody's training script, takes for granted."""

import re
import warnings

import keras
import numpy as np

from .candidate import (
    ANATOMY,
    STATE,
    apart,
    dtype_policy,
    gradient,
    is_kerass_own,
    loss_scale,
    number,
    on_tensorflow,
    run,
    start_of,
    variables_of,
)
from .report import CheckFailed, DoesNotApply, KerasFault


def it_is_made_anew_each_time(candidate):
    """Two calls make two optimizers.  Otherwise a second model trains on with the first one's state."""
    one, two = candidate.make(), candidate.make()
    if one is two or any(v is w for v in one.variables for w in two.variables):
        raise CheckFailed(
            "made twice, it is the same object, or has the same variables",
            "a new optimizer for each call",
            "a second model goes on with the momentum and the step count of the first",
            "notebook 01, one name is not one model",
        )
    return f"{type(one).__name__}, made twice: nothing in common"


def a_step_can_be_taken(candidate):
    """Given gradients, it moves every weight to another finite number.  Otherwise nothing is trained, or everything
    is lost."""
    done = candidate.run()
    if not np.all(np.isfinite(np.concatenate([np.ravel(w) for w in done.path[-1]]))):
        raise CheckFailed(
            f"after {len(done.path)} steps with ordinary gradients some weights are nan or infinite",
            "finite numbers",
            "the loss becomes nan within the first batches, and the model is lost",
            ANATOMY,
        )
    for i, (start, *ws) in enumerate(zip(done.start, *done.path, strict=True)):
        if any(w.shape != start.shape for w in ws) or np.array_equal(start, ws[-1]):
            raise CheckFailed(
                f"after {len(ws)} steps variable {i} (of shape {start.shape}) stands where it began",
                "a step along its gradient",
                "a layer is never trained; the others may hide it in the loss curve",
                ANATOMY,
            )
    return f"{len(done.path)} steps, {len(done.start)} variables: all moved, all finite"


def float64_stays_float64(candidate):
    """Weights and state of a float64 variable are float64.  Otherwise digits are lost that the user paid for."""
    done = run(candidate.make(), period=candidate.period)
    for variable, w in zip(done.variables, done.path[-1], strict=True):
        if variable.dtype != "float64" or np.array_equal(w, w.astype("float32")):
            raise CheckFailed(
                "all weights are numbers that float32 can hold",
                "float64 weights in full precision",
                "a model in float64 is trained in float32, and small steps are rounded away",
                ANATOMY,
            )
    for slot in done.optimizer.variables:
        kind = np.dtype(number(slot).dtype)
        if number(slot).size > 1 and kind.kind == "f" and kind.itemsize < 8:
            raise CheckFailed(
                f"the slot {slot.path} is {slot.dtype}, its variables are float64",
                "slots in the dtype of their variable",
                "state is rounded at each step; in mixed precision the updates drown in it",
                STATE,
            )
    return "weights and slots in full precision"


def scalars_to_rank_four_are_stepped(candidate):
    """Weights of every rank are trained: scales, biases, kernels, convolutions.  Otherwise some layer breaks `fit`."""
    shapes = ((), (1,), (2, 1, 3), (2, 1, 2, 2))
    done = candidate.run(shapes=shapes, steps=2)
    for start, w in zip(done.start, done.path[-1], strict=True):
        if w.shape != start.shape or not np.all(np.isfinite(w)) or np.array_equal(w, start):
            raise CheckFailed(
                f"a variable of shape {start.shape} became {w!r}",
                "another finite value of the same shape",
                "the first layer with weights of this rank is not trained, or breaks",
                ANATOMY,
            )
    return "shapes () to (2, 1, 2, 2): all moved"


def it_builds_once(candidate):
    """A second `build` changes nothing.  Otherwise a script that builds before it loads, or before each `fit`, loses
    the state that it has."""
    plain = candidate.plain

    def build_again(t, one, variables):
        if t == 3:
            one.build(variables)

    done = candidate.run(before=build_again)
    more = len(done.optimizer.variables) - len(plain.optimizer.variables)
    if more:
        raise CheckFailed(
            f"a second build made {more} more variables",
            "`if self.built: return` in front of everything else",
            "state begins anew, and a saved file no longer fits the optimizer",
            ANATOMY,
        )
    candidate.must_agree(
        done.path,
        plain.path,
        "built a second time before step 4",
        "the run that was built once",
        "state is lost when something builds the optimizer again",
        ANATOMY,
    )
    return "built twice, nothing changes"


def it_builds_itself_at_the_first_step(candidate):
    """`apply` builds what nobody has built.  Otherwise a loop of one's own fails, or begins elsewhere."""
    plain = candidate.plain
    one = candidate.make()
    variables = variables_of(tuple(np.shape(w) for w in plain.start), candidate.dtype)
    done = candidate.run(one, variables=variables)
    candidate.must_agree(
        done.path,
        plain.path,
        "not built beforehand",
        "the run that was",
        "the result depends on who builds the optimizer, `compile` or your loop",
        ANATOMY,
    )
    return "the same as built beforehand"


def no_variable_is_made_after_the_first_step(candidate):
    """All state exists when training begins.  Otherwise memory grows, graphs break, and files do not fit."""
    counts = []
    built = candidate.make()
    count = lambda t, one, variables: counts.append(len(one.variables))  # noqa: E731
    candidate.run(built, before=count, after=count)
    if len(set(counts)) > 1:
        raise CheckFailed(
            f"it has {counts[0]} variables when it is built and {counts[-1]} after {len(counts) // 2} steps",
            "all of them to be made in `build`",
            "a saved state cannot be loaded before the first step, and `tf.function` refuses new variables",
            STATE,
        )
    return f"{counts[0]} variables, from the beginning to the end"


def no_slot_stays_empty(candidate):
    """What it keeps for each weight is used.  Otherwise an assignment was forgotten, and the rule has no memory."""
    empty = _empty_slots(candidate.plain.optimizer)
    if empty and candidate.period > 1:  # it empties a buffer at each update: look between two
        one = candidate.make()
        empty = _empty_slots(
            run(one, steps=2 * candidate.period - 1, dtype=candidate.dtype).optimizer
        )
    elif empty:  # a preconditioner may be renewed now and then only
        empty = _empty_slots(candidate.run(steps=110, shapes=((3,), (2, 3))).optimizer)
    if empty:
        raise CheckFailed(
            f"{empty[0]} is still all zeros after many steps with gradients",
            "each slot to take part",
            "the memory that the rule is named after is missing: `m = ...` where "
            "`self.assign(m, ...)` was meant",
            STATE,
        )
    return "each slot holds something"


def _empty_slots(optimizer):
    """The slots that are 0 for every variable; a rule may need one for its matrices alone."""
    roles = {}
    for slot in optimizer.variables:
        if number(slot).size > 1:
            role = re.sub(r"layer_\d+_kernel", "", slot.path.rsplit("/", 1)[-1])
            roles.setdefault(role, []).append(slot)
    return [
        f"the slot {slots[0].path}"
        for slots in roles.values()
        if not any(np.any(number(slot)) for slot in slots)
    ]


def no_state_is_shared_between_variables(candidate):
    """A variable's path is the same alone and in company.  Otherwise layers pull at each other's momentum."""
    try:
        together = candidate.plain
    except DoesNotApply:
        if not candidate.broken.startswith("no step"):
            raise
        together = None
    try:
        alone = candidate.alone
    except Exception as error:
        raise DoesNotApply(f"not even one variable can be stepped ({error})") from None
    consequence = "layers overwrite each other's momentum; the loss falls all the same, and the larger the network the worse"
    if together is None:
        raise CheckFailed(
            "each variable can be stepped alone, and not all of them together",
            "one slot a variable",
            consequence,
            STATE,
        )
    if candidate.is_joined:
        raise DoesNotApply("the rule joins its variables, in whichever order (as global norms do)")
    candidate.must_agree(together.path, alone, "in company", "its path alone", consequence, STATE)
    return f"{len(alone[0])} variables, two alike each: together as alone"


def the_order_of_the_variables_does_not_matter(candidate):
    """Variables may come in any order.  Otherwise renaming a layer changes the result."""
    candidate.plain  # noqa: B018
    if not candidate.order_matters <= candidate.room:
        raise CheckFailed(
            f"in another order the variables end {candidate.order_matters:.1e} elsewhere",
            f"at most {candidate.room:.0e}",
            "something that belongs to one variable (a slot, a step count) moves on with each of them",
            STATE,
        )
    return "in another order, the same paths"


def a_part_of_the_variables_finds_its_own_state(candidate):
    """Built on all and applied to some, each finds its own slots.  Otherwise freezing a layer mixes up the state of the
    rest."""
    plain = candidate.plain
    if candidate.is_joined:
        raise DoesNotApply("the rule joins its variables")
    one = candidate.make()
    variables = variables_of(tuple(np.shape(w) for w in plain.start), candidate.dtype)
    one.build(variables)
    _refused_by_keras(
        one,
        lambda: candidate.run(one, order=[1, 2], variables=variables[1:3], steps=4),
    )
    for i, (v, start) in enumerate(zip(variables, plain.start, strict=True)):
        expected = plain.path[3][i] if i in (1, 2) else start
        if not apart([[number(v)]], [[expected]]) <= candidate.room:
            raise CheckFailed(
                f"given gradients for variables 1 and 2 of 4, variable {i} ends elsewhere than in a run of all",
                "slots found by `self._get_variable_index(variable)`",
                "as soon as a layer is frozen, the others go on with the wrong memory",
                STATE,
            )
    return "2 of 4 variables: the same paths, the others at rest"


def _refused_by_keras(one, ask):
    """Do it; a refusal by a class of Keras's own (MultiOptimizer wants all gradients) is Keras's."""
    try:
        return ask()
    except ValueError as error:
        if is_kerass_own(type(one)):
            raise KerasFault(f"{type(one).__name__} refuses: {error}") from None
        raise


def variables_without_a_gradient_stay(candidate):
    """A gradient of None leaves its variable alone, and the others go their way.  Otherwise an unused branch drifts, or
    breaks training."""
    plain = candidate.plain
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says that gradients are missing
        done = candidate.run(gradients=lambda i, t, g: None if i == 1 else g)
    if not np.array_equal(done.path[-1][1], done.start[1]):
        raise CheckFailed(
            "a variable whose gradient is None has moved",
            "it to stay where it is",
            "layers that the loss does not reach decay or drift, unseen",
            ANATOMY,
        )
    if not candidate.is_joined:
        rest = [[w for i, w in enumerate(step) if i != 1] for step in plain.path]
        candidate.must_agree(
            [[w for i, w in enumerate(step) if i != 1] for step in done.path],
            rest,
            "beside a gradient of None",
            "its path without one",
            "an unused branch changes how the rest of the network is trained",
            ANATOMY,
        )
    return "None: at rest, the others as ever"


def two_optimizers_do_not_meet(candidate):
    """Two of them side by side, each with a model of its own, are as if alone.  Otherwise the second run of a comparison,
    or the other half of a GAN, is another experiment."""
    plain = candidate.plain
    other = candidate.make()
    theirs = variables_of(tuple(np.shape(w) for w in plain.start), candidate.dtype)
    other.build(theirs)

    def step_the_other(t, one, variables):
        given = [-3.0 * gradient(np.shape(w), i, t + 7) for i, w in enumerate(plain.start)]
        scale = loss_scale(other)
        tensors = [keras.ops.convert_to_tensor(g * scale, candidate.dtype) for g in given]
        for _ in range(candidate.period):
            other.apply(tensors, theirs)

    candidate.must_agree(
        candidate.run(before=step_the_other).path,
        plain.path,
        "beside a second optimizer with a model of its own",
        "the run without one",
        "what one model learns moves the other: state hangs on a class, a module or a name",
        "notebook 01, one name is not one model",
    )
    return "side by side with another: the same path"


def sparse_gradients_step_like_dense_ones(candidate):
    """An Embedding's sparse gradient does what the same gradient does densely.  Otherwise words are trained by another
    rule than the rest of the network."""
    tf = on_tensorflow("IndexedSlices are")
    candidate.plain  # noqa: B018
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
            "an Embedding's gradient is handed to update_step as tf.IndexedSlices, which is no tensor, and with it this "
            f"class raises {type(error).__name__}: {error}. `g = ops.broadcast_to(gradient, variable.shape)` mends it."
        ) from error
    candidate.must_agree(
        sparse,
        dense,
        "with a sparse gradient",
        "its path with the same gradient made dense",
        "an Embedding is trained by another rule than the rest of the network",
        STATE,
    )
    try:
        sparse, dense = step(often, True).path, step(often, False).path
        distance = apart(sparse, dense)
    except Exception as error:
        raise KerasFault(f"with repeated rows it raises {type(error).__name__}: {error}") from error
    if not distance <= candidate.room:
        raise KerasFault(
            f"rows that repeat in a sparse gradient arrive unsummed, and this rule ends {distance:.1e} elsewhere "
            "than with the same gradient made dense. `g = ops.broadcast_to(gradient, variable.shape)` sums them."
        )
    return "seldom and repeated rows: equal to dense"


def mixed_precision_trains(candidate):
    """Under mixed_float16 weights stay float32, finite, and move.  Otherwise half the memory costs the whole model."""
    candidate.plain  # noqa: B018
    with dtype_policy("mixed_float16"):
        layer = keras.layers.Dense(2, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((3,)), layer])
        model.compile(candidate.make(), loss="mse", run_eagerly=True)
        x = np.array([[1.0, 0.25, -0.5], [0.5, -1.0, 0.75], [-0.25, 0.5, 1.0]], "float32")
        model.fit(x, x[:, :2] * [[2.0, -1.0]], epochs=2 * candidate.period, verbose=0)
    kernel = number(layer.kernel)
    if layer.kernel.dtype != "float32" or not np.all(np.isfinite(kernel)) or np.all(kernel == 1):
        raise CheckFailed(
            f"after two steps under mixed_float16 the kernel is {kernel.ravel()[:3]}, {layer.kernel.dtype}",
            "finite float32 numbers that have moved",
            "the model cannot be trained in mixed precision",
            ANATOMY,
        )
    return "weights float32, finite, moved"


CONTRACT = (
    it_is_made_anew_each_time,
    a_step_can_be_taken,
    float64_stays_float64,
    scalars_to_rank_four_are_stepped,
    it_builds_once,
    it_builds_itself_at_the_first_step,
    no_variable_is_made_after_the_first_step,
    no_slot_stays_empty,
    no_state_is_shared_between_variables,
    the_order_of_the_variables_does_not_matter,
    a_part_of_the_variables_finds_its_own_state,
    variables_without_a_gradient_stay,
    two_optimizers_do_not_meet,
    sparse_gradients_step_like_dense_ones,
    mixed_precision_trains,
)

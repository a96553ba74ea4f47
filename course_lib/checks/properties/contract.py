"""The contract of a Keras optimizer: it is made, built, and takes steps of every kind of weight.

Keras relies on these properties, and so does every training script.
"""

import re

import numpy as np

from ..engine.check import ANATOMY, NAMES, STATE, check
from ..engine.report import CheckFailed
from ..engine.runs import number, variables_of


@check(
    otherwise="a second model goes on with the momentum and the step count of the first",
    read=NAMES,
)
def it_is_made_anew_each_time(candidate):
    """Two calls make two optimizers."""
    one, two = candidate.make(), candidate.make()
    if one is two or any(v is w for v in one.variables for w in two.variables):
        raise CheckFailed(
            "made twice, it is the same object, or has the same variables",
            "a new optimizer for each call",
        )
    return f"{type(one).__name__}, made twice: nothing in common"


@check(
    otherwise="a layer is never trained, or the loss becomes nan within the first batches and the "
    "model is lost",
    read=ANATOMY,
)
def a_step_can_be_taken(candidate):
    """Given gradients, it moves every weight to another finite number."""
    done = candidate.run()
    if not np.all(np.isfinite(np.concatenate([np.ravel(w) for w in done.path[-1]]))):
        raise CheckFailed(
            f"after {len(done.path)} steps with ordinary gradients some weights are nan or "
            "infinite",
            "finite numbers",
        )
    for i, (start, *ws) in enumerate(zip(done.start, *done.path, strict=True)):
        if any(w.shape != start.shape for w in ws) or np.array_equal(start, ws[-1]):
            raise CheckFailed(
                f"after {len(ws)} steps variable {i} (of shape {start.shape}) stands where it "
                "began",
                "a step along its gradient",
            )
    return f"{len(done.path)} steps, {len(done.start)} variables: all moved, all finite"


@check(
    otherwise="small steps are rounded away, in weights or in state; in mixed precision the "
    "updates drown in it",
    read=ANATOMY,
)
def float64_stays_float64(candidate):
    """Weights and state of a float64 variable are float64."""
    done = candidate.run(dtype="float64")
    for variable, w in zip(done.variables, done.path[-1], strict=True):
        if variable.dtype != "float64" or np.array_equal(w, w.astype("float32")):
            raise CheckFailed(
                "all weights are numbers that float32 can hold",
                "float64 weights in full precision",
            )
    for slot in done.optimizer.variables:
        kind = np.dtype(number(slot).dtype)
        if number(slot).size > 1 and kind.kind == "f" and kind.itemsize < 8:
            raise CheckFailed(
                f"the slot {slot.path} is {slot.dtype}, its variables are float64",
                "slots in the dtype of their variable",
            )
    return "weights and slots in full precision"


@check(
    otherwise="the first layer with weights of this rank is not trained, or breaks",
    read=ANATOMY,
)
def scalars_to_rank_four_are_stepped(candidate):
    """Weights of every rank are trained: scales, biases, kernels, convolutions."""
    shapes = ((), (1,), (2, 1, 3), (2, 1, 2, 2))
    done = candidate.run(shapes=shapes, steps=2)
    for start, w in zip(done.start, done.path[-1], strict=True):
        if w.shape != start.shape or not np.all(np.isfinite(w)) or np.array_equal(w, start):
            raise CheckFailed(
                f"a variable of shape {start.shape} became {w!r}",
                "another finite value of the same shape",
            )
    return "shapes () to (2, 1, 2, 2): all moved"


@check(
    otherwise="state begins anew when something builds the optimizer again, and a saved file no "
    "longer fits it",
    read=ANATOMY,
)
def it_builds_once(candidate, standard):
    """A second `build` changes nothing."""

    def build_again(t, one, variables):
        if t == 3:
            one.build(variables)

    done = candidate.run(before=build_again)
    more = len(done.optimizer.variables) - len(standard.optimizer.variables)
    if more:
        raise CheckFailed(
            f"a second build made {more} more variables",
            "`if self.built: return` in front of everything else",
        )
    candidate.same_path(
        done.path,
        standard.path,
        "built a second time before step 4",
        "the run that was built once",
    )
    return "built twice, nothing changes"


@check(
    otherwise="the result depends on who builds the optimizer, `compile` or your loop",
    read=ANATOMY,
)
def it_builds_itself_at_the_first_step(candidate, standard):
    """`apply` builds what nobody has built."""
    one = candidate.make()
    variables = variables_of(tuple(np.shape(w) for w in standard.start), candidate.dtype)
    done = candidate.run(one, variables=variables)
    candidate.same_path(
        done.path,
        standard.path,
        "not built beforehand",
        "the run that was",
    )
    return "the same as built beforehand"


@check(
    otherwise="a saved state cannot be loaded before the first step, and `tf.function` refuses new "
    "variables",
    read=STATE,
)
def no_variable_is_made_after_the_first_step(candidate):
    """All state exists when training begins."""
    counts = []
    built = candidate.make()
    count = lambda t, one, variables: counts.append(len(one.variables))  # noqa: E731
    candidate.run(built, before=count, after=count)
    if len(set(counts)) > 1:
        raise CheckFailed(
            f"it has {counts[0]} variables when it is built and {counts[-1]} after "
            f"{len(counts) // 2} steps",
            "all of them to be made in `build`",
        )
    return f"{counts[0]} variables, from the beginning to the end"


@check(
    otherwise="the memory that the rule is named after is missing: `m = ...` where `self.assign(m, "
    "...)` was meant",
    read=STATE,
)
def no_slot_stays_empty(candidate, standard):
    """What it keeps for each weight is used."""
    empty = _empty_slots(standard.optimizer)
    if empty and candidate.period > 1:  # it empties a buffer at each update: look between two
        one = candidate.make()
        done = candidate.run(one, steps=2 * candidate.period - 1, period=1)
        empty = _empty_slots(done.optimizer)
    elif empty:  # a preconditioner may be renewed now and then only
        empty = _empty_slots(candidate.run(steps=110, shapes=((3,), (2, 3))).optimizer)
    if empty:
        raise CheckFailed(
            f"{empty[0]} is still all zeros after many steps with gradients",
            "each slot to take part",
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


CONTRACT = (
    it_is_made_anew_each_time,
    a_step_can_be_taken,
    float64_stays_float64,
    scalars_to_rank_four_are_stepped,
    it_builds_once,
    it_builds_itself_at_the_first_step,
    no_variable_is_made_after_the_first_step,
    no_slot_stays_empty,
)

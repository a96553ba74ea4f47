"""What Keras offers to every optimizer: accumulation, decay, clipping, constraints, averaging."""

import keras
import numpy as np
from keras import ops

from ..engine.check import ANATOMY, AVERAGING, DECAY, SOFT, check
from ..engine.report import CheckFailed, DoesNotApply, KerasFault
from ..engine.runs import difference, gradient, number, variables_of

DECAY_RATE = 0.25


@check(
    otherwise="something counts micro-batches (`self._iterations` in place of `self.iterations`), "
    "or moves with each of them",
    read=SOFT,
)
def micro_batches_equal_the_large_batch(candidate, standard):
    """With `gradient_accumulation_steps=2`, two micro-batches make the step of their mean."""
    steps = 2
    one = candidate.make(gradient_accumulation_steps=steps)

    def micro(i, t, g):
        whole = gradient(np.shape(standard.start[i]), i, t // steps)
        return whole * (1.5 if t % steps else 0.5)  # their mean is the whole

    done = candidate.run(one, gradients=micro, steps=steps * len(standard.path))
    candidate.same_path(
        done.path[steps - 1 :: steps],
        standard.path,
        f"with gradient_accumulation_steps={steps}",
        "the run on the mean of the micro-batches",
    )
    still = [
        difference([done.path[t]], [before])
        for t, before in zip(
            range(0, len(done.path), steps), [done.start, *done.path[1::steps]], strict=False
        )
    ]
    if max(still) > 0:
        raise CheckFailed(
            "weights move before the accumulation is complete",
            "rest until then",
        )
    return f"{len(standard.path)} x {steps} micro-batches: the large batch's path"


@check(otherwise="a warm-up of 1,000 steps is over after 1,000 micro-batches", read=SOFT)
def a_schedule_counts_updates_under_accumulation(candidate, standard):
    """A schedule counts updates, also while gradients are collected."""
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.0625, decay_steps=1, decay_rate=1.0)
    whole = candidate.run(candidate.make(learning_rate=schedule))
    one = candidate.make(learning_rate=schedule, gradient_accumulation_steps=2)
    done = candidate.run(
        one,
        gradients=lambda i, t, g: gradient(np.shape(whole.start[i]), i, t // 2),
        steps=2 * len(whole.path),
    )
    if difference(done.path[1::2], whole.path) > candidate.tolerance:
        raise KerasFault(
            "under gradient_accumulation_steps=k a schedule counts micro-batches, so it is spent k "
            "times too early. Multiply its decay_steps by k, or use "
            "course_lib.wrappers.SoftBatch."
        )
    return "counted in updates"


@check(
    otherwise="decay does nothing, acts twice (Keras's base class applies `self.weight_decay` by "
    "itself), or acts through the gradient's scaling, as L2 does inside an adaptive rule",
    read=DECAY,
)
def weight_decay_is_applied_once_before_the_step(candidate, standard):
    """`weight_decay=x` shrinks the weights by learning_rate · x, once, before the step."""
    one = candidate.make(weight_decay=DECAY_RATE)
    rate = float(number(one.learning_rate))
    decayed, plain = _with_and_without_decay(candidate)
    if not difference(decayed, plain) > candidate.tolerance:
        raise CheckFailed(
            f"weight_decay={DECAY_RATE} changes nothing",
            "weights that shrink",
        )

    def shrink(t, one, variables):
        for v in variables:
            v.assign(v - v * DECAY_RATE * rate)

    by_keras = one.weight_decay == DECAY_RATE and not candidate.overrides("_apply_weight_decay")
    if not by_keras:
        return _decays_in_its_own_way(candidate)
    by_hand = candidate.run(_without_decay(candidate), before=shrink)
    candidate.same_path(
        decayed,
        by_hand.path,
        f"with weight_decay={DECAY_RATE}",
        "the run in which the weights were shrunk by learning_rate · weight_decay before each step",
        tolerance=max(candidate.tolerance, 1e-7),  # on PyTorch, Keras rounds the factor to float32
    )
    return "as w - learning_rate * weight_decay * w before each step"


def _with_and_without_decay(candidate):
    """Its paths with weight decay and without."""

    def paths():
        decayed = candidate.run(candidate.make(weight_decay=DECAY_RATE))
        return decayed.path, candidate.run(_without_decay(candidate)).path

    return candidate.once("decay", paths)


def _without_decay(candidate):
    """One without weight decay; its default may be another."""
    try:
        return candidate.make(weight_decay=0.0)
    except ValueError:
        return candidate.make()


def _decays_in_its_own_way(candidate):
    """A rule that works coordinate by coordinate decays alike for small and large gradients.

    L2 regularization in Adam does not.
    """
    if not candidate.is_elementwise:
        return "it has an effect; the rule decays in a way of its own, inside its norms"

    def strength(size):
        steep = lambda i, t, g: size * gradient((2, 3), 0, 0)  # noqa: E731
        ends = [
            candidate.run(one, shapes=((2, 3),), steps=1, gradients=steep).path[0][0]
            for one in (candidate.make(weight_decay=DECAY_RATE), _without_decay(candidate))
        ]
        return np.linalg.norm(ends[0] - ends[1])

    usual, steep = strength(1.0), strength(2.0**12)
    if not usual / 4 < steep < 4 * usual + candidate.tolerance * 100:
        raise CheckFailed(
            "with gradients 4096 times as large, weight decay moves the weights "
            f"{steep:.1e} instead of {usual:.1e}",
            "the same: decoupled from the gradient",
        )
    return "it decays in a way of its own, whatever the gradient's size"


@check(otherwise="biases and normalization layers shrink although they were excluded", read=DECAY)
def excluded_variables_do_not_decay(candidate, standard):
    """`exclude_from_weight_decay` keeps biases and norms from decaying."""
    if candidate.is_joined:
        raise DoesNotApply("the rule joins its variables")
    decayed, plain = _with_and_without_decay(candidate)
    decaying = [
        i
        for i, w in enumerate(plain[-1])
        if difference([[w]], [[decayed[-1][i]]]) > candidate.tolerance
    ]
    if not decaying:
        raise DoesNotApply(
            "weight_decay changes nothing: see weight_decay_is_applied_once_before_the_step"
        )
    one, k = candidate.make(weight_decay=DECAY_RATE), decaying[0]
    variables = variables_of(tuple(np.shape(w) for w in standard.start), candidate.dtype)
    one.exclude_from_weight_decay(var_list=[variables[k]])
    one.build(variables)
    done = candidate.run(one, variables=variables).path
    expected = [[*d[:k], p[k], *d[k + 1 :]] for p, d in zip(plain, decayed, strict=True)]
    candidate.same_path(
        done,
        expected,
        f"with variable {k} excluded from weight decay",
        f"variable {k} without decay and the rest with it",
    )
    return "excluded: no decay; the others: as before"


@check(otherwise="a script that excludes too late gets no error", read=DECAY)
def an_exclusion_after_build_is_refused(candidate, standard):
    """`exclude_from_weight_decay` says when it comes too late, as documented."""
    one = standard.optimizer
    if candidate.overrides("exclude_from_weight_decay"):
        raise DoesNotApply("the class has an exclude_from_weight_decay of its own")
    try:
        one.exclude_from_weight_decay(var_names=["nothing"])
    except ValueError:
        return "refused"
    raise KerasFault(
        "exclude_from_weight_decay after build is documented to be refused, and is not: the guard "
        "asks for `_built`, the attribute is `built`."
    )


@check(otherwise="one exploding batch ends the run, although it was to be clipped", read=DECAY)
def gradients_are_clipped_once_before_the_step(candidate, standard):
    """`clipnorm`, `clipvalue` and `global_clipnorm` do what clipping by hand does."""
    limit, seen = 0.5, []
    n = len(standard.start)

    def each(i, t):
        return gradient(np.shape(standard.start[i]), i, t)

    def total(t):
        return np.sqrt(sum(np.sum(each(j, t) ** 2) for j in range(n)))

    by_hand = {
        "clipnorm": lambda i, t, g: g * min(1, limit / np.linalg.norm(g)),
        "clipvalue": lambda i, t, g: np.clip(g, -limit, limit),
        "global_clipnorm": lambda i, t, g: g * min(1, limit / total(t)),
    }
    for keyword, clip in by_hand.items():
        try:
            one = candidate.make(**{keyword: limit})
        except DoesNotApply as reason:
            refused = reason
            continue
        candidate.same_path(
            candidate.run(one, steps=4).path,
            candidate.run(steps=4, gradients=clip).path,
            f"with {keyword}={limit}",
            "the run in which the gradients were clipped by hand",
            tolerance=max(candidate.tolerance, 1e-9),
        )
        seen.append(keyword)
    if not seen:
        raise refused
    return f"{', '.join(seen)}: as clipped by hand"


@check(
    otherwise="weights leave the set that they were to stay in, or are pulled into it twice",
    read=ANATOMY,
)
def constraints_hold_after_the_step(candidate, standard):
    """A constraint is applied once, after the step."""
    if candidate.overrides("apply"):  # a wrapper may project more often than once
        constraint = keras.constraints.NonNeg()
        done = candidate.run(constraint=constraint)
        if min(w.min() for w in done.path[-1]) < 0:
            raise CheckFailed(
                "a weight is below 0 under the constraint NonNeg",
                "weights of 0 and more after each update",
            )
        return "NonNeg holds"
    halve = lambda w: w * 0.5 + 0.125  # not idempotent: once and twice are different  # noqa: E731

    def by_hand(t, one, variables):
        for v in variables:
            v.assign(halve(ops.convert_to_tensor(v)))

    done, expected = candidate.run(constraint=halve), candidate.run(after=by_hand)
    candidate.same_path(
        done.path,
        expected.path,
        "with a constraint",
        "the run in which it was applied by hand after each step",
    )
    return "applied once, after the step"


@check(
    otherwise="averaging changes what is averaged, or the model that is evaluated and saved is not "
    "the average that was asked for",
    read=AVERAGING,
)
def the_moving_average_follows_the_weights(candidate, standard):
    """`use_ema=True` averages the weights, leaves the run alone, and is put in at the end."""
    momentum = 0.5
    one = candidate.make(use_ema=True, ema_momentum=momentum)
    done = candidate.run(one)
    candidate.same_path(
        done.path,
        standard.path,
        "with use_ema=True",
        "the run without",
    )
    average = standard.path[0]
    for ws in standard.path[1:]:
        average = [momentum * a + (1 - momentum) * w for a, w in zip(average, ws, strict=True)]
    one.finalize_variable_values(done.variables)
    candidate.same_path(
        [[number(v) for v in done.variables]],
        [average],
        "what finalize_variable_values puts in",
        "the average of the path",
    )
    return "the run as without; the average as by hand"


OPTIONS = (
    micro_batches_equal_the_large_batch,
    a_schedule_counts_updates_under_accumulation,
    weight_decay_is_applied_once_before_the_step,
    excluded_variables_do_not_decay,
    an_exclusion_after_build_is_refused,
    gradients_are_clipped_once_before_the_step,
    constraints_hold_after_the_step,
    the_moving_average_follows_the_weights,
)

"""Counting and learning rates: what is set is used, at the right step, and again the next time."""

import keras
import numpy as np

from ..engine.check import SCHEDULES, START, check
from ..engine.report import CheckFailed, DoesNotApply
from ..engine.runs import difference, number


@check(
    otherwise="schedules and bias corrections run too fast, too slow, or not at all",
    read=SCHEDULES,
)
def every_update_is_counted_once(candidate, standard):
    """`iterations` goes up by one an update."""
    counted = int(number(standard.optimizer.iterations))
    if counted != len(standard.path):
        raise CheckFailed(
            f"after {len(standard.path)} updates iterations is {counted}",
            f"{len(standard.path)}",
        )
    return f"{counted} updates, iterations {counted}"


@check(otherwise="every learning rate of a sweep gives the same result", read=SCHEDULES)
def the_learning_rate_matters(candidate, standard):
    """Half the learning rate makes another path."""
    rate = candidate.learning_rate
    halved = candidate.run(candidate.make(learning_rate=rate / 2))
    if not difference(halved.path, standard.path) > candidate.tolerance:
        raise CheckFailed(
            f"learning rate {rate:g} and {rate / 2:g} make the same path",
            "two paths",
        )
    return f"{rate:g} and {rate / 2:g}: two paths"


@check(
    otherwise="ReduceLROnPlateau, LearningRateScheduler and your own hand turn a knob that is "
    "connected to nothing",
    read=SCHEDULES,
)
def a_new_learning_rate_is_followed(candidate, standard):
    """What is set with `optimizer.learning_rate = x` is what is used."""
    if not candidate.learning_rate_can_be_set:
        raise DoesNotApply("its learning rate follows a schedule, or cannot be set")
    rate = candidate.learning_rate
    late = candidate.run(learning_rate=lambda t: rate / 2 if t == 0 else None)
    early = candidate.run(candidate.make(learning_rate=rate / 2))
    if difference(late.path, early.path) <= candidate.tolerance:
        return "set before the first step: as if made with it"
    if difference(late.path, standard.path) > candidate.tolerance:
        return "followed; the rule also uses the one that it was made with"
    raise CheckFailed(
        f"made with learning rate {rate:g} and set to {rate / 2:g}, it goes on as if nothing had "
        "been set",
        "the path of the new learning rate",
    )


@check(otherwise="warm-up and decay do not happen, or happen at another time", read=SCHEDULES)
def a_schedule_is_followed(candidate, standard):
    """A schedule gives what its values, set by hand at each step, give."""
    if not candidate.learning_rate_can_be_set:
        raise DoesNotApply(
            "its learning rate cannot be set, so there is nothing to compare a schedule with"
        )
    # Exact in every precision. A Python float: with NumPy's float64 the schedule is float64 too.
    rate = float(2.0 ** np.round(np.log2(candidate.learning_rate)))
    schedule = keras.optimizers.schedules.ExponentialDecay(rate, decay_steps=1, decay_rate=0.5)
    scheduled = candidate.run(candidate.make(learning_rate=schedule))
    by_hand = candidate.run(candidate.make(learning_rate=rate), learning_rate=lambda t: rate / 2**t)
    candidate.same_path(
        scheduled.path,
        by_hand.path,
        "with a schedule",
        "the run in which each of its values was set by hand",
    )
    return "1, 1/2, 1/4, ...: as set by hand"


@check(
    otherwise="something is left over from the run before, or comes from nowhere: no result can be "
    "repeated",
    read=START,
)
def the_same_run_twice_is_the_same(candidate, standard):
    """With the seed set, run again, it does the same again."""
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        runs.append(candidate.run())
    one, two = runs
    if not difference(one.path, two.path) == 0:
        raise CheckFailed(
            f"two runs alike end {difference(one.path, two.path):.1e} apart",
            "a difference of 0",
        )
    return "difference 0.0"


COUNTING = (
    every_update_is_counted_once,
    the_learning_rate_matters,
    a_new_learning_rate_is_followed,
    a_schedule_is_followed,
    the_same_run_twice_is_the_same,
)

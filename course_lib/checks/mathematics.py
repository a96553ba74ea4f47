"""The mathematics: what it should equal, if that is known; and what holds for every sound rule.

Not every sound rule rests when the gradient is 0 (FTRL goes to 0), is the same for each coordinate (Shampoo, Muon), cares
how large a gradient is (Adam, Lion), or descends with the learning rate that it comes with.  So each property is asked in a
form that is true of all of them.
"""

import inspect
import re

import keras
import numpy as np

from .candidate import apart, gradient, is_kerass_own, number, run
from .reference import path_of_reference
from .report import CheckFailed, DoesNotApply

DESCENT = "notebook 02, gradient descent by hand"
ADAM = "notebook 08, the Adam family"
SCHEDULES = "notebook 10, schedules and warm-up"


def it_follows_the_reference(candidate):
    """It takes the path of what it is meant to equal.  Otherwise it is another optimizer than its name says."""
    if candidate.reference is None:
        raise DoesNotApply(
            "no reference was given: reference=, a rule, an optimizer or an optax transformation"
        )
    candidate.plain  # noqa: B018
    ours, theirs, what, exact = path_of_reference(candidate)
    moved = max(float(np.max(np.abs(w - v))) for w, v in zip(theirs[-1], theirs[0], strict=True))
    # NB: ops.cast(0.999, "float64") goes through float32; hyper-parameters that float32 cannot hold differ by that much
    room = candidate.room if exact else max(candidate.room, 2e-5 * moved)
    candidate.must_agree(
        ours,
        theirs,
        "its w",
        what,
        "it is another optimizer than its name says; the loss curve need not show it",
        "the notebook of this rule",
        room,
    )
    return f"{len(ours)} steps: equal to {what}, to {room:.0e}"


# Names that stand for one equation: what carries one of them, and its hyper-parameters, must follow it.
CLAIMS = {
    "sgd": (keras.optimizers.SGD, {"learning_rate"}),
    "adagrad": (keras.optimizers.Adagrad, {"initial_accumulator_value", "epsilon"}),
    "rmsprop": (keras.optimizers.RMSprop, {"rho", "epsilon"}),
    "adadelta": (keras.optimizers.Adadelta, {"rho", "epsilon"}),
    "adam": (keras.optimizers.Adam, {"beta_1", "beta_2", "epsilon"}),
    "adamw": (keras.optimizers.AdamW, {"beta_1", "beta_2", "epsilon", "weight_decay"}),
    "adamax": (keras.optimizers.Adamax, {"beta_1", "beta_2", "epsilon"}),
    "lion": (keras.optimizers.Lion, {"beta_1", "beta_2"}),
}
# Words around such a name that make no other rule of it (AdamW, RAdam and Nadam are other rules).
FILLERS = set(
    [
        "a",
        "my",
        "our",
        "own",
        "the",
        "new",
        "custom",
        "simple",
        "plain",
        "basic",
        "naive",
        "vanilla",
        "mini",
        "tiny",
        "toy",
        "test",
        "student",
        "optimizer",
        "keras",
        "wrong",
        "bad",
        "broken",
        "buggy",
        "faulty",
        "mutant",
        "frozen",
        "swapped",
        "shared",
        "stale",
        "t",
        "v",
    ]
)


def name_of_equation(class_name):
    """The well-known equation that a class is named after: "adam" for MyAdam and Adam2; None for LazyAdam, RAdam, Mine."""
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", class_name)
    rest = "".join(word.lower() for word in words if word.lower() not in FILLERS)
    joined = re.sub(r"[\d_]", "", class_name).lower()
    return next((name for name in (rest, joined) if name in CLAIMS), None)


def it_is_what_its_name_says(candidate):
    """What is called Adam goes where Adam goes, wherever it puts its epsilon.  Otherwise a paper says Adam, and means
    something that nobody else has."""
    if candidate.reference is not None:
        raise DoesNotApply("a reference was given, and says it more exactly")
    cls = type(candidate.made)
    if is_kerass_own(cls):
        raise DoesNotApply("Keras's own classes are what the others are compared with")
    claimed = name_of_equation(cls.__name__)
    if claimed is None:
        raise DoesNotApply(f"{cls.__name__} is not the name of one well-known equation")
    twin, needed = CLAIMS[claimed]
    config, known = candidate.made.get_config(), inspect.signature(twin).parameters
    own = {n: p for n, p in inspect.signature(cls).parameters.items() if p.kind != p.VAR_KEYWORD}
    if not needed <= set(own) or not set(own) <= set(known) & {*config, "name"}:
        raise DoesNotApply(
            f"its hyper-parameters are not those of {twin.__name__}: no like with like"
        )
    candidate.plain  # noqa: B018
    same = {n: config[n] for n in own if n not in ("name", "learning_rate")}
    # so small that nobody sees where it stands
    small = {"epsilon": 1e-9} if "epsilon" in own else {}
    ours = candidate.run(candidate.make(learning_rate=0.125, **small), steps=12)
    theirs = candidate.run(twin(**{**same, "learning_rate": 0.125, **small}), steps=12)
    for i, start in enumerate(ours.start):
        one, two = ours.path[-1][i], theirs.path[-1][i]
        share = np.max(np.abs(one - two)) / np.max(np.abs(two - start))
        if not share <= 0.01:
            raise CheckFailed(
                f"{cls.__name__} ends {share:.0%} of the way elsewhere than {claimed} does, after 12 steps",
                "at most 1% (say reference=... to compare exactly, or give it another name)",
                "it is another optimizer than its name says; the loss curve need not show it",
                "the notebook of this rule",
            )
    return f"12 steps: it goes where {twin.__name__} goes"


def a_bowl_is_descended(candidate):
    """There is a learning rate with which it comes down a bowl.  Otherwise it climbs, or goes nowhere."""
    candidate.plain  # noqa: B018
    bottom, start = np.array([0.5, -0.5, 0.25]), np.array([2.0, -3.0, 2.5])
    rates = [None, *(2.0**-k for k in (4, 7, 10))] if candidate.learning_rate_can_be_set else [None]
    seen = []
    for rate in rates:
        one = candidate.make()
        if rate is not None:
            one.learning_rate = rate
        w = start

        def downhill(i, t, g):
            return w - bottom  # noqa: B023

        heights = []
        variables = None
        for t in range(24):
            done = run(
                one,
                shapes=((3,),),
                steps=1,
                first=t,
                dtype=candidate.dtype,
                period=candidate.period,
                values=lambda i, shape: start,
                gradients=downhill,
                variables=variables,
            )
            variables, w = done.variables, done.path[-1][0]
            heights.append(0.5 * np.sum((w - bottom) ** 2))
        began = 0.5 * np.sum((start - bottom) ** 2)
        seen.append(heights[-1])
        if heights[-1] < began:
            used = "its default learning rate" if rate is None else f"learning rate {rate:g}"
            return f"24 steps with {used}: from {began:.3g} to {heights[-1]:.3g}"
    raise CheckFailed(
        f"24 steps in a bowl end higher than the {began:.3g} where they began, at {min(seen):.6g} at best",
        "a way down with one of four learning rates",
        "the loss rises, or stays where it is",
        DESCENT,
    )


def a_zero_gradient_pushes_nothing_away(candidate):
    """Where the gradient is 0, weights rest or are drawn towards 0, and stay finite.  Otherwise what the loss does not
    need drifts off, or turns into nan."""
    candidate.plain  # noqa: B018
    start = np.array([[1.5, -0.75, 0.0], [0.25, -2.0, 1.0]])
    done = candidate.run(
        shapes=((2, 3),), values=lambda i, shape: start, gradients=lambda i, t, g: 0 * g
    )
    ends = done.path[-1][0]
    if not np.all(np.isfinite(ends)):
        raise CheckFailed(
            "with a gradient of 0 weights become nan",
            "0 / 0 to be kept out by an epsilon",
            "a dead unit, or an unused row of an Embedding, turns the model into nan",
            ADAM,
        )
    away = np.maximum(np.abs(ends) - np.abs(start), -ends * np.sign(start))
    if np.any(away > candidate.room):
        worst = float(np.max(np.abs(ends - start)))
        raise CheckFailed(
            f"with a gradient of 0 in {len(done.path)} steps weights moved {worst:.1e} away",
            "rest, or a pull towards 0",
            "weights that the loss does not need drift for ever",
            ADAM,
        )
    rests = apart([[ends]], [[start]]) <= candidate.room
    return "at rest" if rests else "drawn towards 0 (decay, or FTRL)"


def a_mirrored_run_is_mirrored(candidate):
    """With all signs turned the path has all signs turned.  Otherwise something is added that has no direction."""
    plain = candidate.plain
    mirrored = candidate.run(values=lambda i, shape: -plain.start[i], gradients=lambda i, t, g: -g)
    candidate.must_agree(
        [[-w for w in step] for step in mirrored.path],
        plain.path,
        "mirrored",
        "the mirror image of the run",
        "the weights creep in one direction: an epsilon that is added to them, a root of what has a sign",
        ADAM,
    )
    return "mirrored weights and gradients: a mirrored path"


def permuted_coordinates_take_the_same_paths(candidate):
    """Rows and columns may be renumbered.  Otherwise the result depends on which unit comes first."""
    candidate.plain  # noqa: B018
    shapes, rows, columns = ((4,), (3, 4)), [2, 0, 1], [3, 1, 0, 2]

    def turned(array):
        return array[columns] if array.ndim == 1 else array[rows][:, columns]

    usual = candidate.run(shapes=shapes)
    other = candidate.run(
        shapes=shapes,
        values=lambda i, shape: turned(usual.start[i]),
        gradients=lambda i, t, g: turned(g),
    )
    room = max(candidate.room, 1e-7)  # decompositions of matrices round differently
    candidate.must_agree(
        other.path,
        [[turned(w) for w in step] for step in usual.path],
        "with rows and columns in another order",
        "the same path, renumbered",
        "one unit's gradient moves another unit's weight",
        DESCENT,
        room,
    )
    return f"renumbered rows and columns: the same paths, to {room:.0e}"


def a_larger_gradient_makes_no_smaller_step(candidate):
    """Scale all gradients up: the way they make does not become shorter.  Otherwise the steeper, the slower: a root is
    missing."""
    candidate.plain  # noqa: B018
    exponents = (-12, -4, 4, 12)
    ways = []
    for k in exponents:
        ends = [
            candidate.run(
                shapes=((3,),),
                steps=7,  # RAdam adapts from step 6 on
                gradients=lambda i, t, g, c=c: c * gradient((3,), 0, 0) * (1 + t % 2),
            ).path[-1][0]
            for c in (2.0**k, -(2.0**k))
        ]
        ways.append(float(np.linalg.norm(ends[0] - ends[1])) / 2)
    for k, way, longer in zip(exponents, ways, ways[1:], strict=False):
        if not longer >= way * (1 - 1e-3) - candidate.room:
            raise CheckFailed(
                f"gradients of size 2^{k} carry the weights {way:.2e} far, 256 times larger ones {longer:.2e}",
                "a way at least as long",
                "the steeper the loss, the slower: a square that no root takes back, or a gradient that divides",
                "notebook 06, Adagrad",
            )
    flat = [k for k, way in zip(exponents, ways, strict=True) if way > ways[-1] / 2]
    if all(way < 2.0**-7 * longer for way, longer in zip(ways, ways[1:], strict=False)):
        return "way in proportion to the gradient"
    return f"way independent of the gradient's scale from 2^{flat[0]} on; below, an epsilon or the like shows"


def every_update_is_counted_once(candidate):
    """`iterations` goes up by one an update.  Otherwise schedules, bias corrections and logs run at another speed."""
    plain = candidate.plain
    counted = int(number(plain.optimizer.iterations))
    if counted != len(plain.path):
        raise CheckFailed(
            f"after {len(plain.path)} updates iterations is {counted}",
            f"{len(plain.path)}",
            "schedules and bias corrections run too fast, too slow, or not at all",
            SCHEDULES,
        )
    return f"{counted} updates, iterations {counted}"


def the_learning_rate_matters(candidate):
    """Half the learning rate makes another path.  Otherwise it is ignored, and tuning it is a waste."""
    plain = candidate.plain
    rate = candidate.learning_rate
    halved = candidate.run(candidate.make(learning_rate=rate / 2))
    if not apart(halved.path, plain.path) > candidate.room:
        raise CheckFailed(
            f"learning rate {rate:g} and {rate / 2:g} make the same path",
            "two paths",
            "every learning rate of a sweep gives the same result",
            SCHEDULES,
        )
    return f"{rate:g} and {rate / 2:g}: two paths"


def a_new_learning_rate_is_followed(candidate):
    """What is set with `optimizer.learning_rate = x` is what is used.  Otherwise callbacks that lower it do nothing."""
    candidate.plain  # noqa: B018
    if not candidate.learning_rate_can_be_set:
        raise DoesNotApply("its learning rate follows a schedule, or cannot be set")
    rate = candidate.learning_rate
    late = candidate.run(learning_rate=lambda t: rate / 2 if t == 0 else None)
    early = candidate.run(candidate.make(learning_rate=rate / 2))
    if apart(late.path, early.path) <= candidate.room:
        return "set before the first step: as if made with it"
    if apart(late.path, candidate.plain.path) > candidate.room:
        return "followed; the rule also uses the one that it was made with"
    raise CheckFailed(
        f"made with learning rate {rate:g} and set to {rate / 2:g}, it goes on as if nothing had been set",
        "the path of the new learning rate",
        "ReduceLROnPlateau, LearningRateScheduler and your own hand turn a knob that is connected to nothing",
        SCHEDULES,
    )


def a_schedule_is_followed(candidate):
    """A schedule gives what its values, set by hand at each step, give.  Otherwise warm-up and decay do not happen."""
    candidate.plain  # noqa: B018
    if not candidate.learning_rate_can_be_set:
        raise DoesNotApply(
            "its learning rate cannot be set, so there is nothing to compare a schedule with"
        )
    rate = 2.0 ** np.round(np.log2(candidate.learning_rate))  # exact in every precision
    schedule = keras.optimizers.schedules.ExponentialDecay(rate, decay_steps=1, decay_rate=0.5)
    scheduled = candidate.run(candidate.make(learning_rate=schedule))
    by_hand = candidate.run(
        candidate.make(learning_rate=float(rate)), learning_rate=lambda t: float(rate) / 2**t
    )
    candidate.must_agree(
        scheduled.path,
        by_hand.path,
        "with a schedule",
        "the run in which each of its values was set by hand",
        "warm-up and decay do not happen, or happen at another time",
        SCHEDULES,
    )
    return "1, 1/2, 1/4, ...: as set by hand"


def the_same_run_twice_is_the_same(candidate):
    """With the seed set, run again, it does the same again.  Otherwise no experiment can be repeated."""
    candidate.plain  # noqa: B018
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        runs.append(candidate.run())
    one, two = runs
    if not apart(one.path, two.path) == 0:
        raise CheckFailed(
            f"two runs alike end {apart(one.path, two.path):.1e} apart",
            "a difference of 0",
            "something is left over from the run before, or comes from nowhere: no result can be repeated",
            "notebook 00, start here",
        )
    return "difference 0.0"


MATHEMATICS = (
    it_follows_the_reference,
    it_is_what_its_name_says,
    a_bowl_is_descended,
    a_zero_gradient_pushes_nothing_away,
    a_mirrored_run_is_mirrored,
    permuted_coordinates_take_the_same_paths,
    a_larger_gradient_makes_no_smaller_step,
    every_update_is_counted_once,
    the_learning_rate_matters,
    a_new_learning_rate_is_followed,
    a_schedule_is_followed,
    the_same_run_twice_is_the_same,
)

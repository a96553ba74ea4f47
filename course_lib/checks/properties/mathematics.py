"""The mathematics: what it should equal, if that is known; and what holds for every sound rule.

Not every sound rule rests when the gradient is 0 (FTRL goes to 0) or treats each coordinate alike
(Shampoo and Muon do not). Adam and Lion do not care how large a gradient is, and some rules do not
descend with the learning rate that they come with. So each property is stated in a form that is
true of all of them.
"""

import inspect

import numpy as np

from ..engine.check import ADAGRAD, ADAM, DESCENT, RULE, check
from ..engine.classes import is_kerass_own
from ..engine.reference import path_of_reference
from ..engine.report import CheckFailed, DoesNotApply
from ..engine.runs import BOWL_STEPS, DIALECT_STEPS, difference, gradient, twin_weights
from .claims import CLAIMS, name_of_equation


@check(
    otherwise="it is another optimizer than its name says; the loss curve need not show it",
    read=RULE,
    excusable=False,
)
def it_follows_the_reference(candidate, standard):
    """It takes the path of what it is meant to equal."""
    if candidate.reference is None:
        raise DoesNotApply(
            "no reference was given: reference=, a rule, an optimizer or an optax transformation"
        )
    ours, theirs, what, exact = path_of_reference(candidate)
    # NB: ops.cast(0.999, "float64") goes through float32; what float32 cannot hold differs by that
    share = 0.0 if exact else 2e-5
    allowed = [max(candidate.tolerance, share * way) for way in _ways(theirs)]
    candidate.same_path(ours, theirs, "its w", what, allowed)
    return f"{len(ours)} steps: equal to {what}, to {allowed[-1]:.0e}"


def _ways(path):
    """How far some weight of the path has been from its start, after each step."""
    starts = [twin_weights(np.shape(w), i) for i, w in enumerate(path[0])]
    ways = [
        max(float(np.max(np.abs(w - start))) for w, start in zip(step, starts, strict=True))
        for step in path
    ]
    return np.maximum.accumulate(ways).tolist()


@check(
    otherwise="it is another optimizer than its name says; the loss curve need not show it",
    read=RULE,
)
def it_is_what_its_name_says(candidate, standard):
    """What is called Adam goes where Adam goes, wherever it puts its epsilon."""
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
    same = {n: config[n] for n in own if n not in ("name", "learning_rate")}
    # so small that nobody sees where it stands
    small = {"epsilon": 1e-9} if "epsilon" in own else {}
    ours = candidate.run(candidate.make(learning_rate=0.125, **small), steps=DIALECT_STEPS)
    theirs = candidate.run(twin(**{**same, "learning_rate": 0.125, **small}), steps=DIALECT_STEPS)
    for i, start in enumerate(ours.start):
        one, two = ours.path[-1][i], theirs.path[-1][i]
        share = np.max(np.abs(one - two)) / np.max(np.abs(two - start))
        if not share <= 0.01:
            raise CheckFailed(
                f"{cls.__name__} ends {share:.0%} of the way elsewhere than {claimed} does, after "
                "12 steps",
                "at most 1% (say reference=... to compare exactly, or give it another name)",
            )
    return f"12 steps: it goes where {twin.__name__} goes"


@check(otherwise="the loss rises, or stays where it is", read=DESCENT)
def a_bowl_is_descended(candidate, standard):
    """There is a learning rate with which it comes down a bowl."""
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
        for t in range(BOWL_STEPS):
            done = candidate.run(
                one,
                shapes=((3,),),
                steps=1,
                first=t,
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
            return f"{BOWL_STEPS} steps with {used}: from {began:.3g} to {heights[-1]:.3g}"
    raise CheckFailed(
        f"{BOWL_STEPS} steps in a bowl end higher than the {began:.3g} where they began, at "
        f"{min(seen):.6g} at best",
        "a way down with one of four learning rates",
    )


@check(
    otherwise="weights that the loss does not need (a dead unit, an unused row of an Embedding) "
    "drift for ever or turn the model into nan",
    read=ADAM,
)
def a_zero_gradient_pushes_nothing_away(candidate, standard):
    """Where the gradient is 0, weights rest or are drawn towards 0, and stay finite."""
    start = np.array([[1.5, -0.75, 0.0], [0.25, -2.0, 1.0]])
    done = candidate.run(
        shapes=((2, 3),), values=lambda i, shape: start, gradients=lambda i, t, g: 0 * g
    )
    ends = done.path[-1][0]
    if not np.all(np.isfinite(ends)):
        raise CheckFailed(
            "with a gradient of 0 weights become nan",
            "0 / 0 to be kept out by an epsilon",
        )
    away = np.maximum(np.abs(ends) - np.abs(start), -ends * np.sign(start))
    if np.any(away > candidate.tolerance):
        worst = float(np.max(np.abs(ends - start)))
        raise CheckFailed(
            f"with a gradient of 0 in {len(done.path)} steps weights moved {worst:.1e} away",
            "rest, or a pull towards 0",
        )
    rests = difference([[ends]], [[start]]) <= candidate.tolerance
    return "at rest" if rests else "drawn towards 0 (decay, or FTRL)"


@check(
    otherwise="the weights creep in one direction: an epsilon that is added to them, a root of "
    "what has a sign",
    read=ADAM,
)
def a_mirrored_run_is_mirrored(candidate, standard):
    """With all signs turned the path has all signs turned."""
    mirrored = candidate.run(
        values=lambda i, shape: -standard.start[i], gradients=lambda i, t, g: -g
    )
    candidate.same_path(
        [[-w for w in step] for step in mirrored.path],
        standard.path,
        "mirrored",
        "the mirror image of the run",
    )
    return "mirrored weights and gradients: a mirrored path"


@check(otherwise="one unit's gradient moves another unit's weight", read=DESCENT)
def permuted_coordinates_take_the_same_paths(candidate, standard):
    """Rows and columns may be renumbered."""
    shapes, rows, columns = ((4,), (3, 4)), [2, 0, 1], [3, 1, 0, 2]

    def turned(array):
        return array[columns] if array.ndim == 1 else array[rows][:, columns]

    usual = candidate.run(shapes=shapes)
    other = candidate.run(
        shapes=shapes,
        values=lambda i, shape: turned(usual.start[i]),
        gradients=lambda i, t, g: turned(g),
    )
    tolerance = max(candidate.tolerance, 1e-7)  # decompositions of matrices round differently
    candidate.same_path(
        other.path,
        [[turned(w) for w in step] for step in usual.path],
        "with rows and columns in another order",
        "the same path, renumbered",
        tolerance,
    )
    return f"renumbered rows and columns: the same paths, to {tolerance:.0e}"


@check(
    otherwise="the steeper the loss, the slower: a square that no root takes back, or a gradient "
    "that divides",
    read=ADAGRAD,
)
def a_larger_gradient_makes_no_smaller_step(candidate, standard):
    """Scale all gradients up: the way they make does not become shorter."""
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
        if not longer >= way * (1 - 1e-3) - candidate.tolerance:
            raise CheckFailed(
                f"gradients of size 2^{k} carry the weights {way:.2e} far, 256 times larger ones "
                f"{longer:.2e}",
                "a way at least as long",
            )
    if not ways[-1] > 0:
        raise DoesNotApply("it does not move at all: see a_step_can_be_taken")
    flat = [k for k, way in zip(exponents, ways, strict=True) if way > ways[-1] / 2]
    if all(way < 2.0**-7 * longer for way, longer in zip(ways, ways[1:], strict=False)):
        return "way in proportion to the gradient"
    return (
        f"way independent of the gradient's scale from 2^{flat[0]} on; below, an epsilon or the "
        "like shows"
    )


MATHEMATICS = (
    it_follows_the_reference,
    it_is_what_its_name_says,
    a_bowl_is_descended,
    a_zero_gradient_pushes_nothing_away,
    a_mirrored_run_is_mirrored,
    permuted_coordinates_take_the_same_paths,
    a_larger_gradient_makes_no_smaller_step,
)

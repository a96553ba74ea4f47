"""What an optimizer should equal: a rule in NumPy, a Keras optimizer, or an optax transformation.

The comparison is as long as the twin run, and has its gradients: large, small and exactly zero.
"""

import inspect
from typing import Any

import numpy as np

from . import runs
from .candidate import Candidate
from .classes import BASE_KEYWORDS
from .report import DoesNotApply
from .runs import SHAPES, TWIN_STEPS, number, twin_gradients, twin_weights


def check_reference(reference: Any) -> None:
    """Check that something can be a reference.

    Raises:
        TypeError: If it cannot.
    """
    if reference is not None and not any(
        test(reference) for test in (is_rule, _is_optax, callable)
    ):
        raise TypeError(
            "`reference` must be a rule with `init` and `step` (one of RULES), a Keras optimizer "
            "class or a function that makes one, or an optax transformation. "
            f"Received: {reference!r}."
        )


def path_of_reference(candidate: Candidate) -> tuple[list, list, str, bool]:
    """The paths of a candidate and of its reference.

    Returns:
        The candidate's path, the reference's path, what the reference is, and whether float32 holds
        the hyper-parameters exactly.
    """
    reference, settings = candidate.reference, _settings_for(candidate)
    plain = Candidate(candidate.optimizer, settings=candidate.given, with_memory=False)
    one = plain.make(**settings)
    how = {"shapes": SHAPES, "dtype": candidate.dtype}
    ours = runs.twin_run(one, **how, period=candidate.period)
    exact = all(x == float(np.float32(x)) for x in _numbers_of(one))
    if is_rule(reference):
        path = numpy_path(reference, _hyperparameters(reference, one))
        return ours.path, path, f"the NumPy rule{_named(reference)}", exact
    if _is_optax(reference):
        return ours.path, _optax_path(reference), "optax", exact
    other = Candidate(reference, with_memory=False)
    shared = {k: v for k, v in {**candidate.given, **settings}.items() if _accepts(other, k)}
    theirs = runs.twin_run(other.make(**shared), **how, period=other.period)
    return ours.path, theirs.path, other.name, exact


def numpy_path(
    rule: Any,
    hyperparameters: dict[str, Any],
    shapes: tuple = SHAPES,
    steps: int = TWIN_STEPS,
    states: list | None = None,
) -> list:
    """The path of a rule in NumPy over the twin run.

    Args:
        rule: Anything with `init` and `step`.
        hyperparameters: Its hyper-parameters; each function is given those that it takes.
        shapes: The shapes of the variables.
        steps: The number of steps.
        states: A list to which the state of each variable after the last step is appended.

    Returns:
        The weights after each step: a list of lists of arrays.
    """
    path = [[] for _ in range(steps)]
    functions = getattr(rule, "numpy", rule)  # a Rule hands hyper-parameters on to these
    for i, shape in enumerate(shapes):
        w = twin_weights(shape, i)
        state = rule.init(w, **_for(functions.init, hyperparameters))
        for t, g in enumerate(twin_gradients(shape, i)[:steps]):
            w, state = rule.step(w, g, state, **_for(functions.step, hyperparameters))
            path[t].append(np.asarray(w))
        if states is not None:
            states.append(state)
    return path


def _settings_for(candidate):
    """The hyper-parameters for the comparison.

    A Rule states its own, with an epsilon that is large enough to show its place.
    """
    stated = getattr(candidate.reference, "settings", {}) if is_rule(candidate.reference) else {}
    free = {k: v for k, v in stated.items() if k not in candidate.given}
    return {k: v for k, v in free.items() if _accepts(candidate, k)}


def _accepts(candidate, name):
    try:
        parameters = inspect.signature(candidate.optimizer).parameters
    except (TypeError, ValueError):
        return False
    return name in parameters or (name == "learning_rate" and name in candidate.made.get_config())


def _hyperparameters(rule, one):
    """The hyper-parameters that a rule takes, with the values that an optimizer has."""
    functions = getattr(rule, "numpy", rule)
    config = one.get_config()
    given = {}
    for function in (functions.init, functions.step):
        for name, p in inspect.signature(function).parameters.items():
            if p.kind != p.KEYWORD_ONLY:
                continue
            if name == "learning_rate":
                given[name] = float(number(one.learning_rate))  # as Keras keeps it, in float32
            elif config.get(name, getattr(one, name, None)) is not None:
                given[name] = config.get(name, getattr(one, name, None))
    return given


def _numbers_of(one):
    """The hyper-parameters that are floats, without those that play no part in the step.

    Keras keeps the learning rate in float32, and gives it to the step as it is.
    """
    without = {*BASE_KEYWORDS, "learning_rate"} - {"weight_decay"}
    config = one.get_config()
    return [x for name, x in config.items() if isinstance(x, float) and name not in without]


def _optax_path(transformation):
    try:
        import jax
    except ImportError:
        raise DoesNotApply("the reference is optax's, and jax is not installed here") from None
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        shapes = list(enumerate(SHAPES))
        ws = [jax.numpy.asarray(twin_weights(shape, i), "float64") for i, shape in shapes]
        gradients = [twin_gradients(shape, i) for i, shape in shapes]
        state, path = transformation.init(ws), []
        for given in zip(*gradients, strict=True):
            g = [jax.numpy.asarray(one) for one in given]
            updates, state = transformation.update(g, state, ws)
            ws = [w + u for w, u in zip(ws, updates, strict=True)]
            path.append([np.array(w) for w in ws])
    finally:
        jax.config.update("jax_enable_x64", before)
    return path


def _for(function, given):
    parameters = inspect.signature(function).parameters
    return {k: v for k, v in given.items() if k in parameters}


def is_rule(thing: Any) -> bool:
    """Whether something has `init` and `step`."""
    return hasattr(thing, "init") and hasattr(thing, "step")


def _is_optax(thing):
    return hasattr(thing, "init") and hasattr(thing, "update") and not isinstance(thing, type)


def _named(rule):
    name = getattr(rule, "name", getattr(rule, "__name__", ""))
    return f" {name}" if isinstance(name, str) and name else ""

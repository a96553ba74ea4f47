"""What an optimizer should equal: a rule in NumPy, another Keras optimizer, or an optax transformation."""

import inspect

import numpy as np

from .candidate import SHAPES, Candidate, gradient, number, run, start_of
from .report import DoesNotApply

STEPS = 20
# large, small and exactly zero gradients in turns; the standard run has no zeros
SIZES = (1.0, 1e-3, 16.0, 0.0, 0.25)


def check_reference(reference):
    """TypeError for what cannot be a reference."""
    if reference is not None and not any(
        test(reference) for test in (_is_rule, _is_optax, callable)
    ):
        raise TypeError(
            "`reference` must be a rule with `init` and `step` (one of RULES), a Keras optimizer class or a function "
            f"that makes one, or an optax transformation. Received: {reference!r}."
        )


def path_of_reference(candidate):
    """(the candidate's path, the reference's path, what the reference is, whether float32 holds the settings)."""
    reference, settings = candidate.reference, settings_for(candidate)
    one = Candidate(candidate.optimizer, settings=candidate.given, awake=False).make(**settings)
    ours = run(one, steps=STEPS, dtype=candidate.dtype, period=candidate.period, gradients=_sized)
    config = one.get_config()
    config.pop("learning_rate", None)  # Keras keeps it in float32, and hands it on as it is
    exact = all(x == float(np.float32(x)) for x in config.values() if isinstance(x, float))
    if _is_rule(reference):
        return ours.path, _numpy_path(candidate, one), f"the NumPy rule{_named(reference)}", exact
    if _is_optax(reference):
        return ours.path, _optax_path(reference), "optax", exact
    other = Candidate(reference, awake=False)
    shared = {k: v for k, v in {**candidate.given, **settings}.items() if _accepts(other, k)}
    theirs = run(
        other.make(**shared),
        steps=STEPS,
        dtype=candidate.dtype,
        period=other.period,
        gradients=_sized,
    )
    return ours.path, theirs.path, other.name, exact


def settings_for(candidate):
    """The hyper-parameters for the comparison: a Rule states its own, with an epsilon large enough to show its place."""
    stated = getattr(candidate.reference, "settings", {}) if _is_rule(candidate.reference) else {}
    free = {k: v for k, v in stated.items() if k not in candidate.given}
    return {k: v for k, v in free.items() if _accepts(candidate, k)}


def _accepts(candidate, name):
    try:
        parameters = inspect.signature(candidate.optimizer).parameters
    except (TypeError, ValueError):
        return False
    return name in parameters or (name == "learning_rate" and name in candidate.made.get_config())


def _sized(i, t, g):
    return SIZES[t % len(SIZES)] * g


def _numpy_path(candidate, one):
    rule = candidate.reference
    config = one.get_config()
    given = {}
    for function in (_telling(rule).init, _telling(rule).step):
        for name, p in inspect.signature(function).parameters.items():
            if p.kind != p.KEYWORD_ONLY:
                continue
            if name == "learning_rate":
                given[name] = float(number(one.learning_rate))  # as Keras keeps it, in float32
            elif config.get(name, getattr(one, name, None)) is not None:
                given[name] = config.get(name, getattr(one, name, None))
    path = [[] for _ in range(STEPS)]
    for i, shape in enumerate(SHAPES):
        w = start_of(i, shape)
        state = rule.init(w, **_for(_telling(rule).init, given))
        for t in range(STEPS):
            g = _sized(i, t, gradient(shape, i, t))
            w, state = rule.step(w, g, state, **_for(_telling(rule).step, given))
            path[t].append(np.asarray(w))
    return path


def _optax_path(transformation):
    try:
        import jax
    except ImportError:
        raise DoesNotApply("the reference is optax's, and jax is not installed here") from None
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        ws = [jax.numpy.asarray(start_of(i, shape), "float64") for i, shape in enumerate(SHAPES)]
        state, path = transformation.init(ws), []
        for t in range(STEPS):
            g = [jax.numpy.asarray(_sized(i, t, gradient(s, i, t))) for i, s in enumerate(SHAPES)]
            updates, state = transformation.update(g, state, ws)
            ws = [w + u for w, u in zip(ws, updates, strict=True)]
            path.append([np.array(w) for w in ws])
    finally:
        jax.config.update("jax_enable_x64", before)
    return path


def _telling(rule):
    """The functions that take the hyper-parameters: a Rule hands them on to its `numpy`."""
    return getattr(rule, "numpy", rule)


def _for(function, given):
    parameters = inspect.signature(function).parameters
    return {k: v for k, v in given.items() if k in parameters}


def _is_rule(thing):
    return hasattr(thing, "init") and hasattr(thing, "step")


def _is_optax(thing):
    return hasattr(thing, "init") and hasattr(thing, "update") and not isinstance(thing, type)


def _named(rule):
    name = getattr(rule, "name", getattr(rule, "__name__", ""))
    return f" {name}" if isinstance(name, str) and name else ""

"""check_optimizer: give it any Keras 3 optimizer, and learn whether it is right."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial, update_wrapper
from typing import TYPE_CHECKING, Any

from course_lib.arguments import unknown

import keras

from .engine import subprocess
from .engine.candidate import Candidate
from .engine.reference import check_reference
from .engine.report import DoesNotApply, KerasFault, Report
from .engine.runner import begin_replicas, examine
from .properties.contract import CONTRACT, it_is_made_anew_each_time
from .properties.counting import COUNTING
from .properties.execution import EXECUTION, two_replicas_step_as_one
from .properties.files import FILES
from .properties.mathematics import MATHEMATICS
from .properties.options import OPTIONS
from .properties.state import STATES

if TYPE_CHECKING:
    import pytest

# In the order in which they are read: what comes first often explains what comes later.
OPTIMIZER_CHECKS = (
    *CONTRACT,
    *STATES,
    *MATHEMATICS,
    *COUNTING,
    *EXECUTION,
    *FILES,
    *OPTIONS,
)


def check_optimizer(
    optimizer: Callable[..., keras.Optimizer],
    *,
    reference: Any = None,
    settings: Mapping[str, Any] | None = None,
    declared: Mapping[str, str] | None = None,
    checks: Iterable[str] | None = None,
) -> Report:
    """Check a Keras 3 optimizer: its contract, its mathematics, its execution and its files.

    What fails because of Keras itself is reported as "Keras" and is not held against the optimizer.
    A check that takes longer than three minutes is stopped and has failed. Only code that never
    returns from C cannot be stopped.

    Args:
        optimizer: A class that can be made without arguments, or a function that makes one.
        reference: What it should equal, if that is known: a rule in NumPy (one of RULES, or
            anything with `init` and `step`), another Keras optimizer (a class, or a function that
            makes one), or an optax transformation.
        settings: Hyper-parameters that it is made with each time: `{"learning_rate": 0.125}`.
        declared: Properties that this rule does not have on purpose: `{"name_of_check": "why"}`.
        checks: The names of the checks to run; all of them if None.

    Returns:
        A Report. Print it, or read `.passed`, `.failed` and `.to_dict()`.

    Raises:
        TypeError: If `optimizer` or `reference` cannot be one.
        ValueError: If a check does not exist, or none is named.

    Example:
        >>> report = check_optimizer(keras.optimizers.SGD, checks=["a_step_can_be_taken"])
        >>> report.passed
        True
    """
    candidate = as_candidate(optimizer, reference, settings)
    declared = dict(declared or {})
    if declared:
        chosen(declared, "declared", OPTIMIZER_CHECKS)
    wanted = chosen(checks, "checks", OPTIMIZER_CHECKS)
    with_these = "".join(f", {name}={value!r}" for name, value in candidate.settings.items())
    report = Report(f"check_optimizer({candidate.name}{with_these})")
    run_checks(wanted, candidate, report, declared)
    return report


def parametrize_with_checks(
    optimizers: Iterable[Callable[..., keras.Optimizer]],
    *,
    reference: Any = None,
    settings: Mapping[str, Any] | None = None,
    declared: Mapping[str, str] | None = None,
) -> "pytest.MarkDecorator":
    """Make each check of each optimizer a pytest test, as scikit-learn's decorator of that name.

        @parametrize_with_checks([MyOptimizer, keras.optimizers.Adam])
        def test_mine(optimizer, check):
            check(optimizer)

    `check(optimizer)` raises CheckFailed if the property does not hold. It skips the test if it
    does not apply or fails because of Keras itself. The runs that several checks look at are made
    once for each optimizer.

    Args:
        optimizers: Classes, or functions that make optimizers, as for `check_optimizer`.
        reference: What they should equal, as for `check_optimizer`.
        settings: Hyper-parameters that they are made with.
        declared: Properties that they do not have on purpose.

    Returns:
        A mark for a test function with the arguments `optimizer` and `check`.

    Raises:
        TypeError: If an optimizer or the reference cannot be one.
        ValueError: If a check that is declared does not exist.
    """
    from course_lib.arguments import needs_package

    pytest = needs_package("parametrize_with_checks", "pytest", "test")
    declared = dict(declared or {})
    if declared:
        chosen(declared, "declared", OPTIMIZER_CHECKS)
    candidate_of = cache(lambda optimizer: as_candidate(optimizer, reference, settings))

    def ask(check, optimizer):
        if check.__name__ in declared:
            pytest.skip(f"declared: {declared[check.__name__]}")
        candidate = candidate_of(optimizer)
        try:
            return examine(check, candidate)
        except DoesNotApply as reason:
            pytest.skip(str(reason))
        except KerasFault as fault:
            pytest.skip(f"Keras: {fault}")
        finally:
            subprocess.end(candidate)

    rows = [
        pytest.param(
            optimizer,
            update_wrapper(partial(ask, check), check),
            id=f"{as_candidate(optimizer, None, None).name}-{check.__name__}",
        )
        for optimizer in optimizers
        for check in OPTIMIZER_CHECKS
    ]
    return pytest.mark.parametrize("optimizer, check", rows)


# ---- Shared with check_rule ----


def run_checks(wanted, candidate, report, declared=None):
    """Run the checks one after the other; their messages go into the report."""
    declared = declared or {}
    if it_is_made_anew_each_time not in wanted and not _can_be_made(candidate):
        wanted = [it_is_made_anew_each_time, *wanted]  # it says why
    try:
        for check in wanted:
            name = check.__name__
            if name in declared:
                report.rows.append((name, "n/a", f"declared: {declared[name]}"))
                continue
            report.run(update_wrapper(partial(examine, check), check), candidate)
            if check is wanted[0] and two_replicas_step_as_one in wanted:
                begin_replicas(candidate)
    finally:
        subprocess.end(candidate)


def chosen(names, argument, known):
    """The checks with these names, in the order of `known`; all of them if `names` is None."""
    if names is None:
        return list(known)
    if isinstance(names, str):
        raise TypeError(
            f"`{argument}` must be names of checks. Received: {names!r}. Write [{names!r}]."
        )
    by_name = {check.__name__: check for check in known}
    names = [getattr(name, "__name__", name) for name in names]
    if not names:
        raise ValueError(
            f"`{argument}` is empty, so nothing would be asked. Leave it out to ask everything."
        )
    for name in names:
        if name not in by_name:
            raise ValueError(f"`{argument}`: {unknown('check', str(name), by_name)}")
    return [check for check in known if check.__name__ in names]


def as_candidate(optimizer, reference, settings):
    """A Candidate.

    Raises:
        TypeError: If the optimizer or the reference cannot be one.
    """
    if isinstance(optimizer, keras.Optimizer) or not callable(optimizer):
        raise TypeError(
            "`optimizer` must be a class that can be made without arguments, or a function that "
            f"makes an optimizer: each check needs a new one. Received: {optimizer!r}. Write "
            "check_optimizer(Adam), or check_optimizer(lambda: Adam(0.01))."
        )
    if isinstance(optimizer, type) and not issubclass(optimizer, keras.Optimizer):
        raise TypeError(f"`optimizer` must be a keras.Optimizer. Received: {optimizer!r}.")
    check_reference(reference)
    return Candidate(optimizer, reference, settings)


def _can_be_made(candidate):
    try:
        return candidate.made is not None
    except (Exception, SystemExit):
        return False

"""The runner: one check of one candidate, with everything that a hostile class may do."""

import contextlib
import warnings
from collections.abc import Callable

from course_lib.limits import time_limit

import keras

from ..properties.contract import a_step_can_be_taken, it_is_made_anew_each_time
from ..properties.execution import other_backends_take_the_same_path, two_replicas_step_as_one
from . import limits, subprocess
from .candidate import Candidate
from .classes import chain, is_kerass_own
from .report import CheckFailed, DoesNotApply, KerasFault

# These run in processes of their own.
IN_A_PROCESS = (two_replicas_step_as_one, other_backends_take_the_same_path)


def examine(check: Callable[..., str], candidate: Candidate) -> str:
    """Run one check with a time limit and without warnings, and recognize Keras's own faults.

    Args:
        check: One of the checks.
        candidate: The optimizer under examination.

    Returns:
        What the check saw.

    Raises:
        CheckFailed: If the property does not hold.
        DoesNotApply: If the check has nothing to say.
        KerasFault: If it fails because of Keras itself.
    """
    if candidate.hung:
        raise DoesNotApply(f"not asked, because {candidate.hung} did not come to an end")
    limit = limits.LIMIT + (subprocess.LIMIT if check in IN_A_PROCESS else 0)
    try:
        with (
            warnings.catch_warnings(),
            time_limit(limit),
            limits.environment_restored(),
        ):
            warnings.simplefilter("ignore")  # what Keras says about unusual use shows in the result
            return _without_kerass_faults(check, candidate)
    except TimeoutError:
        candidate.hung = check.__name__
        raise


def begin_replicas(candidate: Candidate) -> None:
    """Start the process early, beside other checks; its errors are raised by its own check."""
    with contextlib.suppress(Exception):
        if keras.backend.backend() == "tensorflow":
            subprocess.begin(candidate, "replicas")


def _without_kerass_faults(check, candidate):
    """Run the check; raise KerasFault if the class of Keras's that it is derived from fails too."""
    try:
        return _with_refusals(check, candidate)
    except (DoesNotApply, KerasFault):
        raise
    except (Exception, SystemExit) as error:
        if check is it_is_made_anew_each_time or not _is_kerass_fault(check, candidate):
            raise
        is_finding = isinstance(error, CheckFailed)
        message = str(error) if is_finding else f"it raised {type(error).__name__}: {error}"
        raise KerasFault(message.splitlines()[0][:600]) from error


def _with_refusals(check, candidate):
    """Run the check. A class that raises NotImplementedError with a sentence refuses honestly.

    It may not refuse to take any step at all.
    """
    if check is it_is_made_anew_each_time:
        return check(candidate)
    try:
        type(candidate.made)  # raises what making one raises
    except (Exception, SystemExit) as error:
        raise DoesNotApply(f"it cannot be made ({type(error).__name__})") from error
    try:
        return check(candidate)
    except NotImplementedError as refusal:
        if check is a_step_can_be_taken or not str(refusal):
            raise
        raise DoesNotApply(f"it refuses, and says so: {refusal}") from refusal


def _is_kerass_fault(check, candidate):
    """Whether the class is Keras's, or the class of Keras's that it is derived from fails too."""
    if not check.excusable:
        return False
    links = [type(o) for o in chain(candidate.made)]
    if all(map(is_kerass_own, links)):
        return True
    control = candidate.once("control", lambda: _control(links[0]))
    if control is None:
        return False
    try:
        _with_refusals(check, control)
    except (DoesNotApply, KerasFault):
        return False
    except Exception:
        return True
    return False


def _control(cls):
    """The class of Keras's that a class is derived from, or its wrapper around SGD."""
    if is_kerass_own(cls):
        return Candidate(lambda: cls(keras.optimizers.SGD(momentum=0.5)))
    for parent in cls.__mro__:
        if is_kerass_own(parent):
            return None if parent is keras.Optimizer else Candidate(parent)
    return None

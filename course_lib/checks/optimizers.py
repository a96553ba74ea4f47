"""check_optimizer: hand it any Keras 3 optimizer, and know whether it is right.

Four groups of checks, each a small named function of a Candidate: the contract, the mathematics, execution, life.
"""

import contextlib
import ctypes
import random
import signal
import threading
import warnings
from functools import cache, partial, update_wrapper

import keras
import numpy as np

from . import elsewhere
from .candidate import Candidate, chain, is_kerass_own
from .contract import CONTRACT, a_step_can_be_taken, it_is_made_anew_each_time
from .execution import EXECUTION, other_backends_take_the_same_path, two_replicas_step_as_one
from .life import LIFE
from .mathematics import MATHEMATICS, it_follows_the_reference
from .reference import check_reference
from .report import CheckFailed, DoesNotApply, KerasFault, Report

# In the order in which they are read: what comes first often explains what comes later.
OPTIMIZER_CHECKS = (*CONTRACT, *MATHEMATICS, *EXECUTION, *LIFE)
ELSEWHERE = (
    two_replicas_step_as_one,
    other_backends_take_the_same_path,
)  # in processes of their own
LIMIT = 180.0  # seconds a check, on the busiest of machines


def check_optimizer(optimizer, *, reference=None, settings=None, declared=None, checks=None):
    """Whether a Keras 3 optimizer is right: the contract, the mathematics, execution and life.

    optimizer    a class that can be made without arguments, or a function that makes one
    reference    what it should equal, if that is known: a rule in NumPy (one of RULES, or anything with `init` and `step`),
                 another Keras optimizer (a class, or a function that makes one), or an optax transformation
    settings     hyper-parameters that it is made with each time: {"learning_rate": 0.125}
    declared     properties that this rule does not have on purpose: {"name_of_the_check": "why"}
    checks       the names of the checks to run; all of them if None
    Returns a Report: print it, or ask for .passed, .failed and .to_dict().  What fails because of Keras itself is reported as
    "Keras" and is not held against the optimizer.  A check that takes longer than three minutes is stopped and has failed; only code
    that never returns from C cannot be stopped.  Raises TypeError for what is not an optimizer or a reference, and ValueError for
    a check that does not exist.
    """
    candidate = _candidate(optimizer, reference, settings)
    wanted = _chosen(checks, "checks")
    declared = dict(declared or {})
    _chosen(declared, "declared")
    with_these = "".join(f", {name}={value!r}" for name, value in candidate.settings.items())
    report = Report(f"check_optimizer({candidate.name}{with_these})")
    try:
        for check in wanted:
            if check.__name__ in declared:
                report.rows.append((check.__name__, "n/a", f"declared: {declared[check.__name__]}"))
                continue
            report.run(_examined(check), candidate)
            if check is wanted[0] and two_replicas_step_as_one in wanted:
                _begin(candidate)
    finally:
        elsewhere.end(candidate)
    return report


def parametrize_with_checks(optimizers, *, reference=None, settings=None, declared=None):
    """Make each check of each optimizer a pytest test of its own, as scikit-learn's decorator of that name does.

        @parametrize_with_checks([MyOptimizer, keras.optimizers.Adam])
        def test_mine(optimizer, check):
            check(optimizer)

    `check(optimizer)` raises CheckFailed if the property does not hold, and skips the test if it does not apply or fails because
    of Keras itself.  The runs that several checks look at are made once an optimizer.
    """
    import pytest

    declared = dict(declared or {})
    _chosen(declared, "declared")
    candidate_of = cache(lambda optimizer: _candidate(optimizer, reference, settings))

    def asked(check, optimizer):
        if check.__name__ in declared:
            pytest.skip(f"declared: {declared[check.__name__]}")
        candidate = candidate_of(optimizer)
        try:
            return _examined(check)(candidate)
        except DoesNotApply as reason:
            pytest.skip(str(reason))
        except KerasFault as fault:
            pytest.skip(f"Keras: {fault}")
        finally:
            elsewhere.end(candidate)

    rows = [
        pytest.param(
            optimizer,
            update_wrapper(partial(asked, check), check),
            id=f"{_candidate(optimizer, None, None).name}-{check.__name__}",
        )
        for optimizer in optimizers
        for check in OPTIMIZER_CHECKS
    ]
    return pytest.mark.parametrize("optimizer, check", rows)


def _candidate(optimizer, reference, settings):
    if isinstance(optimizer, keras.Optimizer) or not callable(optimizer):
        raise TypeError(
            "`optimizer` must be a class that can be made without arguments, or a function that makes an optimizer: "
            f"each check needs a new one. Received: {optimizer!r}. Write check_optimizer(Adam), or "
            "check_optimizer(lambda: Adam(0.01))."
        )
    if isinstance(optimizer, type) and not issubclass(optimizer, keras.Optimizer):
        raise TypeError(f"`optimizer` must be a keras.Optimizer. Received: {optimizer!r}.")
    check_reference(reference)
    return Candidate(optimizer, reference, settings)


def _chosen(names, argument):
    known = {check.__name__: check for check in OPTIMIZER_CHECKS}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ValueError(
            f"`{argument}`: no check is named {unknown[0]!r}; there are: {', '.join(known)}"
        )
    return [c for c in OPTIMIZER_CHECKS if names is None or c.__name__ in names]


def _begin(candidate):
    """Start the process that is asked late; what is wrong with it is said when it is asked."""
    with contextlib.suppress(Exception):
        if keras.backend.backend() == "tensorflow":
            elsewhere.begin(candidate, "replicas")


# ---- Around each check ----


def _examined(check):
    """The check, with a time limit, without warnings, and with what is Keras's own fault told apart."""

    limit = LIMIT + elsewhere.LIMIT if check in ELSEWHERE else LIMIT

    def examined(candidate):
        if candidate.hung:
            raise DoesNotApply(f"not asked, because {candidate.hung} did not come to an end")
        try:
            with warnings.catch_warnings(), time_limit(limit), _surroundings_kept():
                warnings.simplefilter(
                    "ignore"
                )  # what Keras says about unusual use shows in the result
                return _fairly(check, candidate)
        except TimeoutError:
            candidate.hung = check.__name__
            raise

    return update_wrapper(examined, check)


def _fairly(check, candidate):
    """Ask, and tell apart what is Keras's own fault."""
    try:
        return _refusals_are_heard(check, candidate)
    except (DoesNotApply, KerasFault):
        raise
    except (Exception, SystemExit) as error:
        if check is it_is_made_anew_each_time or not _is_kerass_fault(check, candidate):
            raise
        said = (
            str(error)
            if isinstance(error, CheckFailed)
            else f"it raised {type(error).__name__}: {error}"
        )
        raise KerasFault(said.splitlines()[0][:600]) from error


def _refusals_are_heard(check, candidate):
    """A class that raises NotImplementedError with a sentence refuses honestly; but not to take any step at all."""
    try:
        candidate.made  # noqa: B018
    except (Exception, SystemExit) as error:
        if check is it_is_made_anew_each_time:
            raise
        raise DoesNotApply(f"it cannot be made ({type(error).__name__})") from error
    try:
        return check(candidate)
    except NotImplementedError as refusal:
        if check is a_step_can_be_taken or not str(refusal):
            raise
        raise DoesNotApply(f"it refuses, and says so: {refusal}") from refusal


def _is_kerass_fault(check, candidate):
    """True if the class is Keras's own, or if the class of Keras that it is derived from, or wrapped by, fails as well."""
    if check is it_follows_the_reference:
        return False  # it was asked whether the two are equal, and they are not
    links = [type(o) for o in chain(candidate.made)]
    if all(map(is_kerass_own, links)):
        return True
    control = _control(links[0])
    if control is None:
        return False
    try:
        _refusals_are_heard(check, Candidate(control))
    except (DoesNotApply, KerasFault):
        return False
    except Exception:
        return True
    return False


def _control(cls):
    """What Keras has to answer for: the optimizer of Keras's that a class is derived from, or its wrapper around SGD."""
    if is_kerass_own(cls):
        return lambda: cls(keras.optimizers.SGD(momentum=0.5))
    for parent in cls.__mro__:
        if is_kerass_own(parent):
            return None if parent is keras.Optimizer else parent
    return None


class TookTooLong(BaseException):
    """Raised inside a check that does not come to an end; no `except Exception` stops it."""


@contextlib.contextmanager
def time_limit(seconds):
    """Stop what runs longer, again and again until it listens; then raise TimeoutError."""
    ticks = threading.Event()
    in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGALRM")
    target = threading.get_ident()

    def interrupt(*_):
        raise TookTooLong

    def watch():
        while not ticks.wait(seconds):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(target), ctypes.py_object(TookTooLong)
            )

    if in_main:
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    else:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except TookTooLong:
        raise TimeoutError(f"it had not come to an end after {seconds:.0f} seconds") from None
    finally:
        ticks.set()
        if in_main:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _surroundings_kept():
    """Settings and random numbers of the program that asks are as before."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  (Keras seeds the old generator)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002

"""The decorator of every check: its consequence and its chapter, written once."""

import functools
import inspect
from collections.abc import Callable

from course_lib.optimizers import Rule

from .candidate import Candidate
from .report import CheckFailed

# The chapters that checks refer to.
START = "notebook 00, start here"
NAMES = "notebook 01, one name is not one model"
DESCENT = "notebook 02, gradient descent by hand"
EQUATION = "notebook 02, where an equation is executed for the first time"
ANATOMY = "notebook 04, the anatomy of a Keras optimizer"
ADAGRAD = "notebook 06, Adagrad"
STATE = "notebook 06, where state lives"
ADAM = "notebook 08, the Adam family"
DECAY = "notebook 09, weight decay and clipping"
SCHEDULES = "notebook 10, schedules and warm-up"
SAVING = "notebook 11, saving and resuming"
SOFT = "notebook 12, soft batches"
AVERAGING = "notebook 15, averaging"
RULE = "the notebook of this rule"


def check(*, otherwise: str, read: str, excusable: bool = True) -> Callable:
    """Make a check of a function, and say what happens where its property does not hold.

    The function takes a Candidate. If it has a second argument `standard`, it is given the
    candidate's standard run, and does not apply where there is none. It returns what it saw, and
    raises CheckFailed with what was seen and what was expected.

    The check itself may be called with a Candidate, with a Rule, or with anything that `check_optimizer`
    takes as an optimizer.

    Args:
        otherwise: What a training run suffers where the property does not hold.
        read: The chapter that explains it.
        excusable: Whether a class of Keras's that fails alike excuses a class derived from it.

    Returns:
        The decorator. A check has `otherwise`, `read` and `excusable` as attributes.
    """

    def decorate(function):
        needs_standard = "standard" in inspect.signature(function).parameters

        @functools.wraps(function)
        def examine(thing):
            candidate = as_candidate(thing)
            try:
                if needs_standard:
                    return function(candidate, candidate.standard)
                return function(candidate)
            except CheckFailed as failure:
                failure.consequence = failure.consequence or otherwise
                failure.chapter = failure.chapter or read
                raise

        candidate = inspect.Parameter("candidate", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        examine.__signature__ = inspect.Signature([candidate])  # callers do not give `standard`
        examine.otherwise, examine.read, examine.excusable = otherwise, read, excusable
        examine.__doc__ = f"{inspect.getdoc(function)}\n\nOtherwise {otherwise}. See {read}."
        return examine

    return decorate


def as_candidate(thing) -> Candidate:
    """A Candidate as it is; one that is made of a rule or of an optimizer otherwise."""
    if isinstance(thing, Candidate):
        return thing
    return Candidate.of_rule(thing) if isinstance(thing, Rule) else Candidate(thing)

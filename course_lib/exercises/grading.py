"""The checkers of the exercises: a sentence for every answer, and a traceback for none.

A checker asks the learner's answer a few questions whose answers it can prove, and raises NotYet with a hint that names
the property that is missing, never the solution.
"""

import warnings

import numpy as np

EXERCISES = {}  # number: checker, entered by the chapter's file


class NotYet(Exception):
    """What is still missing from an answer, as a sentence for the learner."""


def grade(number, answer):
    """Print whether an exercise is solved, and if not, what is missing.

    number    the exercise, such as "06.1"
    answer    what the exercise asks for: a function or a class
    Raises KeyError for an exercise that does not exist; whatever the answer does becomes a sentence.
    """
    outcome, said = verdict(number, answer)
    print(f"{number}  {outcome}{': ' + said if said else ''}")


def verdict(number, answer):
    """("correct", "") or ("not yet", what is missing), as `grade` prints it."""
    if number not in EXERCISES:
        raise KeyError(f"no exercise is numbered {number!r}; there are: {', '.join(EXERCISES)}")
    try:
        EXERCISES[number](answer)
    except NotYet as missing:
        return "not yet", str(missing)
    except (Exception, SystemExit) as error:  # the answer's, where no checker expected one
        return "not yet", f"it raised {type(error).__name__}: {short(error, str)}"
    return "correct", ""


def exercise(number):
    """Enter a checker under its exercise's number."""

    def enter(checker):
        EXERCISES[number] = checker
        return checker

    return enter


def ask(function, *arguments, **named):
    """What the learner's function answers; NotYet if it is none, raises, or returns None."""
    if not callable(function):
        raise NotYet(f"hand over the function itself, not {short(function)}")
    name = getattr(function, "__name__", "your function")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = function(*arguments, **named)
    except Exception as error:
        raise NotYet(f"{name} raised {type(error).__name__}: {short(error, str)}") from None
    if answer is None:
        raise NotYet(f"{name} returned None: replace the line `return None`")
    return answer


def numbers(answer, shape, what):
    """The answer as an array of that shape; NotYet if it is none."""
    try:
        array = np.asarray(answer, float)
    except (TypeError, ValueError):
        raise NotYet(f"{what} should be numbers; it is {short(answer)}") from None
    if array.shape != shape:
        raise NotYet(f"{what} should have shape {shape}; it has shape {array.shape}")
    return array


def same(answer, expected, hint):
    """NotYet, with the hint, unless the numbers are equal but for rounding (float64; some ten operations)."""
    if not np.allclose(answer, expected, rtol=1e-10, atol=1e-10):
        raise NotYet(hint)


def pair(answer, what):
    """The two things that a function was to return; NotYet if it returned something else."""
    if not (isinstance(answer, tuple) and len(answer) == 2):
        raise NotYet(f"return two things, {what}; it returned {short(answer)}")
    return answer


def short(thing, show=repr):
    text = show(thing).splitlines()[0] if show(thing) else type(thing).__name__
    return text if len(text) <= 80 else text[:77] + "..."

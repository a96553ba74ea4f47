"""The checkers of the exercises: a sentence for every answer, and a traceback for none.

A checker calls the learner's answer a few times, on questions whose answers it can prove. It
raises NotYet with a hint that names the property that is missing, never the solution.
"""

import ast
import inspect
import re
import textwrap
import warnings
from collections.abc import Callable
from typing import Any

from course_lib.arguments import unknown
from course_lib.limits import time_limit

import numpy as np

LIMIT = 60.0  # seconds for one exercise; the slowest right answer takes below 10
EXERCISES: dict[str, Callable[[Any], None]] = {}  # number: checker, entered by the chapter's file


class NotYet(Exception):
    """What is still missing from an answer, as a sentence for the learner."""


def grade(number: str, answer: Any) -> None:
    """Print whether an exercise is solved, and if not, what is missing.

    Args:
        number: The exercise, such as "06.1".
        answer: What the exercise asks for: a function or a class. An error in it, or a loop that
            never ends, becomes a sentence too.

    Raises:
        KeyError: If there is no such exercise.

    Example:
        >>> grade("00.1", lambda w, learning_rate: w - learning_rate * 2 * w)
        00.1  correct
    """
    outcome, message = verdict(number, answer)
    print(f"{number}  {outcome}{': ' + message if message else ''}")


def verdict(number: str, answer: Any) -> tuple[str, str]:
    """Whether an exercise is solved, and if not, what is missing.

    Args:
        number: The exercise, such as "06.1".
        answer: What the exercise asks for.

    Returns:
        ("correct", "") or ("not yet", what is missing).

    Raises:
        KeyError: If there is no such exercise.
    """
    if number not in EXERCISES:
        raise KeyError(_no_such_exercise(number))
    try:
        with time_limit(LIMIT):
            EXERCISES[number](answer)
    except NotYet as missing:
        return "not yet", str(missing)
    except TimeoutError as error:
        return "not yet", f"{error}: is there a loop whose condition never changes?"
    except (Exception, SystemExit) as error:  # the answer's, where no checker expected one
        return "not yet", it_raised("it", error)
    return "correct", ""


def exercise(number: str) -> Callable[[Callable], Callable]:
    """Enter a checker under its exercise's number.

    Args:
        number: The exercise, such as "06.1".

    Returns:
        A decorator that leaves the checker as it is.
    """

    def enter(checker):
        EXERCISES[number] = checker
        return checker

    return enter


def ask(function: Any, *arguments: Any, **named: Any) -> Any:
    """Call the learner's function.

    Args:
        function: What the learner gave.
        *arguments: What it is called with.
        **named: What it is called with by name.

    Returns:
        What it returned, which is not None.

    Raises:
        NotYet: If it is not a function, raises, or returns None.
    """
    if not callable(function):
        raise NotYet(f"give the function itself, not {short(function)}")
    name = getattr(function, "__name__", "your function")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = function(*arguments, **named)
    except Exception as error:
        raise NotYet(it_raised(name, error)) from None
    if answer is None:
        raise NotYet(f"{name} returned None: {_why_none(function)}")
    return answer


def it_raised(name: str, error: BaseException) -> str:
    """The sentence about an error that an answer raised, with a hint where there is one.

    Args:
        name: What raised it, as the learner calls it.
        error: The error.

    Returns:
        One line.
    """
    message = f"{name} raised {type(error).__name__}: {short(error, str)}"
    # TensorFlow's, JAX's and PyTorch's words for two dtypes that do not go together
    if re.search(
        r"expected to be a \w+ tensor but is a|dtypes?\b.*\b(same|match)|promotion", str(error)
    ):
        message += "; two dtypes meet: cast with keras.ops.cast(x, variable.dtype)"
    return message


def numbers(answer: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """The answer as an array.

    Args:
        answer: What the learner's function returned.
        shape: The shape that is wanted; () for one number.
        what: What it is, for the hint.

    Returns:
        The numbers, in float64.

    Raises:
        NotYet: If they are not numbers, or have another shape.
    """
    try:
        array = np.asarray(answer, float)
    except (TypeError, ValueError):
        raise NotYet(f"{what} should be numbers; it is {short(answer)}") from None
    if array.shape != shape:
        raise NotYet(f"{what} should have shape {shape}; it has shape {array.shape}")
    return array


def same(answer: Any, expected: Any, hint: str) -> None:
    """Check that numbers are equal but for rounding (float64, some ten operations).

    Args:
        answer: The numbers seen.
        expected: The right ones, of a shape that fits.
        hint: What to say otherwise.

    Raises:
        NotYet: With the hint, if they are not.
    """
    if not np.allclose(answer, expected, rtol=1e-10, atol=1e-10):
        raise NotYet(hint)


def unchanged(given: Any, before: Any, what: str, instead: str = "return a new one") -> None:
    """Check that an answer left alone what it was given.

    Args:
        given: What it was given: an array, a number, or a dict or list of these.
        before: A copy that was made before.
        what: What it is called in the exercise: "state".
        instead: What the answer should do.

    Raises:
        NotYet: If the two differ in an entry or in one digit.
    """
    if not _is_the_same(given, before):
        raise NotYet(f"it changed the {what} that it was given: {instead}")


def pair(answer: Any, what: str) -> tuple[Any, Any]:
    """The two things that a function was to return.

    Args:
        answer: What it returned.
        what: What the two are, for the hint.

    Returns:
        The two.

    Raises:
        NotYet: If it returned something else.
    """
    if not (isinstance(answer, tuple) and len(answer) == 2):
        raise NotYet(f"return two things, {what}; it returned {short(answer)}")
    return answer


def short(thing: Any, show: Callable[[Any], str] = repr) -> str:
    """The first line of what a thing looks like, cut after 80 characters.

    Args:
        thing: Anything.
        show: How it becomes text.

    Returns:
        One line; the name of its type where there is no text.
    """
    text = show(thing).splitlines()[0] if show(thing) else type(thing).__name__
    return text if len(text) <= 80 else text[:77] + "..."


def _no_such_exercise(number):
    """The sentence about a number that is not known: 6.1 is 06.1, and 06.9 is one of 06."""
    chapter, *rest = [int(part) for part in re.findall(r"\d+", str(number))] or [-1]
    near = [one for one in EXERCISES if one.startswith(f"{chapter:02}.")]
    near = [one for one in near if one == f"{chapter:02}.{rest[0] if rest else ''}"] or near
    if near:
        return f"there is no exercise {number!r}. Did you mean {' or '.join(map(repr, near))}?"
    return unknown("exercise", str(number), EXERCISES)


def _why_none(function):
    """What to do about an answer of None: the stub's row still stands, or a `return` is missing."""
    stub = "replace the line `return None`"
    try:
        (source,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return stub
    if not isinstance(source, ast.FunctionDef):  # a lambda
        return stub
    rows, waiting = [], list(source.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return):
            rows.append(node.value)
        elif not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    if not rows:
        return "it has no `return`: end it with `return` and the result"
    if any(row is None or ast.unparse(row) == "None" for row in rows):
        return stub
    return "not every way through it ends in a `return` with a result"


def _is_the_same(one, other):
    if isinstance(other, dict):
        same_keys = isinstance(one, dict) and [*one] == [*other]
        return same_keys and all(_is_the_same(one[key], other[key]) for key in other)
    if isinstance(other, list | tuple):
        as_long = isinstance(one, list | tuple) and len(one) == len(other)
        return as_long and all(map(_is_the_same, one, other))
    one, other = np.asarray(one), np.asarray(other)
    nan = one.dtype.kind in "fc" and other.dtype.kind in "fc"
    return np.array_equal(one, other, equal_nan=nan)

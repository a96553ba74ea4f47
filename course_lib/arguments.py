"""Checks of arguments, each with one sentence: what is wanted, what was received, what to do.

Every function returns the value that it checked, so a check can stand where the value is used.
"""

import difflib
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any


def whole_number(name: str, value: Any, least: int = 1, because: str = "") -> int:
    """Check that an argument is a whole number.

    Args:
        name: The argument's name.
        value: What was received. NumPy's integers pass, booleans and floats do not.
        least: The smallest number allowed.
        because: A sentence on what the number means, added to the error.

    Returns:
        The value as an `int`.

    Raises:
        ValueError: If `value` is not a whole number of `least` or more.

    Example:
        >>> whole_number("steps", 4)
        4
        >>> whole_number("steps", "four")
        Traceback (most recent call last):
        ValueError: `steps` must be a whole number above 0. Received: steps='four'.
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= least:
        return int(value)
    wanted = "a whole number above 0" if least == 1 else f"a whole number, {least} or more"
    raise ValueError(_sentence(name, wanted, value, because))


def number(
    name: str,
    value: Any,
    wanted: str = "a finite number",
    holds: Callable[[float], bool] = math.isfinite,
    because: str = "",
) -> float:
    """Check that an argument is a real number within its range.

    Args:
        name: The argument's name.
        value: What was received. NumPy's numbers pass, booleans and strings do not.
        wanted: The range in words, such as "a number from 0 to 1".
        holds: Whether a number lies within that range. NaN never does.
        because: A sentence on what the number means, added to the error.

    Returns:
        The value as a `float`.

    Raises:
        ValueError: If `value` is not such a number.

    Example:
        >>> number("rho", 0.5, "a number above 0", lambda x: x > 0)
        0.5
        >>> number("rho", -1, "a number above 0", lambda x: x > 0)
        Traceback (most recent call last):
        ValueError: `rho` must be a number above 0. Received: rho=-1.
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            real = float(value)
            if not math.isnan(real) and holds(real):
                return real
        except OverflowError:  # a whole number beyond all floats
            pass
    raise ValueError(_sentence(name, wanted, value, because))


def one_of(name: str, value: Any, known: Iterable[str], what: str = "name") -> str:
    """Check that an argument is one of a few names. The error has the nearest one.

    Args:
        name: The argument's name.
        value: What was received.
        known: The names that there are.
        what: What these names are called, in the singular.

    Returns:
        The value.

    Raises:
        TypeError: If `value` is not a string.
        ValueError: If no such name is known.

    Example:
        >>> one_of("engine", "numpi", ["jax", "numpy"], "engine")
        Traceback (most recent call last):
        ValueError: `engine`: there is no engine 'numpi'. Did you mean 'numpy'? Known: jax, numpy.
    """
    known = list(known)
    if not isinstance(value, str):
        raise TypeError(_sentence(name, f"one of {', '.join(known)}", value))
    if value not in known:
        raise ValueError(f"`{name}`: {unknown(what, value, known)}")
    return value


def unknown(what: str, value: str, known: Iterable[str]) -> str:
    """The sentence about a name that is not known: the nearest one, or all that there are.

    Args:
        what: What the names are called, in the singular: "rule", "check".
        value: The name that is not known.
        known: The names that there are.

    Returns:
        One sentence or two. With more than a dozen names and a near one, the others are left out.

    Example:
        >>> unknown("rule", "adm", ["adam", "sgd"])
        "there is no rule 'adm'. Did you mean 'adam'? Known: adam, sgd."
    """
    known = list(known)
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    told = f"there is no {what} {value!r}."
    if near:
        told += f" Did you mean {near[0]!r}?"
    if not near or len(known) <= 12:
        told += f" Known: {', '.join(known)}."
    return told


def needs_backend(what: str, *backends: str, otherwise: str = "") -> None:
    """Check that Keras runs on a backend that `what` can work with.

    Args:
        what: What needs it: "ResumableTraining".
        backends: The names of the backends that will do.
        otherwise: A sentence on what to do instead.

    Raises:
        RuntimeError: If Keras runs on another backend.
    """
    import keras

    backend = keras.backend.backend()
    if backend not in backends:
        names = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
        wanted = " or ".join(names.get(one, one) for one in backends)
        raise RuntimeError(f"{what} needs {wanted}. The backend is {backend}. {otherwise}".rstrip())


def needs_package(what: str, package: str, extra: str) -> Any:
    """Import a package that only an extra of this library brings.

    Args:
        what: What needs it: "A sweep's progress bar".
        package: The name that is imported.
        extra: The extra that installs it: `pip install "course-lib[extra]"`.

    Returns:
        The imported module.

    Raises:
        ImportError: If the package is not installed.
    """
    import importlib

    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ImportError(
            f'{what} needs {package}, which is not installed. Run: pip install "course-lib[{extra}]"'
        ) from error


def _sentence(name, wanted, value, because=""):
    return f"`{name}` must be {wanted}. Received: {name}={value!r}. {because}".rstrip()

"""Fingerprints: sixteen hexadecimal digits that are equal if two things are."""

import hashlib
import inspect
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np

from .. import arguments
from .sources import source_of


def digest(*things: Any) -> str:
    """Compute a fingerprint of some values.

    Args:
        *things: Numbers, strings, and tuples or lists of them: what `repr` writes out in full.

    Returns:
        Sixteen hexadecimal digits.

    Example:
        >>> digest("adam", 0.5) == digest("adam", 0.5) != digest("adam", 0.25)
        True
    """
    return hashlib.blake2b(repr(things).encode(), digest_size=8).hexdigest()


def code_of(function: Callable, seen: tuple = ()) -> tuple:
    """Collect what decides what a function computes.

    Args:
        function: A function written in Python.
        seen: The functions that are collected already.

    Returns:
        Its source, or its bytecode if that cannot be read. Then the numbers that it takes from its
        defaults and from around it, and the same of the functions that it calls.
    """
    seen_from = inspect.getclosurevars(function)
    around = sorted({**seen_from.globals, **seen_from.nonlocals}.items())
    functions = [each for _, each in around if inspect.isfunction(each) and each not in seen]
    functions = [each for each in functions if each.__module__ != arguments.__name__]
    try:
        source = source_of(function)
    except ValueError:  # typed at a prompt
        source = _written_out(function.__code__)
    defaults: list[tuple[Any, Any]] = [
        (i, value) for i, value in enumerate(function.__defaults__ or ())
    ]
    defaults += sorted((function.__kwdefaults__ or {}).items())
    numbers = [
        (name, value.tolist() if isinstance(value, np.ndarray) else value)
        for name, value in [*defaults, *around]
        if isinstance(value, int | float | str | tuple | np.ndarray)
    ]
    return source, numbers, [code_of(each, (*seen, function, *functions)) for each in functions]


def _written_out(code):
    consts = [_written_out(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, consts

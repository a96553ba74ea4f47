"""Equations are executed: the ← lines of a docstring, run as code."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# What the printed equation says, and what Python calls it.
NOTATION = [
    ("·", "*"),
    ("−", "-"),
    ("√", "sqrt"),
    ("²", "**2"),
    ("³", "**3"),
    ("ᵗ", "**t"),
    ("^", "**"),
    ("ᵖ", "**p"),
    ("ᵀ", ".T"),
    ("\u0302", "_hat"),  # the hat of m̂ and v̂
    ("∞", "_inf"),
]
FUNCTIONS = {
    "sqrt": np.sqrt,
    "max": np.maximum,
    "min": np.minimum,
    "sign": np.sign,
    "abs": np.abs,
    "clip": np.clip,
    "where": np.where,
    "norm": np.linalg.norm,  # printed ‖w‖: of a matrix it is Frobenius's
    "rms": lambda x: np.sqrt(np.mean(np.square(x))),
}


def lines_of(text: str) -> list[tuple[str, str]]:
    """The lines of an equation, in the order in which they are written.

    Args:
        text: A docstring. Lines with one ← are the equation, all others are prose.

    Returns:
        `(letter, expression)` each, as Python.

    Raises:
        ValueError: If no line has a ←.

    Example:
        >>> lines_of("s ← s + g²")
        [('s', 's + g**2')]
    """
    text = unicodedata.normalize("NFD", text)  # ŝ is one character or two: make it two
    found = [line.split("←") for line in text.splitlines() if line.count("←") == 1]
    if not found:
        raise ValueError(
            "there is no line with ← to execute: write the equation into the docstring"
        )
    return [(_translated(letter), _translated(expression)) for letter, expression in found]


def execute(
    lines: list[tuple[str, str]],
    functions: Mapping[str, Callable] | None = None,
    **quantities: Any,
) -> dict[str, Any]:
    """Run the lines one after the other, each with the values of the moment.

    Args:
        lines: What `lines_of` returned.
        functions: What the lines may call besides FUNCTIONS, by name.
        **quantities: The values before the first line.

    Returns:
        Every quantity after the last line.

    Example:
        >>> execute(lines_of("w ← w − g"), w=1.0, g=0.25)
        {'w': 0.75, 'g': 0.25}
    """
    values = dict(quantities)
    known = {"__builtins__": {}, **FUNCTIONS, **(functions or {})}
    for letter, expression in lines:
        values[letter] = eval(expression, known, values)
    return values


def in_dialect(lines: list[tuple[str, str]], dialect: str) -> list[tuple[str, str]]:
    """The same lines, but for those that a dialect writes differently.

    Args:
        lines: What `lines_of` returned.
        dialect: Lines of an equation, or "". A line for a letter that the equation does not have
            runs before the dialect's next line.

    Returns:
        The lines of the dialect.
    """
    letters = {letter for letter, _ in lines}
    spoken, before = {}, []
    for letter, expression in lines_of(dialect) if dialect else []:
        before.append((letter, expression))
        if letter in letters:
            spoken[letter], before = before, []
    return [one for line in lines for one in spoken.get(line[0], [line])]


def _translated(text):
    for printed, python in NOTATION:
        text = text.replace(printed, python)
    return re.sub("‖([^‖]+)‖", r"norm(\1)", text).strip()

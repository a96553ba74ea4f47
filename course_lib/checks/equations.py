"""Equations are executed: the ← lines of a docstring, run as code."""

import unicodedata

import numpy as np

# What the printed equation says, and what Python calls it.
NOTATION = [
    ("·", "*"),
    ("−", "-"),
    ("√", "sqrt"),
    ("²", "**2"),
    ("³", "**3"),
    ("ᵗ", "**t"),
    ("\u0302", "_hat"),  # the hat of m̂ and v̂
]
FUNCTIONS = {"sqrt": np.sqrt, "max": np.maximum, "min": np.minimum, "sign": np.sign, "abs": np.abs}


def lines_of(text):
    """The lines of an equation, (letter, expression) each, in the order in which they are written.

    Raises ValueError where there is no ← line at all.
    """
    text = unicodedata.normalize("NFD", text)  # ŝ is one character or two: make it two
    found = [line.split("←") for line in text.splitlines() if line.count("←") == 1]
    if not found:
        raise ValueError(
            "there is no line with ← to execute: write the equation into the docstring"
        )
    return [(_translated(letter), _translated(expression)) for letter, expression in found]


def execute(lines, **quantities):
    """Every quantity after the lines have run, one under the other, each with the values of the moment."""
    values = dict(quantities)
    for letter, expression in lines:
        values[letter] = eval(expression, {"__builtins__": {}, **FUNCTIONS}, values)
    return values


def in_dialect(lines, dialect):
    """The same lines, but for those letters that the dialect writes differently."""
    spoken = dict(lines_of(dialect))
    return [(letter, spoken.get(letter, expression)) for letter, expression in lines]


def _translated(text):
    for printed, python in NOTATION:
        text = text.replace(printed, python)
    return text.strip()

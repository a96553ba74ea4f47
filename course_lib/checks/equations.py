"""Equations are executed: the ← lines of a docstring, run as code."""

import re
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


def execute(lines, functions=None, **quantities):
    """Every quantity after the lines have run, one under the other, each with the values of the moment.

    functions    what the lines may call besides FUNCTIONS, by name
    """
    values = dict(quantities)
    known = {"__builtins__": {}, **FUNCTIONS, **(functions or {})}
    for letter, expression in lines:
        values[letter] = eval(expression, known, values)
    return values


def in_dialect(lines, dialect):
    """The same lines, but for those letters that the dialect writes differently; lines for letters that the equation does
    not have run before the dialect's next one."""
    letters = {letter for letter, _ in lines}
    spoken, before = {}, []
    for letter, expression in lines_of(dialect) if dialect else []:
        before.append((letter, expression))
        if letter in letters:
            spoken[letter], before = before, []
    return [said for line in lines for said in spoken.get(line[0], [line])]


def _translated(text):
    for printed, python in NOTATION:
        text = text.replace(printed, python)
    return re.sub("‖([^‖]+)‖", r"norm(\1)", text).strip()

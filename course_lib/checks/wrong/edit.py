"""A rule's class with one row of its update_step changed."""

import ast
import inspect
import itertools
import textwrap
from types import ModuleType

from course_lib.optimizers import RULES

import keras

SERIAL = itertools.count()


def edit(rule: str, row: str = "", other_row: str = "", **rows: str) -> type[keras.Optimizer]:
    """The Keras class of a rule's file with some of its `update_step` changed.

    A change is given in one of two ways: as a piece of text that stands in exactly one place, and
    what stands there instead; or as a whole row, by the letter that the row assigns.

    Args:
        rule: The name of a rule of RULES.
        row: A piece of one row.
        other_row: What stands there instead.
        **rows: For a letter, the row that stands in place of the one that assigns it.

    Returns:
        A new class of the same name, registered under a package of its own.

    Raises:
        ValueError: If the text, or the letter's row, is not in exactly one place.

    Example:
        >>> climbs = edit("sgd", "w - learning_rate", "w + learning_rate")
        >>> without_square = edit("adagrad", s="self.assign(s, s + g)")
    """
    source = inspect.getsource(RULES[rule].numpy)
    lines = source.splitlines()
    step = _update_step(source)
    changes = [_row_of(letter, step, other) for letter, other in rows.items()]
    for first, last, other in sorted(changes, reverse=True):
        indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
        lines[first - 1 : last] = textwrap.indent(other, indent).splitlines()
    if row:
        lines = _replaced(lines, row, other_row)
    return _class_of("\n".join(lines) + "\n", RULES[rule].name)


def _update_step(source):
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    (step,) = [function for function in functions if function.name == "update_step"]
    return step


def _row_of(letter, step, other):
    """(first line, last line, other row) of the row that assigns a letter.

    That is `self.assign(m, ...)` where there is one, and `m_hat = ...` otherwise.
    """
    rows = [node for node in ast.walk(step) if isinstance(node, ast.Assign | ast.Expr)]
    found = [row for row in rows if _variable_of(row) == letter]
    found = found or [row for row in rows if _local_name_of(row) == letter]
    _must_be_one(len(found), f"a row that assigns {letter}")
    return found[0].lineno, found[0].end_lineno, other


def _variable_of(row):
    call = row.value
    if isinstance(call, ast.Call) and getattr(call.func, "attr", "").startswith("assign"):
        return getattr(call.args[0], "id", None)
    return None


def _local_name_of(row):
    return getattr(row.targets[0], "id", None) if isinstance(row, ast.Assign) else None


def _replaced(lines, row, other_row):
    step = _update_step("\n".join(lines))
    first, last = step.lineno - 1, step.end_lineno
    text = "\n".join(lines[first:last])
    _must_be_one(text.count(row), repr(row))
    return [*lines[:first], *text.replace(row, other_row).splitlines(), *lines[last:]]


def _must_be_one(places, what):
    if places != 1:
        raise ValueError(f"{what} must stand in exactly one place of update_step. Found: {places}.")


def _class_of(source, name):
    module = ModuleType(f"wrong_{next(SERIAL)}")
    module.__package__ = "course_lib.optimizers"
    # under a name of its own, or else Keras would load it in place of the right one
    source = source.replace('serializable("course_lib")', f'serializable("{module.__name__}")')
    exec(compile(source, module.__name__, "exec"), vars(module))
    return getattr(module, name)

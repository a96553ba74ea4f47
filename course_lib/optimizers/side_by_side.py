"""side_by_side: two functions as one text, with the rows that say the same next to each other."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from difflib import SequenceMatcher
from itertools import zip_longest

COLUMN = 54  # characters: two columns fit a notebook's page on a laptop


def side_by_side(left: Callable, right: Callable) -> str:
    """The bodies of two functions as one text, row against row.

    Rows are matched by what they assign: `s = ...` in NumPy stands beside `self.assign(s, ...)` or
    `self.assign_add(s, ...)` in Keras. A row that only one side has stands alone, and is usually
    the lesson. Docstrings are left out.

    Args:
        left: A function whose source can be read, such as `adagrad.step`.
        right: Another one, such as `Adagrad.update_step`.

    Returns:
        The text, to print.

    Raises:
        TypeError: If one of the two is not a function with source.

    Example:
        >>> from course_lib.optimizers import SGD, sgd
        >>> rows = side_by_side(sgd.step, SGD.update_step).splitlines()
        >>> print(rows[-2])
        w = w - learning_rate * g  |  self.assign(w, w - learning_rate * g)
    """
    # From the last row up: what a function assigns last is the update itself.
    rows_left, rows_right = list(_rows(left))[::-1], list(_rows(right))[::-1]
    letters_left, letters_right = [what for what, _ in rows_left], [what for what, _ in rows_right]
    matcher = SequenceMatcher(None, letters_left, letters_right, autojunk=False)
    pairs: list[tuple[str, str]] = []
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        here = [row for _, row in rows_left[i:i_end]]
        there = [row for _, row in rows_right[j:j_end]]
        if kind == "equal":
            pairs += zip(here, there, strict=True)
        else:
            pairs += [(row, "") for row in here] + [("", row) for row in there]
    width = min(COLUMN, max(len(row) for row, _ in pairs))
    rows = [
        f"{a:<{width}}  |  {b}".rstrip()
        for pair in reversed(pairs)
        for a, b in zip_longest(*map(_folded, pair), fillvalue="")
    ]
    return "\n".join(rows)


def _folded(row):
    """A row as one line or, where it is longer than a column of the page, as several."""
    return textwrap.wrap(row, COLUMN, subsequent_indent="    ", break_long_words=False)


def _rows(function):
    """(what it assigns, the row as written) for each statement of a function's body."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        definition = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError):
        definition = None
    if not isinstance(definition, ast.FunctionDef):
        raise TypeError(
            f"side_by_side needs functions (def) whose source can be read. Received: {function!r}."
        )
    for statement in definition.body:
        row = " ".join(ast.get_source_segment(source, statement).split())
        match statement:
            case ast.Expr(value=ast.Constant()):
                continue  # the docstring
            case ast.Assign(targets=[ast.Tuple()]) | ast.Assign(value=ast.Subscript()):
                yield "the state", row
            case ast.Assign(targets=[target]):
                yield ast.unparse(target), row
            case ast.Expr(ast.Call(ast.Attribute(attr="assign" | "assign_add"), [target, _])):
                yield ast.unparse(target), row.replace("( ", "(").replace(" )", ")")
            case _:
                yield type(statement).__name__, row

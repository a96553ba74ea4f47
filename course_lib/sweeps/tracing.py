"""One step function, another array library: NumPy code, compiled by TensorFlow or JAX.

A compiler runs a function once, on placeholders, and keeps the list of operations. A function that
says `np.sqrt` gives the placeholder to NumPy, which cannot hold it. And `a if b > 0 else c` needs a
number that is not there yet. `translate` reads the function's source and writes it again: with
another library in NumPy's place, and with a choice of two values where there was a choice of two
ways. Nothing is written twice: change the rule, and what is compiled has changed.
"""

import ast
import inspect
import math
from collections.abc import Callable
from functools import reduce
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from .sources import parsed, source_of


def translate(function: Callable, of: Any) -> Callable:
    """Make the same function, computing with the library `of` wherever it computed with NumPy.

    `x if c else y`, `and`, `or`, `min` and `max` may depend on values that only a run knows. `if`
    and `while` must not. Functions that it calls by name are translated too, if they stand in a
    file that imports NumPy.

    Args:
        function: Written with def, in NumPy and operators. Its source must be there to read.
        of: A library with NumPy's names: `jax.numpy`, `keras.ops`, or `numpy` itself.

    Returns:
        A new function. The old one is left alone.

    Raises:
        ValueError: If the source cannot be read, or is not what the function runs.

    Example:
        >>> def half(x):
        ...     return np.multiply(x, 0.5)
        >>> translate(half, SimpleNamespace(multiply=lambda x, y: f"{x} times {y}", minimum=None,
        ...                                 maximum=None))(4)
        '4 times 0.5'
    """
    return _translate(function, of, {})


def _translate(function, of, done):
    if function in done:
        return done[function]
    try:
        tree = ast.Module([parsed(source_of(function))], type_ignores=[])
    except ValueError as error:
        raise ValueError(
            f"{getattr(function, '__name__', function)} cannot be compiled. {error} "
            "Write it with def, in a file or a notebook cell; or let NumPy run it."
        ) from None
    names = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    called = function.__code__.co_names + function.__code__.co_freevars
    called = {name: names[name] for name in called if _is_ours(names.get(name))}
    for name, value in list(names.items()):
        if value is np:
            names[name] = of
        elif value is math:
            names[name] = SimpleNamespace(**{**vars(math), "sqrt": _root(of)})
    names |= {"min": _extreme(min, of.minimum), "max": _extreme(max, of.maximum), "_of": of}
    names |= {"_choose": _choose(of), "_both": _both(of), "_either": _either(of)}
    tree = ast.fix_missing_locations(_Choices().visit(tree))
    exec(compile(tree, f"<{function.__name__}, translated>", "exec"), names)
    done[function] = names[function.__name__]
    for name, helper in called.items():
        names[name] = _translate(helper, of, done)
    return done[function]


def _is_ours(value):
    return isinstance(value, FunctionType) and any(v is np for v in value.__globals__.values())


class _Choices(ast.NodeTransformer):
    """`a if c else b`, `a and b`, `a or b`, `x.T` become calls that work on a placeholder too."""

    def visit_IfExp(self, node):
        self.generic_visit(node)
        return _call("_choose", node.test, _later(node.body), _later(node.orelse))

    def visit_BoolOp(self, node):
        self.generic_visit(node)
        function = "_both" if isinstance(node.op, ast.And) else "_either"
        return reduce(lambda left, right: _call(function, left, _later(right)), node.values)

    def visit_Attribute(self, node):
        self.generic_visit(node)
        if node.attr != "T":
            return node
        transpose = ast.Attribute(ast.Name("_of", ast.Load()), "transpose", ast.Load())
        return ast.Call(transpose, [node.value], [])


def _call(name, *arguments):
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _later(expression):
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(nothing, expression)


def _known(*values):
    """Whether these are values, not placeholders. A library's own arrays count as placeholders."""
    return all(isinstance(x, np.generic | np.ndarray) or not hasattr(x, "dtype") for x in values)


def _choose(of):
    return lambda c, yes, no: (yes() if c else no()) if _known(c) else of.where(c, yes(), no())


def _both(of):
    return lambda x, y: (x and y()) if _known(x) else of.logical_and(x, y())


def _either(of):
    return lambda x, y: (x or y()) if _known(x) else of.logical_or(x, y())


def _extreme(builtin, pairwise):
    def extreme(*values, **options):
        if options or len(values) == 1 or _known(*values):
            return builtin(*values, **options)
        return reduce(pairwise, values)

    return extreme


def _root(of):
    return lambda x: math.sqrt(x) if _known(x) else of.sqrt(x)

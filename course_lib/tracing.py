"""One step function, another array library: a rule written in NumPy, compiled by TensorFlow or JAX.

A compiler runs a function once, on placeholders, and keeps the list of operations.  A function that says `np.sqrt` hands
the placeholder to NumPy, which cannot hold it; and `a if b > 0 else c` asks a number that is not there yet.  `translate`
reads the function's source and says it again with another library in NumPy's place, and with a choice of two values where
there was a choice of two ways.  Nothing is written twice: change the rule, and what is compiled has changed.
"""

import ast
import inspect
import math
import textwrap
from functools import reduce
from types import FunctionType, SimpleNamespace

import numpy as np


def translate(function, of):
    """The same function, computing with the library `of` wherever it computed with NumPy.

    function    written in NumPy, in operators, and in functions that are; its source must be there to read.  `x if c else y`,
                `and`, `or`, `min` and `max` may depend on values that only a run knows; `if` and `while` must not
    of          what has NumPy's names: jax.numpy, keras.ops, or numpy itself
    Functions that it calls by name are translated too.  Raises ValueError for a function without source.
    """
    return _translate(function, of, {})


def _translate(function, of, done):
    if function in done:
        return done[function]
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        raise ValueError(
            f"{getattr(function, '__name__', function)} cannot be compiled: its source cannot be read. "
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
    """`a if c else b`, `a and b`, `a or b` and `x.T` become calls that also work on a placeholder."""

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
    """Whether these are values, and not placeholders: a library's own arrays count as placeholders."""
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

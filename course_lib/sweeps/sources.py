"""The source of a function, if it is the source of that function.

Python finds a function's source by a file's name and a line's number. For a function made by
`exec`, or typed at a prompt, that may be a line of another file. For a module that was edited after
its import, it is a line that does not run. So the text is compiled again, and compared.
"""

import __future__

import ast
import inspect
import tokenize
from collections.abc import Callable
from types import CodeType, FunctionType

_FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)


def source_of(function: Callable) -> str:
    """Read the source of a function, and check that it is what the function runs.

    Args:
        function: A function written with def.

    Returns:
        The text, as it stands in its file or notebook cell. `parsed` makes a syntax tree of it.

    Raises:
        ValueError: If there is no source, or if compiling it gives other code than the function's.

    Example:
        >>> print(source_of(parsed).splitlines()[0])
        def parsed(source: str) -> ast.FunctionDef:
    """
    name = getattr(function, "__name__", repr(function))
    try:
        if not isinstance(function, FunctionType):
            raise ValueError
        source, (lines, _) = inspect.getsource(function), inspect.findsource(function)
        parsed(source)
        found = _has("".join(lines), inspect.unwrap(function).__code__)
    except (OSError, TypeError, SyntaxError, ValueError, tokenize.TokenError):
        raise ValueError(f"The source of {name} cannot be read.") from None
    if not found:
        code = inspect.unwrap(function).__code__
        raise ValueError(
            f"The source of {name} cannot be read: what stands in {code.co_filename}, line "
            f"{code.co_firstlineno}, is not what {name} runs."
        )
    return source


def parsed(source: str) -> ast.FunctionDef:
    """Parse the source of one function.

    Args:
        source: One definition, perhaps indented, as `source_of` returns it.

    Returns:
        The definition as a syntax tree.

    Raises:
        ValueError: If it is not one function written with def.
        SyntaxError: If it is not Python.
    """
    if source[:1].isspace():  # not dedented: that would change strings of several lines
        source = "if True:\n" + source
    body = ast.parse(source).body
    if len(body) == 1 and isinstance(body[0], ast.If):
        body = body[0].body
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
        raise ValueError("This is not one function written with def.")
    return body[0]


def _has(text, code):
    """Whether a file, or a statement of it alone (as notebooks run cells), compiles to the code.

    The two differ: where np is imported in the same text, `np.sqrt(x)` is compiled otherwise.
    """
    tree = ast.parse(text)
    texts = [tree, *(ast.Module([each], []) for each in tree.body if _spans(each, code))]
    flags = code.co_flags & _FUTURES | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    compiled = (compile(each, code.co_filename, "exec", flags, dont_inherit=True) for each in texts)
    return any(_plain(each) == _plain(code) for whole in compiled for each in _codes(whole))


def _spans(statement, code):
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(each.lineno for each in decorators)])
    return first <= code.co_firstlineno <= statement.end_lineno


def _codes(code):
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _plain(code):
    """The code without its file's name and the columns in it, which a .pyc may lack."""
    consts = (_plain(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename="", co_linetable=b"", co_consts=tuple(consts))

"""What a class handed in: which files, which statements in them, which exercises they answer."""

import ast
import builtins
import codecs
import io
import json
import os
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from course_lib.checkout import lessons

KINDS = (".ipynb", ".py")
MAGIC = re.compile(r"[ \t]*[%!?]|[\w ,.\[\]]+=[ \t]*[%!]")


def asked(paths: Iterable[Path] | None = None) -> dict[str, str]:
    """Which exercises the course has, read off the cells that call `grade`.

    Args:
        paths: Notebooks; the course's lessons if None.

    Returns:
        {number of an exercise: the name that its answer has}, such as {"02.1": "descend"}.

    Raises:
        course_lib.checkout.NoCheckout: If the lessons are not there.
    """
    names = {}
    for path in lessons("Grading") if paths is None else paths:
        for statement in statements_of(path)[0]:
            match statement:
                case ast.Expr(
                    ast.Call(ast.Name("grade"), [ast.Constant(str(number)), ast.Name(name)])
                ):
                    names[number] = name
    return names


def statements_of(path: str | os.PathLike) -> tuple[list[ast.stmt], list[str]]:
    """The top-level statements of a notebook or a Python file, and what could not be read.

    A file is decoded as Python does: by a byte order mark, by a coding line, else as UTF-8.
    If a cell is not Python as it stands, lines of IPython's own (%magic, !shell, help?) are left
    out. If it is not Python without them either, it costs itself alone.

    Args:
        path: A file that ends in .ipynb or .py.

    Returns:
        The statements in their order, and a sentence for each cell that could not be read. Cells
        are numbered as JupyterLab shows them: [3] was run as the third.

    Raises:
        ValueError: If `path` ends in something else, or holds no notebook.
        SyntaxError: If the text of a .py file has no encoding that Python knows.
        OSError: If there is no such file.
    """
    path = Path(path)
    if path.suffix not in KINDS:
        raise ValueError(f"`path` must end in .ipynb or .py. Received: {path}.")
    sources = [("", _text(path.read_bytes()))] if path.suffix == ".py" else list(_cells(path))
    statements: list[ast.stmt] = []
    unread: list[str] = []
    for where, source in sources:
        try:
            statements += _parsed(source).body
        except SyntaxError as error:
            unread.append(f"{where}line {error.lineno or '?'}: {type(error).__name__}: {error.msg}")
        except (ValueError, RecursionError, MemoryError) as error:
            unread.append(f"{where}{type(error).__name__}: {error}")
    return statements, unread


def _text(raw):
    """Bytes of a Python file as text.  UTF-16 with its mark, which editors write, is read too."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    except SyntaxError:  # of a coding line, or of a first line that is no UTF-8
        if b"coding" in b"".join(raw.splitlines()[:2]):
            raise
        encoding = "utf-8"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SyntaxError(
            f"line {line} has a byte, {raw[error.start]:#04x}, that is not {encoding}; "
            "save the file as UTF-8"
        ) from None


def _cells(path):
    """(where, source) of a notebook's code cells, with the number that JupyterLab shows."""
    notebook = json.loads(path.read_bytes())  # UTF-8, UTF-16 and byte order marks alike
    if not isinstance(notebook, dict) or "cells" not in notebook:
        raise ValueError("it is not a notebook of format 4")
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for place, cell in enumerate(code, 1):
        count = cell.get("execution_count")
        where = f"cell [{count}]" if count else f"code cell {place}, not run"
        yield f"{where}, ", "".join(cell["source"])


def _parsed(source):
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        lines = source.split("\n")
        kept = ["" if MAGIC.match(line) or line.rstrip().endswith("?") else line for line in lines]
        if kept == lines:
            raise
        return ast.parse("\n".join(kept))


def needed_for(name: str, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements that make a name, or make a name that is used in making it.

    Args:
        name: The name of an answer.
        statements: All top-level statements of a submission.

    Returns:
        Those that are needed, in their order. Where a name is made more than once, all of them.
    """
    wanted, chosen = {name}, set()
    grown = True
    while grown:
        grown = False
        for i, statement in enumerate(statements):
            if i not in chosen and made_by(statement) & wanted:
                chosen.add(i)
                used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
                wanted |= used - set(vars(builtins))
                grown = True
    return [statements[i] for i in sorted(chosen)]


def made_by(statement: ast.stmt) -> set[str]:
    """The names that a statement binds or changes.

    Args:
        statement: A statement at a file's top level.

    Returns:
        The names. What a function sets within stays within.
    """
    made = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            made |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        made = {statement.name}  # what is set within stays within
    return made


def submissions_in(folder: str | os.PathLike) -> list[Path]:
    """Every notebook and Python file in the folder and below it, in the order of their paths.

    Args:
        folder: Where a class's submissions are.

    Returns:
        Paths that end in .ipynb or .py. Copies that Jupyter keeps are left out.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"`folder`: there is no folder {folder}.")
    found = [path for path in folder.rglob("*") if path.suffix in KINDS]
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def exercises_of(
    path: str | os.PathLike, exercises: Mapping[str, str], chapters: Sequence[str] = ()
) -> tuple[dict[str, str], str]:
    """The exercises that a submission should answer.

    Args:
        path: The submission.
        exercises: {number: name of the answer}, as `asked` returns it.
        chapters: Chapters whose exercises count. If there are none, it is the chapter that the
            file's name begins with; else the exercises that the file answers.

    Returns:
        Those of `exercises`, and where there are none, a sentence that says why.
    """
    path = Path(path)
    if not chapters and path.name[:2] in {number[:2] for number in exercises}:
        chapters = [path.name[:2]]
    if chapters:
        return {number: name for number, name in exercises.items() if number[:2] in chapters}, ""
    try:
        statements, unread = statements_of(path)
    except Exception as error:
        return {}, f"the file cannot be read, {type(error).__name__}: {error}"
    made = set().union(*map(made_by, statements))
    wanted = {number: name for number, name in exercises.items() if name in made}
    return wanted, "" if wanted else "; ".join(["it answers no exercise of the course", *unread])

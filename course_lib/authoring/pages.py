"""Run a chapter without a browser: each checkpoint as it is proved, and a page to read.

    course-lib run 06                     writes 06_adagrad_and_where_state_lives.html here
    course-lib run 06 --page adagrad.html
    course-lib run my_copy.ipynb

Exit status 0: every cell ran, and every checkpoint was proved.  1: not all.  2: bad input.
The notebook itself is left as it is.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_lib.arguments import needs_package
from course_lib.checkout import chapter
from course_lib.files import write_text_atomically

from .notebooks import client_of

CHECKPOINT = re.compile(r"^checkpoint \d.*$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What became of a chapter that was run.

    Args:
        proved: The lines that its checkpoints printed.
        missing: The stored checkpoints whose number did not come back.
        error: What a cell raised; empty if none did.
    """

    proved: tuple[str, ...]
    missing: tuple[str, ...]
    error: str

    @property
    def held(self) -> bool:
        """Whether every cell ran and every checkpoint was proved."""
        return not self.error and not self.missing


def run_chapter(
    path: str | os.PathLike,
    page: str | os.PathLike,
    told: Callable[[str], object] = print,
    progress: Callable[[int, int], object] = lambda done, cells: None,
) -> Outcome:
    """Run a notebook in a fresh kernel, and write it as a page with its text and figures.

    Args:
        path: The notebook. It is left as it is; its folder is where the cells run.
        page: The HTML file to write. It needs no network and no other file.
        told: Is given each checkpoint's line as soon as its cell is done.
        progress: Is given how many cells are done, and how many there are.

    Returns:
        What held and what did not. The page is written in both cases.

    Raises:
        ImportError: If the packages of the extra `course` are not installed.
        ValueError: If `path` is not a notebook.
    """
    nbformat = needs_package("Running a chapter", "nbformat", "course")
    needs_package("A page", "nbconvert", "course")
    path = Path(path)
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8-sig"), as_version=4)
    except (nbformat.reader.NotJSONError, ValueError, KeyError, AttributeError) as wrong:
        raise ValueError(f"{path} is not a notebook: {str(wrong).splitlines()[0]}") from None
    stored = [line for cell in notebook.cells for line in _checkpoints(cell)]
    proved: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None

    def done(cell: Any, cell_index: int, **_: Any) -> None:
        for line in _checkpoints(cell):
            proved.append(line)
            told(line)
        progress(cell_index + 1, len(notebook.cells))

    client = client_of(notebook, path.resolve().parent, on_cell_executed=done)
    error = ""
    nbclient = needs_package("Running a chapter", "nbclient", "course")
    failures = nbclient.exceptions.CellControlSignal, nbclient.exceptions.DeadKernelError
    try:
        client.execute()
    except failures as failure:
        lines = re.sub(r"\x1b\[[0-9;]*m", "", str(failure)).strip().splitlines()
        error = lines[-1] if lines else type(failure).__name__
    numbers = {_number(line) for line in proved}
    missing = tuple(line for line in stored if _number(line) not in numbers)
    write_text_atomically(page, page_of(notebook, path.stem))
    return Outcome(tuple(proved), missing, error)


def _checkpoints(cell):
    if cell.cell_type == "code":
        for output in cell.outputs:
            yield from CHECKPOINT.findall(output.get("text", ""))


def _number(checkpoint):
    return checkpoint.split()[1].rstrip(":.")


def page_of(notebook: Any, title: str = "notebook") -> str:
    """A notebook as one HTML page that needs no network: text, code, outputs, figures.

    Args:
        notebook: A notebook as nbformat reads it. Widgets are left out; what they drew stays.
        title: The page's title.

    Returns:
        The HTML text.
    """
    nbconvert = needs_package("A page", "nbconvert", "course")
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
            cell.outputs = [one for one in cell.outputs if one.get("data", True)]
    exporter = nbconvert.HTMLExporter()
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    # The template's scripts come from elsewhere, and serve typeset formulas and widgets alone.
    return re.sub(r"<script\b.*?</script>", "", text, flags=re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `course-lib run`.

    Args:
        arguments: What stands behind the command's name; `sys.argv` if None.

    Returns:
        The exit status: 0 if all held, 1 if not.
    """
    parser = argparse.ArgumentParser(
        prog="course-lib run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("chapter", help="a number such as 06, or the path of a notebook")
    parser.add_argument("--page", type=Path, metavar="FILE", help="the HTML file to write")
    given = parser.parse_args(arguments)
    if given.chapter.endswith(".ipynb"):
        path = Path(given.chapter)
        if not path.is_file():
            parser.error(f"there is no notebook {path}")
    else:
        try:
            path = chapter(given.chapter, "`course-lib run`")
        except ValueError as error:
            parser.error(str(error))
    page = given.page or Path(path.with_suffix(".html").name)
    if not page.absolute().parent.is_dir():
        parser.error(f"`--page`: there is no folder {page.absolute().parent}")
    line, began = _ProgressLine(path.stem), time.monotonic()
    try:
        outcome = run_chapter(path, page, line.say, line.at)
    except ValueError as error:
        line.end()
        parser.error(str(error))
    line.end()
    for lost in outcome.missing:
        print(f"NOT proved: {lost}")
    if outcome.error:
        print(f"FAILED: {outcome.error}")
    took = f"{time.monotonic() - began:.0f} s"
    told = f"{len(outcome.proved)} proved" + (", all held" if outcome.held else ", not all held")
    print(f"{path.stem}: checkpoints {told}, {took}; the page: {page}")
    return 0 if outcome.held else 1


class _ProgressLine:
    """One line that is written over, where somebody watches; other lines go above it."""

    def __init__(self, title):
        self.title, self.shown = title, sys.stderr.isatty()
        self.at(0, 0)

    def at(self, done, cells):
        if self.shown:
            count = f"cell {done} of {cells}" if cells else "starting"
            print(f"\r\x1b[K{self.title}: {count}", end="", file=sys.stderr, flush=True)

    def say(self, line):
        self.end()
        print(line, flush=True)

    def end(self):
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

"""Re-run notebooks and save them canonically.

    course-lib refresh                    those whose code changed since they were run last
    course-lib refresh --all              all of them (after a change of the library)
    course-lib refresh notebooks/06*      those
    course-lib refresh --check            runs nothing; names what is stale or not canonical

A second run is byte for byte the same.  A notebook that fails is left as it was.
"""

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from course_lib.arguments import needs_package

from .notebooks import all_notebooks, canonical, is_stale, rerun, text_of


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `course-lib refresh`.

    Args:
        arguments: What stands behind the command's name; `sys.argv` if None.

    Returns:
        The exit status: 0 where all is well, 1 where a notebook fails or is stale.
    """
    parser = argparse.ArgumentParser(
        prog="course-lib refresh",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", type=Path, help="these notebooks, changed or not")
    parser.add_argument("--all", action="store_true", help="every notebook, changed or not")
    parser.add_argument("--check", action="store_true", help="run nothing, name what is stale")
    given = parser.parse_args(arguments)
    missing = [str(path) for path in given.paths if not path.is_file()]
    if missing:
        parser.error(f"no such notebook: {', '.join(missing)}")
    done = [
        _checked(path) if given.check else _refreshed(path, bool(given.paths) or given.all)
        for path in given.paths or all_notebooks()
    ]
    return 0 if all(done) else 1


def _read(path):
    """The text and the notebook; None for the latter where the file is not a notebook."""
    nbformat = needs_package("A notebook", "nbformat", "classroom")
    text = path.read_text(encoding="utf-8")
    try:
        return text, nbformat.reads(text, as_version=4)
    except (nbformat.reader.NotJSONError, json.JSONDecodeError):
        print(f"{path.name:<44} is not a notebook")
        return text, None


def _checked(path):
    text, notebook = _read(path)
    if notebook is None:
        return False
    stale = is_stale(notebook)
    well = not stale and text_of(canonical(notebook)) == text
    if not well:
        print(f"{path.name:<44} {'stale' if stale else 'not in canonical form'}")
    return well


def _refreshed(path, in_any_case):
    _, notebook = _read(path)
    if notebook is None:
        return False
    if not in_any_case and not is_stale(notebook):
        return True
    print(f"{path.name:<44} ", end="", flush=True)
    began = time.monotonic()
    try:
        changed = rerun(path)
    except Exception as error:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        print(f"FAILED, left as it was\n{plain}")
        return False
    print(f"{'changed' if changed else 'the same'}, {time.monotonic() - began:.0f} s")
    return True

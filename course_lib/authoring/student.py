"""Write a student edition: the course without its solutions, in a folder of its own.

    course-lib student FOLDER

The lessons keep their stubs and their outputs; the sentences that lead to the solutions go. What a
student needs to run them comes along (`uv run course-lib open`), the tests and answers do not.
"""

import argparse
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from course_lib.checkout import NoCheckout, checkout, lessons
from course_lib.files import write_text_atomically

PAGES = "*.md LICENSE* CITATION.cff pyproject.toml requirements.lock environment.yml picture.png"
ANSWERS = re.compile(r"\s*The answers? [^\[]*\[solutions/\d\d\]\([^)]*\)\.")


def write_edition(folder: str | os.PathLike) -> Path:
    """Write the student edition, whole or not at all.

    Args:
        folder: Where it goes. A folder that does not exist yet, or is empty.

    Returns:
        That folder.

    Raises:
        FileExistsError: If something is there already. Nothing is overwritten.
        FileNotFoundError: If the folder in which it shall stand does not exist.
        ValueError: If a lesson leads to a solution in words that are not known.
        course_lib.checkout.NoCheckout: If only the library is installed.
    """
    folder, course = Path(folder).absolute(), checkout("A student edition")
    if folder.is_symlink() or folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"`folder`: {folder} is there and not empty. Name a new folder.")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"`folder`: there is no folder {folder.parent} to write it in.")
    beside = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        os.chmod(beside, 0o755)
        _fill(beside, course)
        if folder.is_dir():
            folder.rmdir()  # it is empty
        os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _fill(edition, course):
    for pattern in PAGES.split():
        for page in course.glob(pattern):
            shutil.copyfile(page, edition / page.name)
    without = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    shutil.copytree(course / "course_lib", edition / "course_lib", ignore=without)
    (edition / "notebooks").mkdir()
    for page in (course / "notebooks").glob("*.md"):
        shutil.copyfile(page, edition / "notebooks" / page.name)
    for lesson in lessons("A student edition"):
        text = without_answers(lesson.read_text(encoding="utf-8"), lesson.name)
        write_text_atomically(edition / "notebooks" / lesson.name, text)


def without_answers(text: str, name: str = "the lesson") -> str:
    """A lesson without the sentences that lead to its solutions.

    Args:
        text: The text of its notebook.
        name: What it is called in an error.

    Returns:
        The text of the notebook, canonical as before.

    Raises:
        ValueError: If a link to a solution stands in another sentence.
    """
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            source = ANSWERS.sub("", "".join(cell["source"])).rstrip("\n")
            cell["source"] = source.splitlines(keepends=True)
            if "](solutions/" in source:
                raise ValueError(f"{name}: a sentence leads to a solution: {source[-120:]!r}")
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `course-lib student`.

    Args:
        arguments: What stands behind the command's name; `sys.argv` if None.

    Returns:
        The exit status: 0.
    """
    parser = argparse.ArgumentParser(prog="course-lib student", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a new folder, or an empty one")
    given = parser.parse_args(arguments)
    try:
        folder = write_edition(given.folder)
    except NoCheckout:
        raise
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f"{folder}: {len(list(folder.glob('notebooks/*.ipynb')))} lessons, without solutions")
    return 0

"""Grade a whole class: every submission in a folder, and the gradebook after each of them."""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from course_lib.arguments import needs_package, number, unknown, whole_number

from .gradebook import Entry, student_of, write_gradebook
from .running import Row, grade_one
from .submissions import asked, exercises_of, submissions_in


def grade_class(
    folder: str | os.PathLike,
    table: str | os.PathLike,
    chapters: Sequence[str] = (),
    seconds: float = 60,
    megabytes: float = 4096,
    workers: int | None = None,
) -> list[Entry]:
    """Grade every submission in a folder, and write the gradebook.

    The gradebook is written again after each submission, so a grading that is stopped keeps what
    it has: `table` with a row for each exercise, and beside it (for grades.csv)
    grades_students.csv with a row for each student, and grades.ipynb, the same as a page.

    Args:
        folder: Submissions: notebooks and Python files, in a folder for each student or not.
        table: Where the CSV goes: a file that ends in .csv.
        chapters: Numbers such as "06": each submission should answer their exercises. See
            `exercises_of` for none.
        seconds: The time limit of each process; see `grade_one`.
        megabytes: The memory limit of each process.
        workers: How many processes run side by side; half the processors if None.

    Returns:
        The rows of the table, in the order of the submissions.

    Raises:
        FileNotFoundError: If a folder does not exist.
        course_lib.checkout.NoCheckout: If the course's lessons are not there.
        ValueError: For a folder without submissions, a table that does not end in .csv, a chapter
            without exercises, or a limit below 0. Nothing that a submission does is raised.
    """
    exercises, folder, table = asked(), Path(folder), Path(table)
    known = sorted({one[:2] for one in exercises})
    for chapter in chapters:
        if chapter not in known:
            raise ValueError(f"`chapters`: {unknown('exercise in chapter', chapter, known)}")
    if table.suffix != ".csv":
        raise ValueError(f"`table` must be a file that ends in .csv. Received: {table}.")
    if not table.absolute().parent.is_dir():
        raise FileNotFoundError(f"`table`: there is no folder {table.absolute().parent}.")
    limits = [
        number(name, limit, "a number above 0", lambda x: x > 0)
        for name, limit in [("seconds", seconds), ("megabytes", megabytes)]
    ]
    if workers is None:
        workers = max(1, (os.cpu_count() or 2) // 2)
    paths = submissions_in(folder)
    if not paths:
        raise ValueError(f"`folder`: there is no notebook and no Python file in {folder}.")
    for package in ("psutil", "nbformat"):
        needs_package("Grading", package, "classroom")

    counted = [one for one in exercises if one[:2] in chapters]
    entries: list[Entry] = []
    with ThreadPoolExecutor(whole_number("workers", workers)) as pool:
        rows_of = pool.map(lambda path: _graded(path, exercises, chapters, *limits), paths)
        for path, rows in zip(paths, rows_of, strict=True):
            name = name_of(path.relative_to(folder))
            entries += [Entry(student_of(name), name, *row) for row in rows]
            write_gradebook(table, entries, counted)
            correct = sum(row.outcome == "correct" for row in rows)
            asked_for = sum(bool(row.exercise) for row in rows)
            print(f"{name}: {correct} of {asked_for}", file=sys.stderr)
    return entries


def name_of(path: os.PathLike) -> str:
    """A path as text that any file can hold, also where its bytes are not UTF-8.

    Args:
        path: A path as the file system has it.

    Returns:
        The path with slashes; a byte outside of UTF-8 is written as \\udcff.
    """
    return Path(path).as_posix().encode("utf-8", "backslashreplace").decode("utf-8")


def _graded(path, exercises, chapters, seconds, megabytes):
    """The rows of one submission; whatever is wrong with it costs its own row."""
    if not path.is_file():  # a folder, a broken link, a pipe that nobody writes to
        return [Row("", "missing", "it is not a file", 0)]
    try:
        wanted, why = exercises_of(path, exercises, chapters)
        if not wanted:
            return [Row("", "missing", why, 0)]
        return grade_one(path, wanted, seconds, megabytes)
    except Exception as error:
        return [Row("", "stopped", f"it raised {type(error).__name__}: {error}", 0)]

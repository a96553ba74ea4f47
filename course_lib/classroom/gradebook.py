"""The gradebook: a row for each exercise, a row for each student, and the same as a page."""

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from course_lib.arguments import needs_package
from course_lib.files import write_text_atomically

COLUMNS = ("student", "submission", "exercise", "outcome", "hint", "seconds")
MARKS = {"correct": "✓", "not yet": "·", "missing": "–", "stopped": "✗", "": "–"}


class Entry(NamedTuple):
    """A row of the table: one exercise of one submission."""

    student: str
    "Who handed it in: the first folder of the path, or the name of a file that lies alone."
    submission: str
    "Its path within the folder of submissions."
    exercise: str
    outcome: str
    hint: str
    seconds: float


def student_of(submission: str) -> str:
    """Whose submission it is.

    Args:
        submission: Its path within the folder of submissions, with slashes.

    Returns:
        The first folder of the path; for a file that lies in no folder its name without ending.

    Example:
        >>> student_of("ana/week 2/06.ipynb"), student_of("bob.py")
        ('ana', 'bob')
    """
    path = PurePosixPath(submission)
    return path.parts[0] if len(path.parts) > 1 else path.stem


def totals(entries: Sequence[Entry], also: Iterable[str] = ()) -> list[dict[str, str | int]]:
    """One row for each student: what was solved, out of how many exercises.

    Args:
        entries: The rows of the table.
        also: Numbers of exercises that count although nobody answers them.

    Returns:
        A dictionary for each student with "student", "solved", "of", "percent" and, for each
        exercise, its outcome. The best counts where a student answers one twice, and "missing"
        stands where a student does not.
    """
    numbers = sorted({entry.exercise for entry in entries if entry.exercise} | set(also))
    best: dict[str, dict[str, str]] = {}
    order = ["", "missing", "stopped", "not yet", "correct"]
    for entry in entries:
        mine = best.setdefault(entry.student, {})
        before = mine.get(entry.exercise, "")
        mine[entry.exercise] = max(before, entry.outcome, key=order.index)
    rows: list[dict[str, str | int]] = []
    for student, mine in best.items():
        solved = sum(mine.get(number) == "correct" for number in numbers)
        percent = round(100 * solved / len(numbers)) if numbers else 0
        row: dict[str, str | int] = {"student": student, "solved": solved, "of": len(numbers)}
        row |= {"percent": percent, **{number: mine.get(number, "missing") for number in numbers}}
        rows.append(row)
    return rows


def write_gradebook(
    table: str | os.PathLike, entries: Sequence[Entry], also: Iterable[str] = ()
) -> None:
    """Write grades.csv, grades_students.csv and grades.ipynb, each whole.

    Args:
        table: Where the first goes: a file that ends in .csv. The others stand beside it.
        entries: The rows of the table.
        also: Numbers of exercises that count although nobody answers them.
    """
    table, students = Path(table), totals(entries, also)
    write_text_atomically(table, _csv(COLUMNS, entries))
    beside = table.with_name(f"{table.stem}_students.csv")
    columns = list(students[0]) if students else ["student", "solved", "of", "percent"]
    write_text_atomically(beside, _csv(columns, [list(row.values()) for row in students]))
    write_text_atomically(table.with_suffix(".ipynb"), page_of(entries, also))


def _csv(columns, rows):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([columns, *map(safe, rows)])
    return text.getvalue()


def safe(row: Iterable[object]) -> list[object]:
    """The row, with nothing in it that a spreadsheet would take for a formula.

    Args:
        row: The cells of a row.

    Returns:
        The same; a quotation mark stands before what begins like a formula.
    """
    return ["'" + str(one) if str(one)[:1] in ("=", "+", "-", "@") else one for one in row]


def page_of(entries: Sequence[Entry], also: Iterable[str] = ()) -> str:
    """The gradebook as the text of a notebook: who solved what, and which hints were given.

    Args:
        entries: The rows of the table.
        also: Numbers of exercises that count although nobody answers them.

    Returns:
        The text of an .ipynb file.
    """
    nbformat = needs_package("A page of grades", "nbformat", "classroom")
    students = totals(entries, also)
    numbers = list(students[0])[4:] if students else []
    solved = [sum(row[number] == "correct" for row in students) for number in numbers]
    lines = [
        "# Grades",
        "",
        "✓ correct · not yet – missing ✗ stopped",
        "",
        _line("student", *numbers, "solved"),
        "|---|" + "---|" * len(numbers) + "---|",
        *(
            _line(
                _plain(row["student"]).replace("|", "\\|"),
                *(MARKS[str(row[number])] for number in numbers),
                f"{row['solved']} of {row['of']}",
            )
            for row in students
        ),
        _line("**solved**", *(f"{n} of {len(students)}" for n in solved), ""),
    ]
    hints = ["## What was missing", ""]
    for number in ["", *numbers]:
        told = [one.hint for one in entries if one.exercise == number and one.outcome != "correct"]
        for hint in sorted(set(told), key=lambda one: (-told.count(one), one)):
            plain = _plain(hint).replace("`", "'")
            hints.append(f"- {number or 'no exercise'} ({told.count(hint)}): `{plain}`")
    cells = [nbformat.v4.new_markdown_cell("\n".join(part)) for part in (lines, hints)]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells)) + "\n"


def _line(*cells):
    return "| " + " | ".join(cells) + " |"


def _plain(text):
    return re.sub(r"\s+", " ", str(text))

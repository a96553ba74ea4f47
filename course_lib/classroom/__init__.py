"""A class's answers, graded: a folder of submissions in, a gradebook out.

    uv run course-lib grade submissions/ grades.csv
    uv run course-lib grade submissions/ grades.csv --chapters 06 11 --seconds 60 --megabytes 4096

A submission is a notebook of the course with the stubs filled in, or a Python file with the same
functions. No submission can spoil another's row.

Only what an answer needs is run: its own definition and, out of the rest, the lines that make the
names it uses. Trainings, plots and lines that fail elsewhere in the notebook cost nothing.

Each submission runs in its own process and folder, with a limit on time and memory. The folder
holds a copy and is thrown away; what the submission prints is dropped. A process that is not done
in time, grows too large, exits or crashes costs the exercise at which it did, and no other row.
It is a fence and no wall: the process has the rights of whoever started it. Grade strangers' code
in a container.

submissions    which files, which statements in them, which exercises they answer
answers        what the process of one submission does
running        that process, and its limits
gradebook      a row for each exercise, a row for each student, a page
grading        a whole class
"""

from .gradebook import Entry, totals, write_gradebook
from .grading import grade_class
from .running import Row, grade_one
from .submissions import asked, exercises_of, needed_for, statements_of, submissions_in

__all__ = [
    "Entry",
    "Row",
    "asked",
    "exercises_of",
    "grade_class",
    "grade_one",
    "needed_for",
    "statements_of",
    "submissions_in",
    "totals",
    "write_gradebook",
]

"""Grade a class: a folder of submissions in, a gradebook out.

    course-lib grade submissions/ grades.csv
    course-lib grade submissions/ grades.csv --chapters 06 11

Writes grades.csv (student, submission, exercise, outcome, hint, seconds), grades_students.csv (one
row for each student, with totals) and grades.ipynb, the same as a page.
"""

import argparse
import sys
from collections.abc import Sequence

from course_lib.checkout import NoCheckout

from .grading import grade_class


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `course-lib grade`.

    Args:
        arguments: What stands behind the command's name; `sys.argv` if None.

    Returns:
        The exit status: 0, also where answers are wrong.
    """
    parser = argparse.ArgumentParser(
        prog="course-lib grade",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", help="submissions: notebooks and Python files")
    parser.add_argument("table", help="the CSV to write; the other two are written beside it")
    parser.add_argument("--chapters", nargs="+", default=(), metavar="NN")
    parser.add_argument("--seconds", type=float, default=60, help="for each process (60)")
    parser.add_argument("--megabytes", type=float, default=4096, help="for each process (4096)")
    parser.add_argument("--workers", type=int, help="processes side by side (half the cores)")
    given = parser.parse_args(arguments)
    try:
        grade_class(**vars(given))
    except NoCheckout:
        raise
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    from course_lib.cli import main as course_lib

    sys.exit(course_lib(["grade", *sys.argv[1:]]))

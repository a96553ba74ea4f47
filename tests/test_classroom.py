"""A class is graded: each submission has its rows, and none can spoil another's."""

import ast
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

from course_lib import classroom
from course_lib.classroom import asked, grade_class, grade_one, needed_for, statements_of
from course_lib.exercises import EXERCISES

import nbformat
import pytest

LESSONS = Path(__file__).parents[1] / "notebooks"
CENTRAL = {"02.1": "central_difference"}
BOTH = {**CENTRAL, "02.2": "largest_learning_rate"}
RIGHT = """
def central_difference(f, w, h):
    slopes = np.zeros_like(w)
    for i in range(len(w)):
        e = np.zeros_like(w)
        e[i] = h
        slopes[i] = (f(w + e) - f(w - e)) / (2 * h)
    return slopes
"""


def written(folder, text, name="02_answers.py"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def outcome_of(path, exercises=CENTRAL, **limits):
    return [row[:2] for row in grade_one(path, exercises, **limits)]


def test_every_exercise_of_the_course_is_asked_under_a_name_of_its_own():
    names = asked()
    assert list(names) == sorted(EXERCISES)
    assert len(set(names.values())) == len(names)


def test_the_solutions_are_correct_and_the_lessons_are_not_yet(tmp_path):
    (solution,) = (LESSONS / "solutions").glob("02*.ipynb")
    (lesson,) = LESSONS.glob("02*.ipynb")
    written(tmp_path / "ana", solution.read_text(encoding="utf-8"), "02.ipynb")
    written(tmp_path / "bob", lesson.read_text(encoding="utf-8"), "02.ipynb")
    rows = grade_class(tmp_path, tmp_path / "grades.csv")
    assert [row[:3] for row in rows] == [
        ("ana/02.ipynb", "02.1", "correct"),
        ("ana/02.ipynb", "02.2", "correct"),
        ("bob/02.ipynb", "02.1", "not yet"),
        ("bob/02.ipynb", "02.2", "not yet"),
    ]
    with open(tmp_path / "grades.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["outcome"] for row in table] == [row[2] for row in rows]
    page = nbformat.read(tmp_path / "grades.ipynb", as_version=4)
    nbformat.validate(page)
    assert "| ana/02.ipynb | ✓ | ✓ |" in page.cells[0].source
    assert "| **solved** | 1 of 2 | 1 of 2 |" in page.cells[0].source
    assert not list(tmp_path.glob("*.new"))


LOOPS = "def central_difference(f, w, h):\n    while True: pass\n"
EATS = "def central_difference(f, w, h):\n    eaten = []\n    while True: eaten.append(bytearray(10**7))\n"
EXITS = "def central_difference(f, w, h):\n    import sys; sys.exit(0)\n"
INTERRUPTS = "def central_difference(f, w, h):\n    raise KeyboardInterrupt\n"
OVERWRITES = (
    "import numpy as np, pathlib\n"
    "[path.write_text('') for path in pathlib.Path('.').iterdir()]\n"
    + RIGHT.replace(
        "slopes = ", "[p.write_text('') for p in pathlib.Path('.').iterdir()]; slopes = ", 1
    )
)
DIES = "def central_difference(f, w, h):\n    import os; os._exit(3)\n"
PRINTS = "import numpy as np\nprint('y' * 10**7)\n" + RIGHT.replace(
    "slopes = ", "print('x' * 10**7); slopes = ", 1
)
DELETES = (
    "import numpy as np, pathlib\n"
    + RIGHT
    + "[path.unlink() for path in pathlib.Path('.').iterdir()]\n"
    + "central_difference = [path.unlink() for path in pathlib.Path('.').iterdir()] or central_difference\n"
)
LINGERS = (
    "import numpy as np, threading, time\n"
    + RIGHT
    + "central_difference.thread = threading.Thread(target=time.sleep, args=(60,)); central_difference.thread.start()\n"
)


@pytest.mark.parametrize(
    "text, outcome, said",
    [
        (LOOPS, "stopped", "it was not done after 3 seconds"),
        (EATS, "stopped", "it used more than 600 megabytes of memory"),
        (DIES, "stopped", "its process ended by itself (exit status 3)"),
        (EXITS, "not yet", "it raised SystemExit: 0"),
        (INTERRUPTS, "not yet", "it raised KeyboardInterrupt"),
        (OVERWRITES, "correct", ""),
        (PRINTS, "correct", ""),
        (DELETES, "correct", ""),
        (LINGERS, "correct", ""),
        ("def central_difference(:", "missing", "there is no central_difference; line 1: invalid"),
        ("", "missing", "there is no central_difference"),
        ("x = 1 / 0\nimport numpy as np\n" + RIGHT, "correct", ""),  # nobody needs x
        (RIGHT, "not yet", "central_difference raised NameError: name 'np' is not defined"),
        (RIGHT.replace("/ (2 * h)", "/ h"), "not yet", ""),
    ],
    ids=[
        "loops",
        "eats",
        "dies",
        "exits",
        "interrupts",
        "overwrites",
        "prints",
        "deletes",
        "lingers",
        "broken",
        "empty",
        "fails_elsewhere",
        "imports",
        "wrong",
    ],
)
def test_whatever_a_submission_does_costs_one_row(text, outcome, said, tmp_path):
    path, others = written(tmp_path, text), written(tmp_path, "theirs", "others.txt")
    (row,) = grade_one(path, CENTRAL, seconds=3 if text == LOOPS else 30, megabytes=600)
    assert row[:2] == ("02.1", outcome), row
    assert row[2].startswith(said)
    assert path.read_text(encoding="utf-8") == text and others.exists()


def test_an_exercise_that_stops_the_process_does_not_cost_the_next_one(tmp_path):
    text = "import numpy as np\n" + DIES + "def largest_learning_rate(h):\n    return None\n"
    assert outcome_of(written(tmp_path, text), BOTH) == [("02.1", "stopped"), ("02.2", "not yet")]


def test_what_a_submission_starts_is_stopped_with_it(tmp_path):
    alive = tmp_path / "alive"
    child = f"import time, pathlib\nwhile True: pathlib.Path({str(alive)!r}).write_text(str(time.time())); time.sleep(0.05)"
    text = (
        "import subprocess, sys\ndef central_difference(f, w, h):\n"
        f"    subprocess.Popen([sys.executable, '-c', {child!r}]).wait()\n"
    )
    assert outcome_of(written(tmp_path, text), seconds=3) == [("02.1", "stopped")]
    assert alive.exists()
    last = alive.read_text()
    time.sleep(0.3)
    assert alive.read_text() == last


def test_a_notebook_that_is_none_costs_its_own_rows(tmp_path):
    path = written(tmp_path, "no json", "02.ipynb")
    ((_, outcome, said, _),) = grade_one(path, CENTRAL)
    assert outcome == "missing" and "the file cannot be read, JSONDecodeError" in said


def test_magic_lines_and_cells_that_are_no_python_are_left_out(tmp_path):
    sources = ["%matplotlib inline\nimport numpy as np", "1 +", "!ls\nnp.ones?\nx = 1"]
    cells = [{"cell_type": "code", "source": [source]} for source in sources]
    path = written(tmp_path, json.dumps({"cells": cells}), "a.ipynb")
    statements, unread = statements_of(path)
    assert list(map(ast.unparse, statements)) == ["import numpy as np", "x = 1"]
    assert unread == ["cell 2, line 1: invalid syntax"]


def test_only_what_an_answer_needs_is_run():
    lines = "import a\nimport b as c\nk = c.one\ndef f(): return k + g()\ndef g(): return a\nf()\nz = f()\nk += 1"
    chosen = needed_for("f", ast.parse(lines).body)
    assert list(map(ast.unparse, chosen)) == [
        "import a",
        "import b as c",
        "k = c.one",
        "def f():\n    return k + g()",
        "def g():\n    return a",
        "k += 1",
    ]


def test_a_submission_is_asked_for_the_chapter_of_its_name_or_for_what_it_answers(tmp_path):
    exercises = {"02.1": "one", "02.2": "two", "06.1": "six"}
    ask = classroom.exercises_of
    assert list(ask(tmp_path / "02_x.py", exercises)) == ["02.1", "02.2"]
    assert list(ask(tmp_path / "02_x.py", exercises, ["06"])) == ["06.1"]
    assert list(ask(written(tmp_path, "def two(): pass", "mine.py"), exercises)) == ["02.2"]
    assert ask(written(tmp_path, "def f(", "broken.py"), exercises) == {}


def test_no_cell_of_the_table_is_a_formula():
    assert classroom._safe(("=1+1", "a", "-x", 0)) == ["'=1+1", "a", "'-x", 0]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["nowhere", "grades.csv"], "`folder`: there is no folder nowhere"),
        ([".", "grades.csv"], "`folder`: there is no notebook and no Python file in ."),
        ([".", "grades.txt"], "`table` must be a file that ends in .csv. Received: grades.txt"),
        ([".", "grades.csv", "--chapters", "99"], "`chapters`: '99' has no exercises"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        classroom.main(arguments)
    assert exit.value.code == 2 and said in capsys.readouterr().err


def test_the_command_line_grades_a_folder(tmp_path):
    written(tmp_path / "class", "import numpy as np\n" + RIGHT, "ana.py")
    command = [sys.executable, "-m", "course_lib.classroom", "class", "grades.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "ana.py: 1 of 1")
    assert "ana.py,02.1,correct" in (tmp_path / "grades.csv").read_text(encoding="utf-8")

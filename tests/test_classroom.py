"""A class is graded: each submission has its rows, and none can spoil another's."""

import ast
import codecs
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from course_lib import checkout, cli
from course_lib.classroom import (
    asked,
    exercises_of,
    grade_class,
    grade_one,
    gradebook,
    needed_for,
    running,
    statements_of,
    totals,
)
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


def notebook(folder, sources, counts=None):
    cells = [
        {"cell_type": "code", "source": [source], "execution_count": count}
        for source, count in zip(sources, counts or [None] * len(sources), strict=True)
    ]
    return written(folder, json.dumps({"cells": cells}), "a.ipynb")


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
    assert [row[1:4] for row in rows] == [
        ("ana/02.ipynb", "02.1", "correct"),
        ("ana/02.ipynb", "02.2", "correct"),
        ("bob/02.ipynb", "02.1", "not yet"),
        ("bob/02.ipynb", "02.2", "not yet"),
    ]
    with open(tmp_path / "grades.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["student", "submission", "exercise", "outcome", "hint", "seconds"]
    assert [(row["student"], row["outcome"]) for row in table] == [
        ("ana", "correct"), ("ana", "correct"), ("bob", "not yet"), ("bob", "not yet"),
    ]  # fmt: skip
    assert "return None" in table[2]["hint"]
    with open(tmp_path / "grades_students.csv", encoding="utf-8", newline="") as file:
        students = list(csv.reader(file))
    assert students == [
        ["student", "solved", "of", "percent", "02.1", "02.2"],
        ["ana", "2", "2", "100", "correct", "correct"],
        ["bob", "0", "2", "0", "not yet", "not yet"],
    ]
    page = nbformat.read(tmp_path / "grades.ipynb", as_version=4)
    nbformat.validate(page)
    assert "| ana | ✓ | ✓ | 2 of 2 |" in page.cells[0].source
    assert "| bob | · | · | 0 of 2 |" in page.cells[0].source
    assert "| **solved** | 1 of 2 | 1 of 2 |" in page.cells[0].source
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "ana", "bob", "grades.csv", "grades.ipynb", "grades_students.csv",
    ]  # fmt: skip


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
        (
            "def central_difference(:",
            "missing",
            "there is no central_difference; line 1: SyntaxError: invalid",
        ),
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
    sources = ["%matplotlib inline\nimport numpy as np", "1 +", "!ls\nnp.ones?\nfiles = !ls\nx = 1"]
    path = notebook(tmp_path, sources)
    statements, unread = statements_of(path)
    assert list(map(ast.unparse, statements)) == ["import numpy as np", "x = 1"]
    assert unread == ["code cell 2, not run, line 1: SyntaxError: invalid syntax"]


def test_a_line_of_python_is_never_taken_for_a_magic_line(tmp_path):
    text = "x = 1  # why?\ny = (5\n     % 3)\n"
    statements, unread = statements_of(written(tmp_path, text))
    assert list(map(ast.unparse, statements)) == ["x = 1", "y = 5 % 3"] and not unread


def test_cells_are_numbered_as_jupyterlab_shows_them(tmp_path):
    path = notebook(tmp_path, ["x = 1", "1 +", "2 +"], counts=[1, 7, None])
    assert statements_of(path)[1] == [
        "cell [7], line 1: SyntaxError: invalid syntax",
        "code cell 3, not run, line 1: SyntaxError: invalid syntax",
    ]


def test_many_blank_lines_take_no_time(tmp_path):
    text = "!ls\n" + "\n" * 60_000 + RIGHT
    started = time.monotonic()
    statements, _ = statements_of(notebook(tmp_path, [text]))
    assert len(statements) == 1 and time.monotonic() - started < 2


ACCENT = "# año\nimport numpy as np\n" + RIGHT


@pytest.mark.parametrize(
    "raw",
    [
        codecs.BOM_UTF8 + ACCENT.encode(),
        ACCENT.encode("utf-16"),
        codecs.BOM_UTF16_BE + ACCENT.encode("utf-16-be"),
        b"# -*- coding: latin-1 -*-\n" + ACCENT.encode("latin-1"),
        ACCENT.replace("\n", "\r\n").encode(),
        ACCENT.replace("\n", "\r").encode(),
        ("%time\n" + ACCENT).replace("\n", "\r\n").encode(),
    ],
    ids=["utf_8_mark", "utf_16", "utf_16_be", "latin_1", "windows_lines", "old_mac_lines", "magic"],
)
def test_a_file_is_read_as_python_reads_it(raw, tmp_path):
    (tmp_path / "ana.py").write_bytes(raw)
    statements, unread = statements_of(tmp_path / "ana.py")
    assert [type(one).__name__ for one in statements] == ["Import", "FunctionDef"] and not unread


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_notebook_with_a_byte_order_mark_is_read(encoding, tmp_path):
    path = notebook(tmp_path, ["x = 1"])
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    assert list(map(ast.unparse, statements_of(path)[0])) == ["x = 1"]


@pytest.mark.parametrize(
    "raw, why",
    [
        (b"def central_difference(", "line 1: SyntaxError: '(' was never closed"),
        (ACCENT.encode("latin-1"), "line 1 has a byte, 0xf1, that is not utf-8; save the file"),
        (b"# coding: klingon\n", "unknown encoding: klingon"),
    ],
)
def test_what_cannot_be_read_is_said_also_where_no_chapter_is_known(raw, why, tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class/ana.py").write_bytes(raw)
    (row,) = grade_class(tmp_path / "class", tmp_path / "grades.csv")
    assert row[2:4] == ("", "missing") and why in row.hint


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
    assert list(exercises_of(tmp_path / "02_x.py", exercises)[0]) == ["02.1", "02.2"]
    assert list(exercises_of(tmp_path / "02_x.py", exercises, ["06"])[0]) == ["06.1"]
    mine = written(tmp_path, "def two(): pass", "mine.py")
    assert exercises_of(mine, exercises) == ({"02.2": "two"}, "")
    none, why = exercises_of(written(tmp_path, "def f(", "broken.py"), exercises)
    assert none == {} and "it answers no exercise of the course; line 1: SyntaxError" in why


def test_no_cell_of_the_table_is_a_formula():
    assert gradebook.safe(("=1+1", "a", "-x", 0)) == ["'=1+1", "a", "'-x", 0]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["nowhere", "grades.csv"], "`folder`: there is no folder nowhere"),
        ([".", "grades.csv"], "`folder`: there is no notebook and no Python file in ."),
        ([".", "grades.txt"], "`table` must be a file that ends in .csv. Received: grades.txt"),
        (
            [".", "grades.csv", "--chapters", "99"],
            "`chapters`: there is no exercise in chapter '99'",
        ),
        ([".", "no/grades.csv"], "`table`: there is no folder"),
        ([".", "grades.csv", "--seconds", "-1"], "`seconds` must be a number above 0"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        cli.main(["grade", *arguments])
    assert exit.value.code == 2 and said in capsys.readouterr().err


def test_the_command_line_grades_a_folder(tmp_path):
    written(tmp_path / "class", "import numpy as np\n" + RIGHT, "ana.py")
    command = [sys.executable, "-m", "course_lib", "grade", "class", "grades.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "ana.py: 1 of 1")
    assert "ana,ana.py,02.1,correct" in (tmp_path / "grades.csv").read_text(encoding="utf-8")


def test_without_the_lessons_nobody_is_graded_as_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkout, "__file__", str(tmp_path / "course_lib/checkout.py"))
    written(tmp_path / "class", RIGHT)
    assert cli.main(["grade", str(tmp_path / "class"), str(tmp_path / "grades.csv")]) == 2
    error = capsys.readouterr().err
    assert "needs the course's notebooks" in error and error.count("\n") == 1
    assert not (tmp_path / "grades.csv").exists()


# ---- The gradebook ----


def entry(submission, exercise, outcome, hint=""):
    return gradebook.Entry(gradebook.student_of(submission), submission, exercise, outcome, hint, 1)


def test_a_student_has_one_row_with_the_best_of_all_files():
    entries = [
        entry("ana/02.ipynb", "02.1", "not yet"),
        entry("ana/again/02.ipynb", "02.1", "correct"),
        entry("ana/old/02.ipynb", "02.1", "missing"),
        entry("ana/06.ipynb", "06.1", "stopped"),
        entry("bob.py", "", "missing", "it answers no exercise of the course"),
    ]
    ana, bob = totals(entries, ["02.1", "02.2"])
    assert ana == {
        "student": "ana", "solved": 1, "of": 3, "percent": 33,
        "02.1": "correct", "02.2": "missing", "06.1": "stopped",
    }  # fmt: skip
    assert (bob["student"], bob["solved"], bob["of"], bob["02.1"]) == ("bob", 0, 3, "missing")


def test_a_name_of_any_kind_has_its_row(tmp_path):
    folder = tmp_path / "class"
    for name in (b"a\xff.py", b"a|b\n.py", "\u5b66\u751f.py".encode()):
        folder.mkdir(exist_ok=True)
        try:
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("def f(", "utf-8")
        except OSError:
            pytest.skip("this file system knows no such names")
    assert len(grade_class(folder, tmp_path / "grades.csv")) == 3
    page = nbformat.read(tmp_path / "grades.ipynb", as_version=4).cells[0].source
    assert page.count("0 of 0") == 3 and "\\udcff" in page and "| a\\|b  |" in page


# ---- Malice, as far as a fence goes ----

posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes of POSIX")
KILLS = {
    "its_group": "os.kill(0, 9)",
    "its_parent": "os.kill(os.getppid(), 9)",
    "interrupts": "os.kill(0, 2)",
    "closes": "os.closerange(0, 100); os._exit(0)",
}


@posix
@pytest.mark.parametrize("line", KILLS.values(), ids=KILLS)
def test_a_signal_costs_one_row_and_the_table_is_written(line, tmp_path):
    written(
        tmp_path / "class", f"import os\ndef central_difference(f, w, h):\n    {line}\n", "a.py"
    )
    written(tmp_path / "class", "import numpy as np\n" + RIGHT, "b.py")
    command = [sys.executable, "-m", "course_lib", "grade", "class", "grades.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "grades.csv").read_text(encoding="utf-8")
    assert "a,a.py,02.1,stopped" in table or "a,a.py,02.1,not yet" in table  # of an interrupt
    assert "b,b.py,02.1,correct" in table


@posix
def test_a_pipe_among_the_submissions_holds_nobody_up(tmp_path):
    (tmp_path / "class").mkdir()
    os.mkfifo(tmp_path / "class/ana.py")
    command = [sys.executable, "-m", "course_lib", "grade", "class", "grades.csv"]
    subprocess.run(command, cwd=tmp_path, timeout=60, check=True)  # and not for ever
    assert "it is not a file" in (tmp_path / "grades.csv").read_text(encoding="utf-8")


FORGED = (
    '["02.2", "correct", "", 0.1]',
    '["02.1", "excellent", "", 0.1]',
    '["02.1", "correct", ["a", "list"], 0.1]',
    '["02.1", "correct"]',
    "no json",
    '"02.1"',
)


@pytest.mark.parametrize("line", FORGED)
def test_a_report_that_no_answer_can_have_made_is_no_row(line):
    assert running._row(line.encode(), "02.1") is None
    assert running._row(b'["02.1", "correct", "", 0.1]', "02.1") == ("02.1", "correct", "", 0.1)


def test_rows_are_never_more_than_what_was_asked(tmp_path):
    forged = "".join(f'[os.write(fd, b\'["99.9", "correct", "", 0]\\n\') for fd in {fds}]\n    '
                     for fds in ("open_ones()",))  # fmt: skip
    text = (
        "import os\n"
        "def open_ones():\n"
        "    return [int(n) for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')\n"
        "            and 'pipe' in os.readlink(f'/proc/self/fd/{n}')]\n"
        f"def central_difference(f, w, h):\n    {forged}return None\n"
    )
    rows = grade_one(written(tmp_path, text), CENTRAL)
    assert [row.exercise for row in rows] == ["02.1"] and rows[0].outcome != "correct"


def test_the_table_is_there_after_every_submission(tmp_path, monkeypatch):
    from course_lib.classroom import grading

    for name in "abc":
        written(tmp_path / "class", "", f"{name}.py")
    seen = []

    def wrote(table, entries, asked):
        seen.append(len(entries))
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(grading, "write_gradebook", wrote)
    with pytest.raises(KeyboardInterrupt):
        grade_class(tmp_path / "class", tmp_path / "grades.csv")
    assert seen == [1, 2]

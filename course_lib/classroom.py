"""A class's answers, graded: a folder of submissions in, a table out, and no submission can spoil another's row.

    uv run python -m course_lib.classroom submissions/ grades.csv
    uv run python -m course_lib.classroom submissions/ grades.csv --chapters 06 11 --seconds 60 --megabytes 4096

A submission is a notebook of the course with the stubs filled in, or a Python file with the same functions; the table's
first column is its path within the folder (so `06.ipynb` of `ana/` is ana/06.ipynb).  Beside grades.csv stands
grades.ipynb, the same as a page: who solved what, which exercise was hard, which hints were given.

Only what an answer needs is run: its own definition and, out of the rest, the lines that make the names it uses.  Trainings,
plots and lines that fail elsewhere in the notebook cost nothing.  Each submission runs in a process of its own, in a folder
of its own that holds a copy of it and is thrown away, with a limit on time and memory; what it prints is dropped.  A process
that is not back in time, grows too large, exits or crashes costs the exercise at which it did, and no other row.
It is a fence and no wall: the process has the rights of whoever started it.  Grade strangers' code in a container.
"""

import argparse
import ast
import builtins
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

COLUMNS = ("submission", "exercise", "outcome", "said", "seconds")
LESSONS = Path(__file__).parents[1] / "notebooks"


def asked(lessons=LESSONS):
    """{number of an exercise: the name that its answer has}, read off the cells that call `grade`."""
    names = {}
    for path in sorted(Path(lessons).glob("*.ipynb")):
        for statement in statements_of(path)[0]:
            match statement:
                case ast.Expr(ast.Call(ast.Name("grade"), [ast.Constant(number), ast.Name(name)])):
                    names[number] = name
    return names


def statements_of(path):
    """The top-level statements of a notebook or a Python file, in order; and what could not be read, as sentences.

    A cell that is no Python costs itself alone.  Lines of IPython's own (%magic, !shell, help?) are left out.
    Raises ValueError for a file that is neither.
    """
    text = Path(path).read_text(encoding="utf-8")
    if Path(path).suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    elif Path(path).suffix == ".py":
        sources = [text]
    else:
        raise ValueError(f"`path` must end in .ipynb or .py. Received: {path}.")
    statements, unread = [], []
    for number, source in enumerate(sources, 1):
        plain = re.sub(r"^\s*[%!?].*$|^.*\?\s*$", "", source, flags=re.MULTILINE)
        try:
            statements += ast.parse(plain).body
        except (SyntaxError, ValueError, RecursionError) as error:
            where = f"cell {number}, " if len(sources) > 1 else ""
            unread.append(f"{where}line {getattr(error, 'lineno', '?')}: {error.args[0]}")
    return statements, unread


def needed_for(name, statements):
    """Those of the statements that make `name`, or a name that is used in making it, in their order.

    Where a name is made more than once, all statements that make it are needed.
    """
    wanted, chosen = {name}, set()
    grown = True
    while grown:
        grown = False
        for i, statement in enumerate(statements):
            if i not in chosen and _made_by(statement) & wanted:
                chosen.add(i)
                used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
                wanted |= used - set(vars(builtins))
                grown = True
    return [statements[i] for i in sorted(chosen)]


def _made_by(statement):
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


def answers_in(path, exercises):
    """Grade one submission, in this process: (number, outcome, sentence) for each exercise that it answers.

    outcome    "correct", "not yet" or "missing"
    """
    from course_lib.exercises.grading import verdict

    try:
        statements, unread = statements_of(path)
    except Exception as error:
        statements, unread = [], [f"the file cannot be read, {type(error).__name__}: {error}"]
    for number, name in exercises.items():
        needed = needed_for(name, statements)
        if not needed:
            yield number, "missing", "; ".join([f"there is no {name}", *unread])
            continue
        namespace = {"__name__": "submission"}
        try:
            for statement in needed:
                code = compile(ast.Module([statement], []), str(Path(path).name), "exec")
                exec(code, namespace)
            yield number, *verdict(number, namespace[name])
        except BaseException as error:  # sys.exit() too
            yield number, "not yet", f"it raised {type(error).__name__}: {error}"


def grade_one(path, exercises, seconds=60, megabytes=4096):
    """Rows for one submission, graded in a process of its own: (exercise, outcome, sentence, seconds) each.

    seconds      for the whole submission, the start of the process (some 5) included
    megabytes    of memory, for the process and those that it starts; looked at every twentieth of a second
    An exercise at which the process was stopped has the outcome "stopped"; it is started again for those that follow.
    """
    rows, left = [], dict(exercises)
    while left:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            done = _in_a_process(Path(path), left, Path(folder), seconds, megabytes)
        rows += done
        left = dict(list(left.items())[len(done) :])
    return rows


def _in_a_process(path, exercises, folder, seconds, megabytes):
    """Rows as far as the process came, the one at which it was stopped included."""
    import psutil

    room = folder / "room"
    room.mkdir()
    shutil.copyfile(path, room / path.name)
    said = folder / "said.jsonl"
    said.touch()
    order = json.dumps([path.name, exercises, str(said)])
    quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "course_lib.classroom", "--one", order]
    process = psutil.Popen(command, cwd=room, env=environment, **quiet)
    started, why = time.monotonic(), ""
    while process.poll() is None and not why:
        time.sleep(0.05)
        if time.monotonic() - started > seconds:
            why = f"it was not done after {seconds:g} seconds"
        elif _megabytes_of(process) > megabytes:
            why = f"it used more than {megabytes:g} megabytes of memory"
    _kill(process)
    rows = [tuple(json.loads(line)) for line in _whole_lines(said)]
    if not why and len(rows) < len(exercises):
        why = f"its process ended by itself (exit status {process.returncode})"
    if len(rows) < len(exercises):
        stopped_at = list(exercises)[len(rows)]
        rows.append((stopped_at, "stopped", why, round(time.monotonic() - started, 1)))
    return rows


def _whole_lines(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines(True) if line[-1] == "\n"]


def _family(process):
    import psutil

    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def _megabytes_of(process):
    import psutil

    total = 0
    for one in _family(process):
        with suppress(psutil.Error):
            total += one.memory_info().rss
    return total / 2**20


def _kill(process):
    import psutil

    for one in _family(process):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()


def _one(order):
    """What the process of one submission does: a line of JSON for each exercise, as soon as it is known."""
    name, exercises, said = json.loads(order)
    with open(said, "a", encoding="utf-8") as file:
        at = time.monotonic()
        for number, outcome, sentence in answers_in(name, exercises):
            row = number, outcome, sentence, round(time.monotonic() - at, 1)
            file.write(json.dumps(row) + "\n")
            file.flush()
            at = time.monotonic()
    os._exit(0)  # threads that a submission left behind do not hold it up


def submissions_in(folder):
    """Every notebook and Python file in the folder and below it, in the order of their paths."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"`folder`: there is no folder {folder}.")
    found = [path for path in folder.rglob("*") if path.suffix in (".ipynb", ".py")]
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def exercises_of(path, exercises, chapters=()):
    """Those exercises that a submission is asked for: of the chapters; else of the chapter that its name begins with;
    else those that it answers."""
    if not chapters and path.name[:2] in {number[:2] for number in exercises}:
        chapters = [path.name[:2]]
    if chapters:
        return {number: name for number, name in exercises.items() if number[:2] in chapters}
    try:
        made = set().union(*map(_made_by, statements_of(path)[0]))
    except (ValueError, KeyError, TypeError, OSError, RecursionError, MemoryError):
        return {}
    return {number: name for number, name in exercises.items() if name in made}


def grade_class(folder, table, chapters=(), seconds=60, megabytes=4096, workers=None):
    """Grade every submission in a folder; write the table (CSV) and, beside it, the page (.ipynb).  Returns the rows.

    folder       submissions: notebooks and Python files, in folders of their own or not
    table        where the CSV goes, one row an exercise: submission, exercise, outcome, said, seconds
    chapters     numbers such as "06": each submission is asked for their exercises; see `exercises_of` for none
    seconds, megabytes    the limits of each process, see `grade_one`
    workers      how many processes run side by side; half the processors if None
    Raises FileNotFoundError for a folder that does not exist, ValueError for a folder without submissions, a table that is
    no .csv, and a chapter without exercises.  Nothing that a submission does is raised.
    """
    exercises, table = asked(), Path(table)
    known = {number[:2] for number in exercises}
    for chapter in chapters:
        if chapter not in known:
            raise ValueError(
                f"`chapters`: {chapter!r} has no exercises. Those that have: {', '.join(sorted(known))}."
            )
    if table.suffix != ".csv":
        raise ValueError(f"`table` must be a file that ends in .csv. Received: {table}.")
    paths = submissions_in(folder)
    if not paths:
        raise ValueError(f"`folder`: there is no notebook and no Python file in {folder}.")

    from concurrent.futures import ThreadPoolExecutor

    def graded(path):
        name = path.relative_to(folder).as_posix()
        wanted = exercises_of(path, exercises, chapters)
        rows = [("", "missing", "it answers no exercise of the course", 0)]
        try:
            if wanted:
                rows = grade_one(path, wanted, seconds, megabytes)
        except Exception as error:  # a file that cannot be read costs its own row
            rows = [("", "stopped", f"it raised {type(error).__name__}: {error}", 0)]
        print(f"{name}: {sum(row[1] == 'correct' for row in rows)} of {len(rows)}", file=sys.stderr)
        return [(name, *row) for row in rows]

    with ThreadPoolExecutor(workers or max(1, (os.cpu_count() or 2) // 2)) as pool:
        rows = [row for part in pool.map(graded, paths) for row in part]
    _write(table, lambda file: csv.writer(file).writerows([COLUMNS, *map(_safe, rows)]))
    _write(table.with_suffix(".ipynb"), lambda file: file.write(page_of(rows)))
    return rows


def _safe(row):
    """The row, with nothing in it that a spreadsheet would take for a formula."""
    return ["'" + cell if str(cell).startswith(("=", "+", "-", "@")) else cell for cell in row]


def _write(path, write):
    beside = path.with_name(path.name + ".new")
    with open(beside, "w", encoding="utf-8", newline="") as file:
        write(file)
    beside.replace(path)


def page_of(rows):
    """The table as the text of a notebook: who solved what, and which hints were given how often."""
    import nbformat

    marks = {"correct": "✓", "not yet": "·", "missing": "–", "stopped": "✗"}
    names = list(dict.fromkeys(row[0] for row in rows))
    numbers = sorted({row[1] for row in rows if row[1]})
    mark = {(row[0], row[1]): marks[row[2]] for row in rows}
    solved = [sum(mark.get((name, number)) == "✓" for name in names) for number in numbers]
    lines = [
        "# Grades",
        "",
        "✓ correct · not yet – missing ✗ stopped",
        "",
        "| submission | " + " | ".join(numbers) + " |",
        "|---|" + "---|" * len(numbers),
        *(
            f"| {name} | " + " | ".join(mark.get((name, number), "") for number in numbers) + " |"
            for name in names
        ),
        "| **solved** | " + " | ".join(f"{n} of {len(names)}" for n in solved) + " |",
    ]
    hints = ["## What was missing", ""]
    for number in ["", *numbers]:
        said = [row[3] for row in rows if row[1] == number and row[2] != "correct"]
        for sentence in sorted(set(said), key=lambda one: (-said.count(one), one)):
            plain = re.sub(r"\s+", " ", sentence).replace("`", "'")
            hints.append(f"- {number or 'no exercise'} ({said.count(sentence)}): `{plain}`")
    cells = [nbformat.v4.new_markdown_cell("\n".join(part)) for part in (lines, hints)]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells)) + "\n"


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["--one"]:
        return _one(arguments[1])
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.classroom", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", help="submissions: notebooks and Python files")
    parser.add_argument("table", help="the CSV to write; the page is written beside it")
    parser.add_argument("--chapters", nargs="+", default=(), metavar="NN")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--megabytes", type=float, default=4096)
    parser.add_argument("--workers", type=int)
    given = parser.parse_args(arguments)
    try:
        grade_class(**vars(given))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

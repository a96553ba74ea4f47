"""Notebooks read as text: what nbval cannot see, or passes over in silence."""

import ast
import re
import subprocess
import sys
import textwrap
from collections import defaultdict
from pathlib import Path

from course_lib import authoring as notebooks
from course_lib.exercises import EXERCISES

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PATHS = notebooks.all_notebooks()
LESSONS = [path for path in PATHS if path.parent.name == "notebooks"]
NUMPY_ONLY = ("00", "02", "03")


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def text_outputs(cell):
    """All that a cell printed or showed, but for pictures."""
    for output in cell.outputs:
        yield output.get("text", "")
        data = output.get("data", {})
        yield from (text for kind, text in data.items() if not kind.startswith("image/"))
        yield output.get("evalue", "")


each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda p: f"{p.parent.name}/{p.stem}")
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)


def test_there_are_notebooks_and_a_solution_for_each():
    numbers = [path.name[:2] for path in LESSONS]
    assert len(set(numbers)) == len(numbers)
    assert numbers[:7] == [f"{i:02}" for i in range(7)]
    assert [path.name for path in PATHS[len(LESSONS) :]] == [path.name for path in LESSONS]


@each_notebook
def test_outputs_belong_to_the_code_and_are_as_refresh_left_them(path):
    notebook = read(path)
    assert not notebooks.is_stale(notebook), (
        f"run: uv run course-lib refresh {path.relative_to(ROOT)}"
    )
    assert notebooks.text_of(notebooks.canonical(notebook)) == path.read_text(encoding="utf-8")


@each_notebook
def test_every_cell_was_run_in_order(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell.source.strip() for cell in cells)


@each_notebook
def test_no_output_holds_a_warning_a_log_line_an_address_or_a_path(path):
    unwanted = re.compile(
        r"/(?:home|root|tmp|work|Users|private|var|usr)/|[A-Z]:\\|ipykernel|0x[0-9a-f]{6}"
        r"|Warning:|WARNING|^[IWE]\d{4} |Traceback",
        re.MULTILINE,
    )
    for cell in code_cells(path):
        for output in cell.outputs:
            assert output.get("name") != "stderr", f"{cell.id} writes to stderr: {output.text}"
            allowed = "raises-exception" in cell.metadata.get("tags", [])
            assert output.output_type != "error" or allowed, f"{cell.id} raises {output.ename}"
        for text in text_outputs(cell):
            assert not unwanted.search(text), f"{cell.id}: {unwanted.search(text).group()}"


@each_notebook
def test_tags_are_known_and_tolerances_are_small(path):
    for cell in read(path).cells:
        tags = cell.metadata.get("tags", [])
        room = notebooks.tolerance(tags)
        assert len(room) + ("raises-exception" in tags) == len(tags), f"{cell.id}: {tags}"
        assert room.get("rtol", 0) <= 0.05 and room.get("atol", 0) <= 0.02, f"{cell.id}: {tags}"
        assert "NBVAL" not in cell.source


@each_notebook
def test_a_notebook_opens_quickly(path):
    assert path.stat().st_size < 1_000_000


@each_notebook
def test_headings_form_an_outline_and_links_lead_somewhere(path):
    prose = "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    prose = re.sub(r"^( {4}|```.*?^```).*?$", "", prose, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^(#+) (.+)$", prose, re.MULTILINE)
    levels = [len(marks) for marks, _ in headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
    anchors = {text.replace(" ", "-") for _, text in headings}
    for text, target in re.findall(r"\[([^\]]+)\]\(([^)\s]+)\)", prose):
        assert text.lower() not in ("here", "click here", "link")
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (path.parent / target.split("#")[0]).exists(), target


@each_notebook
def test_every_figure_ends_with_show_and_has_a_text_twin(path):
    for cell in code_cells(path):
        kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
        if "image/png" in kinds:
            assert "plt.show()" in cell.source, cell.id
            printed = "".join(o.text for o in cell.outputs if o.output_type == "stream")
            assert re.search(r"\d", printed), f"{cell.id}: print the numbers of the figure's claim"
            assert re.search(r"title\(|title=", cell.source), (
                f"{cell.id}: say the finding in a title"
            )


@each_lesson
def test_a_lesson_proves_something_asks_something_and_is_imported_cleanly(path):
    cells = code_cells(path)
    source = "\n".join(cell.source for cell in cells)
    printed = "\n".join(text for cell in cells for text in text_outputs(cell))
    wanted = 1 if path.name.startswith("00") else 2
    assert len(re.findall(r"^checkpoint \d", printed, re.MULTILINE)) >= wanted
    assert "**Predict.**" in path.read_text(encoding="utf-8")
    assert "import *" not in source
    if path.name.startswith(NUMPY_ONLY):
        heavy = r"^(?:import|from) (?:keras|tensorflow|course_lib\.(?:optimizers|models|checks))"
        assert not re.search(heavy, source, re.MULTILINE)


def test_every_exercise_is_asked_in_its_lesson_and_answered_in_its_solution():
    for number in EXERCISES:
        for path in (p for p in PATHS if p.name.startswith(number[:2])):
            graded = [c for c in code_cells(path) if f'grade("{number}"' in c.source]
            assert graded, f"{number} is not in {path}"
            said = "".join(graded[0].outputs[0].text)
            wanted = "correct" if path.parent.name == "solutions" else "not yet"
            assert said.startswith(f"{number}  {wanted}"), f"{path}: {said}"


# One definition, one place


def definitions(source):
    """The functions and classes that a source defines at its top level, as syntax trees."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, ast.dump(the_lesson_of(node))


def the_lesson_of(definition):
    """What a page must quote of a definition: all but docstrings and a first check of arguments."""
    for node in ast.walk(definition):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
            if isinstance(node, ast.FunctionDef) and node.body and checks_arguments(node.body[0]):
                node.body = node.body[1:]
    return definition


def checks_arguments(statement):
    """Whether a statement is a call `check_...(...)` and nothing else."""
    match statement:
        case ast.Expr(ast.Call(ast.Name(name))):
            return name.startswith("check_")
    return False


QUOTED = '''
def step(w, g):
    """One step."""
    check_shapes(w, g)
    w = w - g
    return w
'''


@pytest.mark.parametrize(
    "quote, same",
    [
        ("def step(w, g):\n    w = w - g\n    return w", True),
        ("def step(w, g):\n    'Otherwise.'\n    check_them(w)\n    w = w - g\n    return w", True),
        ("def step(w, g):\n    w = w + g\n    return w", False),
        ("def step(w, g):\n    w = w - g\n    check_shapes(w, g)\n    return w", False),
        ("def step(w, g):\n    g = check_shapes(w, g)\n    w = w - g\n    return w", False),
        ("def step(w, g):\n    round(w)\n    w = w - g\n    return w", False),
        ("def step(w, g=0):\n    w = w - g\n    return w", False),
    ],
)
def test_a_quote_may_leave_out_docstrings_and_a_first_check_of_arguments(quote, same):
    assert (dict(definitions(quote)) == dict(definitions(QUOTED))) is same
    classes = [f"class A:\n{textwrap.indent(source.strip(), '    ')}" for source in (QUOTED, quote)]
    assert (dict(definitions(classes[0])) == dict(definitions(classes[1]))) is same


def library():
    found = defaultdict(set)
    for path in (ROOT / "course_lib").rglob("*.py"):
        for name, tree in definitions(path.read_text(encoding="utf-8")):
            found[name].add(tree)
    return found


def stubs():
    """What the exercises ask for: a lesson has the stub, its solution the answer."""
    return {
        name
        for path in LESSONS
        for cell in code_cells(path)
        if "grade(" in cell.source
        for name, _ in definitions(cell.source)
    }


def test_a_definition_is_the_librarys_or_stands_in_one_notebook_only():
    ours, asked, seen = library(), stubs(), {}
    for path in PATHS:
        for cell in code_cells(path):
            for name, tree in definitions(cell.source):
                if name in asked:
                    continue
                if name in ours:
                    assert tree in ours[name], (
                        f"{path.name}, {cell.id}: {name} differs from the library"
                    )
                    name = f"{name} as {hash(tree)}"  # init and step are quoted rule by rule
                assert name not in seen, f"{name} stands in {seen[name]} and in {path.name}"
                seen[name] = path.name


def test_a_printed_equation_is_one_that_is_executed():
    """A line with ← in the prose is a line of a rule's docstring or dialect, or stands in a cell that runs."""
    from course_lib.optimizers import RULES

    told = {
        line.strip()
        for rule in RULES.values()
        for line in f"{rule.equation}\n{rule.dialect}".splitlines()
        if "←" in line
    }
    for path in PATHS:
        run = "\n".join(cell.source for cell in code_cells(path))
        for cell in read(path).cells:
            if cell.cell_type == "markdown":
                for line in re.findall(r"^ {4}(.*←.*)$", cell.source, re.MULTILINE):
                    line = line.strip()
                    assert line in told or line in run, f"{path.name}, {cell.id}: {line}"
                for line in re.findall(r"`([^`\n]*←[^`\n]*)`", cell.source):
                    assert line in told or line in run, f"{path.name}, {cell.id}: {line}"


# The tools themselves


def small_notebook(*sources, tags=None):
    notebook = nbformat.v4.new_notebook()
    for i, source in enumerate(sources):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{i}")
        if tags and tags[i]:
            cell.metadata["tags"] = [tags[i]]
        notebook.cells.append(cell)
    return notebook


def test_numbers_within_the_tolerance_are_taken_for_the_stored_ones():
    same = notebooks.with_stored_numbers
    assert same("loss 0.1234", "loss 0.1230", rtol=1e-2) == "loss 0.1230"
    assert same("loss 0.2234", "loss 0.1230", rtol=1e-2) == "loss 0.2234"
    assert same("1e-7 and -2.50", "1e-6 and -2.5", rtol=1e-2) == "1e-7 and -2.5"
    assert same("step 12: 3.01", "step 13: 3.0", rtol=1e-2) == "step 12: 3.0"  # 12 is no decimal
    assert same("0.5 0.6", "0.5", rtol=1.0) == "0.5 0.6"
    assert same("nan", "0.5", rtol=1.0) == "nan"
    assert same("v1.25x", "v1.26x", rtol=1.0) == "v1.25x"  # a word with digits in it
    assert same("0.01", "0.02", atol=0.011) == "0.02"


def test_arrays_within_the_tolerance_may_be_wider_and_break_elsewhere():
    same = notebooks.with_stored_numbers
    one, other = np.array([0.1000001, 0.25]), np.array([0.1, 0.25])
    assert same(str(one), str(other), rtol=1e-3) == str(other)
    assert same(repr(one), repr(other), rtol=1e-3) == repr(other)
    column = np.array([[0.1000001], [12.5]]), np.array([[0.1], [12.5]])
    assert same(str(column[0]), str(column[1]), rtol=1e-3) == str(column[1])
    long = np.full(20, 0.5), np.full(20, 0.5)
    long[0][3] = 0.50000001
    assert str(long[0]).count("\n") != str(long[1]).count("\n")
    assert same(str(long[0]), str(long[1]), rtol=1e-3) == str(long[1])
    # what is not blank is compared to the letter, and a line is a line
    assert same("[0.2  0.25]", "[0.1 0.25]", rtol=1e-3) == "[0.2  0.25]"
    assert same("loss  0.1", "lost 0.1", rtol=1e-3) == "loss  0.1"
    assert same("a 0.1\nb", "a 0.1 b", rtol=1e-3) == "a 0.1\nb"


def test_a_tolerance_is_read_from_tags():
    assert notebooks.tolerance(["nbval-rtol=1e-3", "raises-exception"]) == {"rtol": 1e-3}
    assert notebooks.tolerance(["nbval-atol=0.5"]) == {"atol": 0.5}


def test_a_changed_digit_or_picture_or_code_makes_a_notebook_stale():
    text = LESSONS[0].read_text(encoding="utf-8")
    assert not notebooks.is_stale(nbformat.reads(text, as_version=4))
    for changed in (
        text.replace(
            "checkpoint 1: with a learning rate of exactly 1",
            "checkpoint 1: with a learning rate of exactly 2",
        ),
        text.replace("learning_rate = 0.25", "learning_rate = 0.250"),
        re.sub(
            r'("image/png": ".{50})(.)',
            lambda m: m[1] + ("A" if m[2] != "A" else "B"),
            text,
            count=1,
        ),
    ):
        assert changed != text
        assert notebooks.is_stale(nbformat.reads(changed, as_version=4))


def test_rerunning_is_repeatable_and_canonical(tmp_path):
    path = tmp_path / "a.ipynb"
    notebook = small_notebook("x = 1", "print(x)\nprint(x + 1)\nx")
    notebook.metadata["widgets"] = {"state": {}}
    notebook.cells[0].metadata["collapsed"] = True
    nbformat.write(notebook, path)
    assert notebooks.rerun(path) is True
    once = path.read_text(encoding="utf-8")
    assert notebooks.rerun(path) is False
    assert path.read_text(encoding="utf-8") == once
    again = read(path)
    assert not notebooks.is_stale(again)
    assert [cell.execution_count for cell in again.cells] == [1, 2]
    assert "widgets" not in again.metadata and "collapsed" not in again.cells[0].metadata
    assert [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]


def test_a_notebook_that_fails_is_left_as_it_was(tmp_path):
    path = tmp_path / "a.ipynb"
    nbformat.write(small_notebook("1 / 0"), path)
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "course_lib", "refresh", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout
    assert path.read_bytes() == before


def test_refresh_refuses_what_is_not_there(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "course_lib", "refresh", str(tmp_path / "no.ipynb")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "no such notebook" in done.stderr


def test_nbval_compares_to_the_letter_and_within_a_stated_tolerance(tmp_path):
    notebook = small_notebook(
        "print('loss 0.50')", "print('loss 0.50')", "print('loss 0.50')", "print('step 7, loss 0.50')",
        tags=[None, "nbval-rtol=1e-1", "nbval-rtol=1e-1", "nbval-rtol=1e-1"],
    )  # fmt: skip
    stored = ["loss 0.51\n", "loss 0.51\n", "loss 0.60\n", "step 8, loss 0.51\n"]
    for i, (cell, text) in enumerate(zip(notebook.cells, stored, strict=True)):
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
        cell.execution_count = i + 1
    nbformat.write(notebook, tmp_path / "a.ipynb")
    conftest = (ROOT / "conftest.py").read_text(encoding="utf-8")
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-rA", "a.ipynb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    outcomes = re.findall(r"^(PASSED|FAILED) a\.ipynb::Cell (\d)", done.stdout, re.MULTILINE)
    assert sorted(outcomes) == [("FAILED", "0"), ("FAILED", "2"), ("FAILED", "3"), ("PASSED", "1")]


# The pages


def test_each_question_leads_to_a_section_with_a_cell_that_runs():
    page = (ROOT / "QUESTIONS.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| \[\d\d\]\((notebooks/\S+)\) \| (.+) \|$", page, re.MULTILINE)
    assert len(rows) > 30
    for question, path, section in rows:
        lines = [
            (c.cell_type, line) for c in read(ROOT / path).cells for line in c.source.splitlines()
        ]
        (at,) = [i for i, (kind, line) in enumerate(lines) if re.fullmatch(r"#+ (.+)", line) and
                 kind == "markdown" and line.lstrip("# ") == section]  # fmt: skip
        heading = next((i for i in range(at + 1, len(lines)) if lines[i][0] == "markdown"
                        and re.match("## ", lines[i][1])), len(lines))  # fmt: skip
        assert any(kind == "code" for kind, _ in lines[at:heading]), (question, section)


def test_the_pages_name_every_lesson_module_and_rule():
    from course_lib.optimizers import RULES

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    questions = (ROOT / "QUESTIONS.md").read_text(encoding="utf-8")
    for path in LESSONS:
        assert f"(notebooks/{path.name})" in questions, path.name
        assert f"(notebooks/{path.name})" in readme, path.name
    for path in (ROOT / "course_lib").glob("[a-z]*"):
        if path.suffix == ".py" or (path / "__init__.py").exists():
            assert re.search(rf"\b{path.stem}\b", readme), path.name
    rules = (ROOT / "RULES.md").read_text(encoding="utf-8")
    for name, rule in RULES.items():
        row = f"| [`{name}`](course_lib/optimizers/{name}.py) | `{rule.name}` |"
        assert row in rules, row


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda path: path.name)
def test_each_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), target

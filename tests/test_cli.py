"""The console command: each sub-command says what it wants, does it, and ends with its status."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from course_lib import checkout, cli, versions
from course_lib.authoring import pages, student
from course_lib.cli import open as opening
from course_lib.cli import race

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def course_lib(*arguments, **options):
    command = [sys.executable, "-m", "course_lib", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def small_chapter(folder, *sources, stored=()):
    notebook = nbformat.v4.new_notebook()
    notebook.cells.append(nbformat.v4.new_markdown_cell("# A chapter"))
    for i, source in enumerate(sources):
        cell = nbformat.v4.new_code_cell(source)
        if i < len(stored):
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=stored[i])]
        notebook.cells.append(cell)
    path = folder / "99_small.ipynb"
    nbformat.write(notebook, path)
    return path


# ---- One name, and its sub-commands ----


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_fits_a_screen_and_names_every_sub_command(words, capsys):
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    for command in cli.COMMANDS:
        assert any(line.startswith(f"    course-lib {command}") for line in lines), command


def test_the_version_is_the_packages(capsys, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: {"course-lib": "1.2.3"}[name])
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == "course-lib 1.2.3\n"


@pytest.mark.parametrize("typed, near", [("rnu", "run"), ("opne", "open"), ("grades", "grade")])
def test_a_mistyped_sub_command_is_told_the_nearest(typed, near, capsys):
    assert cli.main([typed]) == 2
    error = capsys.readouterr().err
    assert f"Did you mean '{near}'?" in error and error.count("\n") == 1


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_sub_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0 and len(capsys.readouterr().out.splitlines()) < 50


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from course_lib import cli; cli.main([]); cli.main(['oepn'])\n"
        "heavy = {'keras', 'numpy', 'tensorflow', 'nbformat', 'jupyterlab'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("set()\n"), done.stderr


@pytest.mark.parametrize(
    "words", [["open"], ["run", "00"], ["refresh"], ["grade", ".", "g.csv"], ["student", "new"]]
)
def test_what_needs_a_checkout_says_so_where_there_is_none(words, tmp_path):
    """As from a wheel: the package alone, in another folder."""
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "course_lib", tmp_path / "site/course_lib", ignore=without)
    (tmp_path / "a").mkdir()
    done = course_lib(
        *words, cwd=tmp_path / "a", env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "needs the course's notebooks" in done.stderr and done.stderr.count("\n") == 1
    assert not list((tmp_path / "a").iterdir())


def test_a_missing_package_is_one_sentence_with_the_command(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    assert cli.main(["open"]) == 2
    assert 'Run: pip install "course-lib[course]"' in capsys.readouterr().err


# ---- Keras, and its backend ----


def installed(monkeypatch, **found):
    def version(name):
        if name not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(
        versions.importlib.util, "find_spec", lambda name: name if name in found else None
    )


@pytest.mark.parametrize(
    "found, backend, message",
    [
        ({"keras": "3.5.0", "tensorflow": "2.20"}, "tensorflow", "3.12 or newer. Installed: Keras 3.5.0"),
        ({"keras": "2.15.0", "tensorflow": "2.15"}, "tensorflow", 'pip install --upgrade "keras>=3.12"'),
        ({"tensorflow": "2.20"}, "tensorflow", "Keras 3.12 or newer, and none is installed"),
        ({"keras": "3.15.1"}, "tensorflow", 'Run: pip install "course-lib[tensorflow]"'),
        ({"keras": "3.15.1", "jax": "0.8"}, "tensorflow", "Set KERAS_BACKEND=jax, which is installed"),
        ({"keras": "3.15.1", "jax": "0.8"}, "torch", 'pip install "course-lib[torch]"'),
        ({"keras": "3.12.0", "jax": "0.8"}, "jax", ""),
        ({"keras": "4.0.0", "tensorflow": "3"}, "tensorflow", ""),
    ],
)  # fmt: skip
def test_what_keras_lacks_is_one_sentence(found, backend, message, monkeypatch, capsys):
    installed(monkeypatch, **found)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    if not message:
        assert versions.needs_keras() == backend
        return
    assert cli.main(["race", "adam"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_the_backend_is_read_where_keras_reads_it(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert versions._backend() == "tensorflow"
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax"}))
    assert versions._backend() == "jax"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert versions._backend() == "torch"


# ---- run ----


def test_run_proves_a_chapter_and_writes_a_page_that_needs_no_network(tmp_path):
    done = course_lib("run", "0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("checkpoint 1: with a learning rate of exactly 1")
    assert "00_start_here: checkpoints 1 proved, all held" in done.stdout
    page = (tmp_path / "00_start_here.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") >= 1 and "from 3.0, one step downhill" in page
    assert "<script" not in page
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//|@import|url\(['"]?https?:""", page)


def test_a_chapter_that_breaks_ends_with_1_and_has_a_page_all_the_same(tmp_path):
    path = small_chapter(tmp_path, "print('checkpoint 1: a')", "assert 1 == 2, 'one is not two'")
    before = path.read_bytes()
    done = course_lib("run", path, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("checkpoint 1: a\nFAILED: AssertionError: one is not two\n")
    assert "not all held" in done.stdout
    assert "AssertionError" in (tmp_path / "99_small.html").read_text(encoding="utf-8")
    assert path.read_bytes() == before


def test_a_checkpoint_that_does_not_come_back_is_missed(tmp_path):
    stored = ["checkpoint 1: a\n", "checkpoint 2: b\n"]
    path = small_chapter(tmp_path, "print('checkpoint 1: a')", "print('nothing')", stored=stored)
    told, seen = [], []
    outcome = pages.run_chapter(path, tmp_path / "p.html", told.append, lambda *at: seen.append(at))
    assert told == list(outcome.proved) == ["checkpoint 1: a"]
    assert outcome.missing == ("checkpoint 2: b",) and not outcome.error and not outcome.held
    assert seen[-1] == (3, 3)


def test_a_kernel_that_dies_is_a_failure_and_no_traceback(tmp_path):
    done = course_lib("run", small_chapter(tmp_path, "import os; os._exit(1)"), cwd=tmp_path)
    assert done.returncode == 1 and "FAILED: " in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words, message",
    [
        (["run", "77"], "there is no chapter '77'"),
        (["run", "no.ipynb"], "there is no notebook no.ipynb"),
        (["run", "broken.ipynb"], "broken.ipynb is not a notebook"),
        (["run", "0", "--page", "no/p.html"], "`--page`: there is no folder"),
        (["open", "--port", "0"], "`--port` must be a number from 1 to 65535"),
        (["race", "adm"], "`rule`: there is no rule 'adm'. Did you mean 'adam'?"),
        (["race", "adam", "--seeds", "0"], "`--seeds` must be a whole number above 0"),
        (["race", "adam", "--engine", "numpi"], "engine"),
        (["race", "adam", "--problem", "mnist"], "there is no problem 'mnist'"),
        (["student", "no/such/place"], "`folder`: there is no folder"),
        (["student", "."], "is there and not empty"),
    ],
)
def test_bad_input_is_one_sentence_and_2(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.ipynb").write_text("no json")
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    assert stop.value.code == 2 and message in capsys.readouterr().err


# ---- race ----


def test_a_race_prints_a_row_for_each_rule_and_rate_and_goes_on_from_its_file(tmp_path, capsys):
    file = tmp_path / "race.csv"
    words = ["race", "adam", "sgd", "--learning-rates", "0.01", "0.1", "--seeds", "2"]
    words += ["--gradients", "88", "--file", str(file)]
    assert cli.main(words) == 0
    told = capsys.readouterr().out
    rows = [line.split() for line in told.splitlines()[1:5]]
    assert [row[:2] for row in rows] == [
        ["adam", "0.01*"], ["adam", "0.1"], ["sgd", "0.01"], ["sgd", "0.1*"],
    ]  # fmt: skip
    before = file.read_bytes()
    assert cli.main(words) == 0
    assert capsys.readouterr().out == told and file.read_bytes() == before


def test_the_best_of_a_race_is_never_one_that_diverged():
    columns = {
        "rule": ["a"] * 3,
        "learning_rate": [1.0, 2.0, 2.0],
        "gradients": [8, 8, 4],
        "loss": [0.5, 0.1, 9.0],
        "accuracy": [0.9, 0.1, 0.0],
        "diverged": [False, True, False],
    }
    first, second = race.summary(columns, 8)
    assert first.split()[1:] == ["1*", "0.5000", "0.900", "0", "of", "1"]
    assert second.split()[1:] == ["2", "inf", "0.100", "1", "of", "1"]


# ---- student ----


def test_the_student_edition_has_the_lessons_and_no_solution(tmp_path, capsys):
    assert cli.main(["student", str(tmp_path / "class")]) == 0
    edition = tmp_path / "class"
    assert [path.name for path in tmp_path.iterdir()] == ["class"]
    lessons = sorted(path.name for path in (edition / "notebooks").glob("*.ipynb"))
    assert lessons == [path.name for path in checkout.lessons("this test")]
    assert f"{len(lessons)} lessons" in capsys.readouterr().out
    everything = [path.relative_to(edition).as_posix() for path in edition.rglob("*")]
    assert not [one for one in everything if re.search("solution|answers|tests|__pycache__", one)
                and one != "course_lib/classroom/answers.py"]  # fmt: skip
    for lesson in checkout.lessons("this test"):
        theirs = nbformat.read(edition / "notebooks" / lesson.name, as_version=4)
        ours = nbformat.read(lesson, as_version=4)
        assert "](solutions/" not in "".join(cell.source for cell in theirs.cells)
        assert [c for c in theirs.cells if c.cell_type == "code"] == [
            c for c in ours.cells if c.cell_type == "code"
        ]
        assert theirs.metadata == ours.metadata  # its digests too: outputs belong to the code
    readme = (edition / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", readme):
        assert target.startswith("https://") or (edition / target).exists(), target
    for name in ("pyproject.toml", "requirements.lock", "LICENSE", "notebooks/glossary.md"):
        assert (edition / name).is_file(), name


def test_a_student_edition_is_whole_or_not_there(tmp_path, monkeypatch):
    def breaks(text, name):
        raise OSError("the disk is full")

    monkeypatch.setattr(student, "without_answers", breaks)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(OSError, match="the disk is full"):
            student.write_edition(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert not list((tmp_path / "empty").iterdir())


def test_an_empty_folder_is_filled_and_a_full_one_is_left(tmp_path):
    student.write_edition(tmp_path)
    assert (tmp_path / "notebooks").is_dir()
    with pytest.raises(FileExistsError, match="is there and not empty"):
        student.write_edition(tmp_path)


def test_a_link_to_a_solution_in_other_words_is_not_passed_over():
    cell = {"cell_type": "markdown", "source": ["Look into [solutions/06](solutions/06.ipynb)!"]}
    with pytest.raises(ValueError, match="a sentence leads to a solution"):
        student.without_answers(json.dumps({"cells": [cell]}))


# ---- open ----


def test_the_server_is_told_the_courses_folder_and_chapter_00(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    options = opening.server_options(ROOT, 9000, no_browser=True)
    assert f"--ServerApp.root_dir={ROOT}" in options and "--ServerApp.port=9000" in options
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in options
    assert "--no-browser" in options and "--allow-root" not in options
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    options = opening.server_options(ROOT, 9000, no_browser=False)
    assert "--allow-root" in options and "--no-browser" not in options


def test_a_busy_port_is_passed_over():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        busy = one.getsockname()[1]
        assert busy < opening.free_port(busy) < busy + 50


@pytest.mark.parametrize(
    "platform, environment, there",
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "1"}, False),
        ("win32", {}, True),
    ],
)
def test_a_browser_opens_where_there_is_a_display(platform, environment, there, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert opening.has_display() is there


@contextmanager
def opened(home, *before):
    """`course-lib open` as a newcomer types it: an empty home, no display; its address."""
    script = Path(sys.executable).with_name("course-lib")
    command = [script] if script.exists() else [sys.executable, "-m", "course_lib"]
    words = [*before, *command, "open", "--no-browser", "--port", "18888"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "XDG"))}
    told = home / "told.txt"
    with open(told, "w") as out:
        server = subprocess.Popen(
            words, cwd=ROOT, env={**kept, "HOME": str(home)}, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    try:
        limit, found = time.monotonic() + 90, None
        while not found and time.monotonic() < limit and server.poll() is None:
            time.sleep(0.2)
            found = re.search(r"http://127\.0\.0\.1:(\d+)(/\S+)\?token=(\w+)", told.read_text())
        assert found, told.read_text()
        yield found.groups()
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def fetched(address):
    with urllib.request.urlopen(address, timeout=30) as page:
        return page.read().decode()


def newcomers():
    yield pytest.param([], id="as_whoever_this_is")
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("setpriv"):
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        yield pytest.param(nobody, id="as_nobody")


@POSIX
@pytest.mark.thorough
@pytest.mark.parametrize("before", list(newcomers()))
def test_a_newcomer_opens_the_course(before, monkeypatch):
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o777)
        can = subprocess.run([*before, sys.executable, "-c", "import course_lib"], cwd=ROOT)
        if before and can.returncode:
            pytest.skip("nobody may not read this environment")
        with opened(Path(home), *before) as (port, path, token):
            base = f"http://127.0.0.1:{port}"
            assert path == "/lab/tree/notebooks/00_start_here.ipynb"
            assert "JupyterLab" in fetched(f"{base}{path}?token={token}")
            listed = json.loads(fetched(f"{base}/api/contents?token={token}"))
            assert {"notebooks", "README.md", "course_lib"} <= {
                one["name"] for one in listed["content"]
            }
            inside = json.loads(fetched(f"{base}/api/contents/notebooks?token={token}"))
            assert "00_start_here.ipynb" in {one["name"] for one in inside["content"]}

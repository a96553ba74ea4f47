"""The suite has two depths, says what it has left out, and begins with what takes longest."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import conftest

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest

def test_daily(): pass

@pytest.mark.thorough
def test_slow(): pass

@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_some(n): pass
"""


@pytest.mark.parametrize(
    "arguments, passed, said",
    [
        (["-n1"], 2, "2 tests of the thorough suite were not asked: uv run pytest --thorough"),
        pytest.param(["-n0"], 2, "2 tests of the thorough suite were", marks=pytest.mark.thorough),
        pytest.param(["-n0", "--thorough"], 4, None, marks=pytest.mark.thorough),
        pytest.param(["-n1", "--thorough"], 4, None, marks=pytest.mark.thorough),
        pytest.param(["-n0", "-k", "slow or daily"], 1, "1 test of the thorough suite was not asked",
                     marks=pytest.mark.thorough),
        pytest.param(["-n0", "test_a.py::test_slow"], 1, None, marks=pytest.mark.thorough),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, list) else "",
)  # fmt: skip
def test_what_is_thorough_is_run_where_it_is_asked_for_and_else_counted(
    arguments, passed, said, tmp_path
):
    (tmp_path / "test_a.py").write_text(TESTS)
    conftest_text = (ROOT / "conftest.py").read_text(encoding="utf-8")
    (tmp_path / "conftest.py").write_text(conftest_text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = thorough: slow\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{passed} passed" in done.stdout
    assert ("of the thorough suite" in done.stdout) == (said is not None)
    assert said is None or said in done.stdout


def test_the_longest_files_are_there_and_come_first():
    files = [str(p.relative_to(ROOT)) for p in ROOT.glob("[nt]*s/**/*") if p.is_file()]
    for begin in conftest.LONGEST:
        assert any(file.startswith(begin) for file in files), begin
    asked = [SimpleNamespace(nodeid=f"{name}::test") for name in ("z.py", *conftest.LONGEST[::-1])]
    ordered = sorted(asked, key=conftest._place)
    assert [item.nodeid.split("::")[0] for item in ordered] == [*conftest.LONGEST, "z.py"]


def test_the_ini_file_registers_the_mark(pytestconfig):
    assert any(line.startswith("thorough:") for line in pytestconfig.getini("markers"))

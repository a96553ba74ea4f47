"""The three doors to the environment lead to the same packages."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CONDA = (ROOT / "environment.yml").read_text(encoding="utf-8")


def version(text):
    return tuple(int(part) for part in re.findall(r"\d+", text))


def admits(bounds, pinned):
    """Whether a pinned version lies within bounds such as >=2,<3 or ==0.11.0."""
    compare = {
        "==": lambda a, b: a == b,
        ">=": lambda a, b: a >= b,
        "<": lambda a, b: a < b,
    }
    parts = re.findall(r"(==|>=|<)\s*([\d.]+)", bounds)
    assert parts, bounds
    return all(compare[sign](version(pinned), version(limit)) for sign, limit in parts)


def test_conda_names_the_packages_and_bounds_of_pyproject():
    listed = re.findall(r"^      - (?!-r )(\S+)$", CONDA, re.MULTILINE)
    assert listed == PYPROJECT["project"]["dependencies"]


def test_conda_installs_the_lock():
    assert "      - -r requirements.lock\n" in CONDA


def test_condas_python_is_one_that_pyproject_allows():
    (python,) = re.findall(r"^  - python=([\d.]+)$", CONDA, re.MULTILINE)
    assert admits(PYPROJECT["project"]["requires-python"], python)


def test_the_lock_pins_each_dependency_within_its_bounds():
    for dependency in PYPROJECT["project"]["dependencies"]:
        name, bounds = re.fullmatch(r"([a-z-]+)(.*)", dependency).groups()
        pinned = re.findall(rf"^{name}==([\d.]+)", LOCK, re.MULTILINE)
        assert pinned, f"the lock has no {name}"
        for one in (
            pinned
        ):  # one each for older and newer Pythons, where a package has dropped the older ones
            assert admits(bounds, one), f"{dependency}, but the lock has {one}"


def test_the_lock_has_a_hash_for_each_package_and_names_no_host():
    entries = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) > 100
    for entry in entries:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert not re.search(r"https?://|--index-url|--find-links|file:", LOCK)


def test_uv_freezes_time_and_compiles():
    assert re.match(r"\d{4}-\d\d-\d\dT", PYPROJECT["tool"]["uv"]["exclude-newer"])
    assert PYPROJECT["tool"]["uv"]["compile-bytecode"] is True
    assert "uv.lock" in (ROOT / ".gitignore").read_text().split()


def test_readme_and_ci_give_the_same_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install uv && uv run jupyter lab notebooks/00_start_here.ipynb\n" in readme
    assert "pip install uv && uv run pytest\n" in readme
    assert "\nuv run pytest\n" in (ROOT / ".ci/run").read_text()
    ci = (ROOT / ".github/workflows/ci.yml").read_text()
    assert "run: pip install uv && uv run pytest\n" in ci

"""The three doors to the environment lead to the same packages."""

import ast
import re
import sys
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


COURSE = PYPROJECT["dependency-groups"]["course"]
LIBRARY = PYPROJECT["project"]["dependencies"]
EXTRAS = PYPROJECT["project"]["optional-dependencies"]


def parted(dependency):
    """(name, bounds) of a requirement, without its extras and its marker."""
    return re.fullmatch(r"([A-Za-z0-9-]+)(?:\[[^]]*\])?([^;]*)(?:;.*)?", dependency).groups()


def pinned(name):
    return re.findall(rf"^{name}==([\d.]+)", LOCK, re.MULTILINE)


def test_conda_names_the_packages_and_bounds_of_the_course():
    assert re.findall(r"^      - (?!-r )(\S+)$", CONDA, re.MULTILINE) == COURSE


def test_conda_installs_the_lock():
    assert "      - -r requirements.lock\n" in CONDA


def test_condas_python_is_one_that_the_course_allows():
    (python,) = re.findall(r"^  - python=([\d.]+)$", CONDA, re.MULTILINE)
    wanted = PYPROJECT["tool"]["uv"]["dependency-groups"]["course"]["requires-python"]
    assert admits(wanted, python) and admits(PYPROJECT["project"]["requires-python"], python)
    assert not admits(wanted, "3.14")  # TensorFlow has no wheels for it


def test_uv_takes_the_course_and_the_tools_by_default():
    assert PYPROJECT["tool"]["uv"]["default-groups"] == ["course", "dev"]


def test_the_lock_pins_each_dependency_within_its_bounds():
    for dependency in [*COURSE, *LIBRARY]:
        name, bounds = parted(dependency)
        assert pinned(name), f"the lock has no {name}"
        for one in pinned(name):  # one each for older and newer Pythons, where a package drops some
            assert admits(bounds, one), f"{dependency}, but the lock has {one}"


def test_the_library_needs_four_packages_and_has_no_ceilings():
    assert sorted(parted(one)[0] for one in LIBRARY) == ["h5py", "keras", "numpy", "tqdm"]
    for dependency in LIBRARY + [one for extra in EXTRAS.values() for one in extra]:
        assert not re.search("[<~]|==", parted(dependency)[1]), dependency


def test_the_extras_are_within_reach_of_the_course():
    """What the lock installs satisfies every extra that the course uses."""
    for extra in ("tensorflow", "course", "classroom", "tests"):
        for name, bounds in map(parted, EXTRAS[extra]):
            if name != "course-lib":
                assert all(admits(bounds, one) for one in pinned(name)) and pinned(name), name


PROVIDED = {"IPython": "ipython", "mpl_toolkits": "matplotlib", "jupyter_client": "ipykernel"}
OPTIONAL = {"pandas", "distributed", "optax", "tf_keras", "course_lib", "jax", "torch", "nbval"}


def test_every_direct_import_is_declared():
    """A package that the library or a notebook imports is a dependency, an extra's or a group's."""
    declared = {parted(one)[0] for part in (LIBRARY, *EXTRAS.values()) for one in part}
    found = {}
    for path in (ROOT / "course_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "needs_package":
                names = [one.value for one in node.args[1:2] if isinstance(one, ast.Constant)]
            else:
                continue
            found |= {name.split(".")[0]: path for name in names}
    for name, path in found.items():
        if name not in sys.stdlib_module_names and name not in OPTIONAL:
            assert PROVIDED.get(name, name) in declared, f"{path} imports {name}"


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
    assert "\npip install uv && uv run course-lib open\n" in readme
    assert "\npip install uv && uv run pytest\n" in readme
    assert "`uv run course-lib run 00`" in readme and "`uv run pytest --thorough`" in readme
    assert "\nuv run pytest --thorough\n" in (ROOT / ".ci/run").read_text()
    ci = (ROOT / ".github/workflows/ci.yml").read_text()
    assert "run: pip install uv && uv run pytest\n" in ci
    assert "uv run course-lib run 00" in ci


def test_readme_is_a_screen_and_a_half():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 90


def test_versions_and_names_stand_in_one_place():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    version = PYPROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in citation
    assert f"\n## {version} (" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert PYPROJECT["project"]["authors"][0]["name"] in citation
    assert set(PYPROJECT["project"]["scripts"]) == {"course-lib"}
    floor = re.search(r'KERAS = "(.+)"', (ROOT / "course_lib/versions.py").read_text()).group(1)
    assert f"keras>={floor}" in LIBRARY


def test_the_page_of_the_wheel_needs_no_other_file():
    """It is shown where the repository is not: no link and no picture that is relative."""
    page = (ROOT / PYPROJECT["project"]["readme"]).read_text(encoding="utf-8")
    assert not re.findall(r"\]\((?!https://)[^)]*\)", page)


def test_the_licences_go_with_the_wheel():
    files = PYPROJECT["project"]["license-files"]
    assert {"LICENSE", "LICENSE-TEXT"} <= set(files)
    assert all((ROOT / name).is_file() for name in files)

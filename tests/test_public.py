"""Every public name is described and typed, in words that a tool and a reader know."""

import doctest
import importlib
import importlib.util
import linecache
import subprocess
import sys
import types
from pathlib import Path

import public
import pytest

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # Keras
MODULES = list(public.modules())
WITH_EXAMPLES = [module for module in MODULES if public.examples(module)]
LIBRARY = Path(public.course_lib.__file__).parent


def name_of(module):
    return module.__name__


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_every_public_name_is_described_and_typed(module):
    found = public.faults(module)
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("module", WITH_EXAMPLES, ids=name_of)
def test_the_examples_of_the_docstrings_run(module):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in public.examples(module):
        wrong = []
        runner.run(example, out=wrong.append)
        assert not wrong, "".join(wrong)


def test_examples_are_found_in_more_rooms_than_one():
    assert len(WITH_EXAMPLES) > 5


def test_every_file_is_walked():
    files = [path.relative_to(LIBRARY.parent) for path in LIBRARY.rglob("*.py")]
    walked = {Path(module.__file__).relative_to(LIBRARY.parent) for module in MODULES}
    private = {path for path in files if any(p[0] == "_" for p in path.with_suffix("").parts[:-1])}
    kept = {path for path in files if path.name == "__main__.py" or path.stem[0] == "_"} - walked
    assert set(files) - private - kept == walked


# ---- What the walk asks, each planted once ----

RIGHT = '''
"""A module that says what it has."""

from dataclasses import dataclass


def scale(w: float, *, by: float = 2.0, **more: int) -> float:
    """Scale a number.

    A second paragraph, with a list:

    - one thing;
    - another (see `what is no word`).

    Args:
        w: A number.
        by: The factor. The default is right for most: it goes on
            in a second line.
        **more: Ignored.

    Returns:
        The product.

    Raises:
        OSError: If `w` is negative. A FileNotFoundError is one.

    Example:
        >>> "what is no prose is in a room apart"
        'what is no prose is in a room apart'
    """
    if w < 0:
        raise FileNotFoundError(w)
    return w * by


@dataclass(frozen=True)
class Point:
    """A point of the plane.

    Args:
        x: To the right.
    """

    x: float

    @property
    def left(self) -> float:
        """The other direction."""
        return -self.x


class Worse(Exception):
    """What a caller may catch."""


class Child(dict):
    """A dict that counts.

    Args:
        start: Where it begins.
    """

    def __init__(self, start: int) -> None:
        super().__init__()

    def get(self, key, default=None):
        return default
'''
PLANTED = {  # what is changed in it, and the one fault that is then found
    '"""Scale a number.\n': ('"""Scale a number\n', "its docstring does not begin with a sentence"),
    '    """The other direction."""\n': ("", "Point.left: no docstring"),
    "        w: A number.\n": ("", "`w` is not described in Args"),
    "        **more: Ignored.\n": ("", "`more` is not described in Args"),
    "        x: To the right.\n": ("        y: Up.\n", "Point: `x` is not described in Args"),
    "        start: Where it begins.\n": ("", "Child: `start` is not described in Args"),
    "(w: float,": ("(w,", "`w` has no type"),
    "start: int": ("start", "Child: `start` has no type"),
    "**more: int) -> float": ("**more: int)", "what it returns has no type"),
    "    Returns:\n        The product.\n": ("", "Returns is missing"),
    "        OSError: If": (
        "        KeyError: If",
        "FileNotFoundError is raised and not described",
    ),
    "A second paragraph,": (f"A {'very ' * 30}long paragraph,", "a sentence of 36 words"),
    "in a second line.": ("in a second line; nobody is told.", "'told' in:"),
    "- another (see": ("- another that is handed back (see", "'handed back' in:"),
    '"""A module that says what it has."""': ("", "the module: its docstring does not begin"),
}


PACKAGE = {
    "__init__": """'Shows one of two.'
from .room import scale
__all__ = ["scale"]
""",
    "room": """'Has two.'
def scale(w):
    'Scale.'

def inner(w):
    'Used within.'

def bare(w):
    return w
""",
}


def test_a_package_with_a_face_is_asked_for_what_it_shows(tmp_path, monkeypatch):
    (tmp_path / "outer" / "shop").mkdir(parents=True)
    (tmp_path / "outer" / "__init__.py").touch()
    for name, source in PACKAGE.items():
        (tmp_path / "outer" / "shop" / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    assert public.faults(importlib.import_module("outer.shop.room")) == [
        "scale: `w` is not described in Args",
        "scale: `w` has no type",
        "scale: what it returns has no type",
        "bare: no docstring",
    ]


def planted(source):
    module = types.ModuleType("planted")
    file = f"<planted {len(linecache.cache)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), vars(module))
    return module


def test_a_module_that_has_all_of_it_has_no_fault():
    assert public.faults(planted(RIGHT)) == []
    (example,) = public.examples(planted(RIGHT))
    assert doctest.DocTestRunner().run(example) == (0, 1)


@pytest.mark.parametrize("row", PLANTED)
def test_each_fault_is_found_where_it_is_planted(row):
    instead, fault = PLANTED[row]
    assert RIGHT.count(row) == 1
    (found,) = public.faults(planted(RIGHT.replace(row, instead)))
    assert fault in found


def test_a_wrong_example_is_seen():
    (example,) = public.examples(planted(RIGHT.replace('>>> "what', '>>> "not what')))
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda _: None).failed == 1


# ---- What a type checker sees ----

SEEN = """
from course_lib.checks import check_optimizer
from course_lib.optimizers import RULES, Adam
from course_lib.wrappers import SoftBatch

import keras

{}
"""
USES = """check_optimizer(Adam, reference=RULES["adam"])
check_optimizer(lambda: keras.optimizers.SGD(0.125))
SoftBatch(keras.optimizers.SGD(), steps=4)
RULES["adam"].step"""
MISUSES = """check_optimizer(3)
check_optimizer(Adam, refernce=RULES["adam"])
SoftBatch(keras.optimizers.SGD(), steps="four")
RULES["adam"].stpe"""
SENTENCES = ('"check_optimizer" has incompatible type "int"', '"refernce"', '"steps"', '"stpe"')


@pytest.mark.thorough
def test_a_type_checker_finds_each_planted_error_and_no_other(tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.fail("mypy is not installed. Run: uv sync")
    (tmp_path / "right.py").write_text(SEEN.format(USES))
    (tmp_path / "wrong.py").write_text(SEEN.format(MISUSES))
    root = LIBRARY.parent
    command = [sys.executable, "-m", "mypy", "--config-file", root / "mypy.ini", "--no-pretty"]
    done = subprocess.run(
        [*command, "--cache-dir", tmp_path / "cache", tmp_path / "right.py", tmp_path / "wrong.py"],
        capture_output=True,
        text=True,
        cwd=root,
    )
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert done.returncode == 1 and len(errors) == 4, done.stdout + done.stderr
    first = SEEN.format(MISUSES).splitlines().index("check_optimizer(3)") + 1
    for line, (error, words) in enumerate(zip(errors, SENTENCES, strict=True), first):
        assert f"wrong.py:{line}: " in error and words in error, error


@pytest.mark.thorough
def test_a_type_checker_finds_nothing_in_the_library(tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.fail("mypy is not installed. Run: uv sync")
    command = [sys.executable, "-m", "mypy", "--cache-dir", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=LIBRARY.parent)
    assert done.returncode == 0, done.stdout + done.stderr

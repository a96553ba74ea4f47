"""Importing the course changes nothing; where a page asks, TensorFlow starts without a word."""

import gc
import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from course_lib import quiet

import pytest

ROOT = Path(quiet.__file__).parent


def run(code, **environment):
    """(stdout, stderr) of a fresh Python, at the level of descriptors, where TensorFlow writes."""
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=kept | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


HEAVY = "print([name for name in ('keras', 'tensorflow', 'jax', 'torch') if name in sys.modules])"


def test_importing_the_course_loads_neither_keras_nor_tensorflow():
    assert run(f"import sys, course_lib; {HEAVY}") == ("[]\n", "")


def test_the_modules_that_need_only_numpy_load_neither_keras_nor_tensorflow():
    light = (
        "landscapes, problems, figures, exercises, authoring, classroom, cli, checkout, versions"
    )
    assert run(f"import sys; from course_lib import {light}; {HEAVY}") == ("[]\n", "")


MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if path.name != "__main__.py" and path != Path(quiet.__file__)
)


def test_importing_any_module_but_quiet_changes_nothing_in_the_process():
    """The collector, import hooks, the environment and descriptor 2, after Keras itself is there."""
    code = f"""
        import gc, importlib, os, sys
        import h5py, keras, matplotlib.pyplot
        def now():
            where = os.fstat(2)
            return gc.get_threshold(), gc.get_freeze_count(), gc.isenabled(), list(sys.meta_path), \\
                dict(os.environ), (where.st_dev, where.st_ino), sys.stderr
        before = now()
        for name in {MODULES}:
            importlib.import_module(name)
            assert now() == before, name
        assert "course_lib.quiet" not in sys.modules
        print("the same")
    """
    assert len(MODULES) > 50
    assert run(code)[0] == "the same\n"


@pytest.mark.parametrize("module", ["course_lib", "course_lib.landscapes", "course_lib.cli"])
def test_importing_them_alone_arranges_nothing_for_later(module):
    code = f"""
        import gc, os, sys
        before = gc.get_threshold(), list(sys.meta_path), dict(os.environ)
        import {module}
        print((gc.get_threshold(), list(sys.meta_path), dict(os.environ)) == before)
    """
    assert run(code) == ("True\n", "")


def test_keras_starts_without_a_word_and_later_words_are_heard():
    code = """
        import os, sys
        import course_lib.quiet
        import keras
        keras.ops.ones(1) + 1
        assert not any(isinstance(finder, course_lib.quiet._QuietTensorFlow) for finder in sys.meta_path)
        os.write(2, b"heard")
    """
    assert run(code) == ("", "heard")


def test_no_garbage_is_collected_while_tensorflow_is_loaded_and_what_it_made_is_left_out_later():
    code = """
        import gc
        import course_lib.quiet
        collected = []
        gc.callbacks.append(lambda phase, info: collected.append(phase))
        import tensorflow
        print(gc.isenabled(), gc.get_freeze_count() > 100_000, len(collected) < 20)  # else: hundreds
    """
    assert run(code) == ("True True True\n", "")


@pytest.mark.parametrize("before, after", [(700, 50_000), (90_000, 90_000), (0, 0)])
def test_the_collector_comes_less_often_afterwards_and_never_more(before, after):
    threshold, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.set_threshold(before, 7, 8)
    try:
        with quiet._collector_at_rest():
            pass
        assert gc.get_threshold() == (after, 7, 8)
        assert gc.get_freeze_count() >= frozen
    finally:
        gc.set_threshold(*threshold)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was_found_after_an_error_too(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(RuntimeError), quiet._collector_at_rest():
            assert not gc.isenabled()
            raise RuntimeError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_the_readers_own_log_level_is_respected_and_once_is_enough():
    code = """
        import os, sys
        from course_lib import quiet
        quiet.hold_back_start_up_lines()
        mine = [finder for finder in sys.meta_path if isinstance(finder, quiet._QuietTensorFlow)]
        print(len(mine), os.environ["TF_CPP_MIN_LOG_LEVEL"])
    """
    assert run(code, TF_CPP_MIN_LOG_LEVEL="0") == ("1 0\n", "")
    assert run(code) == ("1 3\n", "")


def test_descriptor_2_is_given_back_after_an_error(capfd):
    with pytest.raises(RuntimeError), quiet._descriptor_2_held_back():
        os.write(2, b"held back")
        raise RuntimeError
    os.write(2, b"heard")
    assert capfd.readouterr() == ("", "heard")


def test_other_imports_are_none_of_its_business():
    assert quiet._QuietTensorFlow().find_spec("json") is None


def test_without_tensorflow_python_says_so_itself(monkeypatch):
    finder = quiet._QuietTensorFlow()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert finder.find_spec("tensorflow") is None
    assert finder not in sys.meta_path

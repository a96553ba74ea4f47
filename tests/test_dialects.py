"""What the course says of PyTorch's and optax's dialects is what these libraries do."""

import json
from importlib.util import find_spec

import course_lib.quiet  # noqa: F401
from course_lib.checks.dialects import (
    DIALECTS,
    SAME,
    Dialect,
    dialect,
    dialects_of,
    path_in,
)
from course_lib.optimizers import RULES

import numpy as np
import pytest
import twins

TOLERANCE = 1e-10  # float64 over 12 steps; they and we add up in another order
TOLERANCES = {
    ("adafactor", "optax"): 1e-7,  # counts steps in float32
    ("muon", "optax"): 1e-6,  # adds 1e-8 to the norm that it divides by, and we 1e-7
    ("muon", "PyTorch"): 2e-2,  # orthogonalizes in bfloat16, which has 8 bits
}
LIBRARIES = {"PyTorch": "torch", "optax": "optax"}
KEPT = json.loads(twins.FILE.read_text())
TOLD = [(name, library) for library in LIBRARIES for name in KEPT[library]["paths"]]


def assert_agrees(name, spoken, path, tolerance=TOLERANCE):
    rule = RULES[name]
    w, gradients = twins.start_and_gradients()
    state = {**rule.init(w, **rule.settings), **spoken.start}
    for step, g in enumerate(gradients, 1):
        w, state = spoken.step(rule, w, g, state, **rule.all_settings)
        if step in twins.KEPT:
            theirs = path[twins.KEPT.index(step)]
            np.testing.assert_allclose(w, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name, library", TOLD)
def test_the_dialect_takes_the_path_that_the_library_took(name, library):
    tolerance = TOLERANCES.get((name, library), TOLERANCE)
    assert_agrees(name, dialect(name, library), KEPT[library]["paths"][name], tolerance)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_dialect_has_a_path_and_every_path_a_dialect(library):
    told = {name for name, dialects in DIALECTS.items() if library in dialects}
    assert told == set(KEPT[library]["paths"])


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_paths_that_are_kept_are_those_of_the_library_today(library):
    if find_spec(LIBRARIES[library]) is None:
        pytest.skip(f"{library} is in a group of its own")
    for name, path in twins.paths_of(library).items():
        np.testing.assert_allclose(path, KEPT[library]["paths"][name], rtol=1e-12, atol=1e-12)


def test_rules_have_dialects_in_the_order_of_RULES():
    assert [name for name in RULES if name in DIALECTS] == list(DIALECTS) == list(RULES)


# Written otherwise, and the same while the learning rate stays: v is kept without it.
THE_SAME_PATH = {"momentum", "nesterov"}


@pytest.mark.parametrize("name", RULES)
def test_a_line_that_is_written_otherwise_ends_elsewhere(name):
    for library, (lines, distance) in dialects_of(name).items():
        differs = bool(lines) or bool(dialect(name, library).start)
        if name in THE_SAME_PATH:
            assert distance < 1e-12, library
        else:
            assert (distance > 1e-4) == differs, (library, distance)


@pytest.mark.parametrize("name", [name for name in RULES if RULES[name].builtin])
def test_every_rule_that_keras_has_has_its_dialect_and_settings_under_which_it_agrees(name):
    spoken = DIALECTS[name]["Keras"]
    assert dialect(name, "Keras") is spoken
    if not spoken.lines:
        assert spoken == SAME
    elif spoken.agree_when is not None:  # check_rule proves that they agree; here: that they matter
        assert set(spoken.agree_when) <= set(RULES[name].hyperparameters)


def test_the_weights_of_a_comparison_have_more_rows_than_columns():
    """Adafactor and Muon tell rows from columns: in a square matrix it would not show."""
    w = path_in(RULES["muon"], SAME)[-1]
    other = Dialect("scale ← √(max(1, w.shape[0] / w.shape[1]))")
    turned = Dialect("scale ← √(max(1, w.shape[1] / w.shape[0]))")
    assert w.shape == (4, 3)
    ends = [path_in(RULES["muon"], spoken)[-1] for spoken in (other, turned)]
    assert np.abs(ends[0] - ends[1]).max() > 1e-3


def test_another_dialect_is_caught():
    with pytest.raises(AssertionError, match="Mismatched elements"):
        assert_agrees("adagrad", SAME, KEPT["optax"]["paths"]["adagrad"])
    with pytest.raises(AssertionError, match="Mismatched elements"):
        assert_agrees("sgd", Dialect("w ← w + learning_rate · g"), KEPT["optax"]["paths"]["sgd"])


def test_a_library_that_does_not_have_the_rule_is_named():
    with pytest.raises(ValueError, match="`library`: 'JAX' does not have Adam"):
        dialect("adam", "JAX")

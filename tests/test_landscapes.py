"""Landscapes are what they say: gradient is slope, minimum is lowest, walks go by hand."""

from types import SimpleNamespace

from course_lib.landscapes import BOWL, LANDSCAPES, RAVINE, TILTED_RAVINE, walk
from course_lib.optimizers import RULES

import numpy as np
import pytest

every_landscape = pytest.mark.parametrize("land", LANDSCAPES, ids=lambda land: land.name)


def points_in(window, count=50):
    (left, right), (bottom, top) = window
    return np.random.default_rng(0).uniform([left, bottom], [right, top], (count, 2))


@every_landscape
def test_the_gradient_is_the_slope_of_the_value(land):
    h = 1e-4
    for w in points_in(land.window):
        ahead, behind = ([land.value(w + sign * h * e) for e in np.eye(2)] for sign in (1, -1))
        slope = (np.array(ahead) - np.array(behind)) / (2 * h)
        # h² / 6 times the largest third derivative, Rosenbrock's 2400 · 2, is 8e-6
        np.testing.assert_allclose(land.gradient(w), slope, rtol=0, atol=1e-5)


@every_landscape
def test_the_minimum_is_flat_and_below_all_else(land):
    lowest = np.array(land.minimum)
    np.testing.assert_array_equal(land.gradient(lowest), [0, 0])
    assert all(land.value(w) > land.value(lowest) for w in points_in(land.window))


@every_landscape
def test_start_and_minimum_stand_in_the_window(land):
    for x, y in (land.start, land.minimum):
        (left, right), (bottom, top) = land.window
        assert left < x < right and bottom < y < top


@every_landscape
def test_a_grid_is_answered_point_by_point(land):
    grid = points_in(land.window, 12).T.reshape(2, 3, 4)
    value, gradient = land.value(grid), land.gradient(grid)
    assert value.shape == (3, 4) and gradient.shape == (2, 3, 4)
    for i, j in np.ndindex(3, 4):
        np.testing.assert_allclose(value[i, j], land.value(grid[:, i, j]), rtol=1e-14)
        np.testing.assert_allclose(gradient[:, i, j], land.gradient(grid[:, i, j]), rtol=1e-14)


def test_names_tell_the_landscapes_apart():
    assert len({land.name for land in LANDSCAPES}) == len(LANDSCAPES)


def test_the_tilted_ravine_is_the_ravine_turned_by_45_degrees():
    turn = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    for w in points_in(RAVINE.window):
        assert np.isclose(TILTED_RAVINE.value(w), RAVINE.value(turn @ w), rtol=1e-13)


@pytest.mark.parametrize("land", [RAVINE, TILTED_RAVINE], ids=lambda land: land.name)
def test_an_eighth_is_the_largest_learning_rate_in_a_ravine(land):
    # across, each step multiplies by 1 - 16 · rate: 0.92 to the 200 is 6e-8, 1.08 to the 200 is 5e6
    below, above = (
        walk(RULES["sgd"], land, steps=200, learning_rate=rate) for rate in (0.12, 0.13)
    )
    assert np.linalg.norm(below[-1]) < 1e-6
    assert np.linalg.norm(above[-1]) > 1e6


def test_a_walk_holds_the_start_and_every_step():
    path = walk(RULES["sgd"], BOWL, steps=3, learning_rate=0.5)  # each step halves w
    np.testing.assert_array_equal(path, [[-4, 2], [-2, 1], [-1, 0.5], [-0.5, 0.25]])


def test_a_walk_starts_where_it_is_told_and_leaves_the_start_alone():
    start = np.array([8.0, -4.0])
    path = walk(RULES["sgd"], BOWL, steps=1, start=start, learning_rate=0.5)
    np.testing.assert_array_equal(path, [[8, -4], [4, -2]])
    np.testing.assert_array_equal(start, [8, -4])


@pytest.mark.parametrize("name", RULES)
def test_a_walk_is_the_rule_step_by_step(name):
    rule = RULES[name]
    path = walk(rule, RAVINE, steps=5, **rule.settings)
    w = np.array(RAVINE.start)
    state = rule.init(w, **rule.settings)
    for place in path[1:]:
        w, state = rule.step(w, RAVINE.gradient(w), state, **rule.settings)
        np.testing.assert_array_equal(place, w)


def test_whatever_has_init_and_step_can_walk():
    rule = SimpleNamespace(init=lambda w: {}, step=lambda w, g, state: (w - g, state))
    np.testing.assert_array_equal(walk(rule, BOWL, steps=np.int64(1)), [[-4, 2], [0, 0]])


@pytest.mark.parametrize("steps", [0, -3, 2.5, "3", None])
def test_a_number_of_steps_that_is_none_is_refused(steps):
    with pytest.raises(ValueError, match="`steps` must be a whole number") as refusal:
        walk(RULES["sgd"], BOWL, steps=steps)
    assert f"steps={steps!r}" in str(refusal.value)


@pytest.mark.parametrize(
    "start", [1.0, [1.0, 2.0, 3.0], [[1.0, 2.0]], "origin", [[1.0], [2.0, 3.0]]]
)
def test_a_start_that_is_no_point_is_refused(start):
    with pytest.raises(ValueError, match="`start` must be a point") as refusal:
        walk(RULES["sgd"], BOWL, steps=1, start=start)
    assert f"start={start!r}" in str(refusal.value)


def test_a_hyperparameter_that_the_rule_has_not_is_refused_by_name():
    with pytest.raises(TypeError, match="`momentum`"):
        walk(RULES["sgd"], BOWL, steps=1, momentum=0.5)

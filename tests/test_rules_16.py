"""What chapter 16 says of its rules beyond what holds for all: state that is small, and ratios that are defined."""

from itertools import product

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES

import keras
import numpy as np
import pytest

EXACT = 1e-12


def path_of(optimizer, w, gradients):
    """Where the optimizer takes a variable that begins at w, after each gradient."""
    variable = keras.Variable(w, dtype="float64", name="w")
    path = []
    for g in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g, "float64")], [variable])
        path.append(variable.numpy())
    return path


# ---- Adafactor ----


@pytest.mark.parametrize(
    "shape, r, c",
    [
        ((), (), ()),
        ((5,), (5,), (1,)),
        ((4, 3), (4, 1), (1, 3)),
        ((2, 4, 3), (2, 4, 1), (2, 1, 3)),
        ((3, 3, 8, 16), (3, 3, 8, 1), (3, 3, 1, 16)),
    ],
)
def test_adafactor_remembers_rows_and_columns_and_nothing_else(shape, r, c):
    optimizer = RULES["adafactor"].keras_class()
    before = len(optimizer.variables)
    optimizer.build([keras.Variable(np.zeros(shape))])
    assert [tuple(slot.shape) for slot in optimizer.variables[before:]] == [r, c]
    state = RULES["adafactor"].init(np.zeros(shape))
    assert {name: np.shape(state[name]) for name in "rc"} == {"r": r, "c": c}


def test_kerass_adafactor_keeps_the_full_second_moment_too():
    # the day this fails, take the NB in adafactor.py away
    optimizer = keras.optimizers.Adafactor()
    optimizer.build([keras.Variable(np.zeros((4, 3)))])
    assert (4, 3) in [tuple(variable.shape) for variable in optimizer.variables]


@pytest.mark.parametrize("learning_rate", [0.125, 2.0])
def test_relative_step_changes_nothing_in_kerass_adafactor(learning_rate):
    # the day this fails, relative_step has become something that our class should have
    rng = np.random.default_rng(0)
    w, gradients = rng.normal(size=(4, 3)), rng.normal(size=(5, 4, 3))
    one, other = (
        path_of(keras.optimizers.Adafactor(learning_rate, relative_step=relative), w, gradients)
        for relative in (True, False)
    )
    np.testing.assert_array_equal(one, other)


def test_for_a_vector_adafactor_is_algorithm_5():
    rng = np.random.default_rng(0)
    settings = RULES["adafactor"].settings
    w, v, state = rng.normal(size=7), np.zeros(7), RULES["adafactor"].init(np.zeros(7))
    for t, g in enumerate(rng.normal(size=(5, 7)), 1):
        w, state = RULES["adafactor"].step(w, g, state, **settings)
        decay = 1 - t ** settings["beta_2_decay"]
        v = decay * v + (1 - decay) * (g**2 + settings["epsilon_1"])
        np.testing.assert_allclose(state["r"], v, rtol=EXACT)
        np.testing.assert_allclose(state["r"] / state["r"].sum() * state["c"], v, rtol=EXACT)


def test_of_squares_that_are_an_outer_product_adafactor_forgets_nothing():
    rng = np.random.default_rng(0)
    g = np.outer(rng.normal(size=4), rng.normal(size=3))
    rule = RULES["adafactor"].numpy
    np.testing.assert_allclose(
        rule.rows(g**2) / rule.columns(rule.rows(g**2)) * rule.columns(g**2), g**2, rtol=EXACT
    )


@pytest.mark.parametrize("shape", [(), (3,), (4, 3), (2, 4, 3)])
def test_without_any_gradient_adafactor_stands_still_in_float32(shape):
    w = np.ones(shape, "float32")
    new, _ = RULES["adafactor"].step(w, 0 * w, RULES["adafactor"].init(w))
    np.testing.assert_array_equal(new, w)
    variable = keras.Variable(w)
    RULES["adafactor"].keras_class().apply([keras.ops.zeros(shape)], [variable])
    np.testing.assert_array_equal(variable.numpy(), w)


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_a_black_pixel_into_a_dead_unit_is_no_nan_for_adafactor_and_one_for_kerass(size):
    g = np.full((4, 3), size, "float32")
    g[1] = g[:, 2] = 0  # r · c / columns(r) is about 1e-60 there, which float32 rounds to 0
    w = np.ones((4, 3), "float32")
    new, _ = RULES["adafactor"].step(w, g, RULES["adafactor"].init(w))
    ours, theirs = keras.Variable(w), keras.Variable(w)
    RULES["adafactor"].keras_class().apply([keras.ops.convert_to_tensor(g)], [ours])
    keras.optimizers.Adafactor().apply([keras.ops.convert_to_tensor(g)], [theirs])
    np.testing.assert_allclose(ours.numpy(), new, rtol=1e-6)
    np.testing.assert_array_equal(new[g == 0], 1)
    assert np.all(new[g > 0] < 1)
    assert np.isnan(theirs.numpy()).any()  # the day this fails, change the NB in adafactor.py


def test_no_step_of_adafactor_is_longer_than_the_clip_threshold_allows():
    settings = {**RULES["adafactor"].settings, "epsilon_1": 1e-30, "epsilon_2": 1e-3}
    w, state = np.ones((4, 3)), RULES["adafactor"].init(np.ones((4, 3)))
    for t, size in enumerate([1e-3, 1e-3, 1.0, 100.0], 1):  # v̂ is late, u large
        g = size * np.random.default_rng(t).normal(size=(4, 3))
        new, state = RULES["adafactor"].step(w, g, state, **settings)
        moved = np.sqrt(np.mean((new - w) ** 2)) / np.sqrt(np.mean(w**2))
        rho = min(settings["learning_rate"], 1 / np.sqrt(t))
        assert moved <= settings["clip_threshold"] * rho * (1 + EXACT)
        w = new


# ---- LARS and LAMB ----


@pytest.mark.parametrize("name, decay", list(product(["lars", "lamb"], [0.0, 0.25])))
def test_a_variable_of_zeros_begins_to_move_and_zero_gradients_do_no_harm(name, decay):
    rule = RULES[name]
    settings = {**rule.settings, "weight_decay": decay}
    for w in (np.zeros((2, 3)), np.zeros(3), np.array(0.0)):
        for gradients in ([w, w + 1, w], [w + 1, w, w]):
            path = path_of(rule.keras_class(**settings), w, gradients)
            here, state = w, rule.init(w)
            with np.errstate(all="raise"):
                for g, there in zip(gradients, path, strict=True):
                    here, state = rule.step(here, g, state, **settings)
                    np.testing.assert_allclose(there, here, rtol=EXACT, atol=EXACT)
            assert np.all(np.abs(here) > 0)


def test_the_first_step_of_lars_has_the_length_that_the_trust_coefficient_says():
    rng = np.random.default_rng(0)
    settings = {**RULES["lars"].settings, "weight_decay": 0.0}
    for size in (1e-6, 1.0, 1e6):  # the gradient's size is of no matter
        w, g = rng.normal(size=(2, 4, 3))
        new, _ = RULES["lars"].step(w, size * g, RULES["lars"].init(w), **settings)
        wanted = settings["learning_rate"] * settings["trust_coefficient"] * np.linalg.norm(w)
        np.testing.assert_allclose(np.linalg.norm(new - w), wanted, rtol=EXACT)


def test_every_step_of_lamb_has_the_length_of_the_weights_times_the_learning_rate():
    rng = np.random.default_rng(0)
    w, state = rng.normal(size=(4, 3)), RULES["lamb"].init(np.zeros((4, 3)))
    for g in rng.normal(size=(5, 4, 3)):
        new, state = RULES["lamb"].step(w, g, state, **RULES["lamb"].settings)
        wanted = RULES["lamb"].settings["learning_rate"] * np.linalg.norm(w)
        np.testing.assert_allclose(np.linalg.norm(new - w), wanted, rtol=EXACT)
        w = new


@pytest.mark.parametrize("how", ["var_list", "var_names"])
@pytest.mark.parametrize("name", ["lars", "lamb", "lion"])
def test_excluded_variables_do_not_decay(name, how):
    rule = RULES[name]
    weights, bias = (keras.Variable([[1.0, -2.0]], dtype="float64", name=n) for n in ("w", "bias"))
    optimizer = rule.keras_class(**rule.settings)
    optimizer.exclude_from_weight_decay(**{how: [bias] if how == "var_list" else ["bias"]})
    g = np.array([[0.5, 3.0]])
    optimizer.apply([keras.ops.convert_to_tensor(g)] * 2, [weights, bias])
    for variable, settings in (weights, {}), (bias, {"weight_decay": 0.0}):
        w = np.array([[1.0, -2.0]])
        wanted, _ = rule.step(w, g, rule.init(w), **{**rule.settings, **settings})
        np.testing.assert_allclose(variable.numpy(), wanted, rtol=EXACT)


# ---- Lion ----


def test_lion_moves_every_weight_by_the_learning_rate_whatever_the_gradient():
    settings = {**RULES["lion"].settings, "weight_decay": 0.0}
    g = np.array([1e-8, -1.0, 1e8, 0.0])
    w, _ = RULES["lion"].step(np.zeros(4), g, RULES["lion"].init(g), **settings)
    np.testing.assert_array_equal(w, [-0.125, 0.125, -0.125, 0.0])


def test_lion_without_memory_is_the_sign_of_the_gradient():
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(4, 3))
    path = path_of(RULES["lion"].keras_class(0.125, beta_1=0.0), np.zeros(3), gradients)
    np.testing.assert_array_equal(path[-1], -0.125 * np.sign(gradients).sum(axis=0))

"""Shampoo and Muon do to the singular values of a matrix what they say, and Muon leaves the rest to AdamW."""

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES
from course_lib.optimizers.muon import COEFFICIENTS, orthogonal
from course_lib.optimizers.shampoo import matrix, root

import keras
import numpy as np
import pytest
import tensorflow as tf

EXACT = 1e-12
RNG = np.random.default_rng(0)


def after_one_step(name, g, **hyper):
    """The step that a rule takes from zeros, without its sign."""
    rule = RULES[name]
    w = np.zeros_like(g)
    return -rule.step(w, g, rule.init(w, **hyper), **hyper)[0]


def slots(optimizer, *variables):
    """The shapes of what the optimizer keeps for the variables."""
    before = len(optimizer.variables)
    optimizer.build([keras.Variable(v, name=f"v{i}") for i, v in enumerate(variables)])
    return [tuple(slot.shape) for slot in optimizer.variables[before:]]


# ---- Shampoo ----


def test_shampoo_by_hand_on_a_diagonal_matrix():
    # L = R = diag(16 + 9, 9 + 16): both roots are 1/√5, and each entry of g is divided by 5
    g = np.diag([3.0, 4.0])
    L = R = np.diag([16.0, 9.0])
    w, state = RULES["shampoo"].step(
        np.zeros((2, 2)), g, {"L": L, "R": R}, learning_rate=1.0, epsilon=1.0
    )
    np.testing.assert_allclose(w, [[-0.6, 0.0], [0.0, -0.8]], atol=EXACT)
    np.testing.assert_array_equal(state["L"], np.diag([25.0, 25.0]))


def test_shampoos_first_step_on_a_matrix_of_rank_one_has_length_one():
    # g = a bᵀ: L a = (epsilon + |a|² |b|²) a, and so for R and b
    g = np.outer([1.0, 2.0, 2.0], [4.0, 3.0])  # lengths 3 and 5
    step = after_one_step("shampoo", g, learning_rate=1.0, epsilon=31.0)  # 225 + 31 = 16²
    np.testing.assert_allclose(step, g / 16, rtol=EXACT)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (5,), (), (2, 3, 4), (2, 1, 2, 2)])
def test_shampoos_first_step_divides_singular_values_by_their_own_size(shape):
    g = RNG.normal(size=shape)
    u, s, vt = np.linalg.svd(matrix(g), full_matrices=False)
    expected = (u * (s / np.sqrt(s**2 + 0.25))) @ vt
    step = after_one_step("shampoo", g, learning_rate=1.0, epsilon=0.25)
    np.testing.assert_allclose(step, expected.reshape(shape), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize(
    "shape, left, right", [((), 1, 1), ((5,), 1, 5), ((4, 3), 4, 3), ((3, 2, 4, 5), 24, 5)]
)
def test_shampoo_keeps_a_square_matrix_for_rows_and_one_for_columns(shape, left, right):
    optimizer = RULES["shampoo"].keras_class()
    assert slots(optimizer, np.zeros(shape)) == [(left, left), (right, right)]


@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_the_inverse_fourth_root_undoes_four_factors(condition):
    q, _ = np.linalg.qr(RNG.normal(size=(5, 5)))
    a = (q * np.geomspace(1, condition, 5)) @ q.T
    np.testing.assert_allclose(
        np.linalg.matrix_power(root(a, 1e-9), 4) @ a, np.eye(5), atol=condition * EXACT
    )


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "XLA"])
@pytest.mark.parametrize("size", [3, 24])
def test_the_root_is_exact_where_eigh_alone_is_not(size, compiled):
    # XLA's eigh leaves 1e-8 beside the diagonal at condition 1e3: the day `rough` passes, simplify root
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(size, size)))
    values = np.geomspace(1, 1e3, size)
    a = tf.constant((q * values) @ q.T)

    def both():
        found, vectors = keras.ops.linalg.eigh(a)
        rough = vectors * found**-0.25 @ keras.ops.transpose(vectors)
        return rough, root(a, 1e-9, keras.ops)

    rough, fine = tf.function(both, jit_compile=True)() if compiled else both()
    expected = (q * values**-0.25) @ q.T
    np.testing.assert_allclose(fine, expected, atol=EXACT)
    assert (np.max(np.abs(rough - expected)) > EXACT) == compiled


def test_rounding_below_epsilon_is_lifted_and_no_root_of_a_negative_number_taken():
    np.testing.assert_allclose(root(np.diag([-1e-9, 16.0]), 1e-4), np.diag([10.0, 0.5]))


def test_shampoo_in_float32_stays_finite_on_gradients_of_rank_one():
    w = keras.Variable(np.ones((8, 6), "float32"))
    optimizer = RULES["shampoo"].keras_class(epsilon=1e-6)
    g = np.outer(RNG.normal(size=8), RNG.normal(size=6)).astype("float32")
    for _ in range(30):
        optimizer.apply([tf.constant(100 * g)], [w])
    # 1 / √1 + 1 / √2 + ... + 1 / √30 steps of 0.1 in one direction
    walked = np.linalg.norm(w.numpy() - 1)
    np.testing.assert_allclose(walked, 0.1 * np.sum(np.arange(1, 31) ** -0.5), rtol=1e-3)


# ---- Muon ----


def test_orthogonal_gives_the_numbers_of_kerass_own_test():
    seen = orthogonal(np.array([[0.2499, 0.9105], [0.2655, 0.8824]]), 5)
    np.testing.assert_allclose(seen, [[-0.4422, 0.6457], [0.7285, 0.2968]], atol=1e-3)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (3, 3), (1, 5), (5, 1)])
def test_orthogonal_is_a_polynomial_of_the_singular_values(shape):
    x = RNG.normal(size=shape)
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    a, b, c = COEFFICIENTS
    s = s / (np.linalg.norm(s) + 1e-7)
    for _ in range(5):
        s = a * s + b * s**3 + c * s**5
    np.testing.assert_allclose(orthogonal(x, 5), (u * s) @ vt, atol=EXACT)
    assert np.all((s > 0.6) & (s < 1.25))


def test_orthogonal_leaves_zero_where_it_is_and_zero_steps_only_divide():
    np.testing.assert_array_equal(orthogonal(np.zeros((2, 3)), 5), np.zeros((2, 3)))
    np.testing.assert_allclose(orthogonal(np.array([[3.0, 4.0]]), 0), [[0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("shape", [(64, 16), (16, 64), (32, 32)])
def test_a_step_of_muon_is_as_large_as_rms_rate_says_whatever_the_shape(shape):
    step = after_one_step("muon", RNG.normal(size=shape), learning_rate=1.0, rms_rate=0.25)
    assert 0.2 < np.sqrt(np.mean(step**2)) < 0.27


def test_muon_keeps_one_slot_for_a_matrix_and_two_for_the_rest():
    optimizer = RULES["muon"].keras_class()
    shapes = slots(optimizer, np.zeros((4, 3)), np.zeros(3), np.zeros((2, 2, 1, 1)), 0.0)
    assert sorted(shapes) == sorted([(4, 3), *[(3,)] * 2, *[(2, 2, 1, 1)] * 2, *[()] * 2])


@pytest.mark.parametrize(
    "name, arguments, left",
    [
        ("hidden/kernel", {}, False),
        ("embedding/embeddings", {}, True),
        ("embedding/embeddings", dict(exclude_embeddings=False), False),
        ("head/kernel", dict(exclude_layers=["^head"]), True),
        ("hidden/kernel", dict(exclude_layers=["^head"]), False),
    ],
)
def test_embeddings_and_excluded_layers_are_left_to_adamw_as_keras_does(name, arguments, left):
    ends = []
    for make in (RULES["muon"].keras_class, keras.optimizers.Muon):
        layer, variable = name.split("/")
        with keras.name_scope(layer):
            w = keras.Variable(np.ones((3, 2)), dtype="float32", name=variable)
        optimizer = make(learning_rate=0.125, **arguments)
        optimizer.apply([tf.constant([[1.0, 2.0], [3.0, 1.0], [2.0, 2.0]])], [w])
        ends.append(w.numpy())
    np.testing.assert_allclose(*ends, rtol=1e-6)
    moved = ends[0] - 1 + 0.125 * 0.004
    assert np.allclose(moved, -0.125, atol=1e-5) == left  # Adam's first step: the sign


def test_the_names_of_layers_come_back_from_the_configuration():
    cls = RULES["muon"].keras_class
    config = cls(exclude_layers=["head"], exclude_embeddings=False).get_config()
    again = cls.from_config(config)
    assert (again.exclude_layers, again.exclude_embeddings) == (["head"], False)
    assert cls().get_config()["exclude_layers"] == [] and cls().exclude_embeddings is True


def test_weight_decay_is_one_for_matrices_and_another_for_the_rest():
    optimizer = RULES["muon"].keras_class(1.0, weight_decay=0.25, adam_weight_decay=0.5)
    variables = [keras.Variable(np.ones(shape), name=f"v{len(shape)}") for shape in ((2, 2), (2,))]
    optimizer.exclude_from_weight_decay(var_names=["nothing"])
    optimizer.apply([tf.zeros((2, 2)), tf.zeros(2)], variables)
    assert [float(keras.ops.max(v)) for v in variables] == [0.75, 0.5]


def test_a_schedule_is_followed_as_by_kerass_muon_in_float32():
    decay = keras.optimizers.schedules.InverseTimeDecay(0.125, decay_steps=1, decay_rate=1.0)
    ends = []
    for make in (RULES["muon"].keras_class, keras.optimizers.Muon):
        w = keras.Variable(np.ones((2, 3)), dtype="float32")
        optimizer = make(decay)
        for g in np.random.default_rng(0).normal(size=(5, 2, 3)).astype("float32"):
            optimizer.apply([tf.constant(g)], [w])
        ends.append(w.numpy())
    np.testing.assert_allclose(*ends, rtol=1e-5)


def test_kerass_muon_refuses_float64():
    # the day this fails, take the NB in muon.py away, and _builtin_path of checks/properties/tellings.py
    w = keras.Variable(np.ones((2, 3)), dtype="float64")
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected to be a double tensor"):
        keras.optimizers.Muon().apply([tf.ones((2, 3), tf.float64)], [w])

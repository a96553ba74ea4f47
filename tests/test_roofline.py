"""The roofline: what is counted is counted right, and the fast Adam is the course's Adam.  No timings: see benchmarks/."""

import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

from course_lib.optimizers import RULES
from course_lib.roofline import (
    BlockedAdam,
    adam_on_a_block,
    bandwidth,
    least_bytes,
    packed,
    touch,
    traffic,
)

import numpy as np
import pytest

HYPER = dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625)
SHAPES = [(), (1,), (7, 3), (0, 4), (2, 3, 5), (40,)]


def drawn(shapes, seed, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def walked(tensors, gradients, **hyper):
    """Where the course's own Adam takes each tensor, in float64."""
    adam, ends = RULES["adam"], []
    for i, w in enumerate(tensors):
        w, state = w.astype("float64"), adam.init(w.astype("float64"))
        for gs in gradients:
            w, state = adam.step(w, gs[i].astype("float64"), state, **hyper)
        ends.append(w)
    return ends


def by_the_paper(tensors, gradients, *, learning_rate, beta_1, beta_2, epsilon):
    """Where Algorithm 1, in the paper's own rows, takes each tensor, in float64."""
    ends = []
    for i, w in enumerate(tensors):
        w, m, v = w.astype("float64"), 0.0, 0.0
        for t, gs in enumerate(gradients, 1):
            g = gs[i].astype("float64")
            m = beta_1 * m + (1 - beta_1) * g
            v = beta_2 * v + (1 - beta_2) * g**2
            m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
            w = w - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)
        ends.append(w)
    return ends


# ---- The blocked Adam ----


@pytest.mark.parametrize("block", [1, 3, 16, 10_000])
@pytest.mark.parametrize(
    "hyper",
    [
        HYPER,
        dict(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7),
        dict(learning_rate=0.001, beta_1=0.0, beta_2=0.0, epsilon=1e-7),
    ],
    ids=["exact betas", "defaults", "no memory"],
)
def test_blocked_adam_is_adam_over_fifty_steps_whatever_the_block(hyper, block):
    tensors, gradients = drawn(SHAPES, 0), [drawn(SHAPES, seed) for seed in range(1, 51)]
    adam = BlockedAdam(tensors, **hyper, block=block)
    for gs in gradients:
        adam.step(gs)
    twins = [by_the_paper(tensors, gradients, **hyper)]
    if hyper["beta_1"]:
        # Without a memory m + 1 · (g − m) cancels where m is large, and Algorithm 1's row does not.
        twins.append(walked(tensors, gradients, **hyper))
    for twin in twins:
        for ours, theirs in zip(adam.weights, twin, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_in_float32_it_is_off_by_no_more_than_a_rounding_a_pass():
    hyper = dict(learning_rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-7)
    tensors = drawn([(50, 40)], 0, "float32")
    gradients = [drawn([(50, 40)], seed, "float32") for seed in range(1, 51)]
    adam = BlockedAdam(tensors, **hyper, block=300)
    for gs in gradients:
        adam.step(gs)
    (ours,), (theirs,) = adam.weights, walked(tensors, gradients, **hyper)
    assert ours.dtype == np.float32
    # 50 steps: each rounds w once, and an update of about one learning rate at each of ten passes.
    half_an_ulp = np.finfo("float32").eps / 2
    room = 50 * half_an_ulp * (np.abs(theirs) + 10 * hyper["learning_rate"])
    assert np.all(np.abs(ours - theirs) <= room)
    assert np.any(ours != theirs)


def test_four_hundred_tensors_go_where_one_tensor_goes_to_the_bit():
    shapes = [(5, 5)] * 400
    tensors, gradients = drawn(shapes, 0, "float32"), drawn(shapes, 1, "float32")
    many = BlockedAdam(tensors, block=64)
    one = BlockedAdam([np.concatenate([w.ravel() for w in tensors])], block=64)
    for _ in range(3):
        many.step(gradients)
        one.step([np.concatenate([g.ravel() for g in gradients])])
    np.testing.assert_array_equal(np.concatenate([w.ravel() for w in many.weights]), one.weights[0])


def test_gradients_written_into_the_views_are_those_handed_over():
    tensors, gradients = drawn(SHAPES, 0), drawn(SHAPES, 1)
    written, handed = BlockedAdam(tensors, **HYPER), BlockedAdam(tensors, **HYPER)
    for view, g in zip(written.gradients, gradients, strict=True):
        view[...] = g
    written.step()
    handed.step(gradients)
    for a, b in zip(written.weights, handed.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_tensors_and_gradients_that_are_handed_over_are_left_alone():
    tensors, gradients = drawn([(3, 2)], 0), drawn([(3, 2)], 1)
    before = [x.copy() for x in tensors + gradients]
    adam = BlockedAdam(tensors)
    adam.step(gradients)
    for a, b in zip(tensors + gradients, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.shares_memory(adam.weights[0], tensors[0])


def test_a_new_learning_rate_counts_from_the_next_step_on():
    tensors, gradients = drawn([(3,)], 0), drawn([(3,)], 1)
    adam = BlockedAdam(tensors, **HYPER)
    adam.learning_rate = 0.0
    adam.step(gradients)
    np.testing.assert_array_equal(adam.weights[0], tensors[0])
    adam.learning_rate = 0.125
    adam.step()
    assert np.all(adam.weights[0] != tensors[0])


def test_a_step_makes_no_array():
    adam = BlockedAdam(drawn([(300, 300)], 0, "float32"), block=1024)
    adam.step()
    tracemalloc.start()
    try:
        adam.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1024  # bytes: a quarter of one block, let alone of the 360,000 of the weights


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="`tensors` is empty"):
        BlockedAdam([])
    with pytest.raises(TypeError, match="one dtype. Received: float32, float64"):
        BlockedAdam([np.zeros(2, "float32"), np.zeros(2)])
    with pytest.raises(TypeError, match="Received: int64"):
        BlockedAdam([np.zeros(2, "int64")])
    with pytest.raises(ValueError, match="`beta_2` must be .* Received: beta_2=1"):
        BlockedAdam([np.zeros(2)], beta_2=1)
    for block in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="`block` must be a whole number"):
            BlockedAdam([np.zeros(2)], block=block)
    adam = BlockedAdam([np.zeros((2, 3))])
    with pytest.raises(ValueError, match=r"shapes of the tensors. Received: \[\(3, 2\)\]"):
        adam.step([np.zeros((3, 2))])
    with pytest.raises(ValueError, match="shapes of the tensors"):
        adam.step([])
    assert adam.t == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_walked_begins_where_a_line_of_the_cache_does(dtype):
    for size in (1, 7, 100_000):  # a large array of NumPy's own begins 16 bytes later
        blocks = BlockedAdam([np.ones(size, dtype)])._blocks
        assert all(array.ctypes.data % 64 == 0 for block in blocks for array in block)


def test_packed_views_are_the_flat_array():
    tensors = drawn(SHAPES, 0)
    flat, views = packed(tensors)
    np.testing.assert_array_equal(flat, np.concatenate([x.ravel() for x in tensors]))
    for view, tensor in zip(views, tensors, strict=True):
        np.testing.assert_array_equal(view, tensor)
        assert np.shares_memory(view, flat) or not view.size
    flat[:] = 7
    assert all(np.all(view == 7) for view in views)


# ---- Counting ----

# Bytes a float32 weight: 4 · (w, g and the state read; w and the state written).
BYTES = {
    "sgd": 12, "momentum": 20, "nesterov": 20, "adagrad": 20, "lion": 20, "rmsprop": 28,
    "adam": 28, "adamw": 28, "amsgrad": 36, "centered_rmsprop": 36,
}  # fmt: skip


@pytest.mark.parametrize("name", BYTES)
def test_least_bytes_of_a_rule(name):
    w = np.zeros((50, 20), "float32")
    assert least_bytes(RULES[name], w) == BYTES[name] * w.size
    assert least_bytes(RULES[name], w.astype("float64")) == 2 * BYTES[name] * w.size


def test_a_factored_state_moves_hardly_more_than_gradient_descent():
    w = np.zeros((100, 100), "float32")
    assert least_bytes(RULES["adafactor"], w) == 12 * w.size + 8 * (100 + 100)


def test_least_bytes_passes_hyperparameters_on_and_leaves_counts_out():
    def init(w, *, slots):
        return {"t": 0, **{str(i): np.zeros_like(w) for i in range(slots)}}

    w = np.zeros(10, "float32")
    assert least_bytes(SimpleNamespace(init=init), w, slots=3) == 10 * (12 + 3 * 8)


def test_naive_adam_makes_fourteen_passes_and_moves_136_bytes_a_weight():
    w, g = drawn([(6, 5), (6, 5)], 0, "float32")
    rule = RULES["adam"].numpy
    counted = traffic(rule.step, w, g, rule.init(w), **HYPER)
    # Eight of its operations read one array and write one. Six read two: two differences, two sums,
    # the quotient, w − ...
    assert counted.passes == 14
    assert counted.bytes == (8 * 8 + 6 * 12) * w.size
    assert counted.results == 14 * w.size


def test_naive_gradient_descent_makes_two_passes():
    w, g = drawn([(6,), (6,)], 0, "float32")
    counted = traffic(RULES["sgd"].numpy.step, w, g, {}, learning_rate=0.5)
    assert (counted.passes, counted.bytes) == (2, (8 + 12) * 6)


def test_a_block_is_walked_ten_times_in_place():
    arrays = [np.abs(x) for x in drawn([(8,)] * 5, 0, "float32")]
    counted = traffic(adam_on_a_block, *arrays, beta_1=0.9, beta_2=0.999, rate=0.1, epsilon=1e-7)
    assert (counted.passes, counted.results) == (10, 10 * 8)


def test_counting_changes_neither_the_arrays_nor_the_result():
    w, g = drawn([(6,), (6,)], 0)
    seen = {}

    def keep(w, g, state):
        seen["w"], seen["state"] = RULES["momentum"].numpy.step(
            w, g, state, learning_rate=0.5, momentum=0.75
        )

    state, before = {"v": np.ones(6)}, (w.copy(), g.copy())
    traffic(keep, w, g, state)
    want, _ = RULES["momentum"].step(w, g, state, learning_rate=0.5, momentum=0.75)
    np.testing.assert_array_equal(np.asarray(seen["w"]), want)
    np.testing.assert_array_equal(w, before[0])
    np.testing.assert_array_equal(state["v"], np.ones(6))


# ---- Bandwidth ----


def test_touch_reads_and_writes_what_adam_must():
    arrays = drawn([(9,)] * 4, 0, "float32")
    w = np.zeros(9, "float32")
    assert traffic(touch, *arrays).bytes == least_bytes(RULES["adam"], w)
    assert traffic(touch, *arrays[:2]).bytes == least_bytes(RULES["sgd"], w)


def test_bandwidth_is_a_number_of_bytes_a_second():
    assert 1e6 < bandwidth(2**16, seconds=0.01) < 1e14
    with pytest.raises(ValueError, match="`size` must be 64 bytes or more. Received: size=8"):
        bandwidth(8)


def test_importing_it_loads_neither_keras_nor_tensorflow():
    code = "import course_lib.roofline, sys; print({'keras', 'tensorflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr

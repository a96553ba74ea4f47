"""Averages are what their equations say, in NumPy and around any Keras optimizer."""

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES
from course_lib.wrappers import Averaging, averaging

import keras
import numpy as np
import pytest
from keras import ops
from wrapped import BUILT_IN, HOWS, INSIDE, TOLERANCE, TORCH, K, apart, fit, numpy_of

AVERAGES_ITSELF = "schedule_free"  # refused
wrappable = pytest.mark.parametrize("name", [name for name in RULES if name != AVERAGES_ITSELF])

# ---- Averages in NumPy ----


def averaged_by(rule, w, gradients, **hyper):
    """The iterates, and the average after each."""
    state, path, averages = rule.init(w, **hyper), [], []
    for g in gradients:
        w, state = rule.step(w, g, state, **hyper)
        path.append(w)
        averages.append(state["average"])
    return np.array(path), np.array(averages)


def test_the_mean_of_iterates_by_hand():
    # 8 → 4 → 2 → 1 → 0.5, and the mean of all; of all but one; of every second but one
    for how, wanted in [
        ({}, [4, 3, 7 / 3, 7.5 / 4]),
        (dict(start=1), [4, 2, 1.5, 3.5 / 3]),
        (dict(start=1, every=2), [4, 2, 1, 1]),
        (dict(every=2), [4, 2, 2, 1.25]),
        (dict(momentum=0), [4, 2, 1, 0.5]),
    ]:
        rule = averaging(RULES["sgd"], **how)
        w, state, seen = np.array(8.0), rule.init(np.array(8.0), learning_rate=0.5), []
        for _ in range(4):
            w, state = rule.step(w, w, state, learning_rate=0.5)
            seen.append(float(state["average"]))
        assert seen == pytest.approx(wanted, abs=TOLERANCE), how
        assert w == 0.5


@pytest.mark.parametrize("momentum", [0.25, 0.9, 0.999])
def test_a_moving_average_gives_the_beginning_no_part(momentum):
    gradients = np.random.default_rng(0).normal(size=(9, 2))
    ema = averaging(RULES["sgd"], momentum)
    path, averages = averaged_by(ema, np.array([1e6, -1e6]), gradients, learning_rate=0.5)
    for n in range(1, 10):
        parts = momentum ** np.arange(n)[::-1]
        wanted = parts @ path[:n] / parts.sum()
        np.testing.assert_allclose(averages[n - 1], wanted, rtol=1e-12)


def test_the_state_of_an_average_is_a_value():
    hyper = dict(learning_rate=0.125, momentum=0.75)
    rule, w = averaging(RULES["momentum"], 0.5), np.array([1.0, 2.0])
    state = rule.init(w, **hyper)
    assert not np.shares_memory(state["average"], w)
    w, state = rule.step(w, w, state, **hyper)
    assert not np.shares_memory(state["average"], w)
    for array in (w, state["average"], state["rule"]["v"]):
        array.setflags(write=False)
    one, other = (rule.step(w, w, state, **hyper) for _ in range(2))
    assert np.array_equal(one[1]["average"], other[1]["average"])
    assert (state["count"], state["updates"]) == (1, 1)


def test_the_mean_of_noisy_iterates_beats_the_last():
    rng = np.random.default_rng(1)
    rule = averaging(RULES["sgd"], start=100)
    w, state = np.ones(1000), rule.init(np.ones(1000), learning_rate=0.1)
    for _ in range(1100):
        w, state = rule.step(w, w + rng.normal(size=1000), state, learning_rate=0.1)
    last, mean = np.mean(w**2), np.mean(state["average"] ** 2)
    assert last == pytest.approx(0.1 / 1.9, rel=0.1)  # learning_rate / (2 - learning_rate)
    assert mean == pytest.approx(1 / 1000, rel=0.1)  # the variance of the mean of 1000 gradients


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (dict(momentum=1.5), "`momentum`"),
        (dict(momentum=-0.1), "`momentum`"),
        (dict(momentum=float("nan")), "`momentum`"),
        (dict(momentum=True), "`momentum`"),
        (dict(momentum="most"), "`momentum`"),
        (dict(start=-1), "`start`"),
        (dict(start=1.0), "`start`"),
        (dict(every=0), "`every`"),
        (dict(every=True), "`every`"),
    ],
    ids=str,
)
def test_averages_that_make_no_sense_are_refused(wrong, says):
    for make in (lambda: averaging(RULES["sgd"], **wrong), lambda: Averaging(K.SGD(), **wrong)):
        with pytest.raises(ValueError, match=f"{says} must be .* Received: {says[1:-1]}="):
            make()


# ---- Averages in Keras ----

HOW = [dict(), dict(momentum=0.75), dict(momentum=0.75, start=2, every=3), dict(start=4, every=2)]


@wrappable
def test_keras_averages_as_numpy_does(name):
    rule, settings = RULES[name], RULES[name].settings
    gradients = np.random.default_rng(0).normal(size=(11, 1, 3))
    w = np.array([[1.0, -2.0, 0.5]])
    tolerance = 1e-8 if TORCH and name == "amsgrad" else TOLERANCE
    for how in HOW:
        _, wanted = averaged_by(averaging(rule, **how), w, gradients, **settings)
        variable = keras.Variable(w, dtype="float64")
        optimizer = Averaging(rule.keras_class(**settings), **how)
        for g, average in zip(gradients, wanted, strict=True):
            optimizer.apply([ops.convert_to_tensor(g)], [variable])
            assert np.max(np.abs(average - numpy_of(optimizer.average)[0])) < tolerance
        assert int(optimizer.iterations) == 11


@pytest.mark.parametrize("make", BUILT_IN.values(), ids=BUILT_IN)
def test_training_is_not_changed_by_a_bit(make):
    def run(optimizer):
        variables = [
            keras.Variable(np.linspace(-1, 1, 6).reshape(2, 3), dtype="float64", name="w0"),
            keras.Variable(np.ones(2), dtype="float64", name="w1"),
        ]
        rng = np.random.default_rng(0)
        for _ in range(5):
            g = [ops.convert_to_tensor(rng.normal(size=v.shape)) for v in variables]
            optimizer.apply(g, variables)
        return variables

    alone, beside = make(), Averaging(make(), 0.5)
    assert apart(run(alone), run(beside)) == 0
    assert apart(alone.variables, beside.inner_optimizer.variables) == 0


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_the_average_is_the_same_eager_in_a_graph_and_under_xla(how):
    eager = fit(Averaging(K.Adam(0.125), 0.75, 2, 3), run_eagerly=True)
    model = fit(Averaging(K.Adam(0.125), 0.75, 2, 3), **how)
    tolerance = TOLERANCE if keras.backend.backend() == "tensorflow" else 1e-6
    assert apart(eager.optimizer.average, model.optimizer.average) < tolerance
    assert apart(model.weights, model.optimizer.average) > 1e-3
    assert (int(model.optimizer.count), int(model.optimizer.updates)) == (3, 12)


def test_kerass_average_is_ours_and_a_rest_of_the_first_iterate():
    m = 0.75
    optimizer = Averaging(K.SGD(0.125, use_ema=True, ema_momentum=m), m)
    w, first = keras.Variable(np.ones(3), dtype="float64"), None
    for n, g in enumerate(np.random.default_rng(0).normal(size=(9, 3)), 1):
        optimizer.apply([ops.convert_to_tensor(g)], [w])
        first = numpy_of([w])[0].copy() if first is None else first
        (ours,) = numpy_of(optimizer.average)
        (theirs,) = numpy_of(optimizer.inner_optimizer._model_variables_moving_average)
        assert np.max(np.abs(theirs - ((1 - m**n) * ours + m**n * first))) < TOLERANCE


def test_a_run_saved_within_a_cycle_goes_on_exactly(tmp_path):
    def make():
        return Averaging(K.Adam(0.125), 0.5, start=1, every=4)

    whole = fit(make(), epochs=3)
    fit(make(), epochs=1).save(tmp_path / "m.keras")  # 6 updates: 1 into the second cycle
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    config = loaded.optimizer.get_config()
    assert [config[a] for a in Averaging.arguments] == [0.5, 1, 4]
    assert (int(loaded.optimizer.count), int(loaded.optimizer.updates)) == (1, 6)
    fit(None, loaded, epochs=2)
    assert apart(whole.weights, loaded.weights) == 0
    assert apart(whole.optimizer.variables, loaded.optimizer.variables) == 0


@pytest.mark.parametrize("make", INSIDE.values(), ids=INSIDE)
def test_an_average_counts_updates_and_not_micro_batches(make):
    large = fit(Averaging(K.SGD(0.125, momentum=0.75), every=2), batch_size=16)
    soft = fit(Averaging(make(), every=2), batch_size=4)
    assert apart(large.optimizer.average, soft.optimizer.average) < (1e-6 if TORCH else TOLERANCE)
    assert (int(soft.optimizer.count), int(soft.optimizer.updates)) == (3, 6)


# ---- Half precision, and momentum near 1 ----


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99, 0.999, 0.9999, 1 - 1e-9, 1.0])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_an_average_of_half_precision_weights_is_that_of_the_points(dtype, momentum):
    w = keras.Variable(np.ones(1), dtype=dtype)
    optimizer = Averaging(K.SGD(0.0), momentum)
    optimizer.build([w])
    points = []
    for point in np.linspace(1, 2, 40):
        w.assign(ops.cast(np.array([point]), dtype))
        points.append(float(numpy_of([ops.cast(w, "float32")])[0][0]))
        optimizer.apply([ops.zeros(1, dtype)], [w])
    wanted = np.average(points, weights=momentum ** np.arange(39, -1, -1.0))
    assert optimizer.average[0].dtype == "float32"
    assert float(numpy_of(optimizer.average)[0][0]) == pytest.approx(wanted, rel=3e-6)

"""Lookahead and averages are what their equations say, in NumPy and around any Keras optimizer; models come back from
their average whatever happens; optimistic steps arrive where plain ones spiral out."""

import inspect
import textwrap

import course_lib  # noqa: F401
from course_lib.averaging import (
    Averaging,
    EvaluateAtAverage,
    Lookahead,
    at_average,
    averaging,
    lookahead,
    optimistic,
)
from course_lib.optimizers import RULES, schedule_free
from course_lib.soft_batch import SoftBatch, soft_batch

import keras
import numpy as np
import pytest
from keras import ops

K = keras.optimizers
TOLERANCE = 1e-12
TORCH = keras.backend.backend() == "torch"


def numpy_of(variables):
    return [ops.convert_to_numpy(v) for v in variables]


def apart(ones, others):
    pairs = zip(numpy_of(ones), numpy_of(others), strict=True)
    return max(float(np.max(np.abs(one - other))) for one, other in pairs)


# ---- NumPy ----


def test_algorithm_1_by_hand():
    # 8 → 4 → 2 with gradient w and learning rate 0.5; slow goes from 8 a quarter of the way to 2: 6.5
    ahead, w = lookahead(RULES["sgd"], 2, 0.25), np.array(8.0)
    state = ahead.init(w, learning_rate=0.5)
    seen = []
    for _ in range(3):
        w, state = ahead.step(w, w, state, learning_rate=0.5)
        seen.append(float(w))
    assert seen == [4.0, 6.5, 3.25] and state == {"slow": 6.5, "count": 1, "rule": {}}


def test_the_numpy_state_is_a_value():
    hyper = dict(learning_rate=0.125, momentum=0.75)
    ahead, w = lookahead(RULES["momentum"], 2, 0.5), np.array([1.0, 2.0])
    state = ahead.init(w, **hyper)
    assert not np.shares_memory(state["slow"], w)
    w, state = ahead.step(w, w, state, **hyper)
    for array in (w, state["slow"], state["rule"]["v"]):
        array.setflags(write=False)
    one, other = (ahead.step(w, w, state, **hyper) for _ in range(2))
    assert np.array_equal(one[0], other[0]) and state["count"] == 1 and one[1]["count"] == 0


def test_with_alpha_one_nothing_is_changed():
    rule, settings = RULES["adam"], RULES["adam"].settings
    ahead = lookahead(rule, 3, 1)
    w = fast = np.array([1.0, -2.0])
    state, fast_state = ahead.init(w, **settings), rule.init(w, **settings)
    for g in np.random.default_rng(0).normal(size=(7, 2)):
        w, state = ahead.step(w, g, state, **settings)
        fast, fast_state = rule.step(fast, g, fast_state, **settings)
    assert np.max(np.abs(w - fast)) < TOLERANCE


def test_optimistic_steps_arrive_in_the_bilinear_game_and_ask_once():
    asked = []

    def gradient(w):
        asked.append(w)
        return np.array([w[1], -w[0]])

    w, before = np.array([1.0, 1.0]), None
    start = w
    for _ in range(200):
        w, before = optimistic(gradient, w, before, 0.5)
    assert np.linalg.norm(w) < 1e-20 and len(asked) == 200 and np.array_equal(start, [1, 1])


def test_two_optimistic_steps_by_hand():
    w, before = optimistic(lambda w: w, 8.0, None, 0.5)
    assert (w, before) == (4.0, 8.0)
    assert optimistic(lambda w: w, w, before, 0.5) == (4.0, 4.0)  # 4 − 0.5 · (2 · 4 − 8)


@pytest.mark.parametrize(
    ("steps", "alpha", "says"),
    [
        (0, 0.5, "`steps`"),
        (2.0, 0.5, "`steps`"),
        (True, 0.5, "`steps`"),
        (5, 0, "`alpha`"),
        (5, 1.5, "`alpha`"),
        (5, float("nan"), "`alpha`"),
        (5, "half", "`alpha`"),
        (5, True, "`alpha`"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(steps, alpha, says):
    for make in (
        lambda: lookahead(RULES["sgd"], steps, alpha),
        lambda: Lookahead(K.SGD(), steps, alpha),
    ):
        with pytest.raises(ValueError, match=says):
            make()


# ---- Keras ----

AVERAGES_ITSELF = "schedule_free"  # refused
wrappable = pytest.mark.parametrize("name", [name for name in RULES if name != AVERAGES_ITSELF])


@wrappable
def test_keras_takes_the_path_of_numpy(name):
    rule, settings = RULES[name], RULES[name].settings
    ahead, w = lookahead(rule, 3, 0.375), np.array([[1.0, -2.0, 0.5]])
    state = ahead.init(w, **settings)
    variable = keras.Variable(w, dtype="float64")
    optimizer = Lookahead(rule.keras_class(**settings), 3, 0.375)
    # NB: on PyTorch our AMSGrad, without Lookahead too, is 5e-9 away from its NumPy rule.
    tolerance = 1e-8 if TORCH and name == "amsgrad" else TOLERANCE
    for g in np.random.default_rng(0).normal(size=(11, 1, 3)):
        w, state = ahead.step(w, g, state, **settings)
        optimizer.apply([ops.convert_to_tensor(g)], [variable])
        assert np.max(np.abs(w - ops.convert_to_numpy(variable))) < tolerance
    assert int(optimizer.iterations) == 11 and int(optimizer.count) == state["count"] == 2


BUILT_IN = {
    "SGD": lambda: K.SGD(0.125),
    "momentum": lambda: K.SGD(0.125, momentum=0.75),
    "Adam": lambda: K.Adam(0.125),
    "AdamW, schedule": lambda: K.AdamW(K.schedules.CosineDecay(0.125, 9), clipnorm=0.5),
    "EMA": lambda: K.SGD(0.125, use_ema=True, ema_momentum=0.5),
    "Lion": lambda: K.Lion(0.125),
    "several": lambda: K.MultiOptimizer(K.OptimizerMap(K.Adam(), {"w1": K.SGD(0.125)})),
}


@pytest.mark.parametrize("make", BUILT_IN.values(), ids=BUILT_IN)
def test_any_keras_optimizer_is_pulled_back_and_otherwise_let_alone(make):
    def variables():
        return [
            keras.Variable(np.linspace(-1, 1, 6).reshape(2, 3), dtype="float64", name="w0"),
            keras.Variable(np.ones(2), dtype="float64", name="w1"),
        ]

    (fast, w), (ahead, w_ahead) = (make(), variables()), (Lookahead(make(), 3), variables())
    slow, rng = numpy_of(w), np.random.default_rng(0)
    for i in range(7):
        g = [ops.convert_to_tensor(rng.normal(size=v.shape)) for v in w]
        fast.apply(g, w)
        ahead.apply(g, w_ahead)
        if i % 3 == 2:
            slow = [s + 0.5 * (v - s) for s, v in zip(slow, numpy_of(w), strict=True)]
            for v, s in zip(w, slow, strict=True):
                v.assign(s)
        assert apart(w, w_ahead) < TOLERANCE
    assert apart(fast.variables, ahead.inner_optimizer.variables) < TOLERANCE


x = np.random.default_rng(0).normal(size=(48, 5))
y = np.sin(x[:, :1])


def network():
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    return keras.Sequential(
        [
            keras.Input((5,), dtype="float64"),
            dense(6, activation="tanh", dtype="float64"),
            dense(1, dtype="float64"),
        ]
    )


def fit(optimizer, model=None, epochs=2, batch_size=8, **how):
    if model is None:
        model = network()
        model.compile(optimizer, loss="mse", **{"jit_compile": False, **how})
    model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)
    return model


HOWS = [dict(jit_compile=not TORCH), dict(jit_compile=False)]
HOWS += [] if TORCH else [dict(steps_per_execution=4)]  # PyTorch has no such setting


@pytest.mark.parametrize("how", HOWS, ids=str)
def test_fit_is_the_same_eager_in_a_graph_and_under_xla(how):
    eager = fit(Lookahead(K.Adam(0.125), 5), run_eagerly=True)
    model = fit(Lookahead(K.Adam(0.125), 5), **how)
    plain = fit(K.Adam(0.125), run_eagerly=True)
    # NB: on JAX plain Adam itself is 5e-8 away from its eager self, and PyTorch computes parts in float32.
    tolerance = TOLERANCE if keras.backend.backend() == "tensorflow" else 1e-6
    assert apart(eager.weights, model.weights) < tolerance
    assert apart(eager.weights, plain.weights) > 1e-3
    assert int(model.optimizer.iterations) == 12 and int(model.optimizer.count) == 2


def test_a_run_saved_between_two_slow_steps_goes_on_exactly(tmp_path):
    whole = fit(Lookahead(K.Adam(0.125), 4, 0.25), epochs=3)
    model = fit(Lookahead(K.Adam(0.125), 4, 0.25), epochs=1)  # 6 updates: 2 into the second cycle
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert int(loaded.optimizer.count) == 2
    fit(None, loaded, epochs=2)
    assert apart(whole.weights, loaded.weights) == 0
    assert apart(whole.optimizer.variables, loaded.optimizer.variables) == 0


def test_weights_that_are_set_between_cycles_are_not_pulled_back_to_older_ones():
    w = keras.Variable(np.array([8.0]), dtype="float64")
    optimizer = Lookahead(K.SGD(0.5), 1, 0.5)
    optimizer.build([w])
    w.assign([2.0])
    optimizer.apply([ops.convert_to_tensor(np.array([2.0]))])
    assert ops.convert_to_numpy(w) == [1.5]


INSIDE = {
    "SoftBatch": lambda: SoftBatch(K.SGD(0.125, momentum=0.75), 4),
    "Keras's own": lambda: K.SGD(0.125, momentum=0.75, gradient_accumulation_steps=4),
}


@pytest.mark.parametrize("make", INSIDE.values(), ids=INSIDE)
def test_updates_count_and_not_micro_batches(make):
    large = fit(Lookahead(K.SGD(0.125, momentum=0.75), 2), batch_size=16)
    soft = fit(Lookahead(make(), 2), batch_size=4)
    assert apart(large.weights, soft.weights) < (1e-6 if TORCH else TOLERANCE)
    assert int(soft.optimizer.iterations) == 6


def test_a_soft_batch_outside_is_the_same_in_keras_and_in_numpy():
    large = fit(Lookahead(K.SGD(0.125, momentum=0.75), 2), batch_size=16)
    soft = fit(SoftBatch(Lookahead(K.SGD(0.125, momentum=0.75), 2), 4), batch_size=4)
    assert apart(large.weights, soft.weights) < (1e-6 if TORCH else TOLERANCE)

    inside = lookahead(soft_batch(RULES["sgd"], 1), 2, 0.5)
    outside = soft_batch(lookahead(RULES["sgd"], 2, 0.5), 1)
    ends = []
    for rule in (inside, outside):
        w, state = np.array(1.0), rule.init(np.array(1.0), learning_rate=0.5)
        for _ in range(5):
            w, state = rule.step(w, w, state, learning_rate=0.5)
        ends.append(w)
    assert ends[0] == ends[1]


def test_a_constraint_holds_after_a_slow_step():
    w = keras.Variable(np.array([[3.0], [4.0]]) / 5, dtype="float64")
    w.constraint = keras.constraints.UnitNorm(axis=0)
    optimizer = Lookahead(K.SGD(0.5), 1)
    optimizer.apply([ops.convert_to_tensor(np.array([[4.0], [-4.0]]))], [w])
    assert np.linalg.norm(ops.convert_to_numpy(w)) == pytest.approx(1, abs=1e-6)


def test_the_inner_optimizers_settings_are_reached():
    inner = K.AdamW(0.125, use_ema=True)
    optimizer, w = Lookahead(inner), keras.Variable(np.ones(2))
    optimizer.learning_rate = 0.25
    optimizer.loss_scale_factor = 8.0
    optimizer.exclude_from_weight_decay(var_list=[w])
    assert float(inner.learning_rate) == float(optimizer.learning_rate) == 0.25
    assert inner.loss_scale_factor == optimizer.loss_scale_factor == 8.0
    optimizer.build([w])
    assert not inner._use_weight_decay(w)
    optimizer.finalize_variable_values([w])  # the averages, of which there are none yet: zeros
    assert np.array_equal(ops.convert_to_numpy(w), [0, 0])


def test_what_cannot_be_wrapped_is_refused():
    with pytest.raises(TypeError, match="`optimizer` must be a keras.Optimizer"):
        Lookahead("adam")
    with pytest.raises(ValueError, match="Put it outside"):
        Lookahead(K.LossScaleOptimizer(K.SGD()))
    with pytest.raises(NotImplementedError, match="one of the two"):
        Lookahead(SoftBatch(K.ScheduleFreeAdamW(), 2))
    with pytest.raises(NotImplementedError, match="one of the two"):
        Averaging(RULES[AVERAGES_ITSELF].keras_class())
    with pytest.raises(ValueError, match="hand the variables over"):
        Lookahead(K.SGD()).apply([ops.ones(2)])


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


# ---- At the average, and back ----

KEEPS_AN_AVERAGE = {
    "ours": lambda: Averaging(K.SGD(0.125), 0.75),
    "Keras's EMA": lambda: K.SGD(0.125, use_ema=True, ema_momentum=0.75),
    "schedule-free": lambda: RULES["schedule_free"].keras_class(0.125),
    "wrapped": lambda: SoftBatch(Averaging(K.SGD(0.125)), 2),
    "scaled": lambda: K.LossScaleOptimizer(Averaging(K.SGD(0.125))),
}


def few_steps(make):
    """A model some steps into its training, by train_on_batch: at the end of `fit` Keras overwrites with its EMA."""
    model = network()
    model.compile(make(), loss="mse", jit_compile=False)
    for i in range(0, 48, 8):
        model.train_on_batch(x[i : i + 8], y[i : i + 8])
    return model


@pytest.mark.parametrize("make", KEEPS_AN_AVERAGE.values(), ids=KEEPS_AN_AVERAGE)
@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_the_model_comes_back_from_its_average_whatever_happens(make, error):
    model = few_steps(make)
    own, state = numpy_of(model.weights), numpy_of(model.optimizer.variables)
    with pytest.raises(error) if error else at_average(model):  # noqa: SIM117
        with at_average(model) as same:
            assert same is model and apart(own, model.weights) > 1e-3
            if error:
                raise error
    assert apart(own, model.weights) == 0 and apart(state, model.optimizer.variables) == 0


@pytest.mark.parametrize("make", KEEPS_AN_AVERAGE.values(), ids=KEEPS_AN_AVERAGE)
def test_before_the_first_step_the_average_is_the_weights(make):
    model = network()
    model.compile(make(), loss="mse")
    own = numpy_of(model.weights)
    with at_average(model):
        assert apart(own, model.weights) == 0
    model.optimizer.build(model.trainable_variables)
    with at_average(model):
        assert apart(own, model.weights) == 0


def test_what_is_evaluated_and_saved_within_is_the_average(tmp_path):
    model = few_steps(KEEPS_AN_AVERAGE["ours"])
    with at_average(model):
        there = model.evaluate(x, y, verbose=0)
        model.save(tmp_path / "average.keras")
    loaded = keras.saving.load_model(tmp_path / "average.keras")
    assert apart(loaded.weights, model.optimizer.average) == 0
    assert loaded.evaluate(x, y, verbose=0) == there != model.evaluate(x, y, verbose=0)


def test_evaluating_there_is_what_swap_ema_weights_evaluates():
    model = few_steps(KEEPS_AN_AVERAGE["Keras's EMA"])
    swapped = model.evaluate(x, y, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights()])
    with at_average(model):
        there = model.evaluate(x, y, verbose=0)
    assert there == pytest.approx(swapped, rel=1e-6) != model.evaluate(x, y, verbose=0)


def test_a_callback_evaluates_at_the_average_after_each_epoch():
    plain = fit(Averaging(K.SGD(0.125), 0.75))
    model = network()
    model.compile(Averaging(K.SGD(0.125), 0.75), loss="mse", jit_compile=False)
    how = dict(batch_size=8, epochs=2, shuffle=False, verbose=0, validation_data=(x, y))
    history = model.fit(x, y, callbacks=[EvaluateAtAverage(x, y)], **how).history
    assert apart(plain.weights, model.weights) < (1e-6 if TORCH else TOLERANCE)
    with at_average(model):
        assert history["average_val_loss"][-1] == pytest.approx(model.evaluate(x, y, verbose=0))
    assert history["average_val_loss"][-1] != pytest.approx(history["val_loss"][-1], rel=1e-3)


def with_batch_normalization():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(4),
            layers.Dropout(0.5),
            keras.Sequential([layers.BatchNormalization(momentum=0.9)]),
            layers.Dense(1),
        ]
    )
    model.compile(Averaging(K.SGD(0.125)), loss="mse", jit_compile=False)
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    return model


def test_batch_normalization_is_counted_anew_and_put_back():
    model = with_batch_normalization()
    model.layers[1].rate = 0.0  # so that we can count by hand; its seed must not move all the same
    (norm,) = model.layers[2].layers
    own = numpy_of(model.variables)
    with at_average(model, batchnorm=x, batch_size=20):  # 20, 20 and 8 rows
        inputs = ops.convert_to_numpy(model.layers[0](x))
        parts = [inputs[:20], inputs[20:40], inputs[40:]]
        for statistic, seen in [(np.mean, norm.moving_mean), (np.var, norm.moving_variance)]:
            wanted = np.average([statistic(p, axis=0) for p in parts], axis=0, weights=[20, 20, 8])
            np.testing.assert_allclose(ops.convert_to_numpy(seen), wanted, rtol=1e-5)
        assert norm.momentum == 0.9
        seeds = [v for v in model.variables if "seed" in v.path]
        before = [o for o, v in zip(own, model.variables, strict=True) if "seed" in v.path]
        assert seeds and apart(seeds, before) == 0
    assert apart(own, model.variables) == 0


def test_batch_normalization_must_be_spoken_of():
    model = with_batch_normalization()
    with pytest.raises(ValueError, match="`batchnorm` must be given"), at_average(model):
        pass
    (norm,) = model.layers[2].layers
    before = numpy_of([norm.moving_mean])
    with at_average(model, batchnorm=False):
        assert apart(before, [norm.moving_mean]) == 0


def test_an_optimizer_without_an_average_is_refused():
    for optimizer in (K.SGD(), K.ScheduleFreeAdamW(), Lookahead(K.SGD())):
        model = network()
        model.compile(optimizer, loss="mse")
        with pytest.raises(ValueError, match="keeps no average"), at_average(model):
            pass


# ---- Schedule-free: the weights are y, and x is the average ----


def test_x_is_the_mean_of_z_weighted_by_the_squared_rate():
    rng, w = np.random.default_rng(0), np.array([1.0, -2.0])
    state, zs, squares = schedule_free.init(w), [], []
    settings = dict(RULES["schedule_free"].settings, warmup_steps=5)
    for t in range(1, 13):
        w, state = schedule_free.step(w, rng.normal(size=2), state, **settings)
        zs.append(state["z"])
        squares.append(min(1, t / 5) ** 2)
        x_t = schedule_free.averaged(w, state["z"], settings["beta_1"])
        np.testing.assert_allclose(x_t, np.average(zs, axis=0, weights=squares), rtol=1e-12)


def test_a_rate_of_zero_moves_nothing():
    settings = dict(RULES["schedule_free"].settings, learning_rate=0.0)
    w = np.array([1.0, -2.0])
    new, _ = schedule_free.step(w, w, schedule_free.init(w), **settings)
    np.testing.assert_allclose(new, w, rtol=TOLERANCE)
    variable = keras.Variable(w, dtype="float64")
    RULES["schedule_free"].keras_class(**settings).apply([ops.convert_to_tensor(w)], [variable])
    np.testing.assert_allclose(numpy_of([variable])[0], w, rtol=TOLERANCE)


def test_beta_1_must_leave_a_way_back_to_x():
    with pytest.raises(ValueError, match="`beta_1` must be above 0"):
        RULES["schedule_free"].keras_class(beta_1=0.0)


def mended_twin():
    """Keras's class with one line mended: the old z is copied, and not called by a second name."""
    source = textwrap.dedent(inspect.getsource(K.ScheduleFreeAdamW.update_step))
    line = "momentum_old = momentum.value"
    assert source.count(line) == 1
    names = {"ops": ops}
    exec(source.replace(line, "momentum_old = ops.copy(momentum.value)"), names)
    return type("Mended", (K.ScheduleFreeAdamW,), {"update_step": names["update_step"]})


TOLD = [
    {},
    dict(clipnorm=0.5),
    dict(global_clipnorm=0.5),
    dict(clipvalue=0.25),
    dict(use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=3),
    dict(gradient_accumulation_steps=3),
    dict(loss_scale_factor=8.0),
]


@pytest.mark.parametrize("keyword", TOLD, ids=lambda keyword: next(iter(keyword), "nothing"))
def test_kerass_class_with_one_line_mended_is_ours(keyword):
    settings = dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625) | keyword
    ends = {}
    classes = (RULES["schedule_free"].keras_class, mended_twin(), K.ScheduleFreeAdamW)
    for cls in classes:
        optimizer = cls(**settings)
        w = keras.Variable([1.0, -2.0, 0.5], dtype="float64", constraint=Outside())
        for g in np.random.default_rng(0).normal(size=(9, 3)):
            optimizer.apply([ops.convert_to_tensor(g)], [w])
        ends[cls] = numpy_of([w])[0].copy()
    ours, mended, as_it_is = ends.values()
    assert np.max(np.abs(ours - mended)) < TOLERANCE
    if keras.backend.backend() != "jax":  # where a value is no second name
        assert np.max(np.abs(ours - as_it_is)) > 1e-3


class Outside(keras.constraints.Constraint):
    def __call__(self, w):
        return ops.where(ops.convert_to_tensor(w) < -1.5, -1.5, w)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a fault on TensorFlow")
def test_in_a_compiled_fit_kerass_class_throws_the_initial_weights_away_and_ours_does_not():
    moved = {}
    for cls in (K.ScheduleFreeAdamW, RULES["schedule_free"].keras_class):
        for eager in (True, False):
            model = network()
            before = numpy_of(model.weights)
            model.compile(cls(2**-10), loss="mse", run_eagerly=eager)
            model.fit(x, y, batch_size=48, verbose=0)
            moved[cls.__module__[:5], eager] = apart(before, model.weights)
    theirs, ours = ((moved[who, True], moved[who, False]) for who in ("keras", "cours"))
    assert max(ours) < 2**-9 and theirs[0] < 2**-9
    assert theirs[1] > 0.1

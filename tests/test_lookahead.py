"""Lookahead is what its equation says, in NumPy and around any Keras optimizer."""

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES
from course_lib.wrappers import Averaging, Lookahead, SoftBatch, lookahead, soft_batch

import keras
import numpy as np
import pytest
from keras import ops
from wrapped import BUILT_IN, HOWS, INSIDE, TOLERANCE, TORCH, K, apart, fit, numpy_of

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


class Jump(K.SGD):
    """The fast weights land on the other side."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign(variable, -variable)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_way_between_slow_and_fast_weights_may_be_longer_than_float16_reaches(dtype):
    w, optimizer = keras.Variable([-(2.0**15), 3.0], dtype=dtype), Lookahead(Jump(), 1, 0.75)
    optimizer.apply([ops.zeros(2, dtype)], [w])
    assert np.array_equal(numpy_of([ops.cast(w, "float32")])[0], [2.0**14, -1.5])
    assert (w.dtype, optimizer.slow[0].dtype) == (dtype, dtype)

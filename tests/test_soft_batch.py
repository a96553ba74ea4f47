"""k micro-batches make one step, and it is the step of the large batch."""

import importlib

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES
from course_lib.wrappers import Averaging, FireAtEpochEnd, Lookahead, SoftBatch, soft_batch

import keras
import numpy as np
import pytest
from keras import ops

K = keras.optimizers
K_STEPS = 4
TOLERANCE = 1e-12
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="uses tf.IndexedSlices"
)


def numpy_of(variables):
    return [ops.convert_to_numpy(v) for v in variables]


def apart(ones, others):
    pairs = zip(numpy_of(ones), numpy_of(others), strict=True)
    return max(float(np.max(np.abs(one - other))) for one, other in pairs)


# ---- NumPy ----


@pytest.mark.parametrize("name", RULES)
def test_a_numpy_rule_takes_the_large_batchs_path(name):
    rule, settings = RULES[name], RULES[name].settings
    soft = soft_batch(rule, K_STEPS)
    gradients = np.random.default_rng(0).normal(size=(6 * K_STEPS, 3))
    w_soft = w = np.array([1.0, -2.0, 0.5])
    state_soft, state = soft.init(w, **settings), rule.init(w, **settings)
    for i, g in enumerate(gradients):
        before = w_soft
        w_soft, state_soft = soft.step(w_soft, g, state_soft, **settings)
        if (i + 1) % K_STEPS:
            assert np.array_equal(w_soft, before)
            continue
        mean = gradients[i + 1 - K_STEPS : i + 1].mean(axis=0)
        w, state = rule.step(w, mean, state, **settings)
        assert np.max(np.abs(w_soft - w)) < TOLERANCE
    for letter, value in state.items():
        assert np.max(np.abs(state_soft["rule"][letter] - value)) < TOLERANCE


def test_the_numpy_state_is_a_value():
    soft = soft_batch(RULES["momentum"], 2)
    hyper = dict(learning_rate=0.125, momentum=0.75)
    w = np.array([1.0, 2.0])
    state, _ = soft.step(w, w, soft.init(w, **hyper), **hyper)[1], w.setflags(write=False)
    state["sum"].setflags(write=False)
    state["rule"]["v"].setflags(write=False)
    one, other = (soft.step(w, w, state, **hyper) for _ in range(2))
    assert np.array_equal(one[0], other[0]) and state["count"] == 1 and one[1]["count"] == 0


def test_numpy_fires_with_the_micro_batches_that_there_are():
    soft = soft_batch(RULES["sgd"], 4)
    w, state = np.array(1.0), soft.init(np.array(1.0), learning_rate=0.5)
    assert soft.fire(w, state, learning_rate=0.5) == (w, state)
    for g in (1.0, 3.0):
        w, state = soft.step(w, g, state, learning_rate=0.5)
    w, state = soft.fire(w, state, learning_rate=0.5)
    assert w == 1.0 - 0.5 * 2.0 and state == {"sum": 0.0, "count": 0, "rule": {}}


# ---- Keras: equal to the large batch ----


def ours(name):
    return lambda: RULES[name].keras_class(**RULES[name].settings)


class Shrink(keras.constraints.Constraint):
    """A constraint that shows how often it is applied."""

    def __call__(self, w):
        return 0.5 * w


cosine = K.schedules.CosineDecay(0.125, 6)
EVERYTHING = dict(weight_decay=0.25, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2)
OPTIMIZERS = {
    **{f"our {name}": ours(name) for name in RULES},
    **{
        name: lambda name=name: getattr(K, name)(0.125)
        for name in [
            "SGD",
            "RMSprop",
            "Adagrad",
            "Adadelta",
            "Adam",
            "AdamW",
            "Adamax",
            "Nadam",
            "Adafactor",
            "Ftrl",
            "Lion",
            "Lamb",
            "Muon",
            "ScheduleFreeAdamW",
        ]
    },
    "schedule": lambda: K.Adam(cosine),
    "clipnorm": lambda: K.SGD(0.125, momentum=0.75, clipnorm=0.5, **EVERYTHING),
    "clipvalue": lambda: K.Adam(cosine, clipvalue=0.25, **EVERYTHING),
    "global_clipnorm": lambda: K.RMSprop(cosine, global_clipnorm=0.5, **EVERYTHING),
    "several": lambda: K.MultiOptimizer(K.OptimizerMap(K.Adam(), {"w1": K.SGD(0.125)})),
}


@pytest.fixture
def float64():
    """Muon computes in floatx, whatever its variables are."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_k_gradients_are_one_step_with_their_mean(make, float64):
    def variables():
        made = [
            keras.Variable(np.linspace(-1, 1, 6).reshape(2, 3), dtype="float64", name="w0"),
            keras.Variable(np.ones(2), dtype="float64", name="w1"),
        ]
        made[0].constraint = Shrink()
        return made

    rng = np.random.default_rng(0)
    large, w = make(), variables()
    soft, w_soft = SoftBatch(make(), K_STEPS), variables()
    for _ in range(6):
        gradients = [[rng.normal(size=v.shape) for v in w] for _ in range(K_STEPS)]
        before = numpy_of(w_soft)
        for i, g in enumerate(gradients):
            assert all(map(np.array_equal, before, numpy_of(w_soft))), f"moved before call {i}"
            soft.apply([ops.convert_to_tensor(part) for part in g], w_soft)
        mean = [ops.convert_to_tensor(np.mean(g, axis=0)) for g in zip(*gradients, strict=True)]
        large.apply(mean, w)
        assert apart(w, w_soft) < TOLERANCE
    assert int(soft.iterations) == int(large.iterations) == 6 and int(soft.count) == 0
    assert apart(large.variables, soft.inner_optimizer.variables) < TOLERANCE


x = np.random.default_rng(0).normal(size=(48, 5))
y = np.sin(x[:, :1])


def network():
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    first = dense(6, activation="tanh", kernel_constraint=Shrink(), dtype="float64")
    return keras.Sequential([keras.Input((5,), dtype="float64"), first, dense(1, dtype="float64")])


def fit(optimizer, batch_size, epochs=2, model=None, callbacks=(), **how):
    if model is None:
        model = network()
        model.compile(optimizer, loss="mse", **{"jit_compile": False, **how})
    settings = dict(shuffle=False, verbose=0, callbacks=list(callbacks))
    model.fit(x, y, batch_size=batch_size, epochs=epochs, **settings)
    return model


@pytest.mark.parametrize(
    "how", [dict(jit_compile=True), dict(jit_compile=False), dict(run_eagerly=True)], ids=str
)
def test_fit_equals_the_large_batch(how):
    def make():
        return K.AdamW(cosine, global_clipnorm=0.5, **EVERYTHING)

    large, soft = fit(make(), 16, **how), fit(SoftBatch(make(), K_STEPS), 4, **how)
    assert apart(large.weights, soft.weights) < 1e-7 * (keras.backend.backend() == "torch") + (
        TOLERANCE
    )
    assert int(soft.optimizer.iterations) == 6
    assert float(soft.optimizer.learning_rate) == float(cosine(6))


@on_tensorflow
def test_sparse_gradients_are_added_up_row_by_row():
    import tensorflow as tf

    values = np.arange(1.0, 9.0).reshape(4, 2)
    dense = np.zeros((5, 2))
    np.add.at(dense, [3, 1, 3, 3], values)
    large, w = K.Adam(0.125), keras.Variable(np.ones((5, 2)), dtype="float64")
    soft, w_soft = SoftBatch(K.Adam(0.125), 2), keras.Variable(np.ones((5, 2)), dtype="float64")
    for _ in range(3):
        large.apply([ops.convert_to_tensor(dense / 2)], [w])
        for rows in (slice(0, 1), slice(1, 4)):
            ids = np.array([3, 1, 3, 3])[rows]
            soft.apply([tf.IndexedSlices(values[rows], ids, (5, 2))], [w_soft])
    assert apart([w], [w_soft]) < TOLERANCE


def test_a_variable_without_gradient_is_left_alone():
    w, idle = keras.Variable(np.ones(2)), keras.Variable(np.ones(2))
    soft = SoftBatch(K.SGD(0.125, weight_decay=0.5), 2)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        for _ in range(4):
            soft.apply([ops.ones(2), None], [w, idle])
        soft.apply([ops.ones(2), None], [w, idle])
    soft.fire()
    assert int(soft.iterations) == 3
    assert np.array_equal(numpy_of([idle])[0], [1, 1]) and numpy_of([w])[0][0] < 0.6
    with pytest.raises(ValueError, match="the same variables"):
        soft.apply([ops.ones(2), ops.ones(2)], [w, idle])
    with pytest.raises(ValueError, match="No gradients"):
        soft.apply([None, None], [w, idle])


# ---- The remainder ----


def test_the_remainder_goes_on_in_the_next_epoch():
    model = fit(SoftBatch(K.SGD(0.125), 5), 4, epochs=1)  # 12 micro-batches: 5 + 5 + 2
    assert (int(model.optimizer.iterations), int(model.optimizer.count)) == (2, 2)
    fit(None, 4, epochs=4, model=model)
    assert (int(model.optimizer.iterations), int(model.optimizer.count)) == (12, 0)


def test_fire_divides_by_the_true_number():
    w, soft = keras.Variable(1.0), SoftBatch(K.SGD(0.5), 4)
    soft.fire()
    for g in (1.0, 3.0):
        soft.apply([ops.convert_to_tensor(g)], [w])
    soft.fire()
    assert float(w) == 0.0 and int(soft.iterations) == 1 and int(soft.count) == 0
    soft.fire()
    assert float(w) == 0.0 and int(soft.iterations) == 1


@pytest.mark.parametrize("wrap", [lambda o: o, K.LossScaleOptimizer], ids=["bare", "loss scale"])
def test_the_callback_fires_after_each_epoch(wrap):
    soft = SoftBatch(K.Adam(0.125), 5)
    fit(wrap(soft), 4, callbacks=[FireAtEpochEnd()])
    assert (int(soft.iterations), int(soft.count)) == (6, 0)


def test_the_callback_wants_a_soft_batch():
    with pytest.raises(ValueError, match="needs a SoftBatch"):
        fit(K.SGD(), 4, callbacks=[FireAtEpochEnd()])


def test_the_callback_does_not_fire_behind_the_back_of_a_wrapper_that_counts():
    for around in (Lookahead, Averaging):
        with pytest.raises(ValueError, match="needs a SoftBatch"):
            fit(around(SoftBatch(K.SGD(), 5)), 4, callbacks=[FireAtEpochEnd()])


# ---- Micro-batches that are not equally large ----

GROUPS = [4, 4, 2, 1, 7, 6]  # 10 examples, then 14


@pytest.mark.parametrize("as_tensor", [False, True])
def test_weights_make_unequal_micro_batches_the_large_batch(as_tensor):
    parts = np.split(np.random.default_rng(0).normal(size=(24, 3)), np.cumsum(GROUPS)[:-1])
    large, w = K.Adam(0.125), keras.Variable(np.ones(3), dtype="float64")
    soft, w_soft = SoftBatch(K.Adam(0.125), 3), keras.Variable(np.ones(3), dtype="float64")
    for three in (parts[:3], parts[3:]):
        large.apply([ops.convert_to_tensor(np.concatenate(three).mean(axis=0))], [w])
        for part in three:
            size = ops.convert_to_tensor(len(part), "int32") if as_tensor else len(part)
            soft.apply([ops.convert_to_tensor(part.mean(axis=0))], [w_soft], weight=size)
        assert apart([w], [w_soft]) < TOLERANCE
    assert int(soft.iterations) == 2 and not np.any(numpy_of([soft.divisors])[0])


def test_the_remainder_is_divided_by_its_own_weights():
    w, soft = keras.Variable(1.0), SoftBatch(K.SGD(0.5), 4)
    for g, size in ((1.0, 3), (5.0, 1)):
        soft.apply([ops.convert_to_tensor(g)], [w], weight=size)
    soft.fire()
    assert float(w) == 1.0 - 0.5 * (3 * 1 + 1 * 5) / 4
    soft.apply([ops.convert_to_tensor(0.0)], [w], weight=0)  # not one token in it
    soft.fire()
    assert float(w) == 0.0 and int(soft.iterations) == 2


class CountsTokens(keras.Sequential):
    """A loss that is a mean over tokens; those marked with 0 do not count."""

    def train_step(self, data):
        import tensorflow as tf

        inputs, targets = data
        count = ops.sum(ops.cast(inputs[:, 0] != 0, "float64"))
        with tf.GradientTape() as tape:
            errors = self(inputs, training=True)[:, 0] - ops.cast(targets[:, 0], "float64")
            errors = ops.where(inputs[:, 0] != 0, errors**2, 0)
            loss = ops.sum(errors) / ops.maximum(count, 1)
        gradients = tape.gradient(loss, self.trainable_variables)
        more = {"weight": count} if isinstance(self.optimizer, SoftBatch) else {}
        self.optimizer.apply(gradients, self.trainable_variables, **more)
        return {"loss": loss}


@on_tensorflow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_mean_over_tokens_is_exact_in_fit(jit_compile):
    padded = np.where(np.arange(48)[:, None] % 5 < 2, 0, x)
    ends = []
    for optimizer, size in ((K.Adam(0.125), 16), (SoftBatch(K.Adam(0.125), 4), 4)):
        keras.utils.set_random_seed(0)
        model = CountsTokens([keras.Input((5,), dtype="float64")])
        model.add(keras.layers.Dense(1, dtype="float64"))
        model.compile(optimizer, jit_compile=jit_compile)
        model.fit(padded, y, batch_size=size, epochs=2, shuffle=False, verbose=0)
        ends.append(numpy_of(model.weights))
    assert apart(*ends) < TOLERANCE


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "four", True], ids=str)
def test_a_weight_must_be_a_number_of_0_or_more(weight):
    w, soft = keras.Variable(1.0), SoftBatch(K.SGD(0.5), 2)
    with pytest.raises(ValueError, match="`weight` must be a number, 0 or more. Received: weight="):
        soft.apply([ops.ones(())], [w], weight=weight)


def test_weights_are_refused_on_several_replicas(monkeypatch):
    module = importlib.import_module("course_lib.wrappers.soft_batch")
    monkeypatch.setattr(module, "number_of_replicas", lambda wrapper: 2)
    with pytest.raises(NotImplementedError, match="`weight` works on one device"):
        SoftBatch(K.SGD(0.5), 2).apply([ops.ones(())], [keras.Variable(1.0)], weight=3)


# ---- Half precision ----


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_sum_that_half_precision_cannot_hold_is_exact(dtype):
    w, soft = keras.Variable(np.zeros(2), dtype=dtype), SoftBatch(K.SGD(1.0), 1000)
    g = ops.cast(np.array([2.0**14, 1.0]), dtype)
    for _ in range(1000):  # 16,384,000 is infinite in float16, and 256 + 1 = 256 in bfloat16
        soft.apply([g], [w])
    assert np.array_equal(numpy_of([ops.cast(w, "float32")])[0], [-(2.0**14), -1.0])
    assert (w.dtype, soft.sums[0].dtype) == (dtype, "float32")


# ---- What surrounds an optimizer ----


def test_a_loaded_soft_batch_fires_for_the_variables_that_had_a_gradient():
    def make():
        soft = SoftBatch(K.SGD(0.125, weight_decay=0.5), 2)
        variables = [keras.Variable(np.ones(2)), keras.Variable(np.ones(2))]
        soft.build(variables)
        return soft, variables

    (soft, (w, idle)), (loaded, (w_loaded, idle_loaded)) = make(), make()
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        soft.apply([ops.ones(2), None], [w, idle])
    for own, there in zip(loaded.variables, soft.variables, strict=True):
        own.assign(there)
    soft.fire()
    loaded.fire()
    assert apart([w, idle], [w_loaded, idle_loaded]) == 0
    assert np.array_equal(numpy_of([idle_loaded])[0], [1, 1])  # no weight decay either


def test_a_run_saved_between_two_updates_goes_on_exactly(tmp_path):
    model = fit(SoftBatch(K.AdamW(cosine, clipnorm=0.5, use_ema=True), 5), 4, epochs=1)
    assert int(model.optimizer.count) == 2
    inner = model.optimizer.inner_optimizer
    assert len(model.optimizer.variables) == 3 + len(model.weights) + len(inner.variables)
    model.save(tmp_path / "model.keras")
    with keras.saving.custom_object_scope({"Shrink": Shrink}):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert apart(model.optimizer.variables, loaded.optimizer.variables) == 0
    for one in (model, loaded):
        fit(None, 4, epochs=1, model=one)
    assert int(loaded.optimizer.iterations) == 4
    assert apart(model.weights, loaded.weights) == 0
    assert apart(model.optimizer.variables, loaded.optimizer.variables) == 0


def test_the_configuration_comes_back():
    soft = SoftBatch(K.Adam(cosine, beta_1=0.5, clipvalue=2.0), 3, name="soft")
    again = SoftBatch.from_config(soft.get_config())
    assert again.get_config() == soft.get_config()
    assert (again.steps, again.name, again.inner_optimizer.beta_1) == (3, "soft", 0.5)
    assert isinstance(again.inner_optimizer._learning_rate, K.schedules.CosineDecay)


def test_the_learning_rate_is_the_inner_optimizers():
    model = fit(SoftBatch(K.SGD(0.125), 2), 4, epochs=1)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()[2]  # the second kernel has no constraint
    fit(None, 4, epochs=1, model=model)
    assert np.array_equal(before, model.get_weights()[2])
    drop = keras.callbacks.LearningRateScheduler(lambda epoch: 0.25)
    fit(None, 4, epochs=1, model=model, callbacks=[drop])
    assert float(model.optimizer.inner_optimizer.learning_rate) == 0.25
    assert not np.array_equal(before, model.get_weights()[2])


def test_weight_decay_can_be_excluded_through_the_wrapper():
    w, b = (keras.Variable(np.ones(2), name=name) for name in ("w", "bias"))
    soft = SoftBatch(K.SGD(0.125, weight_decay=0.5), 1)
    soft.exclude_from_weight_decay(var_names=["bias"])
    soft.apply([ops.zeros(2), ops.zeros(2)], [w, b])
    assert float(w[0]) < 1 and float(b[0]) == 1


def test_ema_is_swapped_and_finalized_through_the_wrapper():
    def make():
        return K.SGD(0.125, use_ema=True, ema_momentum=0.5)

    swap = [keras.callbacks.SwapEMAWeights()]
    large, soft = fit(make(), 16, callbacks=swap), fit(SoftBatch(make(), 4), 4, callbacks=swap)
    assert apart(large.weights, soft.weights) < 1e-7 * (keras.backend.backend() == "torch") + (
        TOLERANCE
    )


def test_mixed_precision_wraps_it_and_an_overflow_is_not_counted():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, dtype="mixed_float16")])
    model.dtype_policy = keras.DTypePolicy("mixed_float16")
    model.compile(SoftBatch(K.SGD(0.125), 4), loss="mse", jit_compile=False)
    outer, soft = model.optimizer, model.optimizer.inner_optimizer
    assert isinstance(outer, K.LossScaleOptimizer) and isinstance(soft, SoftBatch)
    fit(None, 4, epochs=1, model=model)
    assert (
        int(soft.iterations) * 4 + int(soft.count) + int(np.log2(2**15 / outer.dynamic_scale)) == 12
    )
    before, count = model.get_weights(), int(soft.count)
    for bad in (np.inf, np.nan):
        outer.apply([ops.full((5, 1), bad), ops.zeros(1)], model.trainable_variables)
    assert int(soft.count) == count
    assert all(map(np.array_equal, before, model.get_weights()))


def test_a_fixed_loss_scale_is_taken_out_once():
    w, soft = keras.Variable(1.0), SoftBatch(K.SGD(0.125, loss_scale_factor=8.0), 2)
    assert float(soft.scale_loss(1.0)) == 8.0
    for _ in range(2):
        soft.apply([ops.convert_to_tensor(8.0)], [w])
    assert float(w) == 0.875
    K.LossScaleOptimizer(soft)
    assert soft.loss_scale_factor is None and soft.inner_optimizer.loss_scale_factor is None


# ---- Refusals ----


@pytest.mark.parametrize("steps", [0, -1, 2.0, True, None, "4"], ids=str)
def test_steps_must_be_a_whole_number_above_0(steps):
    for make in (lambda: soft_batch(RULES["sgd"], steps), lambda: SoftBatch(K.SGD(), steps)):
        with pytest.raises(ValueError, match="`steps` must be a whole number above 0. Received"):
            make()


@pytest.mark.parametrize("wrong", ["adam", K.SGD, None], ids=str)
def test_only_an_optimizer_can_be_wrapped(wrong):
    with pytest.raises(TypeError, match="`optimizer` must be a keras.Optimizer. Received"):
        SoftBatch(wrong, 2)


def test_what_would_accumulate_or_scale_twice_is_refused():
    with pytest.raises(ValueError, match="accumulates by itself"):
        SoftBatch(K.SGD(gradient_accumulation_steps=2), 2)
    with pytest.raises(ValueError, match="Put it outside"):
        SoftBatch(K.LossScaleOptimizer(K.SGD()), 2)


def test_what_float8_overwrites_is_refused():
    w = keras.Variable(1.0)
    w.overwrite_with_gradient = True
    with pytest.raises(ValueError, match="float8"):
        SoftBatch(K.SGD(), 2).build([w])


def test_apply_without_variables_needs_a_build():
    with pytest.raises(ValueError, match="build"):
        SoftBatch(K.SGD(), 2).apply([ops.ones(())])
    w, soft = keras.Variable(1.0), SoftBatch(K.SGD(0.5), 1)
    soft.build([w])
    soft.apply([ops.ones(())])
    soft.apply([])
    assert float(w) == 0.5 and int(soft.iterations) == 1

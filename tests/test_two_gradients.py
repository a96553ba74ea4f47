"""Two gradients a step: the orders are what the books say, and Keras takes the very step that NumPy takes."""

import course_lib.quiet  # noqa: F401
from course_lib.landscapes import RAVINE
from course_lib.two_gradients import (
    EULER,
    EXTRAGRADIENT,
    HEUN,
    MIDPOINT,
    SAM,
    Tableau,
    TwoGradientModel,
    fitted_order,
    flow_errors,
    optimistic,
    step,
    two_gradient_step,
)
from course_lib.wrappers import Lookahead, SoftBatch

import keras
import numpy as np
import pytest
from keras import layers, ops

register = keras.saving.register_keras_serializable
KUTTA = Tableau(a=((), (0.5,), (-1, 2)), b=(1 / 6, 2 / 3, 1 / 6))
RK4 = Tableau(a=((), (0.5,), (0, 0.5), (0, 0, 1)), b=(1 / 6, 1 / 3, 1 / 3, 1 / 6))
METHODS = {"euler": EULER, "midpoint": MIDPOINT, "heun": HEUN, "extragradient": EXTRAGRADIENT}
METHODS |= {"kutta": KUTTA, "rk4": RK4}
ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "extragradient": 1, "kutta": 3, "rk4": 4}


@pytest.fixture(autouse=True)
def in_float64():
    set_floats("float64")
    keras.utils.set_random_seed(0)
    yield
    set_floats("float32")


def set_floats(dtype):
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


# ---- NumPy ----


def test_heun_by_hand():
    # g = 1 at w = 1; look at 1 − 0.5 = 0.5, where g = 0.5; the mean is 0.75
    assert step(lambda w: w, 1.0, 0.5, HEUN) == 0.625
    assert step(lambda w: w, 1.0, 0.5, MIDPOINT) == 0.625
    assert step(lambda w: w, 1.0, 0.5, EULER) == 0.5
    assert step(lambda w: w, 1.0, 0.5, EXTRAGRADIENT) == 0.75


def quartic_flow(w, t):  # dw/dt = −w³
    return w / np.sqrt(1 + 2 * t * w**2)


def pendulum_like_flow(w, t):  # (w0, w1 + w0²/3) → dw0/dt = −w0, dw1/dt = −w1 − w0²: solved by hand
    return np.array(
        [w[0] * np.exp(-t), (w[1] - w[0] ** 2) * np.exp(-t) + w[0] ** 2 * np.exp(-2 * t)]
    )


PROBLEMS = {
    "ravine": (RAVINE.gradient, lambda w, t: w * np.exp(-np.array([1, 16]) * t), [-4.0, 2.0], 0.25),
    "quartic": (lambda w: w**3, quartic_flow, [1.0], 1.0),
    "coupled": (lambda w: np.array([w[0], w[1] + w[0] ** 2]), pendulum_like_flow, [1.0, 0.5], 1.0),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", METHODS)
def test_the_fitted_order_is_the_one_in_the_books(method, problem):
    gradient, flow, w, time = PROBLEMS[problem]
    rates, errors = flow_errors(
        METHODS[method], gradient, flow, w, time=time, steps=(64, 128, 256, 512)
    )
    assert fitted_order(rates, errors) == pytest.approx(ORDERS[method], abs=0.1)


def test_a_step_leaves_its_weights_alone_and_looks_where_the_table_says():
    seen = []

    def gradient(w):
        seen.append(w.copy())
        return w

    w = np.array([4.0, 8.0])
    step(gradient, w, 0.5, KUTTA)
    assert np.array_equal(w, [4, 8])
    assert np.array_equal(seen, [[4, 8], [3, 6], [3, 6]])  # w − 0.5 (−g₁ + 2 g₂), g₁ = w, g₂ = 3w/4


def test_the_old_recipes_two_steps_are_heun():
    gradient = RAVINE.gradient
    w = old = np.array([-4.0, 2.0])
    for _ in range(20):
        old_g = gradient(old)
        old = old - 0.0625 * old_g
        old = old - 0.5 * 0.0625 * (gradient(old) - old_g)
        w = step(gradient, w, 0.0625, HEUN)
    assert np.allclose(w, old, rtol=1e-12, atol=0)


@pytest.mark.parametrize("method", [EULER, MIDPOINT, HEUN])
def test_the_stability_limit_of_two_gradients_is_still_two_over_the_curvature(method):
    def after(learning_rate):
        w = 1.0
        for _ in range(500):
            w = step(lambda w: 4 * w, w, learning_rate, method)
        return abs(w)

    assert after(0.49) < 1e-3 and after(0.51) > 1e3 and after(0.5) == 1


def test_on_a_bilinear_game_only_extragradient_arrives():
    far = {}
    for name, method in METHODS.items():
        w = np.array([1.0, 1.0])
        for _ in range(200):
            w = step(lambda w: np.array([w[1], -w[0]]), w, 0.5, method)
        far[name] = np.linalg.norm(w)
    assert far["euler"] > 1e9 and 1 < far["heun"] < 100 and far["extragradient"] < 1e-8


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
    ("a", "b", "error", "says"),
    [
        (((), (1.0,)), (0.5, 0.25), ValueError, "sum to 1"),
        (((), (1.0, 0.0)), (0.5, 0.5), ValueError, "lengths"),
        (((),), (0.5, 0.5), ValueError, "lengths"),
        ((), (), ValueError, "lengths"),
        (((), (float("nan"),)), (0.5, 0.5), ValueError, "finite"),
        (((), ("one",)), (0.5, 0.5), TypeError, "numbers"),
        (1.0, (1.0,), TypeError, "numbers"),
    ],
)
def test_a_table_that_is_no_method_is_refused(a, b, error, says):
    with pytest.raises(error, match=says):
        Tableau(a, b)


def test_measuring_refuses_what_has_no_order():
    for rates, errors in [
        ([0.1], [0.1]),
        ([0.1, 0.1], [1, 2]),
        ([0.1, 0.2], [0, 1]),
        ([1, 2], [1, np.inf]),
    ]:
        with pytest.raises(ValueError, match="errors"):
            fitted_order(rates, errors)
    for wrong in (dict(time=0), dict(steps=()), dict(steps=(0, 1)), dict(steps=(1.5,))):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            flow_errors(HEUN, np.sin, np.cos, [1.0], **wrong)
    for rho, error in [
        (-1, ValueError),
        (float("inf"), ValueError),
        ("0.1", TypeError),
        (True, TypeError),
    ]:
        with pytest.raises(error, match="rho"):
            SAM(rho)


# ---- Keras takes the same step ----

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 6)), RNG.integers(0, 3, 24)
WEIGHTS = RNG.uniform(0.5, 2, 24)


def plain():
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, activation="tanh"), layers.Dense(3)]
    )


def with_everything():
    inputs = keras.Input((6,))
    x = layers.Dense(5, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.125))(inputs)
    x = layers.Dropout(0.4, seed=1)(layers.BatchNormalization(momentum=0.5)(x))
    x = layers.GaussianNoise(0.1, seed=2)(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def with_batchnorm():
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(3)(layers.BatchNormalization()(x)))


@register("test_two_gradients")
class Subclassed(keras.Model):
    def __init__(self, rate=0.25, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.hidden, self.out = layers.Dense(5, activation="tanh"), layers.Dense(3)
        self.seen = keras.metrics.Sum(name="seen")

    def call(self, x):  # NB: no `training`
        self.seen.update_state(ops.ones_like(x[:, 0]))
        return self.out(keras.random.dropout(self.hidden(x), self.rate))  # NB: no seed

    def get_config(self):
        return {"rate": self.rate}


def fresh(build):
    keras.utils.set_random_seed(0)
    model = build()
    model(X)
    return model


def crossentropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def compiled(model, optimizer, **settings):
    model.compile(optimizer, loss=crossentropy(), metrics=["accuracy"], **settings)
    return model


def flat(values):
    return np.concatenate([np.ravel(ops.convert_to_numpy(v)) for v in values])


def as_variables(vector, variables):
    ends = np.cumsum([int(np.prod(v.shape)) for v in variables])[:-1]
    return [
        part.reshape(v.shape) for part, v in zip(np.split(vector, ends), variables, strict=True)
    ]


def put(model, w):
    parts = as_variables(w, model.trainable_variables)
    for variable, part in zip(model.trainable_variables, parts, strict=True):
        variable.assign(part)


def gradient_of(model, sample_weight=None, jit_compile=False):
    """The gradient as a function of the flattened weights; whatever else the forward pass moves is put back."""
    import tensorflow as tf

    def look():
        with tf.GradientTape() as tape:
            loss = crossentropy()(Y, model(X, training=True), sample_weight) + sum(model.losses)
        return tape.gradient(loss, model.trainable_variables)

    if (
        jit_compile
    ):  # NB: compiled by XLA, TensorFlow draws other random numbers from the same state
        look = tf.function(look, jit_compile=True)

    def gradient(w):
        rest = [v for v in model.variables if not any(v is t for t in model.trainable_variables)]
        before = [ops.convert_to_numpy(v).copy() for v in rest]
        put(model, w)
        g = flat(look())
        for v, value in zip(rest, before, strict=True):
            v.assign(value)
        return g

    return gradient


@pytest.mark.parametrize("name", METHODS)
def test_with_sgd_on_top_keras_takes_the_runge_kutta_step(name):
    model, twin = fresh(plain), fresh(plain)
    w = flat(model.trainable_variables)
    wrapped = compiled(TwoGradientModel(model, METHODS[name]), keras.optimizers.SGD(0.5))
    for _ in range(3):
        wrapped.train_on_batch(X, Y)
        w = step(gradient_of(twin), w, 0.5, METHODS[name])
        assert np.max(np.abs(flat(model.trainable_variables) - w)) < 1e-12


@pytest.mark.parametrize(
    "how", [dict(run_eagerly=True), dict(jit_compile=False), dict(jit_compile=True)]
)
def test_so_it_does_with_masks_statistics_noise_regularizers_and_sample_weights(how):
    model, twin = fresh(with_everything), fresh(with_everything)
    w = flat(model.trainable_variables)
    gradient = gradient_of(twin, WEIGHTS, how.get("jit_compile"))
    wrapped = compiled(TwoGradientModel(model, HEUN), keras.optimizers.SGD(0.5), **how)
    for _ in range(3):
        wrapped.train_on_batch(X, Y, sample_weight=WEIGHTS)
        new_w = step(gradient, w, 0.5, HEUN)
        assert np.max(np.abs(flat(model.trainable_variables) - new_w)) < 1e-12
        put(twin, w)  # what else moves, moves as in Keras's own step at w
        compiled(twin, keras.optimizers.SGD(0.0), run_eagerly=True).train_on_batch(X, Y)
        rest = flat(twin.non_trainable_variables)
        assert np.max(np.abs(flat(model.non_trainable_variables) - rest)) < 1e-12
        w = new_w


def test_sam_looks_uphill_by_rho_over_all_variables_together():
    model, twin = fresh(plain), fresh(plain)
    w, gradient = flat(model.trainable_variables), gradient_of(twin)
    compiled(TwoGradientModel(model, SAM(0.25)), keras.optimizers.SGD(0.5)).train_on_batch(X, Y)
    g = gradient(w)
    w = w - 0.5 * gradient(w + 0.25 * g / np.linalg.norm(g))
    assert np.max(np.abs(flat(model.trainable_variables) - w)) < 1e-12


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_half_precision_sam_still_looks_rho_uphill_and_heun_a_step_ahead(dtype):
    def value(tensor):
        return ops.convert_to_numpy(ops.cast(tensor, "float32"))

    w, g = ops.zeros(2, dtype), ops.cast(np.array([3 * 2.0**10, 4 * 2.0**10]), dtype)
    (probe,) = SAM(rho=2.5).probe([w], [[g]], 0.1)  # the norm's square is infinite in float16
    assert value(probe) == pytest.approx([1.5, 2.0], rel=1e-2) and probe.dtype == w.dtype
    (probe,) = HEUN.probe([w], [[g]], 2.0**-26)  # a learning rate of 0 in float16
    assert np.array_equal(value(probe), -(2.0**-16) * np.array([3, 4])) and probe.dtype == w.dtype


def test_a_class_is_not_yet_a_method():
    with pytest.raises(TypeError, match="`method` must have looks"):
        TwoGradientModel(plain(), SAM)


def test_sam_stays_where_there_is_no_uphill():
    zero = [np.zeros(3), np.zeros((2, 2))]
    assert np.array_equal(
        flat(SAM(0.5).probe([np.ones(3), np.ones((2, 2))], [zero], 0.1)), np.ones(7)
    )


OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.25, momentum=0.75, clipnorm=0.5),
    "adam": lambda: keras.optimizers.Adam(0.125, use_ema=True, ema_overwrite_frequency=2),
    "adamw": lambda: keras.optimizers.AdamW(0.125, weight_decay=0.5, global_clipnorm=0.1),
    "schedule": lambda: keras.optimizers.RMSprop(
        keras.optimizers.schedules.InverseTimeDecay(0.25, 1, 1.0)
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optimizer_gets_the_combined_gradient_once_a_batch(name):
    model, twin, judge = (fresh(plain) for _ in range(3))
    wrapped = compiled(TwoGradientModel(model, HEUN), OPTIMIZERS[name](), run_eagerly=True)
    by_hand, gradient = OPTIMIZERS[name](), gradient_of(judge)
    for _ in range(4):
        wrapped.train_on_batch(X, Y)
        w = flat(twin.trainable_variables)
        g = gradient(w)
        g = (g + gradient(w - float(by_hand.learning_rate) * g)) / 2
        by_hand.apply(
            [ops.convert_to_tensor(each) for each in as_variables(g, twin.trainable_variables)],
            twin.trainable_variables,
        )
        assert (
            np.max(np.abs(flat(model.trainable_variables) - flat(twin.trainable_variables))) < 1e-12
        )
    assert int(wrapped.optimizer.iterations) == 4


def history(model, **more):
    return model.fit(X, Y, batch_size=10, epochs=2, verbose=0, **more).history


def state(model):
    return [ops.convert_to_numpy(v) for v in model.variables + model.optimizer.variables]


@pytest.mark.parametrize("build", [with_everything, Subclassed])
@pytest.mark.parametrize(
    ("method", "learning_rate"), [(EULER, 0.25), (KUTTA, 0.0)], ids=["euler", "kutta"]
)
def test_looks_that_teach_nothing_new_leave_kerass_own_step_to_the_bit(
    build, method, learning_rate
):
    """Euler is Keras's step.  With a learning rate of 0 all looks are one: then nothing may move twice, or count twice."""
    histories, states = [], []
    for wrap in (lambda model: model, lambda model: TwoGradientModel(model, method)):
        model = fresh(build)
        optimizer = keras.optimizers.SGD(learning_rate, momentum=0.5)
        trained = compiled(wrap(model), optimizer)
        keras.utils.set_random_seed(1)
        histories.append(history(trained, class_weight={0: 1.0, 1: 2.0, 2: 0.5}))
        states.append(state(trained))
    assert histories[0] == histories[1] and len(histories[0]) >= 2
    assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))


def two_outputs():
    x = keras.Input((6,))
    return keras.Model(x, [layers.Dense(1, name="size")(x), layers.Dense(3, name="kind")(x)])


def test_the_losses_of_several_outputs_are_counted_once_and_found_by_name():
    seen = []
    for wrap in (lambda model: model, lambda model: TwoGradientModel(model, HEUN)):
        keras.utils.set_random_seed(0)
        model = wrap(two_outputs())
        model.compile(
            keras.optimizers.SGD(0.0),
            loss={"size": "mse", "kind": crossentropy()},
            metrics={"kind": ["accuracy"]},
        )
        targets = {"size": X[:, :1], "kind": Y}
        seen.append(model.fit(X, targets, batch_size=10, shuffle=False, verbose=0).history)
    assert seen[0] == seen[1] and set(seen[0]) == {
        "loss",
        "size_loss",
        "kind_loss",
        "kind_accuracy",
    }


def test_graph_compiled_eager_and_several_steps_per_execution_are_one_training():
    ends = []
    for how in (dict(run_eagerly=True), dict(jit_compile=True), dict(steps_per_execution=2)):
        model = fresh(with_batchnorm)
        trained = compiled(TwoGradientModel(model, HEUN), keras.optimizers.Adam(0.125), **how)
        history(trained, shuffle=False)
        ends.append(flat(state(trained)))
    assert np.max(np.abs(ends[0] - ends[1])) < 1e-12 and np.max(np.abs(ends[0] - ends[2])) < 1e-12


# ---- Loss scaling ----


def scaled(build_optimizer, method=HEUN):
    model = fresh(plain)
    trained = compiled(TwoGradientModel(model, method), build_optimizer(), run_eagerly=True)
    for _ in range(3):
        trained.train_on_batch(X, Y)
    return flat(model.trainable_variables)


@pytest.mark.parametrize("method", [HEUN, SAM(0.25)])
def test_a_scaled_loss_makes_no_difference(method):
    sgd, twice = (lambda **k: keras.optimizers.SGD(0.5, **k)), keras.optimizers.LossScaleOptimizer
    expected = scaled(sgd, method)
    assert np.array_equal(scaled(lambda: twice(sgd(), initial_scale=2.0**15), method), expected)
    assert np.array_equal(scaled(lambda: sgd(loss_scale_factor=1024.0), method), expected)


class Forgetful:
    """A method that takes no notice of its first look."""

    looks = 2

    def probe(self, w, gs, learning_rate):
        return w

    def combine(self, gs):
        return [ops.zeros_like(g) + 1 for g in gs[-1]]


@pytest.mark.parametrize("method", [HEUN, Forgetful()], ids=["heun", "forgetful"])
def test_a_look_that_overflows_skips_the_step_and_halves_the_scale(method):
    set_floats("float32")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=1e38)
    trained = TwoGradientModel(model, method)
    trained.compile(optimizer, loss="mse")
    before = flat(model.trainable_variables)
    trained.train_on_batch(100 * X, X[:, :3])
    assert np.array_equal(flat(model.trainable_variables), before)
    assert float(optimizer.dynamic_scale) == pytest.approx(0.5e38)
    assert int(optimizer.iterations) == 0


def test_mixed_float16_trains():
    set_floats("float32")
    keras.config.set_dtype_policy("mixed_float16")
    model = plain()
    keras.config.set_dtype_policy("float32")  # the wrapper asks the model, not the moment
    trained = compiled(TwoGradientModel(model, HEUN), keras.optimizers.SGD(0.25))
    assert isinstance(trained.optimizer, keras.optimizers.LossScaleOptimizer)
    losses = trained.fit(X, Y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


# ---- Any model, saved and loaded ----


@pytest.mark.parametrize(
    ("build", "method"),
    [
        (with_batchnorm, HEUN),
        (lambda: Subclassed(rate=0.0), SAM(0.125)),
        (lambda: keras.Sequential([layers.Dense(3)]), KUTTA),
    ],
    ids=["functional", "subclass", "sequential without an input"],
)
def test_a_loaded_model_goes_on_as_if_nothing_had_happened(build, method, tmp_path):
    trained = compiled(TwoGradientModel(build(), method), keras.optimizers.Adam(0.125))
    trained.fit(X, Y, epochs=2, batch_size=12, shuffle=False, verbose=0)
    trained.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.method == method and type(loaded.inner) is type(trained.inner)
    assert np.array_equal(loaded.predict(X, verbose=0), trained.inner.predict(X, verbose=0))
    assert loaded.evaluate(X, Y, verbose=0) == trained.evaluate(X, Y, verbose=0)
    for model in (trained, loaded):
        model.fit(X, Y, batch_size=12, shuffle=False, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(state(trained), state(loaded), strict=True))


class OwnLoss(keras.Model):
    def __init__(self):
        super().__init__()
        self.out = layers.Dense(3)

    def call(self, x):
        return self.out(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):  # as before Keras 3.3
        return ops.mean(ops.square(y_pred))

    def train_step(self, data):
        return two_gradient_step(self, HEUN, data)


def test_a_model_with_a_loss_of_its_own_calls_the_step_itself():
    model = OwnLoss()
    model.compile(keras.optimizers.SGD(0.5))
    logs = model.train_on_batch(X, return_dict=True)
    kernel = model.out.kernel
    assert logs["loss"] > 0
    model.out.bias.assign([0.0, 0.0, 0.0])
    start = RNG.normal(size=(6, 3))
    kernel.assign(start)
    model.train_on_batch(X)

    def gradient(w):  # of mean((X w + c)²), the last row of w being c
        padded = np.c_[X, np.ones(24)]
        return padded.T @ (padded @ w) * 2 / (24 * 3)

    expected = step(gradient, np.r_[start, np.zeros((1, 3))], 0.5, HEUN)
    assert np.allclose(ops.convert_to_numpy(kernel), expected[:-1], rtol=0, atol=1e-12)


def test_a_frozen_layer_stays_and_an_unused_weight_is_kerass_affair():
    model = fresh(plain)
    model.layers[0].trainable = False
    before = flat(model.layers[0].weights)
    trained = compiled(TwoGradientModel(model, HEUN), keras.optimizers.SGD(0.5), run_eagerly=True)
    moved = flat(model.layers[1].weights)
    trained.train_on_batch(X, Y)
    assert np.array_equal(flat(model.layers[0].weights), before)
    assert not np.array_equal(flat(model.layers[1].weights), moved)

    model = plain()
    model.spare = model.add_weight(shape=(2,), name="spare")
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        compiled(TwoGradientModel(model, HEUN), keras.optimizers.SGD(0.5)).train_on_batch(X, Y)


def test_embeddings_train_repeated_rows_summed():
    ids = np.array([[1, 1, 2], [1, 0, 1]])
    ends = []
    for wrap in (lambda model: model, lambda model: TwoGradientModel(model, EULER)):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((3,)), layers.Embedding(4, 2), layers.Flatten(), layers.Dense(3)]
        )
        compiled(wrap(model), keras.optimizers.SGD(0.5)).train_on_batch(ids, np.array([0, 1]))
        ends.append(flat(model.weights))
    assert np.allclose(*ends, rtol=0, atol=1e-6)


def test_callbacks_see_and_steer_the_training():
    rates, model = [0.5, 0.25, 0.0], fresh(plain)
    twin = fresh(plain)
    trained = compiled(TwoGradientModel(model, HEUN), keras.optimizers.SGD(1.0))
    seen = []
    trained.fit(
        X,
        Y,
        batch_size=24,
        epochs=3,
        verbose=0,
        shuffle=False,
        callbacks=[
            keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch]),
            keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: seen.append(logs["loss"])
            ),
        ],
    )
    w = flat(twin.trainable_variables)
    for rate in rates:
        w = step(gradient_of(twin), w, rate, HEUN)
    assert np.max(np.abs(flat(model.trainable_variables) - w)) < 1e-12
    assert len(seen) == 3 and seen[2] < seen[0]


# ---- Refused ----


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


def test_what_is_no_model_or_no_method_is_refused():
    with pytest.raises(TypeError, match="`inner` must be"):
        TwoGradientModel(HEUN, HEUN)
    with pytest.raises(TypeError, match="`method` must have"):
        TwoGradientModel(plain(), "heun")
    with pytest.raises(NotImplementedError, match="own train_step.*two_gradient_step"):
        TwoGradientModel(OwnStep([layers.Dense(3)]), HEUN)


@pytest.mark.parametrize(
    ("optimizer", "says"),
    [
        (lambda: keras.optimizers.SGD(gradient_accumulation_steps=2), "another algorithm"),
        (
            lambda: keras.optimizers.LossScaleOptimizer(
                keras.optimizers.SGD(gradient_accumulation_steps=2)
            ),
            "another algorithm",
        ),
        (lambda: SoftBatch(keras.optimizers.SGD(), steps=2), "another algorithm"),
        (
            lambda: keras.optimizers.MultiOptimizer(
                keras.optimizers.OptimizerMap(keras.optimizers.SGD())
            ),
            "no one learning rate",
        ),
    ],
)
def test_what_would_be_another_algorithm_is_refused(optimizer, says):
    trained = compiled(TwoGradientModel(plain(), HEUN), optimizer())
    with pytest.raises(NotImplementedError, match=says):
        trained.train_on_batch(X, Y)


def test_a_model_without_an_optimizer_is_told_so():
    with pytest.raises(ValueError, match="no optimizer"):
        compiled(TwoGradientModel(plain(), HEUN), None).train_on_batch(X, Y)


def test_other_backends_are_refused_at_construction(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(NotImplementedError, match="TensorFlow"):
        TwoGradientModel(plain(), HEUN)


def test_a_soft_batch_is_refused_however_deep_it_is_wrapped():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    deep = Lookahead(SoftBatch(keras.optimizers.SGD(0.125), steps=2))
    for optimizer in (deep, keras.optimizers.LossScaleOptimizer(deep)):
        wrapped = TwoGradientModel(model, HEUN)
        wrapped.compile(optimizer, loss="mse")
        with pytest.raises(NotImplementedError, match="accumulating micro-batches"):
            wrapped.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))

"""The Keras classes drop into Keras, the NumPy rules take what is sound, and both refuse the rest with a sentence."""

import ast
import inspect
import json
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import course_lib.quiet  # noqa: F401
from course_lib import optimizers
from course_lib.authoring.forked_kernels import Popen
from course_lib.optimizers import RULES, Rule, check_hyperparameters, side_by_side

import keras
import numpy as np
import pytest
import tensorflow as tf
from depth import mostly_thorough

EXACT = 1e-12  # float64: two right tellings part by rounding alone, some 1e-16 a step
every_rule = pytest.mark.parametrize("name", RULES)
every_rule_with_a_twin = pytest.mark.parametrize(
    "name", [name for name, rule in RULES.items() if rule.builtin]
)
# Each of another kind; all the others are thorough where a test takes long.
DAILY = ("sgd", "adam", "schedule_free", "adafactor", "muon")
every_rule_thoroughly = pytest.mark.parametrize("name", mostly_thorough(RULES, DAILY))
every_rule_that_can_agree = pytest.mark.parametrize(
    "name", [name for name, rule in RULES.items() if rule.builtin and rule.agree_when is not None]
)


@pytest.fixture
def float64():
    """Layers, losses and learning rates in float64."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(before)


# ---- The same arguments as Keras's own class ----

BASE_KEYWORDS = {*keras.Optimizer(0.1).get_config(), "kwargs"} - {"learning_rate"}
FLAGS = {"nesterov", "centered", "amsgrad"}  # each is a rule of its own here
LEFT_OUT = {
    "sgd": {"momentum"},  # a rule of its own too
    "muon": {"muon_a", "muon_b", "muon_c"}  # as Jordan has them; Nesterov's form too
    | {"exclude_layers", "exclude_embeddings"},  # no numbers: the class alone has them
    "adafactor": {"relative_step"},  # changes nothing in Keras 3.15: see test_rules_16.py
}


def defaults_of_the_builtin(rule):
    cls = getattr(rule.builtin, "func", rule.builtin)
    if rule.name == "Nadam":  # whose momentum_decay Keras has as a constant, 1
        return {**defaults_of(keras.optimizers.Nadam), "momentum_decay": 1.0}
    return defaults_of(cls)


def defaults_of(cls):
    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}


@every_rule_with_a_twin
def test_arguments_have_the_names_and_defaults_of_the_builtin_class(name):
    ours, theirs = RULES[name].hyperparameters, defaults_of_the_builtin(RULES[name])
    theirs["weight_decay"] = theirs["weight_decay"] or 0.0  # None, where a rule needs a number
    assert ours == {argument: theirs[argument] for argument in ours}
    missing = set(theirs) - set(ours) - BASE_KEYWORDS - FLAGS
    assert missing == LEFT_OUT.get(name, set())


@every_rule_with_a_twin
def test_arguments_stand_in_the_order_of_the_builtin_class(name):
    ours, theirs = RULES[name].hyperparameters, defaults_of_the_builtin(RULES[name])
    assert list(ours) == [argument for argument in theirs if argument in ours]


# ---- Each class by its name, and what `Adam?` says ----


@every_rule
def test_a_class_is_exported_under_its_name(name):
    cls = RULES[name].keras_class
    assert getattr(optimizers, cls.__name__) is cls
    assert cls.__name__ in optimizers.__all__


def the_arrows(text):
    return [line.strip() for line in text.splitlines() if line.count("←") == 1]


@every_rule
def test_a_class_is_documented_with_its_rules_claim_equation_and_source(name):
    rule, doc = RULES[name], vars(RULES[name].keras_class)["__doc__"]
    assert doc.splitlines()[0] == rule.equation.splitlines()[0]
    assert the_arrows(doc) == the_arrows(rule.equation)
    source = " ".join(inspect.cleandoc(doc).split("\n\n")[2].split())
    assert source in " ".join(rule.equation.split())
    assert re.search(r"\((1847|19\d\d|20\d\d)\)", source)


@every_rule
def test_a_class_documents_each_argument_with_its_default(name):
    cls = RULES[name].keras_class
    _, arguments = inspect.cleandoc(vars(cls)["__doc__"]).split("Args:\n")
    arguments = arguments.split("\n\nRaises:")[0]
    rows = re.findall(r"^    (\S+): (.+(?:\n {8}.+)*)", arguments, re.MULTILINE)
    said = {row: " ".join(text.split()) for row, text in rows}
    parameters = inspect.signature(cls).parameters
    assert list(said) == [*(p for p in parameters if p != "kwargs"), "**kwargs"]
    for argument in list(said)[:-1]:
        default = re.search(r"\. Defaults to (\S+)\.$", said[argument])[1]
        assert ast.literal_eval(default) == parameters[argument].default, argument


@every_rule
def test_a_running_mean_has_the_same_form_in_the_equation_in_numpy_and_in_keras(name):
    """m goes a share of the way to g: in Keras that is the row that changes the slot in place."""
    rule = RULES[name]
    letters = [line.split(" ←")[0] for line in the_arrows(rule.equation)]
    rows = rows_of(side_by_side(rule.numpy.step, rule.keras_class.update_step))
    rows = [tuple(" ".join(row.split()) for row in pair) for pair in rows]
    moved = {assigned(right): (left, right) for left, right in rows if "assign_add(" in right}
    other_form = r"(\S+) ← (\w+) · \1 \+ \(1 − \2\) · "  # the papers'
    assert not [line for line in the_arrows(rule.equation) if re.match(other_form, line)]
    for letter, (left, right) in moved.items():
        (line,) = [x for x in the_arrows(rule.equation) if x.startswith(f"{letter} ← ")]
        share = re.match(rf"{letter} ← {letter} \+ \(1 − (\w+)\) · \(", line)[1]
        assert left.startswith(f"{letter} = {letter} + (1 - {share}) * ("), left
        kept = share if share in letters else f"self.{share}"
        assert right.startswith(f"self.assign_add({letter}, (1 - {kept}) * ("), right
    means = [x[0] for x in the_arrows(rule.equation) if re.match(r"(\w) ← \1 \+ \(1 − ", x)]
    assert means == list(moved)


# ---- Everything that Keras's optimizers can be told, against the built-in twin ----

SCALE_FREE = ("adam", "amsgrad", "adamw", "lion")
DECAYED_INSIDE = ("lamb",)  # the declared difference: Keras decays the weights outside the ratio
GRADIENTS = np.random.default_rng(0).normal(size=(6, 7))


def twins(rule, **keywords):
    """Our class and Keras's, with settings under which the two agree."""
    settings = {**rule.settings, **rule.agree_when, **keywords}
    return rule.keras_class(**settings), rule.builtin(**settings)


def undecayed(rule):
    """The rule's settings with no weight decay: then nothing moves what no gradient moves."""
    none = {"weight_decay": 0.0} if "weight_decay" in rule.settings else {}
    return {**rule.settings, **none}


def path_of(optimizer, constraint=None):
    """All seven weights after each step: a matrix and a scalar, float64."""
    variables = [
        keras.Variable([[0.5, -1.0, 0.25], [2.0, 0.0, -0.5]], dtype="float64", name="matrix"),
        keras.Variable(0.75, dtype="float64", name="scalar"),
    ]
    for variable in variables:
        variable.constraint = constraint
    path = []
    for g in GRADIENTS:
        optimizer.apply([tf.constant(g[:6].reshape(2, 3)), tf.constant(g[6])], variables)
        path.append(np.concatenate([np.ravel(v.numpy()) for v in variables]))
    return np.array(path)


# 1/8, 1/16, 1/24, ...: Keras computes schedules in float32, for both twins alike
DECAY = keras.optimizers.schedules.InverseTimeDecay(0.125, decay_steps=1, decay_rate=1.0)
KEYWORDS = [
    dict(weight_decay=0.0625),
    dict(clipnorm=0.5),
    dict(global_clipnorm=0.5),
    dict(clipvalue=0.25),
    dict(use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=3),
    dict(gradient_accumulation_steps=3),
    dict(loss_scale_factor=8.0),
    dict(learning_rate=DECAY),
]


@cache
def plain_path(name):
    ours, _ = twins(RULES[name])
    return path_of(ours)


@pytest.mark.parametrize("keyword", KEYWORDS, ids=lambda keyword: next(iter(keyword)))
@pytest.mark.parametrize(
    "name",
    mostly_thorough(
        [name for name, rule in RULES.items() if rule.builtin and rule.agree_when is not None],
        ("momentum", "adam", "adafactor", "lamb"),
    ),
)
def test_every_keyword_of_keras_does_what_it_does_to_the_builtin_twin(name, keyword, float64):
    if name == "muon" and "learning_rate" in keyword:
        pytest.skip("Keras's Muon mixes a schedule's float32 with float64: test_matrix_rules.py")
    ours, theirs = map(path_of, twins(RULES[name], **keyword))
    if "weight_decay" in keyword and name in DECAYED_INSIDE:
        assert np.max(np.abs(ours - theirs)) > 1e-3
    else:
        np.testing.assert_allclose(ours, theirs, rtol=EXACT, atol=EXACT)
    apart = np.max(np.abs(ours - plain_path(name)))
    if "loss_scale_factor" in keyword and name in SCALE_FREE:
        assert apart < EXACT  # with epsilon = 0 these do not care how large gradients are
    else:
        assert apart > 1e-3  # the keyword did something


@every_rule_that_can_agree
def test_a_constraint_holds_after_every_step_as_it_does_for_the_twin(name, float64):
    ours, theirs = (path_of(twin, keras.constraints.NonNeg()) for twin in twins(RULES[name]))
    np.testing.assert_allclose(ours, theirs, rtol=EXACT, atol=EXACT)
    assert ours.min() == 0


@every_rule_that_can_agree
def test_a_learning_rate_that_is_changed_midway_is_followed(name, float64):
    ends = []
    for optimizer in twins(RULES[name]):
        variable = keras.Variable([1.0, -2.0], dtype="float64")
        for learning_rate in (0.125, 0.5, 0.0625):
            optimizer.learning_rate = learning_rate
            optimizer.apply([tf.constant([0.5, 3.0], tf.float64)], [variable])
        ends.append(variable.numpy())
    np.testing.assert_allclose(*ends, rtol=EXACT)


# ---- compile and fit, against the NumPy rule ----

X = np.array([[1.0, 0.5, -0.25], [0.5, -1.0, 0.5], [0.0, 0.25, 1.0], [-0.5, 0.5, 0.125]])
Y = np.array([1.0, -0.5, 0.25, 2.0])


def after_three_epochs(rule, shape=(3,)):
    """Where the NumPy rule takes w in a linear fit of Y to X from w = 1, all examples in one batch."""
    w = np.ones(shape)
    state = rule.init(w, **rule.settings)
    for _ in range(3):
        g = 2 / 4 * X.T @ (X @ np.ravel(w) - Y)  # the gradient of mean((X w - Y)²)
        w, state = rule.step(w, g.reshape(shape), state, **rule.settings)
    return w


@pytest.mark.parametrize(
    "name, mode",
    mostly_thorough(
        [(name, mode) for name in RULES for mode in ("eager", "graph", "jit")],
        [(name, "eager") for name in RULES] + [(n, m) for n in DAILY for m in ("graph", "jit")],
    ),
)
def test_fit_goes_where_the_numpy_rule_goes(name, mode, float64):
    rule = RULES[name]
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((3,)), layer])
    how = dict(run_eagerly=mode == "eager", jit_compile=mode == "jit")
    model.compile(rule.keras_class(**rule.settings), loss="mse", **how)
    model.fit(X, Y[:, None], epochs=3, verbose=0)
    there = after_three_epochs(rule, shape=(3, 1))  # some rules tell a matrix from a vector
    np.testing.assert_allclose(layer.kernel.numpy(), there, rtol=EXACT)


# A process of its own, because logical devices are set before TensorFlow's first operation.
ON_TWO_REPLICAS = """
    import json, sys
    import course_lib.quiet
    import keras
    import tensorflow as tf
    from course_lib.optimizers import RULES

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    x, y = (tf.constant(values, tf.float64) for values in json.loads(sys.argv[1]))
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for name, rule in RULES.items():
        with strategy.scope():
            w = keras.Variable(tf.ones(3, tf.float64), dtype="float64")
            optimizer = rule.keras_class(**rule.settings)
            optimizer.build([w])

        def step():
            half = tf.distribute.get_replica_context().replica_id_in_sync_group
            mine, wanted = x[half::2], y[half::2]
            g = 2 / 4 * tf.linalg.matvec(mine, tf.linalg.matvec(mine, w.value) - wanted, True)
            optimizer.apply([g], [w])

        for _ in range(3):
            strategy.run(step)
        print(json.dumps([name, strategy.num_replicas_in_sync, w.numpy().tolist()]))
"""


@pytest.fixture(scope="module")
def on_two_replicas():
    command = [sys.executable, "-c", textwrap.dedent(ON_TWO_REPLICAS)]
    command.append(json.dumps([X.tolist(), Y.tolist()]))
    process = Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    rows = map(json.loads, out.splitlines())
    return {name: (replicas, w) for name, replicas, w in rows}


@every_rule
def test_two_replicas_with_half_the_examples_each_step_as_one(name, on_two_replicas):
    replicas, w = on_two_replicas[name]
    assert replicas == 2
    np.testing.assert_allclose(w, after_three_epochs(RULES[name]), rtol=EXACT)


# ---- Sparse gradients ----

# Without a gradient and without decay a weight stays where it is, but for this rule.
MOVE_ON = {
    "ftrl": "w is made from z, and z starts at 0: weights that do not start at 0 are forgotten",
}


@every_rule
def test_a_sparse_gradient_steps_as_the_dense_one_with_repeated_rows_summed(name):
    ends = []
    for densely in (False, True):
        table = keras.Variable(np.arange(8.0).reshape(4, 2), dtype="float64")
        optimizer = RULES[name].keras_class(**undecayed(RULES[name]))
        for ids in ([1, 3, 1], [1, 1, 1], [0, 3, 0]):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.gather(table.value, ids) ** 2)
            g = tape.gradient(loss, table.value)
            assert isinstance(g, tf.IndexedSlices)
            optimizer.apply([tf.convert_to_tensor(g) if densely else g], [table])
        ends.append(table.numpy())
    np.testing.assert_array_equal(*ends)
    w = np.array([4.0, 5.0])  # row 2 was never looked up
    if name in MOVE_ON:
        state = RULES[name].init(w, **RULES[name].settings)
        for _ in range(3):
            w, state = RULES[name].step(w, 0 * w, state, **RULES[name].settings)
    np.testing.assert_allclose(ends[0][2], w, rtol=EXACT)


@every_rule_thoroughly
def test_an_embedding_with_repeated_ids_trains_as_the_numpy_rule_says(name, float64):
    rule = RULES[name]
    ids, start = np.array([[1, 1, 2]]), np.arange(8.0).reshape(4, 2) / 8
    model = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(4, 2)])
    model.set_weights([start])
    as_a_matrix = {"exclude_embeddings": False} if name == "muon" else {}
    model.compile(rule.keras_class(**rule.settings, **as_a_matrix), loss="mse")
    model.fit(ids, np.ones((1, 3, 2)), epochs=2, verbose=0)

    w, state = start, rule.init(start, **rule.settings)
    for _ in range(2):
        g = np.zeros((4, 2))
        np.add.at(g, ids[0], 2 / 6 * (w[ids[0]] - 1))  # the gradient of the mean of 6 squares
        w, state = rule.step(w, g, state, **rule.settings)
    np.testing.assert_allclose(model.get_weights()[0], w, rtol=EXACT)


# ---- Mixed precision, frozen layers, absent gradients ----


@every_rule
def test_mixed_precision_lowers_the_loss_with_finite_float32_weights(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = keras.layers.Dense(2, kernel_initializer="zeros")
        model = keras.Sequential([keras.Input((3,)), layer])
        model.compile(RULES[name].keras_class(0.125), loss="mse", run_eagerly=True)
        losses = model.fit(np.eye(3), np.ones((3, 2)), epochs=2, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy(before)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(model.optimizer.inner_optimizer, RULES[name].keras_class)
    assert all(w.dtype == "float32" and np.all(np.isfinite(w.numpy())) for w in model.weights)
    assert losses[-1] < losses[0]


@every_rule
def test_frozen_layers_stay_where_they_are(name):
    frozen, free = keras.layers.Dense(3, trainable=False), keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((3,)), frozen, free])
    before = [layer.kernel.numpy() for layer in (frozen, free)]
    model.compile(RULES[name].keras_class(**RULES[name].settings), loss="mse", run_eagerly=True)
    model.fit(np.eye(3), np.full((3, 2), 9.0), verbose=0)
    np.testing.assert_array_equal(frozen.kernel.numpy(), before[0])
    assert np.all(free.kernel.numpy() != before[1])


@every_rule
def test_a_variable_without_gradient_keeps_its_value_and_its_state(name):
    optimizer = RULES[name].keras_class(**RULES[name].settings)
    left_out, moved = (keras.Variable([1.0, 2.0], name=n) for n in ("left_out", "moved"))
    optimizer.build([left_out, moved])
    ones = tf.ones(2)
    optimizer.apply([ones, ones], [left_out, moved])
    mine = [left_out, *(v for v in optimizer.variables if v.name.startswith("left_out"))]
    kept, before = [v.numpy() for v in mine], moved.numpy()
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([None, ones], [left_out, moved])
    for variable, value in zip(mine, kept, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert np.all(moved.numpy() != before)


# ---- Saved, loaded, cloned ----


@every_rule
def test_a_clone_made_halfway_goes_on_as_the_original(name):
    cls, settings = RULES[name].keras_class, RULES[name].settings
    gradients = [tf.constant(g[:2]) for g in GRADIENTS]
    original, w = cls(**settings), keras.Variable([1.0, -2.0], dtype="float64")
    for g in gradients[:3]:
        original.apply([g], [w])
    copied = keras.Variable(w.numpy(), dtype="float64")
    clone = cls.from_config(original.get_config())
    clone.build([copied])
    clone.set_weights([variable.numpy() for variable in original.variables])
    for g in gradients[3:]:
        original.apply([g], [w])
        clone.apply([g], [copied])
    np.testing.assert_array_equal(copied.numpy(), w.numpy())


@every_rule
def test_serialized_and_back_it_is_the_same_class_with_every_argument(name):
    rule = RULES[name]
    given = dict(weight_decay=0.5, clipnorm=2.0, use_ema=True, ema_momentum=0.5, name="mine")
    optimizer = rule.keras_class(**{**rule.settings, **given, "learning_rate": DECAY})
    text = json.dumps(keras.optimizers.serialize(optimizer))
    again = keras.optimizers.deserialize(json.loads(text))
    assert type(again) is rule.keras_class
    config = again.get_config()
    assert config == optimizer.get_config()
    given = {argument: rule.settings[argument] for argument in rule.hyperparameters} | given
    given["learning_rate"] = keras.optimizers.schedules.serialize(DECAY)
    assert {argument: config[argument] for argument in given} == given


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # within Keras
@every_rule
def test_a_saved_model_holds_the_optimizer_and_its_state(name, tmp_path):
    rule = RULES[name]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(rule.keras_class(**rule.settings), loss="mse", run_eagerly=True)
    model.fit(np.eye(3), np.ones((3, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert type(loaded) is rule.keras_class
    assert loaded.iterations == 1
    for before, after in zip(model.optimizer.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())


# ---- The NumPy rules ----


@every_rule
def test_hyperparameters_left_out_take_the_defaults_of_the_keras_class(name):
    rule = RULES[name]
    w, g = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    bare = rule.step(w, g, rule.init(w))
    spelled_out = rule.step(w, g, rule.init(w, **rule.hyperparameters), **rule.hyperparameters)
    np.testing.assert_equal(bare, spelled_out)


@every_rule
def test_float32_stays_float32_and_whole_numbers_become_floats(name):
    rule = RULES[name]
    w = np.array([1, -2], "float32")
    for start, dtype in [(w, "float32"), ([1, -2], "float64")]:
        new, state = rule.step(start, start, rule.init(start))
        slots = {key: value.dtype for key, value in state.items() if key != "t"}
        assert {"w": new.dtype, **slots} == dict.fromkeys(["w", *slots], dtype)


def test_many_learning_rates_can_be_tried_at_once():
    rates = np.array([[0.125], [0.5]])
    w, _ = RULES["sgd"].step(np.ones((2, 3)), np.ones((2, 3)), {}, learning_rate=rates)
    np.testing.assert_array_equal(w, [[0.875] * 3, [0.5] * 3])


def test_a_rule_can_be_told_by_a_namespace_and_needs_no_twin():
    sgd = RULES["sgd"]
    told = SimpleNamespace(init=sgd.numpy.init, step=sgd.numpy.step, __doc__="w ← w − g")
    rule = Rule(told, sgd.keras_class, settings={})
    assert (rule.name, rule.equation, rule.builtin) == ("SGD", "w ← w − g", None)
    assert rule.step(1.0, 4.0, {}, learning_rate=0.125)[0] == 0.5


# ---- What makes no sense is refused, by name, with what was received ----

NO_NUMBERS = ["fast", "0.1", None, {}, 1j, True]
NO_RATES = [-0.125, np.nan, np.inf, []]
NO_FRACTIONS = [-0.125, 1.5, np.nan, np.inf, []]
NO_MEANS = [*NO_FRACTIONS, 1.0]  # at 1 a running mean never moves, and its correction divides by 0
OUT_OF_RANGE = dict(momentum=NO_FRACTIONS, rho=NO_FRACTIONS, beta_1=NO_MEANS, beta_2=NO_MEANS)
OUT_OF_RANGE["learning_rate_power"] = [0.125, np.nan, np.inf, -np.inf, []]
OUT_OF_RANGE["beta_2_decay"] = [-1.5, 0.125, np.nan, np.inf, []]
OUT_OF_RANGE["clip_threshold"] = [0.0, -0.125, np.nan, []]
ARGUMENTS = [(name, argument) for name in RULES for argument in RULES[name].hyperparameters]


@pytest.mark.parametrize("name, argument", ARGUMENTS)
def test_bad_hyperparameters_are_refused_by_name_in_both_tellings(name, argument):
    rule = RULES[name]
    w, g, state = np.ones(2), np.ones(2), rule.init(np.ones(2))
    for error, values in {
        TypeError: NO_NUMBERS,
        ValueError: OUT_OF_RANGE.get(argument, NO_RATES),
    }.items():
        for value in values:
            for ask in (rule.keras_class, partial(rule.init, w), partial(rule.step, w, g, state)):
                with pytest.raises(error, match=f"`{argument}`") as refusal:
                    ask(**{argument: value})
                assert f"Received: {argument}={value!r}." in str(refusal.value)


def test_an_array_of_hyperparameters_is_refused_for_one_bad_entry():
    check_hyperparameters(momentum=[0.0, 0.5, 1.0])
    with pytest.raises(ValueError, match=r"`momentum` .*momentum=\[0.5, 2.0\]"):
        check_hyperparameters(momentum=[0.5, 2.0])


def test_schedules_and_callables_pass_for_a_learning_rate_alone():
    check_hyperparameters(learning_rate=DECAY)
    check_hyperparameters(learning_rate=lambda: 0.125)
    with pytest.raises(TypeError, match="`epsilon`"):
        check_hyperparameters(epsilon=lambda: 0.125)


@every_rule
def test_an_unknown_hyperparameter_is_named_and_the_known_ones_are_listed(name):
    rule = RULES[name]
    for ask in (rule.init, lambda w, **hyper: rule.step(w, w, rule.init(w), **hyper)):
        with pytest.raises(TypeError, match="no hyper-parameter `speed`") as refusal:
            ask(np.ones(2), speed=9.0)
        assert ", ".join(rule.hyperparameters) in str(refusal.value)
    with pytest.raises(ValueError, match="speed.*9.0"):  # this sentence is Keras's
        rule.keras_class(speed=9.0)


@every_rule
def test_a_gradient_of_another_shape_is_refused_with_both_shapes(name):
    rule = RULES[name]
    for g in (np.ones(2), np.ones((1, 3)), 1.0):
        with pytest.raises(ValueError, match="`g`") as refusal:
            rule.step(np.ones(3), g, rule.init(np.ones(3)))
        assert f"w.shape=(3,), g.shape={np.shape(g)}" in str(refusal.value)


@every_rule
def test_a_transposed_gradient_is_refused(name):
    for optimizer in [RULES[name].keras_class(**undecayed(RULES[name]))]:
        variable = keras.Variable(np.ones((2, 3)), dtype="float64")
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            optimizer.apply([tf.ones((3, 2), tf.float64)], [variable])
        np.testing.assert_array_equal(variable.numpy(), np.ones((2, 3)))


@pytest.mark.parametrize("value", ["downhill", "1.5", None, [[1.0], [1.0, 2.0]], 1j], ids=repr)
def test_weights_and_gradients_that_are_no_numbers_are_refused_by_name(value):
    rule = RULES["adagrad"]
    for argument, ask in {
        "w": lambda: rule.init(value),
        "g": lambda: rule.step(1.0, value, rule.init(1.0)),
    }.items():
        with pytest.raises(TypeError, match=f"`{argument}` must be an array of floats") as refusal:
            ask()
        assert "Received" in str(refusal.value)


def test_an_unknown_rule_is_answered_with_the_nearest_one_or_with_all():
    with pytest.raises(KeyError, match="'adagard'. Did you mean 'adagrad'?"):
        RULES["adagard"]
    for name in ("downhill", 3):
        with pytest.raises(KeyError, match=f"'{name}'") as refusal:
            RULES[name]
        assert ", ".join(RULES) in str(refusal.value)


# ---- side_by_side ----


def rows_of(text):
    """(left, right) for each row of side_by_side; rows that were folded to fit the page are made whole again."""
    lines = text.splitlines()
    (bar,) = {line.index("|") for line in lines}
    assert max(map(len, lines)) <= 113  # twice 54 characters, and the bar: what a laptop shows
    rows = []
    for line in lines:
        cells = line[: bar - 2].rstrip(), line[bar + 3 :]
        if any(cell.startswith("    ") for cell in cells):
            rows[-1] = tuple(map("".join, zip(rows[-1], cells, strict=True)))
        else:
            rows.append(cells)
    return rows


def assigned(cell):
    """The letter that a row sets: s for `s = ...`, `self.assign(s, ...)` and `self.assign_add(s, ...)`."""
    match ast.parse(cell).body[0]:
        case ast.Assign(targets=[target]):
            return ast.unparse(target)
        case ast.Expr(ast.Call(ast.Attribute(attr="assign" | "assign_add"), [target, _])):
            return ast.unparse(target)


ALONE = ("i", "w", "weight_decay")  # which variables decay, only Keras asks


@every_rule
def test_side_by_side_puts_what_is_assigned_next_to_its_twin(name):
    rule = RULES[name]
    *body, last = rows_of(side_by_side(rule.numpy.step, rule.keras_class.update_step))
    assert last[0].startswith("return w, {") and last[1] == ""
    state = [row for row in body if "state[" in row[0]]
    assert len(state) == (name != "sgd")
    assert all("variable," in keras_row for _, keras_row in state)
    twins = [row for row in body if row[0] and row not in state]
    assert twins and all(assigned(left) == assigned(right) for left, right in twins)
    alone = [assigned(right) for left, right in body if not left]
    wanted = ["g", "learning_rate", *(["z"] if name == "schedule_free" else [])]  # z starts at w
    assert [letter for letter in alone if letter not in ALONE] == wanted


@every_rule
def test_side_by_side_leaves_nothing_out_and_keeps_the_order(name):
    functions = RULES[name].numpy.step, RULES[name].keras_class.update_step
    columns = zip(*rows_of(side_by_side(*functions)), strict=True)
    for column, function in zip(columns, functions, strict=True):
        definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        body = definition.body[1 if ast.get_docstring(definition) else 0 :]
        shown = [ast.parse(cell).body[0] for cell in column if cell]
        assert list(map(ast.unparse, shown)) == list(map(ast.unparse, body))


@pytest.mark.parametrize("thing", [len, 3, "step", np.add], ids=repr)
def test_side_by_side_refuses_what_has_no_source_with_a_sentence(thing):
    step = RULES["sgd"].numpy.step
    for left, right in [(thing, step), (step, thing)]:
        with pytest.raises(TypeError, match="functions .def. whose source can be read") as refusal:
            side_by_side(left, right)
        assert repr(thing) in str(refusal.value)


def test_a_state_that_does_not_belong_is_refused_with_what_is_wanted():
    rule, w = RULES["adagrad"], np.ones(3)
    for state in ({}, None, {"s": np.ones((2, 3))}, {"s": np.ones(3), "v": np.ones(3)}):
        with pytest.raises(ValueError, match=r"`state` must hold, .*\{'s': \(3,\)\}"):
            rule.step(w, w, state)


def test_a_schedule_is_refused_where_numpy_needs_a_number():
    with pytest.raises(TypeError, match="`learning_rate` must be a number here"):
        RULES["sgd"].step(1.0, 1.0, {}, learning_rate=lambda: 0.125)


def test_a_class_without_an_init_of_its_own_takes_its_settings_from_the_rule():
    class Bare(keras.Optimizer):
        update_step = RULES["sgd"].keras_class.update_step

    rule = replace(RULES["sgd"], keras_class=Bare)
    assert list(rule.hyperparameters) == ["learning_rate"]
    assert rule.step(1.0, 1.0, {}, learning_rate=0.25)[0] == 0.75
    with pytest.raises(TypeError, match="`learning_rate` must be a number here"):
        rule.step(1.0, 1.0, {})


def test_side_by_side_refuses_what_is_no_def():
    for thing in (lambda x: x, RULES["sgd"].keras_class, 3):
        with pytest.raises(TypeError, match="side_by_side needs functions"):
            side_by_side(thing, RULES["sgd"].numpy.step)

"""A trial of a sweep is the training that it stands for, in any company; and nothing is lost."""

import importlib.util
import os
from concurrent import futures
from types import SimpleNamespace

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES, Rule
from course_lib.sweeps import Problem, Racer, Table, digits, sweep, train
from course_lib.sweeps.network import gradient, judge
from course_lib.two_gradients import HEUN, MIDPOINT, step
from course_lib.wrappers import soft_batch

import keras
import numpy as np
import pytest
from races import RACE, rule_of, small, tiny, watch_training

ENGINES = [
    "tensorflow",
    pytest.param(
        "jax",
        marks=pytest.mark.skipif(
            not importlib.util.find_spec("jax"), reason="JAX is not installed"
        ),
    ),
]
EXACT = {"dtype": "float64", "gradients": 24, "every": 8}


@pytest.fixture(scope="module")
def problem():
    return small()


@pytest.fixture
def trained(monkeypatch):
    return watch_training(monkeypatch)


def largest_difference(these, those):
    return max(np.abs(a - b).max() for a, b in zip(these, those, strict=True))


# ---- A trial is the training that it stands for ----


def keras_training(problem, optimizer, seed, gradients):
    """The same network, weights and batches in Keras, in float64; one gradient a step."""
    import tensorflow as tf

    layers = [keras.Input((problem.x.shape[1],), dtype="float64")]
    layers += [keras.layers.Dense(n, "relu", dtype="float64") for n in problem.hidden]
    layers += [keras.layers.Dense(10, dtype="float64")]
    model = keras.Sequential(layers)
    model.set_weights(problem.weights(seed))
    x, y = problem.x.astype("float64"), problem.y
    optimizer.build(model.trainable_variables)

    @tf.function
    def one_step(x, y):
        with tf.GradientTape() as tape:
            logits = model(x)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        optimizer.apply(tape.gradient(loss, model.trainable_variables))

    for rows in problem.batches(seed, gradients):
        one_step(x[rows], y[rows])
    z = keras.ops.convert_to_numpy(model(problem.x_test.astype("float64")))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")(
        problem.y_test, z
    )
    return model.get_weights(), float(loss), float((z.argmax(axis=1) == problem.y_test).mean())


@pytest.mark.parametrize("name", ["sgd", "adam", "lamb", "muon"])
def test_a_trial_is_the_training_in_keras(problem, name):
    """1e-12 a step for 24 steps; Muon's polynomial amplifies rounding some 10 times."""
    settings = {k: v for k, v in RULES[name].settings.items() if k != "learning_rate"}
    optimizer = RULES[name].keras_class(**settings, learning_rate=2**-7)
    weights, loss, accuracy = keras_training(problem, optimizer, seed=3, gradients=24)
    table, ours = train(problem, Racer(name, settings), [2**-7], [3], **EXACT)
    assert largest_difference(ours[0], weights) < 1e-10
    assert table["loss"][-1] == pytest.approx(loss, rel=1e-10)
    assert table["accuracy"][-1] == accuracy


def test_first_weights_are_glorots_and_differ_by_seed(problem):
    kernel, bias, *_ = problem.weights(0)
    limit = np.sqrt(6 / sum(kernel.shape))
    assert 0.98 * limit < np.abs(kernel).max() <= limit and not bias.any()
    assert largest_difference(problem.weights(0), problem.weights(0)) == 0
    assert largest_difference(problem.weights(0)[::2], problem.weights(1)[::2]) > limit / 2


def test_an_epoch_shows_each_row_once(problem):
    rows = problem.batches(seed=0, gradients=30)  # 12 batches of 16 an epoch, 8 rows left out
    assert rows.shape == (30, 16)
    first, second = rows[:12].ravel(), rows[12:24].ravel()
    assert len(set(first)) == len(set(second)) == 192
    assert not np.array_equal(first, second)
    assert np.array_equal(rows[:5], problem.batches(0, 5))


def test_heun_takes_two_gradients_a_step(problem):
    racer = Racer("sgd", tableau=HEUN)
    table, weights = train(problem, racer, [0.125], [1], **EXACT)
    assert table["step"].tolist() == [4, 8, 12]
    assert table["gradients"].tolist() == [8, 16, 24]
    x, y = problem.x.astype("float64"), np.eye(10)[problem.y]
    w = np.concatenate([v.ravel() for v in problem.weights(1)])[None]
    for rows in problem.batches(1, 12):
        w = step(
            lambda w, rows=rows: gradient(w, x[rows][None], y[rows][None], problem.shapes),
            w,
            0.125,
            HEUN,
        )
    assert np.abs(np.concatenate([v.ravel() for v in weights[0]]) - w[0]).max() < 1e-13


def test_a_soft_batch_is_the_mean_of_its_micro_batches(problem):
    racer = Racer("adam", micro_batches=4)
    table, weights = train(problem, racer, [0.01, 0.02], [1, 0], **EXACT)
    assert table["step"].tolist() == [2, 4, 6] * 2
    x, y, soft = problem.x.astype("float64"), np.eye(10)[problem.y], soft_batch(RULES["adam"], 4)
    for i, (rate, seed) in enumerate([(0.01, 1), (0.02, 0)]):
        w = np.concatenate([v.ravel() for v in problem.weights(seed)])[None]
        state = soft.init(w)
        for rows in problem.batches(seed, 24):
            g = gradient(w, x[rows][None], y[rows][None], problem.shapes)
            w, state = soft.step(w, g, state, learning_rate=rate)
        assert np.abs(np.concatenate([v.ravel() for v in weights[i]]) - w[0]).max() < 1e-13


def test_the_gradient_is_the_slope_of_the_loss(problem):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(1, problem.size))
    x, y = problem.x_test.astype("float64"), np.eye(10)[problem.y_test]
    g = gradient(w, x[None], y[None], problem.shapes)[0]
    for i in rng.choice(problem.size, 20, replace=False):
        ahead, behind = w.copy(), w.copy()
        ahead[0, i] += 1e-5
        behind[0, i] -= 1e-5
        slope = judge(ahead, problem)[0] - judge(behind, problem)[0]
        assert slope[0] / 2e-5 == pytest.approx(g[i], abs=1e-8)


def test_a_network_that_cannot_decide_is_not_always_right(problem):
    w = np.zeros((1, problem.size))
    loss, accuracy = judge(w, problem)
    assert loss[0] == pytest.approx(np.log(10), rel=1e-12)
    assert accuracy[0] == (problem.y_test == 0).mean()  # the first of equals


# ---- In whatever company, on whatever engine ----


@pytest.mark.parametrize("name", RULES)
def test_a_trial_does_not_notice_its_company(problem, name):
    """The same arithmetic row by row, so in NumPy not a bit differs."""
    options = {**EXACT, "gradients": 8, "every": 4}
    rates, seeds = [0.001, 0.125, 0.01], [0, 1, 1]
    _, together = train(problem, name, rates, seeds, **options)
    for i in range(3):
        _, alone = train(problem, name, rates[i : i + 1], seeds[i : i + 1], **options)
        assert largest_difference(alone[0], together[i]) == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "racer",
    [
        "sgd",
        "adam",
        "radam",
        "schedule_free",
        "adafactor",
        "lars",
        "lamb",
        "muon",
        "shampoo",
        Racer("momentum", {"momentum": 0.75}, tableau=MIDPOINT, micro_batches=2),
    ],
    ids=lambda racer: getattr(racer, "name", racer),
)
def test_a_compiled_trial_is_the_trial(racer, engine):
    """To rounding.

    XLA's eigenvalues on TensorFlow (Shampoo's) come from rotations that stop earlier than LAPACK's.
    """
    problem = tiny()
    options = {**EXACT, "gradients": 16}
    _, numpy = train(problem, racer, [0.001, 0.0625], [0, 1], **options)
    table, compiled = train(problem, racer, [0.001, 0.0625], [0, 1], engine=engine, **options)
    tolerance = 1e-7 if (racer, engine) == ("shampoo", "tensorflow") else 1e-12
    assert max(largest_difference(*pair) for pair in zip(numpy, compiled, strict=True)) < tolerance
    assert compiled[0][0].dtype == np.float64 and np.isfinite(table["loss"]).all()


@pytest.mark.parametrize("engine", ["numpy", *ENGINES])
def test_in_float32_too_up_to_a_rate_of_a_hundredth(engine):
    """880 steps amplify rounding: to 1e-4 at most, up to a learning rate of 0.01."""
    rates, seeds = [0.0001, 0.001, 0.01] * 2, [0, 0, 0, 1, 1, 1]
    _, together = train(digits(), "adam", rates, seeds, engine=engine)
    _, alone = train(digits(), "adam", [0.01], [1], engine=engine)
    assert together[5][0].dtype == np.float32
    assert largest_difference(alone[0], together[5]) < 1e-4


@pytest.mark.parametrize("name", ["sgd", "lamb", "shampoo"])
def test_a_trial_that_diverges_is_marked_and_costs_the_others_nothing(problem, name):
    options = {**EXACT, "engine": "numpy"}
    settings = {"weight_decay": 1.0} if name == "lamb" else {}
    racer = Racer(name, settings)
    table, weights = train(problem, racer, [0.01, 1e200, 0.02], [0, 0, 0], **options)
    _, without = train(problem, racer, [0.01, 0.02], [0, 0], **options)
    assert table.where(learning_rate=1e200)["diverged"].tolist() == [True, True, True]
    assert not table.where(learning_rate=0.01)["diverged"].any()
    assert largest_difference(weights[0], without[0]) == 0
    assert largest_difference(weights[2], without[1]) == 0


def test_once_diverged_is_diverged():
    """Weights may come back from infinity, but the trial has left the race."""

    def init(w):
        return {"t": 0}

    def step(w, g, state, *, learning_rate):
        t = state["t"] + 1
        return (w * np.inf if t == 2 else np.zeros_like(w)), {"t": t}

    racer = Racer(Rule(SimpleNamespace(init=init, step=step), RULES["sgd"].keras_class, {}))
    table, _ = train(tiny(), racer, [0.1], [0], gradients=3, every=1)
    assert table["diverged"].tolist() == [False, True, True]
    assert np.isfinite(table["loss"]).tolist() == [True, False, True]


def test_a_loss_that_is_not_finite_is_a_divergence_whatever_the_weights():
    def step(w, g, state, *, learning_rate):
        return np.full_like(w, 1e200), state  # finite, and the product of two is not

    table, weights = train(tiny(), Racer(rule_of(step)), [0.1], [0], **EXACT)
    assert np.isfinite(weights[0][0]).all() and not np.isfinite(table["loss"]).any()
    assert table["diverged"].all()


# ---- Nothing is lost ----


def test_a_sweep_is_its_trials_in_order(problem):
    table = sweep(problem, ["adam", "sgd"], [0.01, 0.1], [2, 0], **RACE)
    assert len(table) == 2 * 2 * 2 * 2
    assert table["rule"].tolist() == ["adam"] * 8 + ["sgd"] * 8
    assert table["learning_rate"].tolist() == ([0.01] * 4 + [0.1] * 4) * 2
    assert table["seed"].tolist() == [2, 2, 0, 0] * 4
    assert table["gradients"].tolist() == [4, 8] * 8
    one, _ = train(problem, "sgd", [0.1], [0], **RACE)
    assert table.rows[-2:] == one.rows
    its_own = {"adam": [0.01], "sgd": [0.1]}
    assert sweep(problem, ["adam", "sgd"], its_own, [2, 0], **RACE).rows == (
        table.rows[:4] + table.rows[-4:]
    )


def test_without_a_file_an_interrupt_carries_what_is_finished(problem, trained):
    trained.fail_after = 1
    with pytest.raises(KeyboardInterrupt) as stop:
        sweep(problem, ["sgd", "adam"], [0.01], [0], **RACE)
    assert stop.value.table["rule"].tolist() == ["sgd", "sgd"]
    assert "this exception's `table`" in stop.value.__notes__[0]


def test_a_bar_is_drawn_where_somebody_watches(problem, capsys):
    race = problem, ["sgd"], [0.01, 0.1], range(3)
    sweep(*race, **RACE, progress=True)
    assert "6/6" in capsys.readouterr().err
    sweep(*race, **RACE)
    assert capsys.readouterr() == ("", "")


def scaled(scale):
    def helper(g):
        return scale * g

    def step(w, g, state, *, learning_rate):
        return w - learning_rate * helper(g), state

    return rule_of(step)


def test_a_rule_whose_code_changed_runs_again():
    def up(w, g, state, *, learning_rate):
        return w + learning_rate * g, state

    one, same, other, opposite = (
        Racer(rule).fingerprint for rule in (scaled(1.0), scaled(1.0), scaled(0.5), rule_of(up))
    )
    assert one == same and len({one, other, opposite}) == 3
    assert Racer("adam").fingerprint != Racer("adam", {"beta_2": 0.99}).fingerprint
    assert Racer("adam").fingerprint == Racer("adam", {"beta_2": 0.999}, name="mine").fingerprint


@pytest.mark.parametrize("engine", ["numpy", *ENGINES])
def test_two_rules_of_one_source_are_two_rules(problem, engine):
    racers = [Racer(scaled(1.0), name="whole"), Racer(scaled(0.5), name="half")]
    table = sweep(problem, racers, [0.25], [0], **RACE, engine=engine)
    half = sweep(problem, ["sgd"], [0.125], [0], **RACE, engine=engine)
    assert table.where(rule="half")["loss"] == pytest.approx(half["loss"], rel=1e-5)
    assert table.where(rule="whole")["loss"] != pytest.approx(half["loss"], rel=1e-3)


def test_a_rule_typed_at_a_prompt_can_race_too(problem):
    typed = {}
    exec("def step(w, g, state, *, learning_rate):\n    return w - learning_rate * g, state", typed)
    table = sweep(problem, [Racer(rule_of(typed["step"]))], [0.25], [0], **RACE)
    assert table["loss"].tolist() == sweep(problem, ["sgd"], [0.25], [0], **RACE)["loss"].tolist()


def test_a_problem_that_begins_elsewhere_is_another_problem(problem):
    class FromZero(Problem):
        def weights(self, seed):
            return [np.zeros(shape) for shape in self.shapes]

    same = {name: getattr(problem, name) for name in Problem.__dataclass_fields__}
    assert Problem(**same).fingerprint == problem.fingerprint != FromZero(**same).fingerprint


# ---- Past one machine ----


def test_on_an_executor_the_table_is_the_same(problem):
    race = problem, ["sgd", "lamb"], [0.01, 0.1], range(2)
    with futures.ThreadPoolExecutor(2) as executor:
        assert sweep(*race, **RACE, executor=executor).rows == sweep(*race, **RACE).rows


def test_a_broken_executor_keeps_what_was_finished(problem, tmp_path):
    class Breaks(futures.Executor):
        """Runs one call; then a worker is gone, and with it the pool."""

        ran = 0

        def submit(self, call):
            future = futures.Future()
            if self.ran:
                future.set_exception(futures.BrokenExecutor("a worker died"))
            else:
                future.set_result(call())
            self.ran += 1
            return future

    file = tmp_path / "race.csv"
    race = problem, ["sgd", "adam"], [0.1], range(2)
    with pytest.raises(futures.BrokenExecutor) as stop:
        sweep(*race, **RACE, file=file, executor=Breaks())
    assert len(Table.read_csv(file).finished(8)) == 2
    assert "2 of 4 trials are finished" in stop.value.__notes__[0]
    assert sweep(*race, **RACE, file=file).rows == sweep(*race, **RACE).rows


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of Dask on this machine."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def test_on_a_cluster_a_killed_worker_costs_nothing(problem, cluster, tmp_path):
    flag = str(tmp_path / "a worker was killed")

    def init(w):
        return {}

    calls = []

    def step(w, g, state, *, learning_rate):
        calls.append(1)
        if len(calls) > 40 and not os.path.exists(flag):
            open(flag, "w").close()
            os._exit(9)  # in the middle of a batch, with nothing said
        return w - learning_rate * g, state

    deadly = Racer(
        Rule(SimpleNamespace(init=init, step=step), RULES["sgd"].keras_class, {}), name="deadly"
    )
    file = tmp_path / "race.csv"
    race = problem, [deadly, "adam", "lamb"], [0.01, 0.1], range(3)
    options = {"dtype": "float64", "gradients": 48, "every": 24}
    before = cluster.run(os.getpid)
    table = sweep(*race, **options, file=file, executor=cluster)
    assert os.path.exists(flag), "no worker was killed"
    assert set(cluster.run(os.getpid).values()) != set(before.values())
    sgd = sweep(problem, ["sgd"], [0.01, 0.1], range(3), **options)
    np.testing.assert_allclose(table.where(rule="deadly")["loss"], sgd["loss"], rtol=1e-12)
    here = sweep(problem, ["adam", "lamb"], [0.01, 0.1], range(3), **options)
    np.testing.assert_allclose(table["loss"][len(sgd) :], here["loss"], rtol=1e-12)
    assert len(table.finished(48)) == len(Table.read_csv(file).finished(48)) == 18


def test_names_say_what_is_special():
    assert Racer("adam").name == "adam"
    assert Racer("momentum", {"momentum": 0.9}).name == "momentum, momentum 0.9"
    assert Racer("sgd", tableau=HEUN, micro_batches=8).name == "sgd, 2 looks, 8 micro-batches"

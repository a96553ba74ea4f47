"""One model over several devices is the model of one: the same weights to rounding, whatever the optimizer.

All in float64, to 1e-12: replicas add the parts of a sum in another order, some 1e-16 a step; a gradient that is not
shared, shared twice or divided by a wrong number is off by 1e-3 and more.  Logical devices are set before TensorFlow's
first operation, and processes of a cluster are processes: this file is run again, as a script, for each.
"""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import course_lib
from course_lib.authoring.forked_kernels import Popen
from course_lib.optimizers import RULES
from course_lib.two_gradients import EXTRAGRADIENT, HEUN, SAM, TwoGradientModel
from course_lib.wrappers import Averaging, FireAtEpochEnd, Lookahead, SoftBatch, at_average

import keras
import numpy as np
import pytest
import tensorflow as tf
from depth import mostly_thorough
from keras import layers, ops

K = keras.optimizers
EXACT = 1e-12
WRONG = 1e-4  # what is known to be another algorithm is at least this far away
LIMIT = 600  # seconds until a process that hangs is ended

X = np.random.default_rng(0).normal(size=(24, 3))
Y = np.sin(X[:, :1])
IDS = np.random.default_rng(1).integers(
    0, 4, size=(24, 3)
)  # rows repeat, within a replica and across


def model_of(optimizer, method=None, embed=False, graph=False, **how):
    """A small network, compiled; with a method it takes several gradients a step."""
    keras.utils.set_random_seed(0)
    first = layers.Dense(2, activation="tanh", **how)
    body = [layers.Embedding(4, 2), layers.Flatten()] if embed else [first]
    model = keras.Sequential([keras.Input((3,)), *body, layers.Dense(1)])
    model = TwoGradientModel(model, method) if method else model
    model.compile(optimizer, loss="mse", metrics=["mae"], run_eagerly=not graph)
    return model


def fit(model, epochs=2, batch_size=4, x=X, callbacks=()):
    how = dict(shuffle=False, verbose=0, callbacks=list(callbacks))
    logs = model.fit(x, Y[: len(x)], epochs=epochs, batch_size=batch_size, **how).history
    model.seen = [np.array([logs["loss"], logs["mae"]]) * 1e-6]  # the logs are in float32
    return model


def values(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


def everything(model):
    """Weights, all that the optimizer keeps, and the logs.  The replicas must hold the same weights, to the bit."""
    for w in model.trainable_variables:
        copies = [copy.numpy() for copy in getattr(w.value, "values", [])]
        assert all(np.array_equal(copies[0], other) for other in copies), f"{w.path} drifts apart"
    return values(model.trainable_variables) + values(model.optimizer.variables) + model.seen


class Shrink(keras.constraints.Constraint):
    def __call__(self, w):
        return 0.75 * w


cosine = K.schedules.CosineDecay(0.125, 6)

# ---- fit: what runs on one device and on two ----


def soft_of_everything():
    return SoftBatch(K.AdamW(cosine, weight_decay=0.125, use_ema=True), 5)


def multi():
    return K.MultiOptimizer(K.OptimizerMap(K.Adam(0.125), {"bias": K.SGD(0.125)}))


def averaging():
    return Averaging(Lookahead(SoftBatch(RULES["adam"].keras_class(0.125), 2), 3))


def averaged():
    model = fit(in_a_graph_on_two(averaging()))
    with at_average(model):
        return values(model.weights) + everything(model)


def in_a_graph_on_two(*what, **how):
    """On one device eagerly: its graph is another test's, and costs time."""
    return model_of(*what, graph=tf.distribute.has_strategy(), **how)


FITS = {
    "soft batch, with a remainder in the buffer": lambda: fit(
        in_a_graph_on_two(soft_of_everything())
    ),
    "soft batch, fired, scaled": lambda: fit(
        in_a_graph_on_two(K.LossScaleOptimizer(SoftBatch(multi(), 4))),
        callbacks=[FireAtEpochEnd()],
    ),
    "soft batch of an embedding": lambda: fit(
        in_a_graph_on_two(SoftBatch(K.Adam(0.125), 2), embed=True), x=IDS
    ),
    "lookahead, constrained": lambda: fit(
        in_a_graph_on_two(Lookahead(K.SGD(0.125, momentum=0.5), 2), kernel_constraint=Shrink())
    ),
    "at the average of lookahead of a soft batch": averaged,
    "heun of an embedding": lambda: fit(in_a_graph_on_two(K.Adam(0.125), HEUN, embed=True), x=IDS),
    "sam, clipped": lambda: fit(
        in_a_graph_on_two(Lookahead(K.SGD(0.125, clipnorm=0.01), 2), SAM(0.5))
    ),
    "extragradient, scaled, clipped": lambda: fit(
        in_a_graph_on_two(K.LossScaleOptimizer(K.SGD(0.125, global_clipnorm=0.01)), EXTRAGRADIENT)
    ),
}


# ---- Gradients by hand: eager, 23 rules ----


def half(values):
    """This replica's part of the examples; on one device all of them."""
    context = tf.distribute.get_replica_context()
    return values[context.replica_id_in_sync_group :: context.num_replicas_in_sync]


def by_hand(make, calls=4):
    """Gradients of a linear model's loss over all examples, a replica's part over those that it has."""
    w = [keras.Variable(np.eye(3, 2)), keras.Variable(np.ones(2)), keras.Variable(np.ones(1))]
    optimizer = make()
    optimizer.build(w)
    targets = np.concatenate([Y, Y**2], axis=1)

    def step(begin):
        x, y = half(X[begin : begin + 4]), half(targets[begin : begin + 4])
        error = (ops.matmul(x, w[0]) + w[1] - y) / 4
        # The third has no gradient: it is not used.
        optimizer.apply([ops.matmul(x.T, error), ops.sum(error, axis=0), None], w)

    for call in range(calls):
        tf.distribute.get_strategy().run(step, args=(4 * call,))
    return values(w + optimizer.variables)


def average_of_schedule_free():
    made = []
    by_hand(lambda: made.append(settled("schedule_free")) or made[0])
    return values(average for _, average in made[0].averages())


def settled(name):
    return RULES[name].keras_class(**RULES[name].settings)


HANDS = {
    **{
        f"soft batch of {name}": lambda name=name: by_hand(lambda: SoftBatch(settled(name), 2))
        for name in RULES
    },
    "lookahead of muon": lambda: by_hand(lambda: Lookahead(settled("muon"), 2)),
    "averaging of lars": lambda: by_hand(lambda: Averaging(settled("lars"), momentum=0.5)),
    "soft batch of lookahead of adam": lambda: by_hand(
        lambda: SoftBatch(Lookahead(settled("adam"), 2), 2)
    ),
    "soft batch with a fixed loss scale": lambda: by_hand(
        lambda: SoftBatch(K.Adam(0.125, loss_scale_factor=8.0), 3)
    ),
    "the average that schedule_free keeps": average_of_schedule_free,
}


# ---- What is asked of two replicas, and answered in numbers and sentences ----


def apart(ones, others):
    assert len(ones) == len(others)
    pairs = zip(ones, others, strict=True)
    return max(float(np.max(np.abs(one - other), initial=0)) for one, other in pairs)


def said(action, kind):
    """The sentence of the error that is raised."""
    try:
        action()
    except kind as error:
        return str(error)
    return f"no {kind.__name__}"


def saved_between_two_updates(two):
    """One epoch leaves one micro-batch of five in the buffer; the second goes on from a file."""

    def first_epoch(scope):
        with scope:
            return fit(model_of(SoftBatch(K.Adam(0.125), 5)), epochs=1)

    def second_epoch(scope, path):
        with scope:
            model = keras.saving.load_model(path)
        waiting = int(ops.convert_to_numpy(model.optimizer.count))
        return waiting, everything(fit(model, epochs=1))

    one, answer = contextlib.nullcontext, {}
    whole = everything(fit(first_epoch(one()), epochs=1))
    with tempfile.TemporaryDirectory() as folder:
        for name, before, after in (
            ("two to two", two.scope, two.scope),
            ("two to one", two.scope, one),
            ("one to two", one, two.scope),
        ):
            path = Path(folder) / f"{name}.keras"
            first_epoch(before()).save(path)
            waiting, end = second_epoch(after(), path)
            answer[name] = [waiting, apart(whole, end)]
    return answer


def gradients_by_hand(two, optimizer_of, calls):
    """The weights after gradients that are given: [one for each replica] a call; and the optimizer."""
    with two.scope():
        w, optimizer = keras.Variable(np.ones(2)), optimizer_of()
        optimizer.build([w])

    def step(g):
        mine = tf.distribute.get_replica_context().replica_id_in_sync_group
        optimizer.apply([tf.gather(tf.constant(g, "float64"), mine) * ops.ones(2)], [w])

    for g in calls:
        two.run(step, args=(g,))
    return values([w])[0].tolist(), optimizer


def overflow(two):
    bad, scaled = float("inf"), K.LossScaleOptimizer
    fine = [8.0, 8.0]
    make = lambda: scaled(SoftBatch(K.SGD(0.125), 2), initial_scale=16.0)  # noqa: E731
    w, outer = gradients_by_hand(two, make, [fine, [bad, bad], [4.0, 4.0]])
    first, _ = gradients_by_hand(two, lambda: scaled(K.SGD(0.125)), [[bad, 0.0]])
    second, _ = gradients_by_hand(two, lambda: scaled(K.SGD(0.125)), [[0.0, bad]])
    return {
        "soft batch": w,
        "scale": float(ops.convert_to_numpy(outer.dynamic_scale)),
        "first": first,
        "second finite": bool(np.all(np.isfinite(second))),
    }


def overflow_of_two_gradients(two):
    """The second replica alone overflows: no replica steps."""
    with two.scope():
        model = model_of(K.LossScaleOptimizer(K.SGD(0.125), initial_scale=16.0), HEUN)
    before, x = values(model.trainable_variables), np.where(np.arange(24)[:, None] == 3, np.inf, X)
    model.fit(x[:4], Y[:4], batch_size=4, epochs=1, verbose=0)
    scale = float(ops.convert_to_numpy(model.optimizer.dynamic_scale))
    return apart(before, values(model.trainable_variables)), scale


def clipped(two):
    """Keras clips each replica's share, and then adds up; a soft batch does as its optimizer does."""
    make = lambda: K.SGD(0.125, clipnorm=0.01)  # noqa: E731
    with two.scope():
        plain, soft = model_of(make()), model_of(SoftBatch(make(), 2))
    plain, one = fit(plain, epochs=1, batch_size=8), fit(model_of(make()), epochs=1, batch_size=8)
    # A replica has the same examples in a batch of 8 and in two of 4.
    order = np.arange(24).reshape(-1, 2, 2, 2).transpose(0, 2, 1, 3).reshape(-1)
    settings = dict(batch_size=4, shuffle=False, verbose=0)
    soft.fit(X[order], Y[order], **settings)
    weights = [values(model.trainable_variables) for model in (plain, soft, one)]
    return apart(weights[0], weights[1]), apart(weights[0], weights[2])


def a_rest_that_does_not_divide(two):
    """The last batch of fit has 3 examples: two here, one there, and the one counts as much as the two."""
    with two.scope():
        ends = [fit(model_of(K.SGD(0.125)), epochs=1, x=X[:7])]
    for weights in ([1, 1, 1], [0.75, 0.75, 1.5]):
        ends.append(fit(model_of(K.SGD(0.125)), epochs=1, x=X[:4]))
        ends[-1].fit(X[4:7], Y[4:7], sample_weight=np.array(weights), batch_size=3, verbose=0)
    two, one, one_weighted = [values(model.trainable_variables) for model in ends]
    return apart(two, one), apart(two, one_weighted)


def a_loop_of_your_own(two):
    """Each replica's mean over its own examples, added up, is twice the gradient; divided by the whole batch it is right."""
    target, ends = np.array([1.0, 2.0, 3.0]), []
    for strategy, examples in ((tf.distribute.get_strategy(), 4), (two, 2), (two, 4)):
        with strategy.scope():
            w, optimizer = keras.Variable(np.ones(3)), K.SGD(0.125)
            optimizer.build([w])

        def step(w=w, optimizer=optimizer, examples=examples):
            x = half(tf.constant(X[:4]))
            error = tf.linalg.matvec(x, w.value - target)
            optimizer.apply([tf.linalg.matvec(x, error, transpose_a=True) / examples], [w])

        strategy.run(step)
        ends.append(values([w])[0] - 1)
    one, mean_of_its_own, divided_by_all = ends
    return [float(np.max(np.abs(end - one))) for end in (mean_of_its_own / 2, divided_by_all)]


def half_precision(two):
    """How far mixed_float16 on two replicas is from one, how far it moved, and the loss scale of both."""
    ends, scales = [], []
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_floatx("float32")
    try:
        for scope in (two.scope, contextlib.nullcontext):
            for make in (
                lambda: model_of(SoftBatch(K.SGD(0.125), 2)),
                lambda: model_of(K.SGD(0.125), HEUN),
            ):
                with scope():
                    model = make()
                start = values(model.trainable_variables)
                ends.append(values(fit(model).trainable_variables))
                scales.append(float(ops.convert_to_numpy(model.optimizer.dynamic_scale)))
    finally:
        float64()
    return apart(ends[0], ends[2]), apart(ends[1], ends[3]), apart(start, ends[3]), scales


def refusals(two):
    one_device = SoftBatch(K.SGD(), 2)
    w = keras.Variable(np.ones(2))
    with two.scope():
        shared = keras.Variable(np.ones(2))
        known = SoftBatch(K.SGD(), 2)
        heun = model_of(K.SGD(), HEUN)
        accumulating = model_of(K.SGD(gradient_accumulation_steps=2), graph=True)
        outside = said(lambda: known.apply([ops.ones(2)], [shared]), ValueError)
        step = said(lambda: heun.train_step((ops.ones((1, 3)), ops.ones((1, 1)))), ValueError)
        mixed = said(lambda: SoftBatch(one_device.inner_optimizer, 2), ValueError)
    with tf.distribute.experimental.CentralStorageStrategy(["CPU:0"]).scope():
        other = said(lambda: Lookahead(K.SGD(), 2), NotImplementedError)
    return {
        "made outside": said(
            lambda: two.run(lambda: one_device.apply([ops.ones(2)], [w])), ValueError
        ),
        "used without": said(lambda: known.apply([ops.ones(2)], [shared]), ValueError),
        "outside of run": outside,
        "two gradients outside of run": step,
        "optimizer made outside": mixed,
        "another strategy": other,
        "Keras accumulating": said(lambda: fit(accumulating), RuntimeError),
    }


ASKED = [
    saved_between_two_updates,
    overflow,
    overflow_of_two_gradients,
    clipped,
    a_rest_that_does_not_divide,
    a_loop_of_your_own,
    half_precision,
    refusals,
]


# What is asked in every run, and answered by one process; the rest is thorough, and another's.
DAILY = {
    "soft batch, with a remainder in the buffer",
    "lookahead, constrained",
    "heun of an embedding",
    *(name for name in HANDS if not name.startswith("soft batch of ")),
    *(f"soft batch of {name}" for name in ("sgd", "adam", "schedule_free", "adafactor", "muon")),
    "overflow",
    "overflow_of_two_gradients",
    "a_rest_that_does_not_divide",
    "a_loop_of_your_own",
    "refusals",
}
QUESTIONS = [*FITS, *HANDS, *(ask.__name__ for ask in ASKED)]


# ---- The processes ----


def float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def answer(name, make):
    """A line for the test: what came out, or the error."""
    try:
        said = {"value": make()}
    except Exception as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps([name, said]), flush=True)


def on_two_replicas(names):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    def compared(run, collect):
        one = collect(run())
        with two.scope():
            model = run()
        return apart(one, collect(model))

    asked = {ask.__name__: ask for ask in ASKED}
    for name in names:
        if name in asked:
            answer(name, lambda name=name: asked[name](two))
        elif name in FITS:
            answer(name, lambda name=name: compared(FITS[name], collect))
        else:
            answer(name, lambda name=name: compared(HANDS[name], list))


def collect(seen):
    return seen if isinstance(seen, list) else everything(seen)


# ---- Two processes, one replica in each ----

LOOPS = {
    "soft batch": lambda: model_of(SoftBatch(Lookahead(K.Adam(0.125), 2), 4)),
    "heun": lambda: model_of(K.Adam(0.125), HEUN),
}


def looped(name, strategy, index=0):
    """A loop of one's own over `strategy.run(model.train_step)`, each process with its part of each batch."""
    parts = strategy.num_replicas_in_sync
    with strategy.scope():
        model = LOOPS[name]()

    @tf.function
    def step(*batch):
        strategy.run(model.train_step, args=(batch,))

    for begin in range(0, 20, 4):  # five batches: one stays in the buffer of four
        step(*(tf.constant(each[begin + index : begin + 4 : parts]) for each in (X, Y)))
    # What is in the buffer is added up over the processes when it is read, so that all must read (or save).
    return [v.tolist() for v in values(model.trainable_variables + model.optimizer.variables)]


def as_a_worker():
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    answer("replicas", lambda: strategy.num_replicas_in_sync)
    for name in LOOPS:
        answer(name, lambda name=name: looped(name, strategy, index))
    with strategy.scope():
        model = model_of(K.SGD(0.125), graph=True)
    answer("fit", lambda: fit(model).seen)


def free_ports(number):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def begin(role, folder, *names, **environment):
    """This file as a process of its own, that writes into the folder."""
    environment = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""} | environment
    path = os.pathsep.join([str(Path(course_lib.__file__).parents[1]), *filter(None, sys.path)])
    with open(folder / "said", "w") as said, open(folder / "errors", "w") as errors:
        return Popen(
            [sys.executable, __file__, role, *names],
            stdout=said,
            stderr=errors,
            env=os.environ | {"PYTHONPATH": path} | environment,
        )


def answers_of(processes):
    """What each has said, by name; those that do not come to an end are ended."""
    try:
        for process, _ in processes:
            process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        pytest.fail(f"a process has not come to an end within {LIMIT} seconds")
    finally:
        for process, _ in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    answers = []
    for process, folder in processes:
        assert process.returncode == 0, (folder / "errors").read_text()[-3000:]
        answers.append(dict(map(json.loads, (folder / "said").read_text().splitlines())))
    return answers


# ---- The tests ----


class Answers(dict):
    """What came out on two replicas, by name; a process is begun when it is asked for the first time."""

    def __init__(self, make_folder):
        self.make_folder = make_folder

    def __missing__(self, name):
        names = [each for each in QUESTIONS if (each in DAILY) == (name in DAILY)]
        folder = self.make_folder("two")
        self.update(answers_of([(begin("replicas", folder, *names), folder)])[0])
        assert set(names) <= set(self)
        return self[name]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return Answers(tmp_path_factory.mktemp)


def value(answers, name):
    assert "error" not in answers[name], answers[name]["error"]
    return answers[name]["value"]


@pytest.mark.parametrize("name", mostly_thorough([*FITS, *HANDS], DAILY & {*FITS, *HANDS}))
def test_two_replicas_are_one_device(name, two):
    assert value(two, name) < EXACT


@pytest.mark.thorough
def test_a_run_saved_between_two_updates_goes_on_on_as_many_devices_as_there_are(two):
    for waiting, distance in value(two, "saved_between_two_updates").values():
        assert waiting == 1 and distance < EXACT


def test_an_overflow_on_both_replicas_is_skipped_and_not_counted(two):
    seen = value(two, "overflow")
    # 8 + 8 at a scale of 16 is 1; the overflow halves the scale; 4 + 4 at 8 is 1; their mean is 1
    assert seen["soft batch"] == [0.875, 0.875] and seen["scale"] == 8.0


def test_keras_looks_at_the_first_replica_alone_for_an_overflow(two):
    """Keras 3.15: LossScaleOptimizer.apply says that the gradients are added up already; fit hands over shares."""
    seen = value(two, "overflow")
    assert seen["first"] == [1.0, 1.0]  # skipped, as it should be
    assert not seen["second finite"]  # not skipped: the weights are lost


def test_two_gradients_see_an_overflow_on_any_replica(two):
    moved, scale = value(two, "overflow_of_two_gradients")
    assert moved == 0 and scale == 8.0


@pytest.mark.thorough
def test_keras_clips_the_share_of_each_replica_and_a_soft_batch_does_as_its_optimizer(two):
    soft_and_plain, plain_and_one_device = value(two, "clipped")
    assert soft_and_plain < EXACT and plain_and_one_device > WRONG


def test_fit_gives_uneven_shares_the_same_weight(two):
    another, as_weighted = value(two, "a_rest_that_does_not_divide")
    assert another > WRONG and as_weighted < EXACT


def test_in_a_loop_of_your_own_the_loss_is_divided_by_the_whole_batch(two):
    twice, right = value(two, "a_loop_of_your_own")
    assert twice < EXACT and right < EXACT


@pytest.mark.thorough
def test_half_precision_trains(two):
    soft, heun, moved, scales = value(two, "half_precision")
    assert moved > 0.1 and len(set(scales)) == 1
    assert soft < 1e-3 and heun < 1e-3  # float16 has three decimals


@pytest.mark.parametrize(
    "what, says",
    {
        "made outside": "SoftBatch was made under no strategy and steps under MirroredStrategy",
        "used without": "SoftBatch was made under MirroredStrategy and steps under no strategy",
        "outside of run": "`apply` was called outside of it",
        "two gradients outside of run": "The step was called outside of it",
        "optimizer made outside": "`optimizer` was made under no strategy, and SoftBatch under Mir",
        "another strategy": "Received: CentralStorageStrategy",
        "Keras accumulating": "`merge_call` called while defining a new graph",
    }.items(),
)
def test_what_cannot_be_is_refused(what, says, two):
    assert says in value(two, "refusals")[what]


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    cluster, processes = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}, []
    for index in range(2):
        folder = tmp_path_factory.mktemp("worker")
        place = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        processes.append((begin("worker", folder, TF_CONFIG=place), folder))
    return answers_of(processes)


@pytest.fixture
def in_float64():
    before = keras.config.floatx()
    float64()
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(before)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")
@pytest.mark.parametrize("name", LOOPS)
def test_in_a_loop_two_processes_are_one(name, workers, in_float64):
    one = looped(name, tf.distribute.get_strategy())
    for worker in workers:
        assert value(worker, "replicas") == 2
        assert apart(*[[np.array(v) for v in vs] for vs in (one, value(worker, name))]) < EXACT


def test_kerass_fit_does_not_take_two_processes(workers):
    """Keras 3.15 stops before the first step; write a loop around `strategy.run(model.train_step)`.

    It takes the mean of x and y over the processes in one call, which this strategy refuses.  (With that left out, the
    logs are averaged along an axis that they do not have.)
    """
    for worker in workers:
        assert worker["fit"]["error"].startswith("ValueError: Attempt to convert a value (PerRep")


# ---- JAX: the batch is split over the devices, and the program stays that of one ----


def on_jax():
    import jax

    def ends(make):
        model = model_of(make(), graph=True)
        seen = everything(fit(model, epochs=1))
        return seen, len(model.trainable_variables[0].value.devices())

    def compared(make):
        keras.distribution.set_distribution(None)
        one, _ = ends(make)
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=jax.devices()))
        two, devices = ends(make)
        return [devices, apart(one, two)]

    for name, make in ON_JAX.items():
        answer(name, lambda make=make: compared(make))


ON_JAX = {
    "muon": lambda: settled("muon"),
    "soft batch, with a remainder in the buffer": lambda: SoftBatch(settled("adam"), 5),
}


@pytest.fixture(scope="module")
def jax_devices(tmp_path_factory):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    folder, flags = tmp_path_factory.mktemp("jax"), "--xla_force_host_platform_device_count=2"
    how = dict(KERAS_BACKEND="jax", XLA_FLAGS=flags, JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu")
    return answers_of([(begin("jax", folder, **how), folder)])[0]


@pytest.mark.parametrize("name", ON_JAX)
def test_on_jax_two_devices_are_one(name, jax_devices):
    devices, distance = value(jax_devices, name)
    assert devices == 2 and distance < EXACT


if __name__ == "__main__":
    float64()
    role, *names = sys.argv[1:]
    if role == "replicas":
        on_two_replicas(names)
    else:
        {"worker": as_a_worker, "jax": on_jax}[role]()

"""A saved file holds everything, a loaded one says so, and a killed training continues to the last bit."""

import os
import random
import signal
import subprocess
import sys
import time
import traceback
import zipfile
from functools import partial
from pathlib import Path

from course_lib.files import write_atomically
from course_lib.models import fresh
from course_lib.optimizers import RULES
from course_lib.saving import (
    ResumableTraining,
    SeededBatches,
    inspect_saved,
    load,
    load_weights,
    lost_when_saved,
    save,
)
from course_lib.saving.container import GROUP
from course_lib.saving.losses import state_outside_variables

import h5py
import keras
import numpy as np
import pytest
from keras import layers

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # within Keras
X = np.random.default_rng(0).normal(size=(50, 6)).astype("float32")
Y = X[:, :1] ** 2
EPOCHS, STEPS = 3, 7


def network():
    sizes = layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.BatchNormalization()
    return keras.Sequential([keras.Input((6,)), *sizes, layers.Dense(1)])


def everything(eager=False):
    """Schedule, accumulated gradients, averages, clipping, dropout, batch normalization and a metric at once."""
    model = fresh(network, seed=1)
    rate = keras.optimizers.schedules.CosineDecay(0.05, 30)
    extras = dict(gradient_accumulation_steps=3, use_ema=True, ema_momentum=0.9, clipnorm=1.0)
    model.compile(
        keras.optimizers.Adam(rate, **extras), loss="mse", metrics=["mae"], run_eagerly=eager
    )
    return model


def small(optimizer="adam", train=True):
    model = fresh(lambda: keras.Sequential([keras.Input((6,)), layers.Dense(1)]), seed=0)
    model.compile(optimizer, loss="mse", run_eagerly=True)  # no recording: quicker
    if train:
        model.fit(X, Y, verbose=0)
    return model


def values(model):
    variables = model.variables + model.optimizer.variables
    return [keras.ops.convert_to_numpy(v) for v in variables]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(values(one), values(other), strict=True))


class StopAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def train(folder, every=1, stop=None, epochs=EPOCHS, callbacks=(), make=everything):
    model, data = make(), SeededBatches(X, Y, batch_size=8, seed=5)
    resumable = ResumableTraining(folder, data, every)
    callbacks = [resumable, *callbacks, *([StopAt(stop)] if stop else [])]
    try:
        model.fit(data, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    except KeyboardInterrupt:
        return None
    return model, resumable.history


# ---- Looking ----


@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
def test_a_saved_file_holds_every_variable_of_model_and_optimizer(tmp_path, kind):
    model = everything(eager=True)
    model.fit(X, Y, verbose=0)
    save(model, tmp_path / f"a{kind}")
    seen = inspect_saved(tmp_path / f"a{kind}", model if kind == ".weights.h5" else None)
    live = [row for row in inspect_saved(model) if not row.owner.startswith("metric")]
    assert sorted((r.owner, r.shape, r.dtype) for r in seen) == sorted(
        (r.owner, r.shape, r.dtype) for r in live
    )
    if kind == ".weights.h5":
        assert sorted(seen) == sorted(live)
    assert ("layer dense", "kernel") in {
        (row.owner.rstrip("_0123456789"), row.name) for row in seen
    }
    lines = str(seen).splitlines()
    assert len(lines) == len(seen) and len({line.rindex("  ") for line in lines}) == 1  # aligned


def test_an_optimizer_is_inspected_live_and_a_file_without_a_model_knows_places_only(tmp_path):
    model = small()
    assert [row.name for row in inspect_saved(model.optimizer)][:2] == [
        "iteration",
        "learning_rate",
    ]
    model.save_weights(tmp_path / "a.weights.h5")
    names = [row.name for row in inspect_saved(tmp_path / "a.weights.h5")]
    assert names == ["vars/0", "vars/1", *(f"vars/{i}" for i in range(6))]


def broken_files(folder):
    whole = folder / "whole.keras"
    save(small(), whole)
    content = whole.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for name, what in {
        "half": content[: len(content) // 2],
        "empty": b"",
        "flipped": bytes(flipped),
    }.items():
        (folder / f"{name}.keras").write_bytes(what)
    (folder / "text.keras").write_text("hello")
    with zipfile.ZipFile(folder / "other.keras", "w") as archive:
        archive.writestr("a.txt", "hello")
    save(small(), folder / "whole.weights.h5")
    content = (folder / "whole.weights.h5").read_bytes()
    (folder / "half.weights.h5").write_bytes(content[: len(content) // 2])
    (folder / "empty.weights.h5").write_bytes(b"")
    (folder / "text.weights.h5").write_text("hello")
    with h5py.File(folder / "other.weights.h5", "w") as file:
        file["a"] = 1
    with h5py.File(folder / "whole.weights.h5", "r") as file:
        where = file["layers/dense/vars/0"].id.get_offset()
    flipped = bytearray(content)
    flipped[where] ^= 1
    (folder / "flipped.weights.h5").write_bytes(bytes(flipped))
    return {
        "half": "truncated",
        "empty": "empty",
        "flipped": "damaged",
        "text": "truncated or damaged, or no",
        "other": "Keras",
    }


def test_a_truncated_empty_damaged_foreign_or_missing_file_is_refused_and_changes_nothing(tmp_path):
    model = small()
    before = values(model)
    for name, words in broken_files(tmp_path).items():
        for kind in (".keras", ".weights.h5"):
            path = tmp_path / f"{name}{kind}"
            with pytest.raises(ValueError, match=words):
                inspect_saved(path)
            with pytest.raises(ValueError, match=words):
                load_weights(model, path)
        with pytest.raises(ValueError, match=words):
            load(tmp_path / f"{name}.keras")
    for ask in (inspect_saved, load, lambda path: load_weights(model, path)):
        with pytest.raises(FileNotFoundError, match=r"no file '.*none\.keras'"):
            ask(tmp_path / "none.keras")
    assert all(map(np.array_equal, before, values(model)))


def test_bad_arguments_are_named(tmp_path):
    for call, error, word in [
        (lambda: inspect_saved(3), TypeError, "`source`"),
        (lambda: inspect_saved("a.txt"), ValueError, "`source`"),
        (lambda: load("a.weights.h5"), ValueError, "load_weights"),
        (lambda: save(small(), "a.h5"), ValueError, "`path`"),
        (lambda: save(3, "a.keras"), TypeError, "`model`"),
        (lambda: save(keras.Sequential([layers.Dense(1)]), "a.keras"), ValueError, "not built"),
        (lambda: lost_when_saved(3), TypeError, "`model`"),
        (lambda: load_weights(3, "a.keras"), ValueError, "`model`"),
        (lambda: SeededBatches(X, Y[:3], 8, 0), ValueError, "`x` and `y`"),
        (lambda: SeededBatches(X, Y, 0, 0), ValueError, "`batch_size`"),
        (lambda: SeededBatches(X, Y, 8, 0.5), ValueError, "`seed`"),
        (lambda: SeededBatches(X, Y, 8, 0).seek(0, 7), ValueError, "`step`"),
        (lambda: ResumableTraining(tmp_path, X), TypeError, "`data`"),
        (lambda: ResumableTraining(tmp_path, SeededBatches(X, Y, 8, 0), 0), ValueError, "`every`"),
    ]:  # fmt: skip
        with pytest.raises(error, match=word):
            call()


# ---- Saving and loading ----


def test_save_and_load_bring_back_the_seed_generators_that_keras_leaves_out(tmp_path):
    model = everything(eager=True)
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "keras.keras")
    with pytest.warns(UserWarning, match="seed generators"):
        assert not same(load(tmp_path / "keras.keras"), model)
    save(model, tmp_path / "ours.keras")
    assert same(load(tmp_path / "ours.keras"), model)
    save(model, tmp_path / "ours.weights.h5")
    other = everything()
    load_weights(other, tmp_path / "ours.weights.h5")
    assert same(other, model)
    keras.saving.load_model(tmp_path / "ours.keras")  # it is still Keras's file
    everything().load_weights(tmp_path / "ours.keras", skip_mismatch=True)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_of_the_course_loses_nothing_and_comes_back(tmp_path, name):
    model = small(RULES[name].keras_class(**RULES[name].settings), train=False)
    model.optimizer.build(model.trainable_variables)
    for variable in model.optimizer.variables:
        variable.assign(variable + 1)
    assert lost_when_saved(model) == []
    save(model, tmp_path / "a.keras")
    assert same(load(tmp_path / "a.keras"), model)


BUILT_IN = [
    "SGD",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Adam",
    "Adamax",
    "Nadam",
    "AdamW",
    "Adafactor",
    "Ftrl",
    "Lion",
    "Lamb",
    "Muon",
    "ScheduleFreeAdamW",
]


def test_no_optimizer_of_keras_is_accused(tmp_path):
    for name in BUILT_IN:
        optimizer = getattr(keras.optimizers, name)()
        variable = keras.Variable(np.ones((4, 3)))
        for _ in range(2 if name != "Muon" else 0):  # which in Keras 3.15.1 cannot step eagerly
            optimizer.apply([keras.ops.ones((4, 3))], [variable])
        assert lost_when_saved(optimizer) == [], name
    assert lost_when_saved(keras.optimizers.LossScaleOptimizer(optimizer)) == []


def test_no_optimizers_state_is_loaded_into_another(tmp_path):
    save(small(), tmp_path / "ours.weights.h5")
    save(small(), tmp_path / "ours.keras")
    small().save_weights(tmp_path / "keras.weights.h5")
    small().save(tmp_path / "keras.keras")
    for kind in BUILT_IN:
        model = small(getattr(keras.optimizers, kind)(), train=False)
        for path in sorted(tmp_path.iterdir()):
            if kind == "Adam":
                load_weights(model, path)
                assert model.optimizer.iterations == 2
            else:
                with pytest.raises(ValueError, match="holds the state of"):
                    load_weights(model, path)
                assert model.optimizer.iterations == 0
                load_weights(model, path, optimizer=False)


def test_slots_of_one_class_under_other_settings_are_not_mixed_up(tmp_path):
    centered, moving = (dict(centered=True), dict(momentum=0.5))
    save(small(keras.optimizers.RMSprop(**centered)), tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="average_gradient.*momentum"):
        load_weights(small(keras.optimizers.RMSprop(**moving)), tmp_path / "a.weights.h5")


def test_state_that_is_not_there_is_an_error_and_an_unbuilt_optimizer_is_built(tmp_path):
    save(small(train=False), tmp_path / "fresh.weights.h5")
    inference = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    save(inference, tmp_path / "none.weights.h5")
    with pytest.raises(ValueError, match="no optimizer's state"):
        load_weights(small(), tmp_path / "none.weights.h5")
    load_weights(small(), tmp_path / "none.weights.h5", optimizer=False)
    with pytest.raises(ValueError, match="has no optimizer"):
        load_weights(inference, tmp_path / "fresh.weights.h5")
    model = small()
    model.optimizer = (
        keras.optimizers.Adam()
    )  # not built: 2 variables in the file that Keras writes
    model.save(tmp_path / "short.keras")
    with pytest.raises(ValueError, match="not restored|holds the state"):
        load_weights(small(), tmp_path / "short.keras")


@keras.saving.register_keras_serializable("test_saving")
class Forgetful(keras.optimizers.SGD):
    def __init__(self, learning_rate=0.1, pull=0.5, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.pull = pull


@keras.saving.register_keras_serializable("test_saving")
class Counting(keras.optimizers.SGD):
    def __init__(self, learning_rate=0.1, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.count = 0

    def update_step(self, gradient, variable, learning_rate):
        self.count += 1
        super().update_step(gradient, variable, learning_rate)


@keras.saving.register_keras_serializable("test_saving")
class Hoarding(Counting):
    def update_step(self, gradient, variable, learning_rate):
        self.last = gradient
        super(Counting, self).update_step(gradient, variable, learning_rate)


class Stranger(keras.optimizers.SGD):
    pass


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Forgetful(pull=0.25), "get_config leaves out pull"),
        (Counting, "count is [0-9]+, and 0 in"),
        (Hoarding, "last is .*, and None in"),
        (Stranger, "Stranger is not registered"),
    ],
    ids=["forgetful", "counting", "hoarding", "stranger"],
)
def test_save_refuses_what_a_file_would_lose_and_writes_nothing(tmp_path, make, words):
    model = small(make())
    for kind in (".keras", ".weights.h5"):
        with pytest.raises(ValueError, match=words):
            save(model, tmp_path / f"a{kind}")
    assert list(tmp_path.iterdir()) == []


def test_weight_decay_exclusions_are_lost_by_keras_refused_by_save_and_no_matter_to_a_rerun(
    tmp_path,
):
    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model = small(optimizer, train=False)
    with pytest.raises(ValueError, match="decays all weights"):
        save(model, tmp_path / "a.keras")
    model.save(tmp_path / "a.keras")
    kept = keras.saving.load_model(tmp_path / "a.keras").optimizer
    assert [o._use_weight_decay(model.layers[-1].bias) for o in (optimizer, kept)] == [False, True]
    assert state_outside_variables(optimizer) == []


def test_load_refuses_what_keras_saved_without_an_argument_or_cannot_find(tmp_path):
    small(Forgetful(pull=0.25)).save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="without Forgetful's `pull`"):
        load(tmp_path / "a.keras")
    small(Stranger()).save(tmp_path / "b.keras")
    with pytest.raises(ValueError, match="Stranger, which is not registered"):
        load(tmp_path / "b.keras")
    load(tmp_path / "b.keras", custom_objects={"Stranger": Stranger})


# ---- Writing ----


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_text("old")
    child = os.fork()
    if child == 0:

        def half(partial):
            partial.write_text("ne")
            os.kill(os.getpid(), signal.SIGKILL)

        write_atomically(path, half)
    os.waitpid(child, 0)
    assert path.read_text() == "old"
    write_atomically(path, lambda partial: partial.write_text("new") and None)
    assert path.read_text() == "new"


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_text("old")

    def fail(partial):
        partial.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


# ---- Continuing ----


def test_the_order_of_the_data_is_a_function_of_seed_and_epoch():
    data = SeededBatches(X, Y, batch_size=8, seed=5)
    assert data.steps == len(data) == STEPS
    orders = [data.order(epoch) for epoch in (0, 0, 1)]
    assert np.array_equal(orders[0], orders[1]) and not np.array_equal(orders[1], orders[2])
    data.seek(1, 3)
    data.on_epoch_begin()
    rest = np.concatenate([data[i][0] for i in range(len(data))])
    assert np.array_equal(rest, X[data.order(1)[24:]])
    data.on_epoch_begin()
    assert (data.epoch, data.start, len(data)) == (2, 0, STEPS)


def test_a_training_stopped_at_any_step_continues_to_the_last_bit(tmp_path):
    whole, history = train(tmp_path / "whole", every="epoch")
    for stop in (2, 10):  # in the first epoch; across the end of one
        assert train(tmp_path / "stopped", every=2, stop=stop) is None
    again, history_again = train(tmp_path / "stopped", every=2)
    assert same(whole, again)
    assert history == history_again and len(history["mae"]) == EPOCHS
    assert same(train(tmp_path / "stopped", epochs=5)[0], train(tmp_path / "longer", epochs=5)[0])


def test_an_optimizer_within_a_loss_scaling_one_continues_too(tmp_path):
    def scaled():
        return small(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()), train=False)

    whole, _ = train(tmp_path / "whole", make=scaled)
    train(tmp_path / "stopped", make=scaled, stop=10)
    assert same(train(tmp_path / "stopped", make=scaled)[0], whole)
    save(whole, tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="LossScaleOptimizer around Adam"):
        load_weights(small(), tmp_path / "a.weights.h5")


def test_a_damaged_state_is_passed_over_with_a_warning_and_never_loaded(tmp_path):
    eager = partial(everything, eager=True)
    whole, _ = train(tmp_path / "whole", make=eager)
    train(tmp_path / "a", stop=10, make=eager)
    newest, reserve = sorted((tmp_path / "a").iterdir(), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="truncated or damaged.*Continuing from the one before"):
        assert same(train(tmp_path / "a", make=eager)[0], whole)
    for path in (tmp_path / "a").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="No state in the folder can be read"):
        train(tmp_path / "a", make=eager)


def test_another_training_in_the_folder_and_other_data_in_fit_are_refused(tmp_path):
    train(tmp_path / "a", stop=3, make=partial(everything, eager=True))
    for make, words in [
        (
            lambda: small(train=False),
            r"another training: .*shapes was .*, and is \[\[6, 1\], \[1\]\]",
        ),
        (lambda: small("sgd", train=False), "another training: optimizer was Adam, and is SGD"),
    ]:
        with pytest.raises(ValueError, match=words):
            train(tmp_path / "a", make=make)
    data, twin = (SeededBatches(X, Y, batch_size=8, seed=5) for _ in range(2))
    for given, options, words in [
        (twin, dict(shuffle=False), "give fit and ResumableTraining the same"),
        (data, dict(shuffle=True), "shuffle=False"),
        (data, dict(shuffle=False, steps_per_epoch=3), "no steps_per_epoch"),
    ]:
        random.seed(0)
        callback = ResumableTraining(tmp_path / "b", data)
        with pytest.raises(ValueError, match=words):
            small(train=False).fit(given, epochs=2, verbose=0, callbacks=[callback], **options)
    with pytest.raises(ValueError, match="count is"):
        train(tmp_path / "c", make=lambda: small(Counting()))


def kill_in_a_loop(folder, kills, epochs, seed, eager):
    """Run in a process of its own: after the import a fork is a fresh process for the price of its training."""
    folder, rng = Path(folder), random.Random(seed)

    def run(where, delay=None):
        begun, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                go = keras.callbacks.LambdaCallback(
                    on_train_batch_end=lambda batch, logs: os.write(tell, b".")
                )
                make = partial(everything, eager=bool(eager))
                model, _ = train(folder / where, epochs=epochs, callbacks=[go], make=make)
                save(model, folder / f"{where}.weights.h5")
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(tell)
        if delay is not None:
            os.read(begun, 1)
            time.sleep(delay)
            os.kill(child, signal.SIGKILL)
        os.close(begun)
        return os.waitpid(child, 0)[1]

    assert run("whole") == 0
    for _ in range(kills):
        run("killed", delay=rng.uniform(0, 0.15))
        for path in (folder / "killed").glob("step-*"):
            inspect_saved(path)  # whole, or this raises
    halves = len(list((folder / "killed").glob(".partial-*")))  # what is young is left there
    steps = max(path.name for path in (folder / "killed").glob("step-*"))
    assert run("killed") == 0
    digests = []
    for where in ("whole", "killed"):
        with h5py.File(folder / f"{where}.weights.h5") as file:
            digests.append(file[GROUP].attrs["digest"])
    assert digests[0] == digests[1], digests
    print(
        f"{kills} kills, {halves} while a file was written, the last at {steps}: equal to the last bit"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_training_killed_at_random_moments_ends_as_if_nobody_had_touched_it(tmp_path):
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path), "6", "3", "0", "1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "equal to the last bit" in done.stdout


if __name__ == "__main__":
    kill_in_a_loop(sys.argv[1], *map(int, sys.argv[2:]))

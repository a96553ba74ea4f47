"""A restart knows its reserve, its place, its neighbours, and whether it is the same training."""

import contextlib
import os
import shutil
import time
from functools import partial

from course_lib.models import fresh
from course_lib.saving import ResumableTraining, SeededBatches
from course_lib.saving.neighbours import Neighbours
from course_lib.wrappers import SoftBatch

import keras
import numpy as np
import pytest
from keras import layers
from test_saving import EPOCHS, StopAt, X, Y, same, small, train

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # within Keras
untrained = partial(small, train=False)


# ---- The reserve ----


def flip(at):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[int(at * len(content))] ^= 1
        path.write_bytes(content)

    return damage


def a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    **{f"a bit at {at:.0%}": flip(at) for at in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9)},
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("hello"),
    "a folder": a_folder,
    "a file of Keras's": lambda path: small().save_weights(path),
}


def test_every_kind_of_damage_falls_back_on_the_reserve_and_says_so(tmp_path):
    whole, history = train(tmp_path / "whole", every="epoch", epochs=2, make=untrained)
    train(tmp_path / "stopped", every=4, stop=13, make=untrained)
    for i, (name, damage) in enumerate(DAMAGES.items()):
        folder = tmp_path / str(i)
        shutil.copytree(tmp_path / "stopped", folder)
        newest = max(folder.iterdir())
        damage(newest)
        with pytest.warns(UserWarning, match=f"{newest.name}.*Continuing from the one before"):
            again, history_again = train(folder, every="epoch", epochs=2, make=untrained)
        assert same(again, whole) and history_again == history, name


def test_a_half_file_of_another_process_stays_and_a_dead_ones_goes(tmp_path):
    train(tmp_path, stop=3, make=untrained)
    fresh_one, dead = tmp_path / ".partial-x-step-1", tmp_path / ".partial-y-step-1"
    for path in (fresh_one, dead):
        path.write_text("half")
    os.utime(dead, (time.time() - 7200,) * 2)
    train(tmp_path, make=untrained)
    assert fresh_one.exists() and not dead.exists()


# ---- Models ----


@keras.saving.register_keras_serializable("test_resuming")
class Own(keras.Model):
    """Built by its first call; and it has no configuration."""

    def __init__(self, size):
        super().__init__()
        self.hidden, self.drop, self.out = layers.Dense(size), layers.Dropout(0.3), layers.Dense(1)

    def call(self, x, training=False):
        return self.out(self.drop(self.hidden(x), training=training))


def sequential():
    return keras.Sequential([layers.Dense(4), layers.Dropout(0.3), layers.Dense(1)])


@pytest.mark.parametrize("network", [sequential, lambda: Own(4)], ids=["sequential", "subclass"])
def test_a_model_that_fit_builds_continues_too(tmp_path, network):
    def unbuilt():
        model = fresh(network, seed=0)
        model.compile("adam", loss="mse", metrics=["mae"], run_eagerly=True)
        assert not model.built
        return model

    alone, data = unbuilt(), SeededBatches(X, Y, batch_size=8, seed=5)
    alone.fit(data, epochs=EPOCHS, shuffle=False, verbose=0)
    whole, _ = train(tmp_path / "whole", make=unbuilt)
    assert same(alone, whole)  # to be built earlier changes nothing
    for every in (1, "epoch"):  # from the middle of an epoch, and from its beginning
        train(tmp_path / f"{every}", every=every, stop=10, make=unbuilt)
        assert same(train(tmp_path / f"{every}", every=every, make=unbuilt)[0], whole)


def test_a_soft_batch_continues_in_the_middle_of_its_buffer(tmp_path):
    def soft():
        return untrained(SoftBatch(keras.optimizers.Adam(0.125), 3))

    whole, _ = train(tmp_path / "whole", make=soft)
    for stop in (5, 6):
        train(tmp_path / "stopped", stop=stop, make=soft)
    assert same(train(tmp_path / "stopped", make=soft)[0], whole)


# ---- The same training ----


def dropping(rate=0.3, activation="relu", loss="mse"):
    inside = layers.Dense(4, activation=activation), layers.Dropout(rate), layers.Dense(1)
    model = fresh(lambda: keras.Sequential([keras.Input((6,)), *inside]), seed=0)
    model.compile("adam", loss=loss, run_eagerly=True)
    return model


def test_another_setting_of_the_model_another_loss_and_other_data_are_refused(
    tmp_path, monkeypatch
):
    train(tmp_path, stop=3, make=dropping)
    for changed, words in [
        (dict(rate=0.5), r"the model's .*rate was 0\.3, and is 0\.5"),
        (dict(activation="tanh"), "activation was relu, and is tanh"),
        (dict(loss="mae"), "loss was mse, and is mae"),
    ]:
        with pytest.raises(ValueError, match=f"another training: .*{words}"):
            train(tmp_path, make=partial(dropping, **changed))
    for name, other in (("X", X + 1), ("Y", Y + 1)):
        with monkeypatch.context() as patch:
            patch.setitem(train.__globals__, name, other)
            with pytest.raises(ValueError, match=f"the digest of {name.lower()} was"):
                train(tmp_path, make=dropping)
    model, _ = train(tmp_path, make=dropping)
    assert model.layers[0].name != dropping().layers[0].name  # Keras counts: no change of a setting


def test_a_message_about_another_training_is_short(tmp_path):
    def wide(width):
        sizes = [layers.Dense(width) for _ in range(12)]
        model = keras.Sequential([keras.Input((6,)), *sizes, layers.Dense(1)])
        model.compile("adam", loss="mse", run_eagerly=True)
        return model

    train(tmp_path, stop=3, make=partial(wide, 3))
    with pytest.raises(ValueError, match="another training") as error:
        train(tmp_path, make=partial(wide, 4))
    assert len(str(error.value)) < 1000


# ---- The other callbacks of the fit ----


def fit(folder, epochs, others, first=True, stop=None):
    """A training that gets worse after a while; `others` are fresh callbacks."""
    model, data = untrained(keras.optimizers.SGD(0.05)), SeededBatches(X, Y, batch_size=8, seed=5)
    worse = keras.callbacks.LearningRateScheduler(lambda epoch: 0.05 if epoch < 2 else 0.9)
    ours = [ResumableTraining(folder, data)]
    callbacks = [*ours, worse, *others] if first else [worse, *others, *ours]
    callbacks += [StopAt(stop)] if stop else []
    options = dict(shuffle=False, verbose=0, validation_data=(X, Y))
    with contextlib.suppress(KeyboardInterrupt):
        model.fit(data, epochs=epochs, callbacks=callbacks, **options)
    return model


@pytest.mark.parametrize("first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.parametrize("stop", [7 + 3, 2 * 7 + 3])
def test_the_best_file_survives_a_restart(tmp_path, first, stop):
    def checkpoint(name):
        return keras.callbacks.ModelCheckpoint(
            tmp_path / f"{name}.keras", monitor="val_loss", save_best_only=True
        )

    best = checkpoint("whole")
    fit(tmp_path / "whole", 5, [best], first)
    fit(tmp_path / "stopped", 5, [checkpoint("stopped")], first, stop)
    continued = checkpoint("stopped")
    fit(tmp_path / "stopped", 5, [continued], first)
    assert continued.best == best.best
    both = [keras.saving.load_model(tmp_path / f"{name}.keras") for name in ("whole", "stopped")]
    assert same(*both)


@pytest.mark.parametrize("first", [True, False], ids=["ours first", "ours last"])
def test_patience_survives_a_restart(tmp_path, first):
    def patient():
        return [
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=2),
            keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=10, cooldown=2),
        ]

    whole = patient()
    model = fit(tmp_path / "whole", 8, whole, first)
    fit(tmp_path / "stopped", 8, patient(), first, stop=2 * 7 + 2)
    again = patient()
    assert same(fit(tmp_path / "stopped", 8, again, first), model)
    assert whole[0].stopped_epoch == again[0].stopped_epoch > 2
    for one, other in zip(whole, again, strict=True):
        assert (one.wait, one.best) == (other.wait, other.best)


def test_arrays_of_other_callbacks_are_named_and_what_did_not_change_is_not(tmp_path, recwarn):
    class Data(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.x, self.batches = [X, {"y": Y}], []

    def others():
        stopping = keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=9, restore_best_weights=True
        )
        return [Data(), keras.callbacks.TerminateOnNaN(), stopping]

    fit(tmp_path, 3, others())
    assert not [one for one in recwarn if "Such data of other callbacks" in str(one.message)]
    with pytest.warns(UserWarning, match="^EarlyStopping.best_weights had changed"):
        fit(tmp_path, 4, others())


def test_two_callbacks_of_a_class_get_their_own_values_back(tmp_path):
    class Counter(keras.callbacks.Callback):
        def __init__(self, by):
            super().__init__()
            self.by, self.total, self.all = by, np.float32(0), []

        def on_epoch_end(self, epoch, logs=None):
            self.total = self.total + np.float32(self.by)
            self.all.append(self.total)

    counters = [Counter(1), Counter(10)]
    fit(tmp_path, 2, counters)
    counters = [Counter(1), Counter(10)]
    fit(tmp_path, 4, counters)
    assert [one.all for one in counters] == [[1, 2, 3, 4], [10, 20, 30, 40]]


def test_a_list_of_callbacks_can_be_used_twice(tmp_path):
    data = SeededBatches(X, Y, batch_size=8, seed=5)
    ours, model = ResumableTraining(tmp_path, data), untrained()
    callbacks = keras.callbacks.CallbackList(
        [ours], add_history=True, model=model, epochs=1, steps=7
    )
    for epochs in (1, 2):
        model.fit(data, shuffle=False, epochs=epochs, verbose=0, callbacks=callbacks)
    assert len(ours.history["loss"]) == 2
    assert sum(isinstance(one, Neighbours) for one in callbacks.callbacks) == 1


def test_hooks_that_a_loop_calls_itself_write_too(tmp_path):
    data = SeededBatches(X, Y, batch_size=8, seed=5)
    ours, model = ResumableTraining(tmp_path, data), untrained()
    ours.set_model(model)
    ours.set_params(dict(steps=data.steps, epochs=1))
    ours.on_train_begin()
    ours.on_epoch_begin(0)
    ours.on_epoch_end(0, {"loss": 1.5})
    assert ours.history == {"loss": [1.5]}
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000007.weights.h5"]

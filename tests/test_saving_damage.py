"""A damaged file is one sentence, a file that is replaced meanwhile is no mixture, a full disk is an OSError."""

import contextlib
import io
import random
import resource
import threading
import zipfile

from course_lib.saving import container, inspect_saved, load, load_weights, lost_when_saved, save
from course_lib.saving.container import GROUP, INNER, archive_of, digest, opened
from course_lib.wrappers import Averaging, SoftBatch

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from test_saving import Counting, X, Y, same, small, values

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # within Keras


def without_mark(content):
    """A file of ours as if its end had been lost, so that HDF5 itself must read the damage."""
    return content[: content.index(container.MARK)]


# ---- Damage ----


def hdf5(values=(1.0, 2.0), dtype="<f4", shape=None, name="kernel", entry="a"):
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        data = np.array(values, dtype).reshape(shape or -1)
        file.create_dataset(entry, data=data).attrs["name"] = name
    return h5py.File(memory, "r")


@pytest.mark.parametrize(
    "other",
    [
        dict(values=(1.0, 2.5)),
        dict(values=np.array([1.0, 2.0], "<f4").view(">f4"), dtype=">f4"),
        dict(values=np.array([1.0, 2.0], "<f4").view("<i4"), dtype="<i4"),
        dict(shape=(1, 2)),
        dict(name="bias"),
        dict(entry="b"),
    ],
    ids=["value", "byte order", "class", "shape", "attribute", "place"],
)
def test_the_digest_depends_on_all_that_a_reader_sees(other):
    assert digest(hdf5()) == digest(hdf5())
    assert digest(hdf5(**other)) != digest(hdf5())
    assert digest(hdf5(), b"{}") != digest(hdf5(), b"{ }")


def test_any_flipped_bit_is_one_sentence_with_the_path(tmp_path):
    path, rng, model = tmp_path / "a.weights.h5", random.Random(0), small()
    save(model, path)
    whole, before = path.read_bytes(), values(model)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        for ask in (inspect_saved, lambda path: load_weights(model, path)):
            with pytest.raises(ValueError, match=r"a\.weights\.h5'.* damaged"):
                ask(path)
    assert all(map(np.array_equal, before, values(model)))


def test_whatever_hdf5_raises_is_one_sentence_and_no_header_is_read_wrong(tmp_path):
    path = tmp_path / "a.weights.h5"
    save(small(), path)
    whole = without_mark(path.read_bytes())
    with h5py.File(io.BytesIO(whole)) as file:
        kernel = file["layers/dense/vars/0"]
        header, right = h5py.h5o.get_info(kernel.id).addr, kernel[()]
        assert file[GROUP].attrs["digest"] == digest(file)
    refused = 0
    for at in range(272):
        for bit in (0, 5):
            damaged = bytearray(whole)
            damaged[header + at] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                with opened(path) as saved:
                    kernel = saved.file["layers/dense/vars/0"]
                    assert kernel.dtype == right.dtype and np.array_equal(kernel[()], right)
            except ValueError as error:
                assert "a.weights.h5" in str(error)
                refused += 1
    assert refused > 100


def test_a_damaged_name_of_our_group_does_not_make_a_file_keras_own(tmp_path):
    path = tmp_path / "a.weights.h5"
    save(small(), path)
    path.write_bytes(without_mark(path.read_bytes()))
    load_weights(small(), path)  # whole, but for its end
    with h5py.File(path, "r+") as file:
        file.move(GROUP, "course_lic")
    with pytest.raises(ValueError, match="damaged"):
        load_weights(small(), path)


def test_a_configuration_or_an_inner_file_of_another_model_is_refused(tmp_path):
    path, other = tmp_path / "a.keras", tmp_path / "b.keras"
    save(small(), path)
    save(small(keras.optimizers.Adam(0.5)), other)
    with zipfile.ZipFile(path) as ours, zipfile.ZipFile(other) as theirs:
        members = {name: ours.read(name) for name in ours.namelist()}
        path.write_bytes(archive_of(members | {"config.json": theirs.read("config.json")}))
        other.write_bytes(archive_of(members | {INNER: theirs.read(INNER)}))
    for each in (path, other):
        with pytest.raises(ValueError, match="damaged"):
            load(each)


def test_a_folder_in_place_of_a_file_and_a_model_that_is_none_are_named(tmp_path):
    (tmp_path / "a.weights.h5").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        load_weights(small(), tmp_path / "a.weights.h5")
    save(small(), tmp_path / "a.keras")
    with pytest.raises(TypeError, match="`model`"):
        inspect_saved(tmp_path / "a.keras", model="adam")


# ---- Others write, and the disk is full ----


@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
def test_a_file_that_is_replaced_while_it_is_loaded_is_the_old_one(tmp_path, kind, monkeypatch):
    old, new, loaded = small(), small(), small(train=False)
    new.fit(X, Y, epochs=2, verbose=0)
    path, other = tmp_path / f"a{kind}", tmp_path / f"b{kind}"
    save(old, path)
    save(new, other)
    read, replacement = container._bytes_of, other.read_bytes()

    def read_and_replace(path):
        whole = read(path)
        path.write_bytes(replacement)
        return whole

    monkeypatch.setattr(container, "_bytes_of", read_and_replace)
    if kind == ".keras":
        loaded = load(path)
    else:
        load_weights(loaded, path)
    assert same(loaded, old) and not same(loaded, new)


@contextlib.contextmanager
def files_end_at(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
def test_a_disk_without_room_is_an_oserror_and_leaves_the_old_file(tmp_path, kind):
    path, model = tmp_path / f"a{kind}", small()
    save(model, path)
    before = path.read_bytes()
    with files_end_at(4096), pytest.raises(OSError, match="too large"):
        save(model, path)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == [path.name]


def test_threads_that_save_to_one_path_do_not_meet(tmp_path):
    models, failed = [small(), small()], []

    def write(model):
        try:
            for _ in range(8):
                save(model, tmp_path / "a.weights.h5")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=[model]) for model in models]
    for step in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            step(thread)
    assert failed == []
    load_weights(small(), tmp_path / "a.weights.h5")


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "far.keras", tmp_path / "latest.keras"
    link.symlink_to(target)
    save(small(), link)
    assert link.is_symlink() and not target.is_symlink() and load(target)


# ---- State in attributes ----


@keras.saving.register_keras_serializable("test_saving_damage")
class Attributes(keras.optimizers.SGD):
    """Its state is whatever `remember` sets."""

    def __init__(self, learning_rate=0.1, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.many, self.named = [], {}


@keras.saving.register_keras_serializable("test_saving_damage")
class Restoring(Attributes):
    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["many"] = np.array(self.many)

    def load_own_variables(self, store):
        values = {key: store[key] for key in store}
        self.many = np.asarray(values.pop("many")).tolist()
        super().load_own_variables(values)


@pytest.mark.parametrize(
    "remember, words",
    [
        (dict(many=[3]), r"many is \[3\], and \[\]"),
        (dict(many=[[1], (2.0, 3)]), "many is"),
        (dict(named={"a": 1}), r"named is \{'a': 1\}, and \{\}"),
        (dict(named={"a": [1, {"b": "c"}]}), "named is"),
        (dict(new=np.arange(3)), "new is array"),
        (dict(new={"a": [np.float32(2)]}), "new is"),
        (dict(new=[1, 2]), r"new is \[1, 2\], and None"),
    ],
)
def test_numbers_within_lists_dicts_and_arrays_are_found(remember, words):
    optimizer = Attributes()
    assert lost_when_saved(optimizer) == []
    for name, value in remember.items():
        setattr(optimizer, name, value)
    (sentence,) = lost_when_saved(optimizer)
    assert sentence.startswith("Attributes." + words.split(" is")[0])
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(sentence)


def test_variables_are_saved_wherever_an_optimizer_keeps_them():
    optimizer = Attributes()
    optimizer.build([keras.Variable(np.ones(3))])
    optimizer.new = {"a": [optimizer.iterations]}
    assert lost_when_saved(optimizer) == []


def test_what_an_optimizer_restores_itself_is_not_lost():
    optimizer = Restoring()
    optimizer.build([keras.Variable(np.ones(3))])
    optimizer.many = [1, 2]
    assert lost_when_saved(optimizer) == []
    optimizer.named = {"a": 1}
    assert len(lost_when_saved(optimizer)) == 1


@pytest.mark.parametrize(
    "around",
    [
        keras.optimizers.LossScaleOptimizer,
        lambda inner: SoftBatch(inner, 2),
        lambda inner: Averaging(SoftBatch(inner, 2), 0.5),
    ],
    ids=["loss scale", "soft batch", "average of a soft batch"],
)
def test_state_is_found_and_kept_in_any_depth(tmp_path, around):
    counting = Counting()
    counting.count = 5
    assert [s for s in lost_when_saved(around(counting)) if "count is 5, and 0" in s]
    with pytest.raises(ValueError, match="count is 5, and 0"):
        save(small(around(counting), train=False), tmp_path / "a.keras")
    model = small(around(keras.optimizers.Adam(0.125)))
    save(model, tmp_path / "a.keras")
    loaded = load(tmp_path / "a.keras")
    assert same(loaded, model)
    for one in (model, loaded):
        one.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    assert same(loaded, model)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_loaded_soft_batch_fires_for_the_variables_that_had_a_gradient(tmp_path):
    class Half(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.unused = layers.Dense(1), layers.Dense(1)

        def build(self, shape):
            self.used.build(shape)
            self.unused.build(shape)

        def call(self, x):
            return self.used(x)

    def half():
        model = Half()
        model.compile(SoftBatch(keras.optimizers.AdamW(0.125), 3), "mse", run_eagerly=True)
        model(X)
        return model

    model, loaded = half(), half()
    model.fit(X, Y, batch_size=25, epochs=2, verbose=0)  # four micro-batches: one is in the buffer
    path = tmp_path / "a.weights.h5"
    assert lost_when_saved(model.optimizer) == []
    model.save_weights(path)  # as Keras does: the class itself is not registered
    load_weights(loaded, path)
    for one in (model, loaded):
        one.optimizer.fire()
    assert same(loaded, model)
    assert ("optimizer soft_batch", "divisors") in {  # 0 where a variable had no gradient
        (row.owner.rstrip("_0123456789"), row.name) for row in inspect_saved(path, model=model)
    }

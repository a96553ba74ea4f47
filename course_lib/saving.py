"""Stop, save, load, continue: nobody notices.

    inspect_saved       what lies in a .keras file, in a .weights.h5 file, in an optimizer, in a model
    lost_when_saved     what a saved file would silently lack
    save                refuses to lose anything, and never leaves half a file
    load, load_weights  load all of it, or say why not
    SeededBatches       batches whose order is a function of (seed, epoch), and which can begin in the middle
    ResumableTraining   the callback that makes a fit continue where it was killed

Files are Keras's own: keras.saving.load_model and model.load_weights read them too.  What Keras leaves out (the seed
generators of dropout; a fit's metrics and place) lies in one more group, "course_lib".
"""

import contextlib
import hashlib
import inspect
import io
import json
import os
import re
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np

GROUP = "course_lib"  # our group within the HDF5 file
INNER = "model.weights.h5"  # Keras's name for the HDF5 file within a .keras file
KINDS = (".keras", ".weights.h5")
SEED = "seed generator"


# ---- Looking ----


class SavedVariable(NamedTuple):
    """Where a variable belongs, what it is called, its shape and its dtype."""

    owner: str
    name: str
    shape: tuple
    dtype: str


class Inventory(list):
    """A list of SavedVariables that prints as an aligned table."""

    def __str__(self):
        rows = [(row.owner, row.name, str(row.shape), row.dtype) for row in self]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
        lines = (
            "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]])
            for row in rows
        )
        return "\n".join(lines)


def inspect_saved(source, model=None):
    """Every variable that a file holds, or a live optimizer or model has: an Inventory of SavedVariables.

    source    a path to a .keras or a .weights.h5 file, a keras.Optimizer, or a keras.Model
    model     for a file: names for its variables.  A .weights.h5 knows places only ("vars/0").  A .keras file can be
              rebuilt, and is, unless a class in it is unknown.
    Raises FileNotFoundError for a path where nothing is, ValueError for a file that is empty, truncated, damaged or
    not Keras's, TypeError for another source.
    """
    if isinstance(source, keras.Optimizer):
        return Inventory(_row(f"optimizer {source.name}", v, v.name) for v in _variables_of(source))
    if isinstance(source, keras.Model):
        return Inventory(_rows_of_model(source))
    path = _path(source, "source")
    if model is None and path.suffix == ".keras":
        with _verified(path), warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")
            model = keras.saving.load_model(path)
    with _verified(path) as (file, _):
        rows, ours, names = [], [], _names(model)
        for place, dataset in sorted(_datasets(file), key=_natural):
            group, _, number = place.rpartition("/")
            if place.startswith(f"{GROUP}/"):
                if _owner(dataset):
                    ours.append(_row(_owner(dataset), dataset, dataset.attrs["name"]))
                continue
            kind = "optimizer" if "optimizer" in place else "layer"
            owner = f"{kind} {file[group].attrs.get('name', group.removesuffix('/vars'))}"
            rows.append(_row(owner, dataset, names.get((owner, int(number)), f"vars/{number}")))
    return Inventory(rows + ours)


def _row(owner, variable, name):
    return SavedVariable(owner, name, tuple(variable.shape), str(variable.dtype))


def _rows_of_model(model):
    for variable in model.weights:
        layer = variable.path.rpartition("/")[0].rpartition("/")[2]
        yield _row(f"layer {layer}", variable, variable.name)
    if _optimizer_of(model) is not None:
        yield from inspect_saved(model.optimizer)
    for owner, variable in _left_out_by_keras(model):
        yield _row(owner, variable, variable.name)


def _left_out_by_keras(model):
    """The variables of a model that Keras writes into no file, each with its owner: random seeds, and metrics."""
    saved = {id(variable) for variable in model.weights}
    for variable in model.variables:
        if id(variable) not in saved:
            yield SEED, variable
    for variable in model.metrics_variables:
        yield f"metric {variable.path.rpartition('/')[0]}", variable


def _names(model):
    """{(owner, number): name}, as far as a model knows them."""
    names, todo = {}, [] if model is None else [model]
    while todo:
        layer = todo.pop()
        inner = getattr(layer, "layers", [])
        todo += inner
        if not inner:
            names |= {(f"layer {layer.name}", i): v.name for i, v in enumerate(layer.weights)}
    optimizer = _optimizer_of(model)
    if optimizer is not None:
        variables = enumerate(optimizer.variables)
        names |= {(f"optimizer {optimizer.name}", i): v.name for i, v in variables}
    return names


# ---- Files: whole, or refused ----


def _path(path, argument):
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"`{argument}` must be a path. Received: {argument}={path!r}.")
    if not str(path).endswith(KINDS):
        raise ValueError(
            f"`{argument}` must end in {' or '.join(KINDS)}. Received: {Path(path).name!r}."
        )
    return Path(path)


@contextlib.contextmanager
def _verified(path):
    """The open HDF5 file and, of a .keras file, the configuration; ValueError for a file that cannot be trusted."""
    name = path.name
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {name!r} in that folder.")
    if path.stat().st_size == 0:
        raise ValueError(
            f"{name!r} is empty. Whoever wrote it was stopped; load an earlier one, and save atomically."
        )
    config, source = None, path
    if path.suffix == ".keras":
        try:
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                source = io.BytesIO(archive.read(INNER))
        except zipfile.BadZipFile:
            raise ValueError(
                f"{name!r} is truncated or damaged, or no .keras file: load an earlier one."
            ) from None
        except (KeyError, ValueError):
            raise ValueError(
                f"{name!r} is an archive, but not Keras's: config.json or {INNER} is missing or unreadable."
            ) from None
    try:
        file = h5py.File(source, "r")
    except OSError:
        raise ValueError(
            f"{name!r} is truncated or damaged, or no HDF5 file: load an earlier one."
        ) from None
    with file:
        if "vars" not in file:
            raise ValueError(
                f"{name!r} is an HDF5 file, but not one of Keras 3: the group 'vars' is missing."
            )
        if GROUP in file and file[GROUP].attrs.get("digest") != _digest(file):
            raise ValueError(f"{name!r} is damaged: its numbers are not those that were written.")
        yield file, config


def _datasets(group):
    """(place, dataset) for every dataset of a group, in no particular order."""
    found = []
    group.visititems(lambda place, item: found.append((place, item)) if _is_data(item) else None)
    return found


def _is_data(item):
    return isinstance(item, h5py.Dataset)


def _owner(dataset):
    """Whose variable a dataset of our group is; "" for one that is no variable."""
    return dataset.attrs.get("owner", "")


def _natural(place_and_dataset):
    """Sorts vars/10 after vars/9."""
    return [(x.isdigit(), int(x) if x.isdigit() else x) for x in place_and_dataset[0].split("/")]


def _digest(file):
    """Sixteen bytes, in hexadecimal digits, that change with every bit of every number in a file."""
    digest = hashlib.blake2b(digest_size=16)
    for place, dataset in sorted(_datasets(file)):
        value = dataset[()]
        digest.update(place.encode())
        digest.update(value if isinstance(value, bytes) else np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def write_atomically(path, write):
    """`write(partial)` writes a file beside `path`; once whole and on the disk, it takes the name in one move.

    Whoever opens `path` finds the old file or the new one, never a half.  A process killed meanwhile leaves the old
    one, and a hidden .partial-... that nobody loads.  Raises what `write` raises.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        write(partial)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())  # the bytes are on the disk before the name is
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere, a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # and now the name is too
        finally:
            os.close(folder)


# ---- Saving ----


def lost_when_saved(model):
    """What a file saved now would lack, a sentence each; an empty list if nothing is known to be lost.

    model    a keras.Model or a keras.Optimizer
    Three questions.  Does the configuration name every argument of the constructor?  Can every class be found again
    when the file is loaded?  Has an optimizer made from that configuration the same attributes?  (Variables are
    left aside: they are saved.  An attribute that differs is a forgotten setting, or state that is no variable.)
    It cannot see state in closures, modules and class attributes, in objects that are neither numbers, strings,
    arrays, lists nor dicts, and a number that happens to be back at its first value.
    Raises TypeError for another `model`.
    """
    if isinstance(model, keras.Optimizer):
        serialized, optimizers = keras.saving.serialize_keras_object(model), [model]
    elif isinstance(model, keras.Model):
        serialized, optimizers = keras.saving.serialize_keras_object(model), _optimizers_of(model)
    else:
        raise TypeError(f"`model` must be a keras.Model or a keras.Optimizer. Received: {model!r}.")
    lost = [
        f"{name} is not registered: write @keras.saving.register_keras_serializable() above it, "
        "or nobody can load the file"
        for name in _unregistered(serialized)
    ]
    for optimizer in optimizers:
        name, config = type(optimizer).__name__, optimizer.get_config()
        forgotten = _forgotten_arguments(type(optimizer), config)
        lost += [
            f"{name}.get_config leaves out {one}: it returns as its default" for one in forgotten
        ]
        lost += _state_outside_variables(optimizer)
        if any(
            getattr(optimizer, f"_exclude_from_weight_decay{end}", None) for end in ("", "_pattern")
        ):
            lost.append(
                f"what {name}.exclude_from_weight_decay excluded is in no configuration: "
                "a loaded optimizer decays all weights"
            )
    return lost


def save(model, path):
    """Write a .keras or a .weights.h5 file that lacks nothing, atomically.

    It is Keras's file, and holds the states of the seed generators and the names of the optimizer's slots besides.
    Raises ValueError, and writes nothing, where `lost_when_saved` finds something, or for a model that is not built.
    """
    path = _path(path, "path")
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. Received: {model!r}.")
    if not model.built:
        raise ValueError("`model` is not built: it has nothing to save yet. Call it on data first.")
    lost = lost_when_saved(model)
    if lost:
        raise ValueError("Not saved. " + ". ".join(lost) + ".")
    write_atomically(path, lambda partial: _write(model, partial))


def _write(model, path, **place):
    """Keras's file, with our group in it."""
    if path.suffix != ".keras":
        model.save_weights(path)
        with h5py.File(path, "r+") as file:
            _add_group(file, model, place)
        return
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    inner = io.BytesIO(members[INNER])
    with h5py.File(inner, "r+") as file:
        _add_group(file, model, place)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {INNER: inner.getvalue()}).items():
            archive.writestr(name, content)


def _add_group(file, model, place):
    group = file.create_group(GROUP)
    for i, (owner, variable) in enumerate(_left_out_by_keras(model)):
        if place or owner == SEED:  # metrics matter in the middle of a fit only
            dataset = group.create_dataset(f"{i}", data=keras.ops.convert_to_numpy(variable))
            dataset.attrs.update(owner=owner, name=variable.name)
    group["about"] = json.dumps({"optimizer": _about(_optimizer_of(model)), **place})
    group.attrs["digest"] = _digest(file)


def _about(optimizer):
    """An optimizer's classes (a loss-scaling one has another inside), and the names of its variables, in order."""
    if optimizer is None:
        return None
    classes, inner = [], optimizer
    while inner is not None:
        classes.append(keras.saving.get_registered_name(type(inner)))
        inner = getattr(inner, "inner_optimizer", None)
    return {"classes": classes, "slots": _slots(optimizer)}


def _slots(optimizer):
    """The names of an optimizer's variables, in order, without the names of the weights that they belong to."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    weights = {v.path.replace("/", "_") + "_" for v in inner._trainable_variables}
    weights = sorted(weights, key=len, reverse=True)

    def slot(name):
        return next((name.removeprefix(w) for w in weights if name.startswith(w)), name)

    return [slot(variable.name) for variable in _variables_of(optimizer)]


def _variables_of(optimizer):
    inner = getattr(optimizer, "inner_optimizer", None)
    known = {id(v) for v in optimizer.variables}
    rest = [] if inner is None else [v for v in inner.variables if id(v) not in known]
    return [*optimizer.variables, *rest]


def _optimizer_of(model):
    return getattr(model, "optimizer", None)


def _optimizers_of(model):
    """Those of compile, and those that the model keeps as attributes, as a GAN does."""
    found = [thing for thing in vars(model).values() if isinstance(thing, keras.Optimizer)]
    found += [_optimizer_of(model)] if _optimizer_of(model) is not None else []
    return list({id(one): one for one in found}.values())


def _unregistered(node):
    """The names of classes and functions in a serialized configuration that loading could not find again."""
    if isinstance(node, list | tuple):
        return list(dict.fromkeys(name for one in node for name in _unregistered(one)))
    if not isinstance(node, dict):
        return []
    names = _unregistered(list(node.values()))
    module, registered = node.get("module"), node.get("registered_name")
    if "class_name" in node and "registered_name" in node:
        if node["class_name"] == "function":
            module, registered, name = "", node["config"], node["config"]
        else:
            name = node["class_name"]
        ours = not (module or "").startswith(("keras", "builtins"))
        if ours and isinstance(registered, str | None):
            found = registered and keras.saving.get_registered_object(registered)
            names += [] if found or name in names else [name]
    return names


def _forgotten_arguments(cls, config):
    parameters = inspect.signature(cls).parameters.values()
    return [
        p.name
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in config
    ]


def _state_outside_variables(optimizer):
    """A sentence for each plain attribute that an optimizer made from the configuration would not have."""
    config = optimizer.get_config()
    forgotten = _forgotten_arguments(type(optimizer), config)
    return [
        f"{type(optimizer).__name__}.{attribute} is {here}, and {there} in an optimizer made from its configuration: "
        "put a setting into get_config, and state into a variable (self.add_variable)"
        for attribute, here, there in _different_attributes(optimizer, config)
        if attribute not in forgotten
    ]


def _different_attributes(optimizer, config):
    """(attribute, value here, value there) wherever an optimizer made from the configuration differs."""
    try:
        twin = type(optimizer).from_config(dict(config))
        if optimizer.built and not hasattr(optimizer, "inner_optimizer"):
            twin.build(optimizer._trainable_variables)
    except (TypeError, ValueError):
        return  # an unknown class, or a forgotten argument without a default: reported already
    base = vars(keras.Optimizer(0.125))
    for name, value in vars(optimizer).items():
        if name in base or name.startswith("_self_") or name.endswith("_cache"):  # book-keeping
            continue
        other = getattr(twin, name, None)
        if _differ(value, other):
            yield name, _short(value), _short(other)


def _differ(a, b):
    """Whether two attributes differ, as far as they are plain values; variables and unknown objects never do."""
    if isinstance(a, keras.Variable) or isinstance(b, keras.Variable):
        return False
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() != b.keys() or any(_differ(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) != len(b) or any(map(_differ, a, b))
    if isinstance(a, list | tuple | dict):
        inside = a.values() if isinstance(a, dict) else a
        return any(_differ(one, None) for one in inside)
    if keras.ops.is_tensor(a) or isinstance(a, np.ndarray | np.generic):
        try:
            return not np.array_equal(keras.ops.convert_to_numpy(a), b)
        except Exception:  # a tensor of a graph has no value at all: it leaked from the tracing
            return True
    return isinstance(a, int | float | str) and a != b


def _short(value):
    text = re.sub(r"\s+", " ", repr(value))
    return text if len(text) <= 40 else text[:37] + "..."


# ---- Loading ----


def load(path, custom_objects=None):
    """The model of a .keras file, with everything that was saved: nothing is skipped in silence.

    custom_objects    {name: class} for classes that are not registered, as in keras.saving.load_model
    Raises FileNotFoundError or ValueError for a file that is missing, empty, truncated, damaged or foreign, holds a
    class that cannot be found, was saved without one of the optimizer's arguments, or does not fit its optimizer.
    Warns of a file written by Keras alone whose model draws random numbers: Keras does not save where they were.
    """
    path = _path(path, "path")
    if path.suffix != ".keras":
        raise ValueError(
            f"{path.name!r} holds no model, only its variables: use load_weights(model, path)."
        )
    with _verified(path):
        pass
    with _no_state_skipped():
        try:
            model = keras.saving.load_model(path, custom_objects=custom_objects)
        except TypeError as error:
            found = re.search(r"Could not locate (?:class|function) '(\w+)'", str(error))
            if not found:
                raise
            raise ValueError(
                f"{path.name!r} holds {found[1]}, which is not registered here: import the module that defines "
                f"and registers it, or pass custom_objects={{{found[1]!r}: {found[1]}}}."
            ) from None
    with _verified(path) as (file, config):
        stored = (config.get("compile_config") or {}).get("optimizer")
        if isinstance(stored, dict):
            cls = type(model.optimizer)
            for name in _forgotten_arguments(cls, stored["config"]):
                raise ValueError(
                    f"{path.name!r} was saved without {cls.__name__}'s `{name}`, because get_config leaves it "
                    "out: it would return as its default, in silence. Repair get_config and save again."
                )
        _load_group(file, model)
    return model


def load_weights(model, path, optimizer=True):
    """Load a .weights.h5 or .keras file into a model: weights, seeds and the optimizer's state.

    model        built; compiled, unless optimizer=False
    optimizer    False leaves the optimizer as it is (for evaluation, or to begin anew)
    The optimizer is built if it is not.  The file's learning rate replaces the model's: set yours afterwards.
    Raises as `load` does, and ValueError where the file's optimizer is of another class than the model's, or keeps
    other variables, or none.
    """
    path = _path(path, "path")
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError("`model` must be a keras.Model that is built: call it on data first.")
    live = _optimizer_of(model)
    if optimizer and live is None:
        raise ValueError("`model` has no optimizer: compile it first, or pass optimizer=False.")
    with _verified(path) as (file, config):
        if optimizer:
            if not live.built:
                live.build(model.trainable_variables)
            _must_fit(live, file, config, path.name)
        with _no_state_skipped(), tempfile.TemporaryDirectory() as folder:
            if path.suffix == ".keras":  # Keras skips objects for .weights.h5 alone
                with zipfile.ZipFile(path) as archive:
                    path = Path(archive.extract(INNER, folder))
            skip = [] if optimizer or live is None else [live]
            model.load_weights(path, objects_to_skip=skip)
        _load_group(file, model)


@contextlib.contextmanager
def _no_state_skipped():
    """Keras's warning "Skipping variable loading" becomes an error; other warnings pass."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        if "Skipping variable loading" in str(one.message):
            raise ValueError(
                f"The optimizer's state was not restored. Keras says: {one.message} "
                "Compile with the optimizer that was saved."
            )
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def _must_fit(live, file, config, name):
    """ValueError unless the file's optimizer is of the live one's class and keeps the same variables."""
    here, there = _about(live), None
    if GROUP in file:
        there = json.loads(file[GROUP]["about"][()])["optimizer"]
    elif config and isinstance((config.get("compile_config") or {}).get("optimizer"), dict):
        saved = keras.optimizers.deserialize(config["compile_config"]["optimizer"])
        saved.build(live._trainable_variables)
        there = _about(saved)
    elif "optimizer/vars" in file:  # written by Keras: a name, "adam" or "adam_3", is all there is
        stored = re.sub(r"_\d+$", "", str(file["optimizer/vars"].attrs.get("name")))
        if stored != re.sub(r"_\d+$", "", live.name):
            raise ValueError(
                f"{name!r} holds the state of an optimizer called {stored!r}, and the model's is called "
                f"{live.name!r}. Keras would fill one with the other's numbers, by position."
            )
    if not any(_is_data(item) for item in file.get("optimizer/vars", {}).values()):
        raise ValueError(
            f"{name!r} holds no optimizer's state. Pass optimizer=False to load the weights alone."
        )
    if there and there != here:
        raise ValueError(
            f"{name!r} holds the state of {_described(there)}, and the model's optimizer is {_described(here)}. "
            "Keras would fill one with the other's numbers, by position. Compile with the optimizer that was "
            "saved, or pass optimizer=False."
        )


def _described(about):
    name = " around ".join(one.rpartition(">")[2] for one in about["classes"])
    return f"{name} ({', '.join(dict.fromkeys(about['slots']))})"


def _load_group(file, model):
    """Put back what Keras left out."""
    seeds = [variable for owner, variable in _left_out_by_keras(model) if owner == SEED]
    if GROUP not in file:
        if seeds:
            warnings.warn(
                f"The file does not hold the states of {len(seeds)} seed generators: Keras does not save them. "
                "Training that goes on from here draws other masks than an uninterrupted one.",
                stacklevel=3,
            )
        return
    held = [d[()] for _, d in sorted(_datasets(file[GROUP]), key=_natural) if _owner(d) == SEED]
    if len(held) != len(seeds):
        raise ValueError(
            f"The file holds the states of {len(held)} seed generators, and the model has {len(seeds)}."
        )
    for variable, value in zip(seeds, held, strict=True):
        variable.assign(value)


# ---- Continuing ----


class SeededBatches(keras.utils.PyDataset):
    """Batches in an order that is a function of (seed, epoch), so that a new process can find its place again.

    x, y          arrays of the same length
    batch_size    the last batch of an epoch may be smaller
    seed          a whole number; epoch e is ordered by np.random.default_rng((seed, e)).permutation(len(x))
    Give it to fit with shuffle=False: fit's own shuffling depends on Python's random state.
    Raises ValueError or TypeError, naming the argument, for what makes no sense.
    """

    def __init__(self, x, y, batch_size, seed):
        super().__init__()
        self.x, self.y = np.asarray(x), np.asarray(y)
        if len(self.x) != len(self.y) or len(self.x) == 0:
            raise ValueError(
                f"`x` and `y` must have the same length, above 0. Received: {len(self.x)} and {len(self.y)}."
            )
        for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0)):
            if not isinstance(value, int | np.integer) or value < least:
                raise ValueError(
                    f"`{name}` must be a whole number, {least} or more. Received: {name}={value!r}."
                )
        self.batch_size, self.seed = int(batch_size), int(seed)
        self.epoch = self.start = 0  # the epoch that is served, and its first step that is
        self.next = (0, 0)
        self.served = 0  # steps of this epoch that were asked for, one after the other

    @property
    def steps(self):
        """Batches in a whole epoch."""
        return -(-len(self.x) // self.batch_size)

    def __len__(self):
        return self.steps - self.start

    def __getitem__(self, index):
        if index == self.served:
            self.served += 1
        i = (self.start + index) * self.batch_size
        rows = self.order(self.epoch)[i : i + self.batch_size]
        return self.x[rows], self.y[rows]

    def order(self, epoch):
        """The order of the examples in an epoch: a permutation."""
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.x))

    def seek(self, epoch, step=0):
        """Make the next epoch that is served this one, from this step on."""
        if not 0 <= step < self.steps:
            raise ValueError(f"`step` must be from 0 to {self.steps - 1}. Received: step={step!r}.")
        self.next = (epoch, step)

    def on_epoch_begin(self):
        self.epoch, self.start = self.next
        self.next = (self.epoch + 1, 0)
        self.served = 0


class ResumableTraining(keras.callbacks.Callback):
    """A fit that is killed, at any moment, continues when the same script runs again, to the last bit on the CPU.

        data = SeededBatches(x, y, batch_size=32, seed=0)
        model.fit(data, shuffle=False, epochs=20, callbacks=[ResumableTraining(folder, data)])

    folder    where the states are kept: of this training, and of no other.  The newest two files stay, the older as
              a reserve; each is an ordinary .weights.h5 that says which epoch and step it belongs to.
    data      the SeededBatches that fit is given
    every     write after so many steps, counted over the whole training, and after each epoch; "epoch": only then

    Restored are weights, the optimizer's variables (slots, iterations, accumulated gradients, averages), seed
    generators, metrics, epoch, step and the order of the data; `history` holds the logs of all epochs, those of earlier
    processes too.  In the epoch that is continued, fit counts the steps that are left from 0 (so do other callbacks).
    Not restored is what is no variable: attributes of other callbacks (EarlyStopping's patience), Python's and NumPy's
    random state, keras.random without a SeedGenerator of its own.

    Keras's BackupAndRestore restores weights, optimizer and epoch; neither the step, nor seed generators, nor metrics,
    nor the order of the data, and a kill while it writes can damage its file.

    Raises ValueError where the folder belongs to another model, optimizer or data, where none of its files can be
    read, and where fit is given other data, or shuffles.  TensorFlow, one device.
    """

    def __init__(self, folder, data, every="epoch"):
        super().__init__()
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                f"ResumableTraining needs TensorFlow. The backend is {keras.backend.backend()}."
            )
        if not isinstance(data, SeededBatches):
            raise TypeError(f"`data` must be a SeededBatches. Received: data={data!r}.")
        if every != "epoch" and (not isinstance(every, int) or every < 1):
            raise ValueError(
                f"`every` must be 'epoch' or a whole number above 0. Received: every={every!r}."
            )
        self.folder, self.data, self.every = Path(folder), data, every
        self.place, self.history, self.metrics, self.quiet = (0, 0), {}, None, None

    def on_train_begin(self, logs=None):
        if self.params["steps"] != self.data.steps:
            raise ValueError(
                f"fit counts {self.params['steps']} steps an epoch, and `data` has {self.data.steps}: give both the "
                "same, freshly made SeededBatches, and no steps_per_epoch."
            )
        if getattr(self.model, "steps_per_execution", 1) != 1:
            raise ValueError("compile with steps_per_execution=1: a step is what can be continued.")
        lost = [one for o in _optimizers_of(self.model) for one in _state_outside_variables(o)]
        if lost:
            raise ValueError("This training cannot be continued. " + ". ".join(lost) + ".")
        self.folder.mkdir(parents=True, exist_ok=True)
        for litter in self.folder.glob(".partial-*"):
            litter.unlink()
        self.place, self.history, self.metrics, self.quiet = (0, 0), {}, None, None
        self._restore()
        # NB: a private name, but the very mechanism of Keras's BackupAndRestore: fit reads it after this hook.
        self.model._initial_epoch = self.place[0] or None

    def on_epoch_begin(self, epoch, logs=None):
        self.model._initial_epoch = None
        step = self.place[1] if epoch == self.place[0] else 0
        self.place = (epoch, step)
        self.data.seek(epoch, step)
        if self.metrics is not None:  # fit has just reset them
            for variable, value in zip(self.model.metrics_variables, self.metrics, strict=True):
                variable.assign(value)
            self.metrics = None

    def on_train_batch_begin(self, batch, logs=None):
        if batch == len(self.data) and self.data.start:
            # fit planned a whole epoch and goes for a step too many.  StopIteration is how data says that it has run
            # out: fit warns and ends the epoch.  (Had it tried the step, it would have drawn a dropout mask.)
            self.quiet = warnings.catch_warnings()
            self.quiet.__enter__()
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            raise StopIteration

    def on_train_batch_end(self, batch, logs=None):
        if self.data.served <= batch:
            raise ValueError(
                "fit does not take the batches of `data` in their order: give fit and ResumableTraining the same "
                "SeededBatches, and fit shuffle=False."
            )
        step = self.data.start + batch + 1
        whole = self.place[0] * self.data.steps + step
        if self.every != "epoch" and whole % self.every == 0 and step < self.data.steps:
            self._write(self.place[0], step)

    def on_epoch_end(self, epoch, logs=None):
        if self.quiet is not None:
            self.quiet.__exit__(None, None, None)
            self.quiet = None
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        self._write(epoch + 1, 0)

    def _write(self, epoch, step):
        name = f"step-{epoch * self.data.steps + step:09}.weights.h5"
        place = dict(epoch=epoch, step=step, history=self.history, training=self._training())
        write_atomically(self.folder / name, lambda partial: _write(self.model, partial, **place))
        for old in self._files()[2:]:
            old.unlink()

    def _files(self):
        return sorted(self.folder.glob("step-*.weights.h5"), reverse=True)

    def _restore(self):
        damaged = {}
        for path in self._files():
            try:
                with _verified(path) as (file, _):
                    about = json.loads(file[GROUP]["about"][()])
                    metrics = [
                        item[()]
                        for _, item in sorted(_datasets(file[GROUP]), key=_natural)
                        if _owner(item).startswith("metric")
                    ]
            except (ValueError, KeyError) as error:
                damaged[path] = str(error)
                continue
            before, now = about["training"], json.loads(json.dumps(self._training()))
            changed = [
                f"{k} was {before.get(k)}, and is {now[k]}" for k in now if before.get(k) != now[k]
            ]
            if changed:
                raise ValueError(f"The folder holds another training: {'; '.join(changed)}.")
            if about["step"]:  # the metrics are in the middle of an epoch: make them, to be filled
                x, y = self.data[0]
                self.model.compute_metrics(x, y, self.model(x, training=False))
            load_weights(self.model, path)
            self.place, self.history = (about["epoch"], about["step"]), about["history"]
            self.metrics = metrics if about["step"] else None
            break
        else:
            if damaged:
                raise ValueError(
                    "No state in the folder can be read: "
                    + " ".join(damaged.values())
                    + " Empty it to begin anew."
                )
        for path, sentence in damaged.items():
            warnings.warn(f"{sentence} Continuing from the one before.", stacklevel=2)
            path.unlink()

    def _training(self):
        """What must be the same in the script that continues."""
        data, optimizer = self.data, self.model.optimizer
        config = _settings(keras.saving.serialize_keras_object(optimizer)["config"])
        return dict(
            optimizer=type(optimizer).__name__,
            examples=len(data.x),
            batch_size=data.batch_size,
            seed=data.seed,
            shapes=[list(variable.shape) for variable in self.model.variables],
            **{f"the optimizer's {name}": value for name, value in config.items()},
        )


def _settings(config):
    """A configuration without what may differ from process to process: names, and rates, which are restored."""
    if not isinstance(config, dict):
        return config
    rates = {name for name in config if name == "learning_rate" and isinstance(config[name], float)}
    return {name: _settings(config[name]) for name in config if name not in {"name", *rates}}

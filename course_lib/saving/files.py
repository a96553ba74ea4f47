"""Save and load: nothing is lost without a word, and no file is ever half."""

import contextlib
import json
import os
import re
import warnings
import zipfile
from typing import Any

import keras

from ..files import write_atomically
from .container import (
    CONFIG,
    GROUP,
    INNER,
    InMemory,
    archive_of,
    checked_path,
    datasets,
    hdf5_file,
    opened,
    owner_of,
    seal,
    with_digest,
)
from .inventory import SEED, chain, left_out_by_keras, optimizer_of, private_copy, variables_of
from .losses import forgotten_arguments, lost_when_saved


def save(model: keras.Model, path: str | os.PathLike) -> None:
    """Write a .keras or a .weights.h5 file that lacks nothing.

    It is Keras's file. It also holds the states of the seed generators, the names of the
    optimizer's variables, and a digest. The file is made in memory and then written beside `path`,
    and it takes the name in one move. A full disk or a killed process leaves the old file.

    Args:
        model: A model that is built.
        path: Where to write. The ending says which of the two.

    Raises:
        TypeError: If `model` is not a `keras.Model`, or `path` not a path.
        ValueError: If `lost_when_saved` finds something, the model is not built, or the path ends
            otherwise. Nothing is written.
        OSError: If the disk is full or the folder read-only.

    Example:
        >>> import tempfile
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(model, f"{folder}/model.keras")
        ...     load(f"{folder}/model.keras").count_params()
        4
    """
    path = checked_path(path, "path")
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. Received: {model!r}.")
    if not model.built:
        raise ValueError("`model` is not built: it has nothing to save yet. Call it on data first.")
    lost = lost_when_saved(model)
    if lost:
        raise ValueError("Not saved. " + ". ".join(lost) + ".")
    write(model, path)


def write(model, path, **place):
    """Write a file in one move. With a `place`, that of a training, metrics are in it too."""
    # HDF5 works in memory: on a full disk it ends the process, where Python raises an OSError.
    content = _content(model, ".keras" if path.suffix == ".keras" else ".weights.h5", place)
    write_atomically(path, lambda beside: beside.write_bytes(content))


def _content(model, kind, place):
    """The bytes of Keras's file, with our group in it."""
    memory = InMemory(kind)
    if kind != ".keras":
        model.save_weights(memory)
        _add_group(memory, model, place)
        return with_digest(memory.getvalue())
    model.save(memory)
    with zipfile.ZipFile(memory) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    inner = InMemory(kind, members[INNER])
    _add_group(inner, model, place, members[CONFIG])
    return archive_of(members | {INNER: inner.getvalue()})


def _add_group(memory, model, place, config=None):
    with hdf5_file(memory, "r+") as file:
        group = file.create_group(GROUP)
        for i, (owner, variable) in enumerate(left_out_by_keras(model)):
            if place or owner == SEED:  # metrics matter in the middle of a fit only
                dataset = group.create_dataset(f"{i}", data=keras.ops.convert_to_numpy(variable))
                dataset.attrs.update(owner=owner, name=variable.name)
        group["about"] = json.dumps({"optimizer": _about(optimizer_of(model)), **place})
        seal(file, config)


def about(saved):
    """What a file of ours says of its optimizer and of the place in a training; None for others."""
    return json.loads(saved.file[GROUP]["about"][()]) if GROUP in saved.file else None


def _about(optimizer):
    """An optimizer's classes, with those that it wraps, and the names of its variables."""
    if optimizer is None:
        return None
    classes = [keras.saving.get_registered_name(type(one)) for one in chain(optimizer)]
    return {"classes": classes, "slots": _slots(optimizer)}


def _slots(optimizer):
    """The names of an optimizer's variables, in order, without the names of their weights."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    weights = {v.path.replace("/", "_") + "_" for v in inner._trainable_variables}
    weights = sorted(weights, key=len, reverse=True)

    def slot(name):
        return next((name.removeprefix(w) for w in weights if name.startswith(w)), name)

    return [slot(variable.name) for variable in variables_of(optimizer)]


def load(path: str | os.PathLike, custom_objects: dict[str, Any] | None = None) -> keras.Model:
    """Load the model of a .keras file, with all that was saved.

    Do not compile it again: a new optimizer would begin without the saved state.

    Args:
        path: The file. It is read once: a writer beside it does not mix two files.
        custom_objects: {name: class} for classes that are not registered, as in
            `keras.saving.load_model`.

    Returns:
        The model, compiled if the saved one was.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated, damaged or not Keras's. If it holds a class
            that cannot be found, lacks an argument of the optimizer, or does not fit it.

    Warns:
        UserWarning: If Keras alone wrote the file and the model draws random numbers. Keras does
            not save their state.
    """
    path = checked_path(path, "path")
    if path.suffix != ".keras":
        raise ValueError(
            f"{str(path)!r} holds no model, only its variables: use load_weights(model, path)."
        )
    with opened(path) as saved:
        with _no_state_skipped(), private_copy(saved) as copy:
            try:
                model = keras.saving.load_model(copy, custom_objects=custom_objects)
            except TypeError as error:
                found = re.search(r"Could not locate (?:class|function) '(\w+)'", str(error))
                if not found:
                    raise
                raise ValueError(
                    f"{saved.name!r} holds {found[1]}, which is not registered here: import the "
                    "module that defines and registers it, or pass "
                    f"custom_objects={{{found[1]!r}: {found[1]}}}."
                ) from None
        stored = (saved.config.get("compile_config") or {}).get("optimizer")
        if isinstance(stored, dict):
            cls = type(model.optimizer)
            forgotten = forgotten_arguments(cls, stored["config"])
            if forgotten:
                raise ValueError(
                    f"{saved.name!r} was saved without {cls.__name__}'s `{forgotten[0]}`, because "
                    "get_config leaves it out: it would return as its default, in silence. Repair "
                    "get_config and save again."
                )
        _load_group(saved.file, model)
    return model


def load_weights(model: keras.Model, path: str | os.PathLike, optimizer: bool = True) -> None:
    """Load a .weights.h5 or .keras file into a model: weights, seeds and the optimizer's state.

    The optimizer is built if it is not. The file's learning rate replaces the model's: set yours
    afterwards.

    Args:
        model: A model that is built, and compiled unless `optimizer=False`.
        path: The file. It is read once.
        optimizer: False leaves the optimizer as it is, to evaluate the model or to begin anew.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be trusted (see `load`), does not fit the model, or has no
            optimizer's state, or that of another class or with other variables.
    """
    path = checked_path(path, "path")
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError("`model` must be a keras.Model that is built: call it on data first.")
    if optimizer and optimizer_of(model) is None:
        raise ValueError("`model` has no optimizer: compile it first, or pass optimizer=False.")
    with opened(path) as saved:
        fill(model, saved, optimizer)


def fill(model, saved, optimizer=True):
    """Load a Saved into a model that is built."""
    live = optimizer_of(model)
    if optimizer:
        if not live.built:
            live.build(model.trainable_variables)
        _must_fit(live, saved)
    skip = [] if optimizer or live is None else [live]
    with _no_state_skipped():  # Keras skips objects for .weights.h5 alone
        model.load_weights(InMemory(".weights.h5", saved.hdf5), objects_to_skip=skip)
    _load_group(saved.file, model)


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


def _must_fit(live, saved):
    """ValueError unless the file's optimizer is of the live one's class, with its variables."""
    file, here, there = saved.file, _about(live), None
    compiled = ((saved.config or {}).get("compile_config") or {}).get("optimizer")
    if GROUP in file:
        there = about(saved)["optimizer"]
    elif isinstance(compiled, dict):
        twin = keras.optimizers.deserialize(compiled)
        twin.build(live._trainable_variables)
        there = _about(twin)
    elif "optimizer/vars" in file:  # written by Keras: a name, "adam" or "adam_3", is all there is
        stored = re.sub(r"_\d+$", "", str(file["optimizer/vars"].attrs.get("name")))
        if stored != re.sub(r"_\d+$", "", live.name):
            raise ValueError(
                f"{saved.name!r} holds the state of an optimizer called {stored!r}, and the "
                f"model's is called {live.name!r}. Keras would fill one with the other's numbers, "
                "by position."
            )
    if "optimizer/vars" not in file or not datasets(file["optimizer/vars"]):
        raise ValueError(
            f"{saved.name!r} holds no optimizer's state. Pass optimizer=False to load the weights "
            "alone."
        )
    if there and there != here:
        raise ValueError(
            f"{saved.name!r} holds the state of {_described(there)}, and the model's optimizer is "
            f"{_described(here)}. Keras would fill one with the other's numbers, by position. "
            "Compile with the optimizer that was saved, or pass optimizer=False."
        )


def _described(told):
    name = " around ".join(one.rpartition(">")[2] for one in told["classes"])
    return f"{name} ({', '.join(dict.fromkeys(told['slots']))})"


def _load_group(file, model):
    """Restore what Keras left out."""
    seeds = [variable for owner, variable in left_out_by_keras(model) if owner == SEED]
    if GROUP not in file:
        if seeds:
            warnings.warn(
                f"The file does not hold the states of {len(seeds)} seed generators: Keras does "
                "not save them. Training that goes on from here draws other masks than an "
                "uninterrupted one.",
                stacklevel=3,
            )
        return
    held = [dataset[()] for _, dataset in datasets(file[GROUP]) if owner_of(dataset) == SEED]
    if len(held) != len(seeds):
        raise ValueError(
            f"The file holds the states of {len(held)} seed generators, and the model has "
            f"{len(seeds)}."
        )
    for variable, value in zip(seeds, held, strict=True):
        variable.assign(value)

"""What lies in a file, in an optimizer, in a model: a table of variables."""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras

from .container import GROUP, checked_path, datasets, opened, owner_of

SEED = "seed generator"


class SavedVariable(NamedTuple):
    """One variable: where it belongs, its name, its shape and its dtype.

    Attributes:
        owner: "layer dense", "optimizer adam", "seed generator" or "metric loss".
        name: The variable's name; "vars/0" where a file knows its place only.
        shape: The shape, a tuple of integers.
        dtype: The dtype's name, such as "float32".
    """

    owner: str
    name: str
    shape: tuple[int, ...]
    dtype: str


class Inventory(list[SavedVariable]):
    """A list of SavedVariables that prints as an aligned table."""

    def __str__(self) -> str:
        rows = [(row.owner, row.name, str(row.shape), row.dtype) for row in self]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
        lines = (
            "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]])
            for row in rows
        )
        return "\n".join(lines)


def inspect_saved(
    source: str | os.PathLike | keras.Optimizer | keras.Model, model: keras.Model | None = None
) -> Inventory:
    """List every variable that a file holds, or that a live optimizer or model has.

    Args:
        source: The path of a .keras or a .weights.h5 file, a `keras.Optimizer` or a `keras.Model`.
        model: For a file: the model that knows the names of its variables. A .weights.h5 file
            knows places only ("vars/0"). A .keras file is rebuilt to learn the names, unless a
            class in it is unknown.

    Returns:
        An Inventory of SavedVariables. Print it for a table.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is empty, truncated, damaged or not Keras's.
        TypeError: If `source` is something else, or `model` is not a `keras.Model`.

    Example:
        >>> for row in inspect_saved(keras.optimizers.SGD(0.125)):
        ...     print(row.name, row.shape)
        iteration ()
        learning_rate ()
    """
    if isinstance(source, keras.Optimizer):
        return Inventory(_row(f"optimizer {source.name}", v, v.name) for v in variables_of(source))
    if isinstance(source, keras.Model):
        return Inventory(_rows_of_model(source))
    if model is not None and not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model. Received: model={model!r}.")
    with opened(checked_path(source, "source")) as saved:
        return Inventory(_rows_of_file(saved, model))


def _rows_of_file(saved, model):
    if model is None and saved.config is not None:
        with warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")
            with private_copy(saved) as path:
                model = keras.saving.load_model(path)
    ours, names = [], _names(model)
    for place, dataset in datasets(saved.file):
        group, _, entry = place.rpartition("/")
        if place.startswith(f"{GROUP}/"):
            if owner_of(dataset):
                ours.append(_row(owner_of(dataset), dataset, dataset.attrs["name"]))
            continue
        kind = "optimizer" if "optimizer" in place else "layer"
        owner = f"{kind} {saved.file[group].attrs.get('name', group.removesuffix('/vars'))}"
        yield _row(owner, dataset, names.get((owner, entry), f"vars/{entry}"))
    yield from ours


@contextlib.contextmanager
def private_copy(saved):
    """The path of a copy that nobody else writes: Keras makes a model from a path alone."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(saved.whole)
        yield path


def _row(owner, variable, name):
    return SavedVariable(owner, name, tuple(variable.shape), str(variable.dtype))


def _rows_of_model(model):
    for variable in model.weights:
        layer = variable.path.rpartition("/")[0].rpartition("/")[2]
        yield _row(f"layer {layer}", variable, variable.name)
    if optimizer_of(model) is not None:
        yield from inspect_saved(model.optimizer)
    for owner, variable in left_out_by_keras(model):
        yield _row(owner, variable, variable.name)


def left_out_by_keras(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """The variables of a model that Keras writes into no file: random seeds, and metrics."""
    saved = {id(variable) for variable in model.weights}
    for variable in model.variables:
        if id(variable) not in saved:
            yield SEED, variable
    for variable in model.metrics_variables:
        yield f"metric {variable.path.rpartition('/')[0]}", variable


def _names(model):
    """{(owner, entry of the file): name}, as far as a model knows them."""
    names, todo = {}, [] if model is None else [model]
    while todo:
        layer = todo.pop()
        inner = getattr(layer, "layers", [])
        todo += inner
        if not inner:
            names |= {(f"layer {layer.name}", str(i)): v.name for i, v in enumerate(layer.weights)}
    optimizer = optimizer_of(model)
    if optimizer is not None:
        variables = enumerate(optimizer.variables)
        names |= {(f"optimizer {optimizer.name}", str(i)): v.name for i, v in variables}
    return names


def optimizer_of(model):
    """A model's optimizer; None if it has none."""
    return getattr(model, "optimizer", None)


def variables_of(optimizer):
    """All variables of an optimizer and of the one that it wraps, each once."""
    inner = getattr(optimizer, "inner_optimizer", None)
    known = {id(v) for v in optimizer.variables}
    rest = [] if inner is None else [v for v in inner.variables if id(v) not in known]
    return [*optimizer.variables, *rest]


def chain(optimizer):
    """An optimizer, the one that it wraps, the one that that one wraps, and so on."""
    while optimizer is not None:
        yield optimizer
        optimizer = getattr(optimizer, "inner_optimizer", None)

"""The result of a sweep: a tidy table, and its file."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import needs_package, unknown
from ..files import write_text_atomically
from . import verified_csv


class Table:
    """A tidy table: one row for each look at a trial. `table["loss"]` is a column, an array.

    trial            sixteen hexadecimal digits: problem, rule's code, settings, budget, seed
    rule             the racer's name
    learning_rate    its learning rate
    seed             its seed
    step             steps made
    gradients        gradients spent
    loss             mean cross-entropy on the test rows
    accuracy         part of the test rows that is right
    diverged         whether loss or weights are no longer finite, or were not at an earlier look

    A network whose units have all died is finite: it stays at the loss of guessing, log(classes).

    Args:
        rows: One tuple for each row, in the order of these columns.

    Raises:
        ValueError: If a row has not nine entries.

    Example:
        >>> table = Table([("0" * 16, "adam", 0.01, 0, 44, 44, 0.5, 0.875, False)])
        >>> table["loss"], table.where(rule="sgd")
        (array([0.5]), <Table: 0 rows, 0 trials of no rule>)
    """

    KINDS = {
        "trial": str,
        "rule": str,
        "learning_rate": float,
        "seed": int,
        "step": int,
        "gradients": int,
        "loss": float,
        "accuracy": float,
        "diverged": bool,
    }

    def __init__(self, rows: Iterable[tuple] = ()) -> None:
        try:
            self.rows: list[tuple[Any, ...]] = list(rows)
            sound = not isinstance(rows, str | Mapping)
            sound = sound and all(len(row) == len(self.KINDS) for row in self.rows)
        except TypeError:
            sound = False
        if not sound:
            raise ValueError(
                f"`rows` must be tuples of {len(self.KINDS)}: {', '.join(self.KINDS)}. "
                f"Received: rows={rows!r:.200}."
            )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> np.ndarray:
        if column not in self.KINDS:
            raise KeyError(unknown("column", str(column), self.KINDS))
        i = list(self.KINDS).index(column)
        return np.array([row[i] for row in self.rows], self.KINDS[column])

    def __add__(self, other: "Table") -> "Table":
        return Table(self.rows + other.rows) if isinstance(other, Table) else NotImplemented

    def where(self, **values: Any) -> "Table":
        """Choose rows: `table.where(rule="adam", gradients=880)`.

        Args:
            **values: A value for each column that is compared.

        Returns:
            The rows that have all these values.

        Raises:
            KeyError: For a column that there is not.
            ValueError: For something that is not one value.
        """
        chosen = np.ones(len(self), bool)
        for column, value in values.items():
            if not np.isscalar(value):
                raise ValueError(f"`{column}` must be one value. Received: {column}={value!r}.")
            chosen &= self[column] == value
        return Table(row for row, is_chosen in zip(self.rows, chosen, strict=True) if is_chosen)

    def finished(self, gradients: int) -> set[str]:
        """Find the trials that have spent a budget.

        Args:
            gradients: The budget.

        Returns:
            Their names, as in the column `trial`.
        """
        return set(self.where(gradients=gradients)["trial"].tolist())

    def to_csv(self, path: str | os.PathLike) -> None:
        """Write the table to a file, whole or not at all: numbers to the last digit.

        A last column, `check`, lets `read_csv` find a row that was changed, doubled or cut.

        Args:
            path: The file's name.

        Raises:
            TypeError: If `path` is not a path.
            OSError: If the file cannot be written. An old file of this name is still there then.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Table().to_csv(f"{folder}/race.csv")
            ...     Table.read_csv(f"{folder}/race.csv")
            <Table: 0 rows, 0 trials of no rule>
        """
        write_text_atomically(
            checked_path("path", path), verified_csv.written(list(self.KINDS), self.rows)
        )

    @classmethod
    def read_csv(cls, path: str | os.PathLike) -> "Table":
        """Read the table that was written to a file, and verify it.

        Args:
            path: The file's name.

        Returns:
            The table. Its numbers are those that were written, to the last digit.

        Raises:
            ValueError: If the file is not the table of a sweep, or not as it was written. The
                message names the file and the line.
            TypeError: If `path` is not a path.
            OSError: If the file cannot be read.
        """
        table, faults = read_sound_rows(path)
        if faults:
            more = f" {len(faults) - 1} more lines are damaged." if faults[1:] else ""
            raise ValueError(
                f"{path}, {faults[0]}.{more} Give the file as it was written. As the `file` of "
                "its sweep it can be mended: damaged trials are trained again."
            )
        return table

    def to_pandas(self) -> Any:
        """Make a pandas DataFrame of the table.

        Returns:
            The frame, with the same columns.

        Raises:
            ImportError: If pandas is not installed.
        """
        pandas = needs_package("Table.to_pandas", "pandas", "pandas")
        return pandas.DataFrame({column: self[column] for column in self.KINDS})

    def __repr__(self) -> str:
        trials = len(set(self["trial"].tolist()))
        rules = ", ".join(dict.fromkeys(self["rule"].tolist()))
        return f"<Table: {len(self)} rows, {trials} trials of {rules or 'no rule'}>"


def read_sound_rows(path: str | os.PathLike) -> tuple[Table, list[str]]:
    """Read from a file the rows that are as they were written.

    Args:
        path: The file's name.

    Returns:
        The sound rows as a table, and a sentence for each damaged one: "line 7: ...".

    Raises:
        ValueError: If the file is not the table of a sweep.
        TypeError: If `path` is not a path.
        OSError: If the file cannot be read.
    """
    path = checked_path("path", path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"`path`: there is no file {str(path)!r}.")
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")  # so that a line can be named
    try:
        found, faults = verified_csv.verified(list(Table.KINDS), text)
    except ValueError as error:
        raise ValueError(
            f"{path}, line 1: this is not the table of a sweep: {error}. "
            "Give another file, or move this one away."
        ) from None
    rows = []
    for line, texts in found:
        try:
            rows.append(tuple(map(_value, Table.KINDS.values(), texts)))
        except ValueError:
            faults.append((line, "this row holds a text where a number must be"))
    return Table(rows), [f"line {line}: {fault}" for line, fault in sorted(faults)]


def checked_path(name: str, path: Any) -> Path:
    """Check that an argument is a path.

    Args:
        name: The argument's name.
        path: What was received.

    Returns:
        The path.

    Raises:
        TypeError: If it is not text or a path.
        ValueError: If it is empty, or no file can have that name.
        IsADirectoryError: If a folder stands there.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise TypeError(f"`{name}` must be a path, such as 'race.csv'. Received: {name}={path!r}.")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise ValueError(f"`{name}` must be a file's name. Received: {name}={path!r}.")
    if os.path.isdir(path):
        raise IsADirectoryError(f"`{name}` must be a file, and {str(path)!r} is a folder.")
    return Path(path)


def _value(kind, text):
    if kind is bool:
        if text not in ("True", "False"):
            raise ValueError
        return text == "True"
    return kind(text)

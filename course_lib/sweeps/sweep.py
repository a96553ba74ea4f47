"""Every rule with every learning rate from every seed: one call, one table, one file."""

import os
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..optimizers import Rule
from ..progress import progress_bar
from .plan import Plan, checked_learning_rates, checked_problem, checked_seeds
from .problem import Problem
from .racer import Racer, racers
from .schedule import batches_of, checked_executor, results
from .table import Table, checked_path, read_sound_rows
from .training import table_of

Trials = dict[str, tuple[Racer, float, int]]


def sweep(
    problem: Problem,
    rules: str | Rule | Racer | Iterable[str | Rule | Racer],
    learning_rates: Iterable[float] | Mapping[str, Iterable[float]],
    seeds: Iterable[int],
    *,
    gradients: int = 880,
    every: int = 44,
    engine: str = "numpy",
    dtype: str = "float32",
    file: str | os.PathLike | None = None,
    executor: Any = None,
    progress: bool | None = None,
) -> Table:
    """Train every rule with every learning rate from every seed, and return one Table.

    A trial's numbers do not depend on its company. Alone, in a batch, on another worker or engine
    they are the same, to rounding. Training amplifies rounding: beyond a learning rate of about
    0.03, compare in float64 and over few steps. A trial whose weights or loss are no longer finite
    is marked as diverged from there on; the others do not notice.

    Args:
        problem: What is trained: `digits()`, or your own.
        rules: A name of RULES, a Rule or a Racer; or a list of them. A Racer has settings, two
            gradients a step, soft batches, a Rule of your own.
        learning_rates: Numbers; or {racer's name: numbers}, for rules whose scales differ.
        seeds: Whole numbers. A seed decides the first weights and the order of the rows, for every
            rule alike.
        gradients: The budget of each trial, in gradients of `batch_size` rows. A rule that takes
            two for one step makes half the steps.
        every: How many gradients lie between two rows of the table. It divides `gradients`.
        engine: "numpy", "tensorflow" (compiled by XLA; for Keras on TensorFlow), or "jax".
        dtype: "float32" or "float64".
        file: The path of a CSV file that keeps finished trials. Those that it has are not run
            again: stop a sweep when you like, and the same call goes on. A damaged row is found;
            its trial is trained again, with a warning.
        executor: A dask.distributed Client, or a concurrent.futures executor. Batches of trials
            run there.
        progress: Whether to draw a progress bar. None draws it where somebody watches.

    Returns:
        The rows of all trials, in the order of the rules, learning rates and seeds. When the sweep
        is interrupted, or its executor breaks, the exception has what is finished as its `table`.

    Raises:
        ValueError: For a value that makes no sense. The message names the argument. Also for a
            file that is not the table of a sweep.
        TypeError: For an argument of another kind.
        OSError: If `file` cannot be written. This is tried before anything is trained.
        ImportError: If the engine's library is not installed.

    Example:
        >>> from course_lib.sweeps import digits
        >>> sweep(digits(), ["sgd", "adam"], [0.01, 0.1], range(3), gradients=44)
        <Table: 12 rows, 12 trials of sgd, adam>
    """
    problem, entered = checked_problem(problem), racers(rules)
    plan = Plan(gradients, every, engine, dtype)
    for racer in entered:
        plan.check(racer)
    wanted = _trials(problem, entered, learning_rates, checked_seeds(seeds), plan)
    executor = checked_executor(executor)
    if progress is not None and not isinstance(progress, bool | np.bool_):
        raise TypeError(f"`progress` must be True, False or None. Received: progress={progress!r}.")
    table, done = _begin(file, wanted, plan)
    calls = [
        partial(table_of, problem, *batch, plan)
        for batch in batches_of(problem, wanted, done, plan.engine)
    ]
    try:
        with progress_bar(len(wanted), len(done), "trial", progress) as bar:
            for part in results(calls, executor):
                table += part
                if file is not None:
                    table.to_csv(file)
                bar.update(len(part.finished(plan.gradients)))
    except (KeyboardInterrupt, futures.BrokenExecutor) as stop:
        begun = _in_order(table, wanted)
        vars(stop)["table"] = begun
        kept = (
            "this exception's `table`"
            if file is None
            else f"in {file}: the same call goes on from there"
        )
        finished = len(begun.finished(plan.gradients))
        stop.add_note(f"{finished} of {len(wanted)} trials are finished, and are {kept}.")
        raise
    return _in_order(table, wanted)


def _trials(problem, entered, learning_rates, seeds, plan) -> Trials:
    names = [racer.name for racer in entered]
    if isinstance(learning_rates, Mapping):
        if set(learning_rates) != set(names):
            raise ValueError(
                "`learning_rates` must have an entry for each rule. "
                f"Received: entries for {list(learning_rates)}, rules {names}."
            )
        rates = {name: checked_learning_rates(learning_rates[name]) for name in names}
    else:
        rates = dict.fromkeys(names, checked_learning_rates(learning_rates))
    return {
        plan.trial(problem, racer, rate, seed): (racer, rate, seed)
        for racer in entered
        for rate in rates[racer.name]
        for seed in seeds
    }


def _begin(file, wanted, plan):
    """The table to go on from, and which of the wanted trials it has, whole."""
    if file is None:
        return Table(), set()
    path = checked_path("file", file)
    _try_place(path)
    table, faults = read_sound_rows(path) if path.exists() else (Table(), [])
    looks = {}
    for row in table.rows:
        looks.setdefault(row[0], set()).add(row[5])
    done = {trial for trial in wanted if looks.get(trial, set()) >= set(plan.looks)}
    if faults:
        shown = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if faults[5:] else "")
        warnings.warn(
            f"{file} is damaged: {shown}. These rows are left out, and what this sweep needs of "
            "them is trained again.",
            stacklevel=3,
        )
    half = set(wanted) - done
    return Table(row for row in table.rows if row[0] not in half), done


def _try_place(path):
    """Write a little beside the file, as `to_csv` will: better now than after the first batch."""
    path = Path(os.path.realpath(path))
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=".partial-", suffix=f"-{path.name}"
        ) as beside:
            beside.write(b"tried")
    except OSError as error:
        raise type(error)(
            f"`file` cannot be written: {error.strerror}. Received: file={str(path)!r}. "
            "Give a path in a folder that is there, and that you may write to."
        ) from None


def _in_order(table, wanted):
    """The rows of the wanted trials in their order, each once, under the name that the rule has."""
    rows = {}
    for row in table.rows:
        if row[0] in wanted:
            rows.setdefault(row[0], {})[row[4]] = (row[0], wanted[row[0]][0].name, *row[2:])
    return Table(rows[key][step] for key in wanted if key in rows for step in sorted(rows[key]))

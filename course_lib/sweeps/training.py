"""Some trials of one rule, trained as one batch."""

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np

from ..optimizers import Rule
from .network import judge, parts
from .plan import Plan, checked_learning_rates, checked_problem, checked_seeds
from .problem import Problem
from .program import program
from .racer import Racer
from .table import Table


@np.errstate(all="ignore")  # a trial that diverges is marked in the table
def train(
    problem: Problem,
    rule: str | Rule | Racer,
    learning_rates: Iterable[float],
    seeds: Iterable[int],
    *,
    gradients: int = 880,
    every: int = 44,
    engine: str = "numpy",
    dtype: str = "float32",
) -> tuple[Table, list[list[np.ndarray]]]:
    """Train some trials of one rule as one batch, and return their weights too.

    Args:
        problem: What is trained.
        rule: A name of RULES, a Rule, or a Racer.
        learning_rates: One for each trial: trial i has `learning_rates[i]` and `seeds[i]`.
        seeds: One for each trial.
        gradients: The budget of each trial, in gradients of `batch_size` rows.
        every: How many gradients lie between two rows of the table. It divides `gradients`.
        engine: "numpy", "tensorflow" or "jax".
        dtype: "float32" or "float64".

    Returns:
        The table, and the weights: `weights[i]` is a list of arrays, as `get_weights` has them.

    Raises:
        ValueError: For a value that makes no sense. The message names the argument.
        TypeError: For an argument of another kind.
        ImportError: If the engine's library is not installed.

    Example:
        >>> from course_lib.sweeps import digits
        >>> table, weights = train(digits(), "sgd", [0.1, 0.5], [0, 0], gradients=44)
        >>> len(table), [array.shape for array in weights[1]]
        (2, [(64, 32), (32,), (32, 10), (10,)])
    """
    problem = checked_problem(problem)
    racer = rule if isinstance(rule, Racer) else Racer(rule)
    rates, seeds = checked_learning_rates(learning_rates), checked_seeds(seeds)
    plan = Plan(gradients, every, engine, dtype)
    plan.check(racer)
    if len(rates) != len(seeds):
        raise ValueError(
            "`learning_rates` and `seeds` must be equally many, one of each for each trial. "
            f"Received: {len(rates)} and {len(seeds)}."
        )
    judged, now = _run(problem, racer, rates, seeds, plan)
    rows = []
    for i, (rate, seed) in enumerate(zip(rates, seeds, strict=True)):
        trial = plan.trial(problem, racer, rate, seed), racer.name, rate, seed
        for spent, loss, accuracy, diverged in judged:
            step = spent // racer.gradients
            seen = float(loss[i]), float(accuracy[i]), bool(diverged[i])
            rows.append((*trial, step, spent, *seen))
    return Table(rows), [[part[i] for part in parts(now, problem.shapes)] for i in range(len(now))]


def _run(problem, racer, rates, seeds, plan):
    """(gradients, losses, accuracies, diverged) at each look, and the last weights."""
    stepper, run = program(problem, racer, plan.engine)
    array = stepper.engine.array
    rates = np.asarray(rates, plan.dtype)[:, None]
    unique, which = np.unique(np.asarray(seeds), return_inverse=True)
    unique = unique.tolist()
    starts = np.stack([np.concatenate([v.ravel() for v in problem.weights(s)]) for s in unique])
    orders = [problem.batches(s, plan.gradients // racer.looks) for s in unique]
    orders = np.stack(orders, axis=1).astype("int32")
    w = starts[which].astype(plan.dtype)
    one_hot = np.eye(int(problem.y.max()) + 1, dtype=plan.dtype)[problem.y]
    data = array(np.concatenate([problem.x.astype(plan.dtype), one_hot], axis=1))
    judged, diverged = [], np.zeros(len(w), bool)
    state, w, rates = stepper.init(w, rates), array(w), array(rates)
    for spent in plan.looks:
        begin, end = (spent - plan.every) // racer.looks, spent // racer.looks
        w, state = run(data, array(orders[begin:end, which]), rates, w, state)  # trials: axis 1
        now = np.asarray(w)
        loss, accuracy = judge(now, problem)
        diverged = diverged | ~(np.isfinite(loss) & np.isfinite(now).all(axis=1))
        judged.append((spent, loss, accuracy, diverged))
    return judged, now


def table_of(
    problem: Problem, racer: Racer, rates: list[float], seeds: list[int], wanted: int, plan: Plan
) -> Table:
    """Train one batch of a sweep.

    Args:
        problem: What is trained.
        racer: What trains it.
        rates: The learning rate of each trial.
        seeds: The seed of each trial.
        wanted: How many of the trials count. The others only fill the batch.
        plan: What all trials of the sweep have in common.

    Returns:
        The rows of the first `wanted` trials.
    """
    table, _ = train(problem, racer, rates, seeds, **asdict(plan))
    return Table(table.rows[: wanted * len(plan.looks)])

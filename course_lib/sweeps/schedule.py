"""The batches of a sweep, here or on an executor."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent import futures
from typing import Any

from .problem import Problem
from .racer import Racer
from .table import Table

Batch = tuple[Racer, list[float], list[int], int]


def batches_of(
    problem: Problem,
    wanted: Mapping[str, tuple[Racer, float, int]],
    done: Collection[str],
    engine: str,
) -> Iterator[Batch]:
    """Cut what is still to do into batches.

    For NumPy, which goes over the weights many times a step, a batch is small enough for its
    weights to stay in the cache. For a compiled program, which does not, it is larger. The batches
    of one racer are equally large, because a program is compiled for one size: the last is filled
    up with trials of it that are run once more.

    Args:
        problem: What is trained.
        wanted: All trials: {trial: (racer, learning rate, seed)}.
        done: Those that are finished.
        engine: Who computes.

    Yields:
        (racer, learning rates, seeds, n): of these trials, the first n are wanted.
    """
    largest = max(1, (2**16 if engine == "numpy" else 2**18) // problem.size)
    for racer in {id(racer): racer for racer, _, _ in wanted.values()}.values():
        trials = [
            (rate, seed)
            for key, (its, rate, seed) in wanted.items()
            if its is racer and key not in done
        ]
        if trials:
            size = -(-len(trials) // -(-len(trials) // largest))
            for i in range(0, len(trials), size):
                batch = (trials[i:] + trials)[:size]
                rates, seeds = map(list, zip(*batch, strict=True))
                yield racer, rates, seeds, min(size, len(trials) - i)


def checked_executor(executor: Any) -> Any:
    """Check that an argument can run calls elsewhere.

    Args:
        executor: A dask.distributed Client, a concurrent.futures executor, or None.

    Returns:
        The executor, of a Client its executor, or None.

    Raises:
        TypeError: If it cannot run calls.
    """
    if executor is None:
        return None
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        raise TypeError(
            "`executor` must be a dask.distributed Client, or a concurrent.futures executor such "
            f"as ProcessPoolExecutor(). Received: executor={executor!r}."
        )
    if hasattr(executor, "get_executor"):  # a Dask client: it runs again what a lost worker had
        return executor.get_executor(pure=False)
    return executor


def results(calls: Iterable[Callable[[], Table]], executor: Any = None) -> Iterator[Table]:
    """Run the calls.

    Args:
        calls: Functions without arguments.
        executor: Where they run, as `checked_executor` returns it. None is here.

    Yields:
        Their results; on an executor, in the order in which they finish.

    Raises:
        concurrent.futures.BrokenExecutor: If the executor lost a worker for good. What had
            finished before was yielded first.
    """
    if executor is None:
        for call in calls:
            yield call()
        return
    running = [executor.submit(call) for call in calls]
    broken = None
    try:
        for each in futures.as_completed(running):
            if isinstance(each.exception(), futures.BrokenExecutor):
                broken = each.exception()  # and others may have come before it
            else:
                yield each.result()
        if broken:
            raise broken
    finally:
        for each in running:
            each.cancel()

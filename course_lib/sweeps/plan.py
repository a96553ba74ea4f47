"""How long each trial trains, how often it is looked at, and by which name it is known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import number, one_of, whole_number
from .engines import ENGINES
from .fingerprints import digest
from .problem import Problem
from .racer import Racer


@dataclass(frozen=True)
class Plan:
    """What all trials of a sweep have in common.

    Args:
        gradients: The budget of each trial, in gradients of `batch_size` rows.
        every: How many gradients lie between two rows of the table. It divides `gradients`.
        engine: "numpy", "tensorflow" or "jax".
        dtype: "float32" or "float64".

    Raises:
        ValueError: For a number or a name that makes no sense. The message names the argument.
        TypeError: If `engine` or `dtype` is not a string.

    Example:
        >>> list(Plan(gradients=88, every=44).looks)
        [44, 88]
    """

    gradients: int = 880
    every: int = 44
    engine: str = "numpy"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name in ("gradients", "every"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        one_of("engine", self.engine, ENGINES, "engine")
        one_of("dtype", self.dtype, ["float32", "float64"], "dtype")
        if self.gradients % self.every:
            raise ValueError(
                "`gradients` must be a multiple of `every`. "
                f"Received: gradients={self.gradients!r}, every={self.every!r}."
            )

    @property
    def looks(self) -> range:
        """After how many gradients the table has a row."""
        return range(self.every, self.gradients + 1, self.every)

    def check(self, racer: Racer) -> None:
        """Check that a racer is between two steps whenever it is looked at.

        Args:
            racer: What trains.

        Raises:
            ValueError: If `every` is not a multiple of the gradients of one step.
        """
        if self.every % racer.gradients:
            raise ValueError(
                f"`every` must be a multiple of the gradients of a step; {racer.name!r} takes "
                f"{racer.gradients}. Received: every={self.every!r}."
            )

    def trial(self, problem: Problem, racer: Racer, learning_rate: float, seed: int) -> str:
        """Name a trial.

        Args:
            problem: What is trained.
            racer: What trains it.
            learning_rate: Its learning rate.
            seed: Its seed.

        Returns:
            Sixteen hexadecimal digits: equal if the trial is the same, on any engine.
        """
        fingerprints = problem.fingerprint, racer.fingerprint
        budget = self.gradients, self.every, self.dtype
        return digest(*fingerprints, float(learning_rate), int(seed), *budget)


def checked_problem(problem: Any) -> Problem:
    """Check that an argument is a Problem.

    Args:
        problem: What was received.

    Returns:
        The problem.

    Raises:
        TypeError: If it is something else.
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"`problem` must be a Problem. Received: problem={problem!r}.")
    return problem


def checked_learning_rates(learning_rates: Any) -> list[float]:
    """Check that an argument is a list of learning rates.

    Args:
        learning_rates: What was received: a list, an array, any iterable of numbers.

    Returns:
        The numbers, at least one.

    Raises:
        ValueError: If there is none, or one that is negative or not finite.
        TypeError: If it is not a list.

    Example:
        >>> checked_learning_rates(np.array([0.5, 0.25]))
        [0.5, 0.25]
    """
    given = _listed("learning_rates", learning_rates, "a list of numbers, such as [0.01, 0.1]")
    wanted = "finite numbers, 0 or more"
    return [number("learning_rates", rate, wanted, lambda x: 0 <= x < np.inf) for rate in given]


def checked_seeds(seeds: Any) -> list[int]:
    """Check that an argument is a list of seeds.

    Args:
        seeds: What was received: a range, a list, an array.

    Returns:
        The seeds, at least one.

    Raises:
        ValueError: If there is none, or one that is not a whole number from 0 to 2⁶³ − 1.
        TypeError: If it is not a list.
    """
    given = _listed("seeds", seeds, "a list of whole numbers, such as range(8)")
    whole = [whole_number("seeds", seed, 0) for seed in given]
    if max(whole) >= 2**63:
        raise ValueError(f"`seeds` must be below 2⁶³. Received: seeds={seeds!r}.")
    return whole


def _listed(name: str, value: Any, wanted: str) -> list:
    try:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise TypeError
        given = list(value)
    except TypeError:  # an array without a dimension among them
        raise TypeError(f"`{name}` must be {wanted}. Received: {name}={value!r}.") from None
    if not given:
        raise ValueError(f"`{name}` is empty. Give {wanted}.")
    return given

"""Functions of two variables to walk on, always in the same window: a terrain is learned once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from course_lib.arguments import whole_number

import numpy as np


@dataclass(frozen=True)
class Landscape:
    """A function of w = (w[0], w[1]), and what a figure of it needs.

    Args:
        name: What a reader calls it.
        value: From w of shape (2, ...) to the heights, of shape (...): one point or a grid.
        gradient: From w of shape (2, ...) to the slopes, of the same shape.
        minimum: The point of the smallest value.
        start: The point where walks start.
        window: What is drawn: ((left, right), (bottom, top)).
    """

    name: str
    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    minimum: tuple[float, float]
    start: tuple[float, float]
    window: tuple[tuple[float, float], tuple[float, float]]


def quadratic(hessian: Any, **rest: Any) -> Landscape:
    """The landscape wᵀ·hessian·w / 2, whose gradient is hessian·w.

    Args:
        hessian: A symmetric matrix of shape (2, 2), or nested lists.
        **rest: The other fields of the Landscape: `name`, `start` and `window`.

    Returns:
        A Landscape with its minimum at (0, 0).

    Example:
        >>> bowl = quadratic([[1, 0], [0, 1]], name="bowl", start=(2.0, 0.0), window=WINDOW)
        >>> float(bowl.value(np.array([2.0, 0.0])))
        2.0
    """
    hessian = np.asarray(hessian, float)
    return Landscape(
        value=lambda w: 0.5 * np.einsum("i...,ij,j...", w, hessian, w),
        gradient=lambda w: np.tensordot(hessian, w, 1),
        minimum=(0.0, 0.0),
        **rest,
    )


WINDOW = ((-5.0, 5.0), (-2.5, 2.5))
BOWL = quadratic([[1, 0], [0, 1]], name="bowl", start=(-4.0, 2.0), window=WINDOW)
# Sixteen times steeper across than along: plain gradient descent must stay below 2 / 16 = 0.125.
RAVINE = quadratic([[1, 0], [0, 16]], name="ravine", start=(-4.0, 2.0), window=WINDOW)
# The same ravine, turned by 45 degrees: what works coordinate by coordinate loses its compass.
TILTED_RAVINE = quadratic(
    [[8.5, -7.5], [-7.5, 8.5]], name="tilted ravine", start=(-4.0, 2.0), window=WINDOW
)
# Rosenbrock (1960), An Automatic Method for Finding the Greatest or Least Value of a Function
ROSENBROCK = Landscape(
    name="Rosenbrock's valley",
    value=lambda w: (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2,
    gradient=lambda w: np.stack(
        [-2 * (1 - w[0]) - 400 * w[0] * (w[1] - w[0] ** 2), 200 * (w[1] - w[0] ** 2)]
    ),
    minimum=(1.0, 1.0),
    start=(-1.5, 2.0),
    window=((-2.0, 2.0), (-1.0, 3.0)),
)
LANDSCAPES = (BOWL, RAVINE, TILTED_RAVINE, ROSENBROCK)


def walk(
    rule: Any, landscape: Landscape, *, steps: int, start: Any = None, **hyper: Any
) -> np.ndarray:
    """Walk over a landscape with a NumPy rule, and return the path.

    Args:
        rule: A Rule of course_lib.optimizers, or any object with such an `init` and `step`.
        landscape: Where to walk. Its gradient is called once per step.
        steps: How many steps, 1 or more.
        start: A point, two numbers. The landscape's own if None.
        **hyper: The rule's hyper-parameters. Those that are not given take their defaults.

    Returns:
        The points, the start first: an array of shape (steps + 1, 2), in float64.

    Raises:
        ValueError: If `steps` is not a whole number above 0, or `start` is not a point.

    Example:
        >>> from course_lib.optimizers import RULES
        >>> walk(RULES["sgd"], BOWL, steps=2, start=(4.0, -2.0), learning_rate=0.5).tolist()
        [[4.0, -2.0], [2.0, -1.0], [1.0, -0.5]]
    """
    steps = whole_number("steps", steps)
    try:
        w = np.array(landscape.start if start is None else start, float)
    except (TypeError, ValueError):
        w = None
    if w is None or w.shape != (2,):
        raise ValueError(f"`start` must be a point, two numbers. Received: start={start!r}.")
    path, state = [w], rule.init(w, **hyper)
    for _ in range(steps):
        w, state = rule.step(w, landscape.gradient(w), state, **hyper)
        path.append(w)
    return np.array(path)

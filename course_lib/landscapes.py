"""Functions of two variables to walk on, always in the same window, so that readers learn the terrain once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Landscape:
    """A function of w = (w[0], w[1]), its gradient, its minimum, where walks start and which part is drawn.

    value and gradient take w of shape (2, ...): one point, or a whole grid at once.
    """

    name: str
    value: Callable
    gradient: Callable
    minimum: tuple
    start: tuple
    window: tuple  # ((left, right), (bottom, top))


def quadratic(hessian, **rest):
    """The landscape wᵀ·hessian·w / 2, whose gradient is hessian·w."""
    hessian = np.asarray(hessian, float)
    return Landscape(
        value=lambda w: 0.5 * np.einsum("i...,ij,j...", w, hessian, w),
        gradient=lambda w: np.tensordot(hessian, w, 1),
        minimum=(0.0, 0.0),
        **rest,
    )


WINDOW = ((-5.0, 5.0), (-2.5, 2.5))
BOWL = quadratic([[1, 0], [0, 1]], name="bowl", start=(-4.0, 2.0), window=WINDOW)
# Sixteen times steeper across than along: 2 / 16 = 0.125 is the largest learning rate of plain gradient descent.
RAVINE = quadratic([[1, 0], [0, 16]], name="ravine", start=(-4.0, 2.0), window=WINDOW)
# The same ravine, turned by 45 degrees: what works coordinate by coordinate loses its compass.
TILTED_RAVINE = quadratic(
    [[8.5, -7.5], [-7.5, 8.5]], name="tilted ravine", start=(-4.0, 2.0), window=WINDOW
)
ROSENBROCK = Landscape(  # Rosenbrock (1960), An Automatic Method for Finding the Greatest or Least Value of a Function
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


def walk(rule, landscape, *, steps, start=None, **hyper):
    """The path of a NumPy rule over a landscape: an array of shape (steps + 1, 2), the start included.

    rule       a Rule of course_lib.optimizers, or whatever has its init and step
    start      a point; the landscape's own if None
    hyper      the rule's hyper-parameters; those not given take their defaults
    Raises ValueError for a number of steps that is no whole number above 0, and for a start that is no point.
    """
    if not isinstance(steps, int | np.integer) or steps < 1:
        raise ValueError(f"`steps` must be a whole number above 0. Received: steps={steps!r}.")
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

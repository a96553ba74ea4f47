"""Steps in NumPy that take or remember a second gradient: of any tableau, and optimistic ones."""

from collections.abc import Callable
from typing import Any

from .methods import Tableau


def step(gradient: Callable[[Any], Any], w: Any, learning_rate: float, tableau: Tableau) -> Any:
    """Take one step of a tableau along dw/dt = −gradient(w).

    Args:
        gradient: A function of w. It returns an array of the shape of w.
        w: A number or an array. It is not changed.
        learning_rate: The length of the step in time.
        tableau: Where the gradients are taken, and how much each counts.

    Returns:
        The new w.

    Example:
        >>> from course_lib.two_gradients import HEUN
        >>> step(lambda w: w, 1.0, 0.5, HEUN)  # 1 − 0.5 · (1 + 0.5) / 2
        0.625
    """
    gs = []
    for row in tableau.a:
        place = w - learning_rate * sum(a * g for a, g in zip(row, gs, strict=True))
        gs.append(gradient(place))
    return w - learning_rate * sum(b * g for b, g in zip(tableau.b, gs, strict=True))


def optimistic(
    gradient: Callable[[Any], Any], w: Any, before: Any, learning_rate: float
) -> tuple[Any, Any]:
    """Take one optimistic step: the foresight of a second look, for the price of one gradient.

        w ← w − learning_rate · (2·g − before)

    2·g − before guesses the next gradient: this one, and once more what has changed since the last.
    Popov (1980); for training, Daskalakis, Ilyas, Syrgkanis and Zeng (2018), Training GANs with
    Optimism.

    Args:
        gradient: A function of w. It returns an array of the shape of w.
        w: A number or an array. It is not changed.
        before: The gradient of the step before. None in the first step, which is a plain one.
        learning_rate: The length of the step.

    Returns:
        The new w; and g, which is `before` in the next step.

    Example:
        >>> optimistic(lambda w: w, 8.0, None, 0.5)
        (4.0, 8.0)
        >>> optimistic(lambda w: w, 4.0, 8.0, 0.5)  # 4 − 0.5 · (2 · 4 − 8)
        (4.0, 4.0)
    """
    g = gradient(w)
    before = g if before is None else before
    return w - learning_rate * (2 * g - before), g

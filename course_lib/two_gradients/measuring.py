"""The order of a method, measured: halve the step, and see how the error falls."""

from collections.abc import Callable, Sequence

import numpy as np

from .methods import Tableau
from .steps import step


def flow_errors(
    tableau: Tableau,
    gradient: Callable[[np.ndarray], np.ndarray],
    flow: Callable[[np.ndarray, float], np.ndarray],
    w: Sequence[float],
    *,
    time: float = 1.0,
    steps: Sequence[int] = (16, 32, 64, 128),
) -> tuple[np.ndarray, np.ndarray]:
    """Measure how far from the exact flow a method ends, for several numbers of steps.

    Args:
        tableau: The method.
        gradient: A function of w. It returns an array of the shape of w.
        flow: `flow(w, time)`: where the exact solution of dw/dt = −gradient(w) that starts at w is
            after that time.
        w: Where to start.
        time: For how long to follow the flow; above 0.
        steps: Numbers of steps, each 1 or more. The learning rates are time / steps.

    Returns:
        The learning rates, and the distance at the end for each.

    Raises:
        ValueError: For a time that is not above 0, and for other steps.

    Example:
        >>> from course_lib.two_gradients import EULER
        >>> rates, errors = flow_errors(
        ...     EULER, lambda w: w, lambda w, t: w * np.exp(-t), [1.0], steps=(100, 200)
        ... )
        >>> float(round(errors[0] / errors[1], 1))
        2.0
    """
    if not 0 < time < np.inf:
        raise ValueError(f"`time` must be above 0 and finite. Received: time={time!r}.")
    if len(steps) == 0 or any(n != int(n) or n < 1 for n in steps):
        raise ValueError(f"`steps` must be whole numbers of 1 or more. Received: steps={steps!r}.")
    start, errors = np.asarray(w, float), []
    for n in steps:
        w = start
        for _ in range(int(n)):
            w = step(gradient, w, time / n, tableau)
        errors.append(float(np.linalg.norm(w - flow(start, time))))
    return time / np.asarray(steps, float), np.array(errors)


def fitted_order(learning_rates: Sequence[float], errors: Sequence[float]) -> float:
    """Fit the slope of log(error) against log(learning rate): 1 for Euler, 2 for Heun.

    Args:
        learning_rates: Two different ones or more.
        errors: The error for each.

    Returns:
        The slope.

    Raises:
        ValueError: For fewer than two rates. For errors that have no logarithm: an error of exactly
            zero means that the problem is too easy to tell methods from each other, one that is not
            finite means that the steps were too large.

    Example:
        >>> round(fitted_order([0.1, 0.05], [0.04, 0.01]), 6)
        2.0
    """
    learning_rates, errors = np.asarray(learning_rates, float), np.asarray(errors, float)
    if learning_rates.shape != errors.shape or len(np.unique(learning_rates)) < 2:
        raise ValueError(
            "give two different learning rates or more, and an error for each. "
            f"Received: learning_rates={learning_rates}, errors={errors}."
        )
    if not np.all((errors > 0) & np.isfinite(errors)):
        raise ValueError(f"`errors` must be above 0 and finite. Received: errors={errors}.")
    return float(np.polyfit(np.log(learning_rates), np.log(errors), 1)[0])

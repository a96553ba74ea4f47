"""Train a few numbers with a recipe of Keras 1 or 2, in float64, and see what it did.

seen = run(Adagrad, w0, batches, lr=0.125, decay=0.5)
seen.path      the weights before the first batch and after each
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from . import old_backend as K
from .old_model import Model, Optimizer


def mean_squared_error(w: Any, x: Any, y: Any) -> Any:
    """The loss of a linear model, in the old backend.

    Args:
        w: The weights, a variable of shape (inputs,).
        x: A placeholder of shape (examples, inputs).
        y: A placeholder of shape (examples,).

    Returns:
        A scalar tensor.
    """
    return K.mean(K.square(K.sum(x * w, axis=-1) - y))


def mean_squared_error_gradient(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient of that loss, for arrays.

    Args:
        w: The weights, of shape (inputs,).
        x: The inputs, of shape (examples, inputs).
        y: The targets, of shape (examples,).

    Returns:
        The slopes, of shape (inputs,).
    """
    return 2 * x.T @ (x @ w - y) / len(y)


def linear_problem(
    batches: int = 24, examples: int = 4, inputs: int = 3, seed: int = 0
) -> tuple[np.ndarray, list[tuple[np.ndarray, ...]]]:
    """Noisy lines to fit, the same for the same seed.

    Args:
        batches: How many batches.
        examples: How many examples there are in each.
        inputs: How many numbers an example has.
        seed: The seed of the noise.

    Returns:
        The weights to start from, zeros of shape (inputs,); and the batches, pairs (x, y) of
        shapes (examples, inputs) and (examples,).
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batches, examples, inputs))
    y = x @ np.arange(1.0, inputs + 1) + 0.5 * rng.normal(size=(batches, examples))
    return np.zeros(inputs), list(zip(x, y, strict=True))


def larger_batches(batches: list[tuple[np.ndarray, ...]], k: int) -> list[tuple[np.ndarray, ...]]:
    """Every k batches as one.

    Args:
        batches: Tuples of arrays.
        k: How many make one. It divides the number of batches.

    Returns:
        The larger batches, in the same order.

    Raises:
        ValueError: If `k` does not divide the number of batches.
    """
    if k < 1 or len(batches) % k:
        raise ValueError(f"`k` must divide {len(batches)} batches. Received: k={k!r}.")
    groups = (batches[i : i + k] for i in range(0, len(batches), k))
    return [tuple(map(np.concatenate, zip(*group, strict=True))) for group in groups]


@dataclass(frozen=True)
class Run:
    """What a run of a recipe left behind.

    Args:
        path: The weights at the start and after each batch: an array of shape
            (batches + 1, *shape of w0), or a tuple of such arrays.
        losses: What the training function returned for each batch.
        states: optimizer.get_weights() after each batch; empty where there is no optimizer.
        saved: What model.save would have written: {"weights": [...], "optimizer": [...]}.
        iterations: What the optimizer counted; None where it has no count.
        get_updates_calls: How often get_updates was called.
        layer_updates: How often the updates of layers were run.
        metric_updates: How often the updates of metrics were run.
    """

    path: np.ndarray | tuple
    losses: np.ndarray
    states: list
    saved: dict
    iterations: float | None
    get_updates_calls: int
    layer_updates: int
    metric_updates: int


def run(
    recipe: Callable[..., Any],
    w0: Any,
    batches: Iterable[tuple],
    *,
    loss: Callable[..., Any] = mean_squared_error,
    constraint: Callable[[Any], Any] | None = None,
    resume: dict[str, list] | None = None,
    **hyper: Any,
) -> Run:
    """Train with a recipe on one batch after the other, in a new graph and session.

    Args:
        recipe: A class of this package: an Optimizer, or the intrusive HeunOptimizer.
        w0: Weights to start from: an array, or a tuple of arrays for several variables.
        batches: Tuples of arrays, the target last; `[()] * steps` for a loss without data.
        loss: From variables and placeholders to a scalar: loss(*weights, *batch).
        constraint: A function of a tensor, such as lambda w: K.maximum(w, 0.0).
        resume: The `saved` of an earlier run. Weights and optimizer continue from there, as
            load_model made them.
        **hyper: The recipe's arguments, under their old names: lr, epsilon, decay,
            steps_per_update.

    Returns:
        What the run left behind.

    Raises:
        ValueError: If there are no batches, batches of different lengths, or `resume` is not the
            `saved` of a run.
        TypeError: If the recipe makes something else, such as today's keras.optimizers.SGD.
    """
    batches = list(batches)
    if not batches or len({len(batch) for batch in batches}) > 1:
        raise ValueError(
            "`batches` must be tuples of arrays, at least one and all equally long. "
            f"Received: batches of {sorted({len(batch) for batch in batches})} arrays."
        )
    if resume is not None and (
        not isinstance(resume, dict) or {*resume} != {"weights", "optimizer"}
    ):
        raise ValueError(
            "`resume` must be the `saved` of an earlier run. "
            f"Received: resume={type(resume).__name__}."
        )
    several = isinstance(w0, tuple)
    weights = list(w0) if several else [w0]
    with K.old_keras():
        if resume is not None:
            weights = resume["weights"]
        model = Model(loss, weights, batches[0], constraint)
        optimizer = recipe(**hyper)
        calls: list[str] = []
        if isinstance(optimizer, Optimizer):
            vars(optimizer)["get_updates"] = _counted(optimizer.get_updates, calls)
            model.compile(optimizer)
            model._make_train_function()
            if resume is not None:
                optimizer.set_weights(resume["optimizer"])
            state = optimizer.get_weights
        elif callable(optimizer):
            optimizer(model)
            state = list
        else:
            raise TypeError(
                "`recipe` must make an Optimizer of the old kind, or an object that is called "
                f"with the model. Received: recipe={recipe!r}."
            )
        path, losses, states = [model.get_weights()], [], []
        for batch in batches:
            losses.append(model.train_on_batch(*batch))
            path.append(model.get_weights())
            states.append(state())
        count = getattr(optimizer, "iterations", None)
        arrays = tuple(map(np.array, zip(*path, strict=True)))
        return Run(
            path=arrays if several else arrays[0],
            losses=np.array(losses),
            states=states if states[0] else [],
            saved={"weights": path[-1], "optimizer": state()},
            iterations=None if count is None else float(K.get_value(count)),
            get_updates_calls=len(calls),
            layer_updates=int(K.get_value(model.layer_updates_run)),
            metric_updates=int(K.get_value(model.metric_updates_run)),
        )


def _counted(function, calls):
    @wraps(function)
    def counted(*args, **kwargs):
        calls.append(function.__name__)
        return function(*args, **kwargs)

    return counted

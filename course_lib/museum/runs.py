"""run: train a few numbers with a recipe of Keras 1 or 2, in float64, and see what it did.

seen = run(Adagrad, w0, batches, lr=0.125, decay=0.5)
seen.path      the weights before the first batch and after each
"""

from dataclasses import dataclass
from functools import wraps

import numpy as np

from . import old_backend as K


def mean_squared_error(w, x, y):
    """The loss of a linear model, for placeholders x (examples, inputs) and y (examples,)."""
    return K.mean(K.square(K.sum(x * w, axis=-1) - y))


def mean_squared_error_gradient(w, x, y):
    """Its gradient at `w`, for arrays."""
    return 2 * x.T @ (x @ w - y) / len(y)


def linear_problem(batches=24, examples=4, inputs=3, seed=0):
    """(w0, a list of batches (x, y)): noisy lines to fit, the same for the same seed."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batches, examples, inputs))
    y = x @ np.arange(1.0, inputs + 1) + 0.5 * rng.normal(size=(batches, examples))
    return np.zeros(inputs), list(zip(x, y, strict=True))


def larger_batches(batches, k):
    """Every k batches as one."""
    if k < 1 or len(batches) % k:
        raise ValueError(f"`k` must divide {len(batches)} batches. Received: k={k!r}.")
    groups = (batches[i : i + k] for i in range(0, len(batches), k))
    return [tuple(map(np.concatenate, zip(*group, strict=True))) for group in groups]


@dataclass(frozen=True)
class Run:
    """What a run of a recipe left behind.

    path              the weights at the start and after each batch: an array (batches + 1, *shape of w0), or a tuple of such
    losses            what the training function handed back for each batch
    states            optimizer.get_weights() after each batch; empty where there is no optimizer
    saved             what model.save would have written: {"weights": [...], "optimizer": [...]}
    iterations        what the optimizer counted; None where it has no count
    get_updates_calls, layer_updates, metric_updates      how often each of these was run
    """

    path: np.ndarray | tuple
    losses: np.ndarray
    states: list
    saved: dict
    iterations: float | None
    get_updates_calls: int
    layer_updates: int
    metric_updates: int


def run(recipe, w0, batches, *, loss=mean_squared_error, constraint=None, resume=None, **hyper):
    """Train on one batch after the other, in a graph and a session of its own, and hand back a Run.

    recipe        a class of this package: an Optimizer, or the intrusive HeunOptimizer
    w0            weights to start from: an array, or a tuple of arrays for several variables
    batches       a list of tuples of arrays, the target last; `[()] * steps` for a loss without data
    loss          from variables and placeholders to a scalar, loss(*weights, *batch)
    constraint    a function of a tensor, say lambda w: K.maximum(w, 0.0)
    resume        the `saved` of an earlier run: weights and optimizer go on from there as load_model made them
    hyper         the recipe's arguments, under their old names: lr, epsilon, decay, steps_per_update
    Raises ValueError for no batches or batches of different kinds and for a `resume` that is none, TypeError for a recipe of
    another kind (say, today's keras.optimizers.SGD), and what the recipe raises.
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
            f"`resume` must be the `saved` of an earlier run. Received: resume={type(resume).__name__}."
        )
    several = isinstance(w0, tuple)
    weights = list(w0) if several else [w0]
    with K.old_keras():
        if resume is not None:
            weights = resume["weights"]
        model = K.Model(loss, weights, batches[0], constraint)
        optimizer, calls = recipe(**hyper), []
        if isinstance(optimizer, K.Optimizer):
            optimizer.get_updates = _counted(optimizer.get_updates, calls)
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
                "`recipe` must make an Optimizer of the old kind, or what is called with the model. "
                f"Received: recipe={recipe!r}."
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

"""Runs: an optimizer takes some steps on small variables, and leaves its path behind.

Every check looks at one of two runs. Their shapes, step counts, weights and gradients stand here,
once, and nowhere else.

The standard run is short, because some forty properties are compared with it: `STEPS` steps of
four variables of `SHAPES`, two of which each are alike in shape and name. State that is found by
shape or by name fails. No gradient is 0, and the settings are the optimizer's own defaults.

The twin run is long, because it is a proof and not a sample: `TWIN_STEPS` steps of the six
variables of `TWIN_SHAPES`, from scalars to rank 4, with large, small and exactly zero gradients in
turns, and the settings that a rule states. Two tellings of one rule must agree there to
`TOLERANCE`, eager, in a graph and under XLA. A reference is followed over the same number of steps.
"""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import keras
import numpy as np

from .report import DoesNotApply

SHAPES = ((3,), (2, 3), (2, 3), (3,))
STEPS = 6
BOWL_STEPS = 24  # the longest run that a class takes outside of a twin run
CHANGE = 4  # from this step on, runs that lower the learning rate have half of it
TWIN_SHAPES = ((), (3,), (2, 3), (2, 3), (2, 1, 3), (2, 1, 2, 2))
TWIN_STEPS = 50
DIALECT_STEPS = 12  # the paths of PyTorch and optax that are kept beside the tests are so long
# Two right tellings in float64 differ by rounding alone: about 1e-16 a step, some 1e-14 after
# fifty. The smallest mistake seen in a published optimizer is ten orders of magnitude larger.
TOLERANCE = 1e-12

EAGER, GRAPH, XLA = "eager", "in a graph", "compiled by XLA"


class Run:
    """The result of a run.

    Attributes:
        optimizer: The optimizer after the last step.
        variables: Its variables.
        path: All weights after each step: a list of lists of arrays.
        start: The weights before the first step.
    """

    def __init__(self, optimizer, variables, path, start):
        self.optimizer = optimizer
        self.variables = variables
        self.path = path
        self.start = start


def run(
    one: keras.Optimizer,
    *,
    shapes: Sequence[tuple[int, ...]] = SHAPES,
    order: Sequence[int] | None = None,
    steps: int = STEPS,
    first: int = 0,
    dtype: str = "float64",
    period: int = 1,
    values: Callable | None = None,
    gradients: Callable | None = None,
    learning_rate: Callable | None = None,
    before: Callable | None = None,
    after: Callable | None = None,
    constraint: Callable | None = None,
    compiled: Callable | None = None,
    variables: list | None = None,
) -> Run:
    """Build an optimizer on fresh variables and let it take some steps.

    Args:
        one: The optimizer.
        shapes: The shapes of the variables.
        order: Which of the shapes, in which order.
        steps: The number of updates.
        first: The number of the first step's gradients, to go on where another run stopped.
        dtype: The dtype of variables and gradients.
        period: How many calls of `apply` make one update.
        values: `(i, shape)` -> the weights to start from.
        gradients: `(i, t, g)` -> the gradient to give in place of `g`; None for none.
        learning_rate: `(t)` -> the learning rate to set before step `t`; None to leave it.
        before: Called as `before(t, optimizer, variables)` before each step.
        after: Called likewise after each step.
        constraint: The constraint of each variable.
        compiled: Wraps the step; eager if None.
        variables: Variables of an earlier run, to go on with; the optimizer is not built then.

    Returns:
        The Run.
    """
    order = list(range(len(shapes))) if order is None else order
    change = gradients or (lambda i, t, g: g)
    if variables is None:
        variables = variables_of(shapes, dtype, values, order)
        for v in variables:
            v.constraint = constraint
        one.build(variables)
    start = [number(v) for v in variables]
    scale = loss_scale(one)
    step = (compiled or (lambda f: f))(lambda *g: one.apply(list(g), variables))
    path = []
    for t in range(first, first + steps):
        if before:
            before(t, one, variables)
        if learning_rate and learning_rate(t) is not None:
            one.learning_rate = learning_rate(t)
        given = [change(i, t, gradient(shapes[i], i, t)) for i in order]
        given = [g if g is None else tensor(g, dtype, scale) for g in given]
        for _ in range(period):
            step(*given)
        if after:
            after(t, one, variables)
        path.append([number(v) for v in variables])
    return Run(one, variables, path, start)


def twin_run(
    one: keras.Optimizer,
    how: str = EAGER,
    *,
    shapes: Sequence[tuple[int, ...]] = TWIN_SHAPES,
    steps: int = TWIN_STEPS,
    **rest: Any,
) -> Run:
    """Let an optimizer take the twin run.

    Args:
        one: The optimizer.
        how: `EAGER`, `GRAPH` or `XLA`; the last two need TensorFlow.
        shapes: The shapes of the variables.
        steps: The number of updates.
        **rest: More arguments of `run`.

    Returns:
        The Run.
    """
    return run(
        one,
        shapes=shapes,
        steps=steps,
        values=lambda i, shape: twin_weights(shape, i),
        gradients=lambda i, t, g: _twin_numbers(tuple(shapes[i]), i)[1][t],
        compiled=compiler(how),
        **rest,
    )


def compiler(how: str) -> Callable | None:
    """What compiles a step: None for `EAGER`.

    Raises:
        DoesNotApply: If graphs are wanted on another backend than TensorFlow.
    """
    if how == EAGER:
        return None
    tf = on_tensorflow()
    return lambda f: tf.function(f, jit_compile=True if how == XLA else None)


# ---- Weights and gradients ----


def variables_of(shapes, dtype, values=None, order=None):
    """Fresh variables, all named "kernel": only their paths differ, as in a network."""
    made = []
    for i in range(len(shapes)) if order is None else order:
        start = (values or start_of)(i, shapes[i])
        with keras.name_scope(f"layer_{i}"):
            made.append(keras.Variable(start, dtype=dtype, name="kernel"))
    return made


def start_of(i, shape):
    """The weights that variable i of the standard run starts with."""
    return np.random.default_rng(100 + i).normal(size=shape)


def gradient(shape, i, t):
    """The gradient of variable i at step t: large and small ones, none of them 0."""
    size = (1.0, 2.0**-6, 16.0, 0.25)[t % 4]
    return size * np.random.default_rng(1000 * i + t).normal(size=shape)


def twin_weights(shape, i=0):
    """The weights that variable i of the twin run starts with."""
    return np.array(_twin_numbers(tuple(shape), i)[0])


def twin_gradients(shape, i=0):
    """The gradients of variable i in the twin run: large, small and exactly zero ones, in turns."""
    return [np.array(g) for g in _twin_numbers(tuple(shape), i)[1]]


@lru_cache(maxsize=64)
def _twin_numbers(shape, i):
    rng = np.random.default_rng(i)
    sizes = np.resize([1.0, 1e-3, 16.0, 0.0, 0.25], TWIN_STEPS)
    gradients = [size * rng.normal(size=shape) for size in sizes]
    return rng.normal(size=shape), gradients


def gradients_of(one, shapes, t, dtype):
    """The gradients of all variables at step t, as tensors."""
    return [tensor(gradient(s, i, t), dtype, loss_scale(one)) for i, s in enumerate(shapes)]


def tensor(g, dtype, scale=1.0):
    """A gradient as a tensor; what is a tensor already stays as it is."""
    if not isinstance(g, np.ndarray | np.floating | float):
        return g
    return keras.ops.convert_to_tensor(np.asarray(g) * scale, dtype)


def loss_scale(one):
    """The factor of the loss: 1, except under a LossScaleOptimizer."""
    return float(number(one.scale_loss(1.0)))


def number(tensor: Any) -> np.ndarray:
    """A tensor or variable as an array of its own."""
    return np.array(keras.ops.convert_to_numpy(tensor))


def state_of(one):
    """The values of all variables of an optimizer."""
    return [number(v) for v in one.variables]


# ---- Compared ----


def difference(one: Sequence, other: Sequence) -> float:
    """The largest difference between two paths, relative to 1.

    Args:
        one: A path: for each step a list of arrays.
        other: Another path of the same length.

    Returns:
        The largest |a - b| / max(1, |b|); infinity where shapes differ or a number is not finite.
    """
    worst = 0.0
    for step, twin in zip(one, other, strict=True):
        for a, b in zip(step, twin, strict=True):
            if np.shape(a) != np.shape(b):
                return np.inf
            with np.errstate(all="ignore"):
                ratio = np.abs(np.subtract(a, b)) / np.maximum(1, np.abs(b))
            if ratio.size and not np.all(np.isfinite(ratio)):
                return np.inf
            worst = max(worst, float(np.max(ratio, initial=0)))
    return worst


# ---- The backend ----


def on_tensorflow(what="graphs are"):
    """TensorFlow; DoesNotApply on another backend."""
    if keras.backend.backend() != "tensorflow":
        raise DoesNotApply(f"{what} TensorFlow's; the backend is {keras.backend.backend()}")
    import tensorflow as tf

    return tf


@contextmanager
def dtype_policy(policy):
    """Within the block Keras has this policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)

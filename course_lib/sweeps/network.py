"""The network for many trials at once, and its gradient, written by hand.

w is (trials, weights): one row for each network, all its variables one after the other. These
functions are NumPy; TensorFlow and JAX run translations of them (see tracing).
"""

import math
from itertools import accumulate
from typing import Any

import numpy as np

from .problem import Problem

Shapes = list[tuple[int, ...]]


def parts(w: Any, shapes: Shapes) -> list:
    """Cut the weights into variables.

    Args:
        w: The weights of each trial: (trials, weights).
        shapes: The shapes of kernel, bias, kernel, bias, ...

    Returns:
        One array (trials, *shape) for each shape. In NumPy they are views of `w`.
    """
    ends = list(accumulate((math.prod(shape) for shape in shapes), initial=0))
    spans = zip(ends, ends[1:], shapes, strict=False)
    return [np.reshape(w[:, a:b], (w.shape[0], *shape)) for a, b, shape in spans]


def layers(w: Any, shapes: Shapes) -> list:
    """Cut the weights into layers.

    Args:
        w: The weights of each trial: (trials, weights).
        shapes: The shapes of kernel, bias, kernel, bias, ...

    Returns:
        A pair (kernels, biases) for each layer.
    """
    variables = parts(w, shapes)
    return list(zip(variables[::2], variables[1::2], strict=True))


def forward(w: Any, x: Any, shapes: Shapes) -> tuple:
    """Run the network.

    Args:
        w: The weights of each trial: (trials, weights).
        x: The rows: (trials, rows, features), or (rows, features) for all trials alike.
        shapes: The shapes of kernel, bias, kernel, bias, ...

    Returns:
        What enters each layer, a list, and the logits: (trials, rows, units) each.
    """
    (kernel, bias), *rest = layers(w, shapes)
    entering, z = [x], x @ kernel + bias[:, None]
    for kernel, bias in rest:
        entering.append(np.maximum(z, 0))
        z = entering[-1] @ kernel + bias[:, None]
    return entering, z


def gradient(w: Any, x: Any, y: Any, shapes: Shapes) -> Any:
    """Compute the gradient of the mean cross-entropy.

    Args:
        w: The weights of each trial: (trials, weights).
        x: The rows: (trials, rows, features).
        y: Their labels, one-hot: (trials, rows, classes).
        shapes: The shapes of kernel, bias, kernel, bias, ...

    Returns:
        An array like `w`.
    """
    entering, z = forward(w, x, shapes)
    p = np.exp(z - np.max(z, axis=-1, keepdims=True))
    d = (p / np.sum(p, axis=-1, keepdims=True) - y) / x.shape[1]
    pairs, g = layers(w, shapes), []
    for i in reversed(range(len(pairs))):
        g = [np.swapaxes(entering[i], 1, 2) @ d, np.sum(d, axis=1), *g]
        if i > 0:
            d = np.where(entering[i] > 0, d @ np.swapaxes(pairs[i][0], 1, 2), 0)
    return np.concatenate([np.reshape(each, (w.shape[0], -1)) for each in g], axis=1)


def judge(w: np.ndarray, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean cross-entropy and the accuracy of each trial on the test rows.

    A hundred rows at a time: beyond 2¹⁸ multiplications OpenBLAS starts other threads, which wait
    longer than they work.

    Args:
        w: The weights of each trial: (trials, weights).
        problem: Where the test rows are.

    Returns:
        Losses and accuracies: (trials,) each.
    """
    loss, right = np.zeros(len(w), w.dtype), np.zeros(len(w))
    for i in range(0, len(problem.y_test), 100):
        x, y = problem.x_test[i : i + 100].astype(w.dtype), problem.y_test[None, i : i + 100, None]
        _, z = forward(w, x, problem.shapes)
        z -= z.max(axis=-1, keepdims=True)
        of_the_label = np.take_along_axis(z, y, axis=-1)[..., 0]
        loss += (np.log(np.exp(z).sum(axis=-1)) - of_the_label).sum(axis=-1)
        right += (z.argmax(axis=-1) == y[..., 0]).sum(axis=-1)
    return loss / len(problem.y_test), right / len(problem.y_test)

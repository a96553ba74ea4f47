"""What is trained: rows to learn from, rows to be judged by, and a network of dense layers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arguments import whole_number
from ..problems import load_digits
from .fingerprints import code_of, digest


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows and a network: dense layers, ReLU between them, softmax at the end.

    Args:
        x: The rows to learn from: (examples, features), finite numbers.
        y: Their labels 0, 1, ...: (examples,), whole numbers.
        x_test: The rows that loss and accuracy are computed on. Give `x` once more, and `y` as
            `y_test`, to race for the training loss.
        y_test: Their labels.
        hidden: The widths of the hidden layers; () for none.
        batch_size: How many rows one gradient is computed on.

    Raises:
        ValueError: For an argument that makes no sense. The message names it.

    Example:
        >>> problem = Problem(np.eye(3), [0, 1, 2], np.eye(3), [0, 1, 2], hidden=(4,), batch_size=3)
        >>> problem.shapes
        [(3, 4), (4,), (4, 3), (3,)]
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    hidden: tuple[int, ...] = (32,)
    batch_size: int = 32

    def __post_init__(self) -> None:
        for rows, labels in (("x", "y"), ("x_test", "y_test")):
            x, y = _array(rows, getattr(self, rows)), _array(labels, getattr(self, labels))
            if x.ndim != 2 or x.dtype.kind not in "fiu" or not x.size or not np.isfinite(x).all():
                raise ValueError(
                    f"`{rows}` must be a table of finite numbers, one row for each example. "
                    f"Received: an array of the shape {x.shape} and dtype {x.dtype}."
                )
            if y.shape != x.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0:
                raise ValueError(
                    f"`{labels}` must hold a label 0, 1, ... for each row of {rows}, so {len(x)} "
                    f"of them. Received: an array of the shape {y.shape} and dtype {y.dtype}."
                )
            object.__setattr__(self, rows, x)
            object.__setattr__(self, labels, y)
        if self.x_test.shape[1] != self.x.shape[1] or self.y_test.max() > self.y.max():
            raise ValueError(
                "`x_test` and `y_test` must have the columns and labels of x and y. Received: "
                f"{self.x_test.shape[1]} columns for {self.x.shape[1]}, labels up to "
                f"{self.y_test.max()} for {self.y.max()}."
            )
        object.__setattr__(self, "hidden", _widths(self.hidden))
        batch_size = whole_number("batch_size", self.batch_size)
        if batch_size > len(self.x):
            raise ValueError(
                f"`batch_size` must be at least 1 and at most {len(self.x)}, the rows of x. "
                f"Received: batch_size={self.batch_size!r}."
            )
        object.__setattr__(self, "batch_size", batch_size)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of kernel, bias, kernel, bias, ...: as Keras's `get_weights` has them."""
        sizes = self.x.shape[1], *self.hidden, int(self.y.max()) + 1
        pairs = zip(sizes, sizes[1:], strict=False)
        return [shape for rows, columns in pairs for shape in ((rows, columns), (columns,))]

    @property
    def size(self) -> int:
        """How many weights the network has."""
        return sum(math.prod(shape) for shape in self.shapes)

    def weights(self, seed: int) -> list[np.ndarray]:
        """Draw the first weights of a seed: Glorot's uniform kernels, biases of zero.

        This is what Keras's Dense begins with. Glorot and Bengio (2010), Understanding the
        difficulty of training deep feedforward neural networks, section 4.2.1.

        Args:
            seed: A whole number, 0 or more.

        Returns:
            One float64 array for each of `shapes`. Equal seeds give equal arrays.

        Raises:
            ValueError: If `seed` is not such a number.
        """
        rng = np.random.default_rng((whole_number("seed", seed, 0), 0))
        limits = [np.sqrt(6 / sum(shape)) if len(shape) == 2 else 0.0 for shape in self.shapes]
        return [
            rng.uniform(-limit, limit, shape)
            for limit, shape in zip(limits, self.shapes, strict=True)
        ]

    def batches(self, seed: int, gradients: int) -> np.ndarray:
        """Draw which rows each gradient of a seed sees: shuffled again in each epoch.

        The rows at the end of an epoch that fill no batch are left out.

        Args:
            seed: A whole number, 0 or more.
            gradients: How many batches are drawn.

        Returns:
            The numbers of the rows: (gradients, batch_size), whole numbers.

        Raises:
            ValueError: If an argument is not such a number.
        """
        gradients = whole_number("gradients", gradients)
        an_epoch = len(self.x) // self.batch_size
        rng = np.random.default_rng((whole_number("seed", seed, 0), 1))
        epochs = [
            rng.permutation(len(self.x))[: an_epoch * self.batch_size]
            for _ in range(-(-gradients // an_epoch))
        ]
        return np.concatenate(epochs).reshape(-1, self.batch_size)[:gradients]

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits: equal if, to the last bit, the problem is."""
        arrays = self.x, self.y, self.x_test, self.y_test
        code = code_of(type(self).weights), code_of(type(self).batches)  # of a subclass, perhaps
        contents = [(a.dtype.str, a.shape, a.tobytes()) for a in arrays]
        return digest(self.shapes, self.batch_size, code, contents)


def digits(hidden: tuple[int, ...] = (32,), batch_size: int = 32) -> Problem:
    """Make the course's problem: handwritten digits at 8 x 8 pixels.

    Args:
        hidden: The widths of the hidden layers; () for none.
        batch_size: How many rows one gradient is computed on.

    Returns:
        A problem with 1,408 digits to learn from (44 batches of 32), and 389 held out.

    Raises:
        ValueError: For a width or a batch size that makes no sense.

    Example:
        >>> digits().size  # 64 x 32 + 32, and 32 x 10 + 10
        2410
    """
    x, y = load_digits(side=8)
    return Problem(x[:1408], y[:1408], x[1408:], y[1408:], hidden, batch_size)


def _array(name, value):
    try:
        return np.asarray(value)
    except (ValueError, TypeError):  # rows of different lengths
        raise ValueError(
            f"`{name}` must be an array. Received: {name}={value!r}, which cannot be made one."
        ) from None


def _widths(hidden):
    try:
        given = None if isinstance(hidden, str | bytes | Mapping) else tuple(hidden)
    except TypeError:
        given = None
    if given is None:
        raise ValueError(
            "`hidden` must be a tuple of widths, such as (32,), or () for no hidden layer. "
            f"Received: hidden={hidden!r}."
        )
    return tuple(
        whole_number("hidden", width, because="These are the widths of the hidden layers.")
        for width in given
    )

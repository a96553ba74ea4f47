"""The roofline of an optimizer step: little arithmetic, many bytes, so memory sets its pace.

least_bytes     what one step of a rule must read and write, from the state that it keeps
traffic         what a NumPy expression really reads and writes: one pass for each operation
bandwidth       how many bytes per second one core moves here and now
BlockedAdam     Adam in place, block by block, in a cache: all tensors in one piece of memory

Williams, Waterman and Patterson (2009), Roofline: An Insightful Visual Performance Model for
Multicore Architectures, Communications of the ACM 52(4). Pure NumPy: importing this loads neither
Keras nor TensorFlow.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import number, whole_number

# Numbers: five float32 arrays of them are 1.25 MiB, within the inner caches of most cores.
BLOCK = 2**16


# ---- Bytes, counted ----


def least_bytes(rule: Any, w: np.ndarray, **hyper: float) -> int:
    """Count the bytes that any step of a rule must move.

    It reads w, g and its state, and writes w and its state. Numbers that are not arrays (the step
    count) are not counted. This is a bound from below: a rule that needs a norm of its gradient
    before it can step has to look at it twice.

    Args:
        rule: An object with `init(w, **hyper)`: a Rule of RULES, or a SimpleNamespace.
        w: An array of floats. Its shape and dtype count, its values do not.
        **hyper: What `init` takes.

    Returns:
        Bytes.

    Raises:
        TypeError: If `rule` has no `init`, or `w` is not an array of floats.

    Example:
        >>> from types import SimpleNamespace
        >>> momentum = SimpleNamespace(init=lambda w: {"v": np.zeros_like(w)})
        >>> least_bytes(momentum, np.zeros(10))  # five arrays of ten numbers of eight bytes
        400
    """
    if not callable(getattr(rule, "init", None)):
        raise TypeError(f"`rule` must have an `init`, as a Rule has. Received: rule={rule!r}.")
    if not isinstance(w, np.ndarray) or w.dtype.kind != "f":
        raise TypeError(f"`w` must be an array of floats. Received: w={w!r}.")
    slots = [s for s in rule.init(w, **hyper).values() if isinstance(s, np.ndarray) and s.ndim]
    state = sum(s.nbytes for s in slots)
    return (w.nbytes + w.nbytes + state) + (w.nbytes + state)


@dataclass(frozen=True)
class Traffic:
    """What an expression did to memory.

    Args:
        passes: How many ufuncs ran, each from the beginning of its arrays to the end.
        results: How many numbers they computed.
        bytes: How many bytes they read and wrote.
    """

    passes: int
    results: int
    bytes: int


def traffic(function: Callable, *arrays: Any, **arguments: Any) -> Traffic:
    """Count what a function reads and writes.

    Each ufunc is one pass: it reads its arrays from beginning to end and writes its result. Only
    ufuncs are counted; a rule of one coordinate consists of nothing else.

    Args:
        function: Written in NumPy.
        *arrays: What it is called with, as copies: arrays, or dicts of arrays such as a rule's
            state.
        **arguments: Other arguments of it.

    Returns:
        The traffic of one call.

    Raises:
        TypeError: If `function` cannot be called.

    Example:
        >>> traffic(lambda w, g: w - 0.5 * g, np.zeros(10), np.zeros(10))
        Traffic(passes=2, results=20, bytes=400)
    """
    if not callable(function):
        raise TypeError(f"`function` must be a function. Received: function={function!r}.")
    log = []

    class Counted(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, out=(), **kwargs):
            plain = [np.asarray(x) if isinstance(x, Counted) else x for x in inputs]
            if out:
                kwargs["out"] = tuple(np.asarray(x) for x in out)
            result = getattr(ufunc, method)(*plain, **kwargs)
            read = sum(x.nbytes for x in plain if isinstance(x, np.ndarray) and x.ndim)
            log.append((result.size, read + result.nbytes))
            return out[0] if out else result.view(Counted)

    def counted(x):
        if isinstance(x, dict):
            return {name: counted(value) for name, value in x.items()}
        return x.copy().view(Counted) if isinstance(x, np.ndarray) else x

    function(*map(counted, arrays), **arguments)
    return Traffic(len(log), sum(n for n, _ in log), sum(b for _, b in log))


# ---- Bandwidth, measured ----


def touch(g: np.ndarray, w: np.ndarray, *slots: np.ndarray) -> None:
    """Move the bytes of a step, with the least arithmetic: the ceiling that a step can reach.

    Args:
        g: An array that is read once.
        w: An array that is read and written once.
        *slots: Arrays that are read and written once.
    """
    np.add(w, g, out=w)
    for s in slots:
        np.negative(s, out=s)


def bandwidth(size: float, seconds: float = 0.2) -> float:
    """Measure how many bytes one core moves in a second of CPU time.

    No compiler is needed: these are NumPy's fastest loops over four arrays, of which four are read
    and three written (see `touch`).

    Args:
        size: The bytes of four float32 arrays together, as Adam has them. Take more than the last
            cache holds, to learn the pace of the memory.
        seconds: How long to measure.

    Returns:
        Bytes per second: the median over rounds.

    Raises:
        ValueError: If `size` is below 64 bytes, or `seconds` is negative.
    """
    n = int(number("size", size, "64 bytes or more", lambda x: 64 <= x < np.inf)) // 16
    number("seconds", seconds, "a number, 0 or more", lambda x: 0 <= x < np.inf)
    arrays = [np.ones(n, "float32") for _ in range(4)]
    touch(*arrays)
    rounds, until = [], time.process_time() + seconds
    repeats = max(1, 2**20 // n)
    while len(rounds) < 3 or time.process_time() < until:
        begin = time.process_time()
        for _ in range(repeats):
            touch(*arrays)
        rounds.append((time.process_time() - begin) / repeats)
    return 28 * n / float(np.median(rounds))


# ---- Adam, at the pace of a cache ----


def packed(tensors: Iterable[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Copy all tensors into one flat array, one after the other.

    Args:
        tensors: Arrays of floats, all of one dtype. They are left alone.

    Returns:
        The flat array, and a list of views of it in the tensors' shapes. Writing into a view
        writes into the flat array.

    Raises:
        ValueError: If there is no tensor.
        TypeError: If the tensors are not all of one float dtype.

    Example:
        >>> flat, (matrix, bias) = packed([np.ones((2, 2)), np.zeros(2)])
        >>> bias[:] = 3.0
        >>> flat.tolist()
        [1.0, 1.0, 1.0, 1.0, 3.0, 3.0]
    """
    try:
        tensors = [np.asarray(x) for x in tensors]
    except (TypeError, ValueError):  # not a list, or rows of two lengths
        raise TypeError(f"`tensors` must be arrays. Received: tensors={tensors!r}.") from None
    dtypes = {x.dtype for x in tensors}
    if not tensors:
        raise ValueError("`tensors` is empty. Give at least one array.")
    if len(dtypes) > 1 or tensors[0].dtype.kind != "f":
        names = ", ".join(sorted(map(str, dtypes)))
        raise TypeError(f"`tensors` must be floats of one dtype. Received: {names}.")
    flat = _aligned(sum(x.size for x in tensors), tensors[0].dtype)
    np.concatenate([x.ravel() for x in tensors], out=flat)
    ends = np.cumsum([x.size for x in tensors])
    return flat, [flat[e - x.size : e].reshape(x.shape) for x, e in zip(tensors, ends, strict=True)]


def _aligned(size, dtype):
    """Zeros that begin where a line of the cache does: no instruction then fetches two lines."""
    more = np.zeros(size * dtype.itemsize + 64, np.uint8)
    return more[-more.ctypes.data % 64 :][: size * dtype.itemsize].view(dtype)


def adam_on_a_block(
    w: np.ndarray,
    g: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    scratch: np.ndarray,
    beta_1: float | np.ndarray,
    beta_2: float | np.ndarray,
    rate: float | np.ndarray,
    epsilon: float | np.ndarray,
) -> None:
    """Take Adam's step on one block, in place, in ten passes.

    m is counted in units of 1 − beta_1, v in units of 1 − beta_2. In these units g and g² come in
    with a factor of 1. The units and both bias corrections go into `rate` and `epsilon`.

    Args:
        w: The block's weights; they are moved.
        g: Their gradients.
        m: The mean of the gradients, in its units; it is updated.
        v: The mean of their squares, in its units; it is updated.
        scratch: An array of the same size, for what is computed on the way.
        beta_1: How much of m stays.
        beta_2: How much of v stays.
        rate: The learning rate, with the units and corrections in it.
        epsilon: Adam's epsilon, with the units and corrections in it.
    """
    np.multiply(m, beta_1, m)
    np.add(m, g, m)
    np.square(g, scratch)
    np.multiply(v, beta_2, v)
    np.add(v, scratch, v)
    np.sqrt(v, scratch)
    np.add(scratch, epsilon, scratch)
    np.divide(m, scratch, scratch)
    np.multiply(scratch, rate, scratch)
    np.subtract(w, scratch, w)


class BlockedAdam:
    """The course's Adam, in place and without a new array: memory is read and written once a step.

    `weights` are views of one flat array, in the shapes of the tensors; each step moves them.
    `gradients` are views of another, to be written into: a backward pass that writes there saves a
    copy. Since all tensors lie in one piece of memory, four hundred small ones cost what one large
    one does. The flat arrays are walked in blocks, small enough that the ten passes over a block
    happen in a cache.

    Args:
        tensors: Arrays of floats, all of one dtype. They are copied.
        learning_rate: It may be set to something else at any time; the others may not.
        beta_1: How much of the mean of the gradients stays, 0 or more and less than 1.
        beta_2: How much of the mean of their squares stays, 0 or more and less than 1.
        epsilon: Added to the root of that mean.
        block: How many numbers are worked on at a time.

    Raises:
        ValueError: For a number out of its range, and for no tensor. The message names it.
        TypeError: If the tensors are not floats of one dtype.

    Example:
        >>> adam = BlockedAdam([np.zeros(3)], learning_rate=0.5, epsilon=0.0)
        >>> adam.step([np.array([4.0, -2.0, 1.0])])
        >>> adam.weights[0].round(12).tolist()  # the first step is one learning rate long
        [-0.5, 0.5, -0.5]
    """

    def __init__(
        self,
        tensors: Iterable[np.ndarray],
        *,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        block: int = BLOCK,
    ) -> None:
        for name, beta in {"beta_1": beta_1, "beta_2": beta_2}.items():
            number(name, beta, "0 or more and less than 1", lambda x: 0 <= x < 1)
        why = "It says how many numbers are worked on at a time."
        block = whole_number("block", block, because=why)
        for name, value in {"learning_rate": learning_rate, "epsilon": epsilon}.items():
            number(name, value)
        self.learning_rate, self.beta_1, self.beta_2 = learning_rate, beta_1, beta_2
        self.epsilon, self.t = epsilon, 0
        w, self.weights = packed(tensors)
        g, self.gradients = packed([np.zeros_like(each) for each in self.weights])
        m, v, scratch = (_aligned(size, w.dtype) for size in (w.size, w.size, min(block, w.size)))
        self._factors = np.array([beta_1, beta_2, 0, 0], w.dtype)
        # Arrays of no dimension: NumPy converts a Python float anew at each call.
        self._scalars = [self._factors[i, ...] for i in range(4)]
        self._blocks = [
            [x[i : i + block] for x in (w, g, m, v)] + [scratch[: len(w) - i]]
            for i in range(0, len(w), block)
        ]

    def step(self, gradients: Iterable[np.ndarray] | None = None) -> None:
        """Take one step.

        Args:
            gradients: An array for each tensor. None takes what stands in `self.gradients`.

        Raises:
            ValueError: If their shapes are not those of the tensors.
        """
        if gradients is not None:
            self._copy_in(gradients)
        self.t += 1
        unit_m = (1 - self.beta_1) / (1 - self.beta_1**self.t)  # m̂ = unit_m · m
        unit_v = ((1 - self.beta_2) / (1 - self.beta_2**self.t)) ** 0.5  # √(v̂) = unit_v · √(v)
        self._factors[2:] = self.learning_rate * unit_m / unit_v, self.epsilon / unit_v
        for block in self._blocks:
            adam_on_a_block(*block, *self._scalars)

    def _copy_in(self, gradients):
        gradients = list(gradients)
        shapes = [np.shape(g) for g in gradients]
        if shapes != [w.shape for w in self.weights]:
            raise ValueError(
                "`gradients` must have the shapes of the tensors. Received: "
                f"{shapes[:5]}..., and the tensors have {[w.shape for w in self.weights[:5]]}..."
            )
        for mine, g in zip(self.gradients, gradients, strict=True):
            np.copyto(mine, g)

"""The roofline of an optimizer step: it does little arithmetic and moves many bytes, so memory sets its pace.

least_bytes     what one step of a rule must read and write, from the state that it keeps
traffic         what a NumPy expression really reads and writes: one pass over memory an operation
bandwidth       how many bytes a second one core moves here and now
BlockedAdam     Adam in place, block by block, in a cache: any number of tensors in one piece of memory

Williams, Waterman and Patterson (2009), Roofline: An Insightful Visual Performance Model for Multicore Architectures,
Communications of the ACM 52(4).  Pure NumPy: importing this loads neither Keras nor TensorFlow.
"""

import time
from dataclasses import dataclass

import numpy as np

BLOCK = (
    2**16
)  # numbers: five float32 arrays of them are 1.25 MiB, within the inner caches of most cores


# ---- Bytes, counted ----


def least_bytes(rule, w, **hyper):
    """The bytes that any step of `rule` must move: it reads w, g and its state, and writes w and its state.

    rule     whatever has `init(w, **hyper)`: a Rule of RULES, or a SimpleNamespace
    w        an array of floats; its shape and dtype count, its values do not
    Numbers that are no arrays (the step count) are not counted.  A bound from below: a rule that needs a norm of its
    gradient before it can step has to look at it twice.
    """
    slots = [s for s in rule.init(w, **hyper).values() if isinstance(s, np.ndarray) and s.ndim]
    state = sum(s.nbytes for s in slots)
    return (w.nbytes + w.nbytes + state) + (w.nbytes + state)


@dataclass(frozen=True)
class Traffic:
    """What an expression did to memory: how many passes, the numbers that they worked out, the bytes read and written."""

    passes: int
    results: int
    bytes: int


def traffic(function, *arrays, **arguments):
    """Run `function` on counted copies of `arrays`, and return the Traffic of what it did with them.

    Each ufunc is one pass: it reads its arrays from beginning to end and writes its result.  Counted are ufuncs, which
    is all that a rule of one coordinate consists of.  `arrays` may also be dicts of arrays, such as a rule's state.
    """
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


def touch(g, w, *slots):
    """Read each array once, write all but `g` back once, with the least arithmetic there is: a step's bytes, no step."""
    np.add(w, g, out=w)
    for s in slots:
        np.negative(s, out=s)


def bandwidth(size, seconds=0.2):
    """Bytes a second of CPU time that one core moves when a step's arrays take `size` bytes together.

    size       of four float32 arrays, as Adam has; more than the last cache holds, to learn the pace of the memory
    seconds    how long to measure; the median over rounds is returned
    Compiler-free: NumPy's fastest loops over the same arrays, four read and three written back (see `touch`).
    Raises ValueError for a size below 64 bytes.
    """
    n = int(size) // 16
    if n < 4:
        raise ValueError(f"`size` must be 64 bytes or more. Received: size={size!r}.")
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


def packed(tensors):
    """One flat array that holds all `tensors` one after the other, and a list of views of it in their shapes.

    Writing into a view writes into the flat array.  The tensors themselves are copied and left alone.
    Raises ValueError for no tensors, TypeError for tensors that are not all of one float dtype.
    """
    tensors = [np.asarray(x) for x in tensors]
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
    """`size` zeros that begin where a line of the cache does: no instruction then fetches two lines for its numbers."""
    room = np.zeros(size * dtype.itemsize + 64, np.uint8)
    return room[-room.ctypes.data % 64 :][: size * dtype.itemsize].view(dtype)


def adam_on_a_block(w, g, m, v, scratch, beta_1, beta_2, rate, epsilon):
    """Ten passes over one block, in place.  m is counted in units of 1 − beta_1, v in units of 1 − beta_2.

    In these units g and g² come in with a factor of 1; the units and both bias corrections go into `rate` and `epsilon`.
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
    """The course's Adam, in place and without a single new array: memory is read once and written once a step.

        adam = BlockedAdam(tensors, learning_rate=0.001)
        adam.gradients[0][...] = ...        # or:  adam.step(gradients)
        adam.step()
        adam.weights[0]

    weights      views of one flat array, in the shapes of `tensors`, which are copied; moved by each step
    gradients    views of another, to be written into: a backward pass that writes here saves a copy
    Since all tensors lie in one piece of memory, four hundred small ones cost what one large one does.  The flat arrays
    are walked in blocks of `block` numbers, small enough that the ten passes over a block happen in a cache.

    tensors          arrays of floats, all of one dtype
    learning_rate    may be set to something else at any time; the others may not
    Raises ValueError or TypeError, naming the argument, for what makes no sense.
    """

    def __init__(
        self, tensors, *, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, block=BLOCK
    ):
        for name, beta in {"beta_1": beta_1, "beta_2": beta_2}.items():
            if not 0 <= beta < 1:
                raise ValueError(
                    f"`{name}` must be 0 or more and less than 1. Received: {name}={beta!r}."
                )
        if isinstance(block, bool) or not isinstance(block, int | np.integer) or block < 1:
            raise ValueError(
                f"`block` must be a whole number above 0. Received: block={block!r}. "
                "It says how many numbers are worked on at a time."
            )
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

    def step(self, gradients=None):
        """One step with `gradients` (an array for each tensor), or else with what stands in self.gradients."""
        if gradients is not None:
            self._copy_in(gradients)
        self.t += 1
        unit_m = (1 - self.beta_1) / (1 - self.beta_1**self.t)  # m̂ = unit_m · m
        unit_v = ((1 - self.beta_2) / (1 - self.beta_2**self.t)) ** 0.5  # √(v̂) = unit_v · √(v)
        self._factors[2:] = self.learning_rate * unit_m / unit_v, self.epsilon / unit_v
        for block in self._blocks:
            adam_on_a_block(*block, *self._scalars)

    def _copy_in(self, gradients):
        shapes = [np.shape(g) for g in gradients]
        if shapes != [w.shape for w in self.weights]:
            raise ValueError(
                "`gradients` must have the shapes of the tensors. Received: "
                f"{shapes[:5]}..., and the tensors have {[w.shape for w in self.weights[:5]]}..."
            )
        for mine, g in zip(self.gradients, gradients, strict=True):
            np.copyto(mine, g)

"""Many trainings at once: every learning rate and every seed of a fair comparison, in the time of a few.

A rule's NumPy `step` is a pure function: it neither knows nor cares whether an array holds the weights of one network or
of sixty-four.  So sixty-four trials are one computation with one more axis, and what is saved is not arithmetic but
everything around it: Python, dispatch, the start of each small operation.

    table = sweep(digits(), ["sgd", "adam"], learning_rates=[0.001, 0.01, 0.1], seeds=range(8))
    table.to_csv("race.csv")

Nothing of a rule is written a second time.  NumPy runs its `step`; TensorFlow (under XLA) and JAX compile that same
function (course_lib.tracing).
"""

import csv
import hashlib
import inspect
import math
import os
import sys
from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from .figures import somebody_is_there
from .optimizers import RULES, Rule, check_hyperparameters
from .problems import load_digits
from .tracing import translate
from .two_gradients import Tableau

# ---- What is trained, by what ----


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows to learn from, rows to be judged by, and a network of dense layers: ReLU between them, softmax at the end.

    x, y              (examples, features) floats, and their labels 0, 1, ...
    x_test, y_test    the rows that loss and accuracy are computed on; hand in x and y once more to race for the training loss
    hidden            the widths of the hidden layers, () for none
    batch_size        rows a gradient
    Raises ValueError, naming the argument.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    hidden: tuple = (32,)
    batch_size: int = 32

    def __post_init__(self):
        for rows, labels in (("x", "y"), ("x_test", "y_test")):
            x, y = np.asarray(getattr(self, rows)), np.asarray(getattr(self, labels))
            if x.ndim != 2 or x.dtype.kind not in "fiu" or not len(x) or not np.isfinite(x).all():
                raise ValueError(
                    f"`{rows}` must be a table of finite numbers, a row an example. "
                    f"Received: an array of the shape {x.shape} and dtype {x.dtype}."
                )
            if y.shape != x.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0:
                raise ValueError(
                    f"`{labels}` must hold a label 0, 1, ... for each row of {rows}, so {len(x)} of them. "
                    f"Received: an array of the shape {y.shape} and dtype {y.dtype}."
                )
            object.__setattr__(self, rows, x)
            object.__setattr__(self, labels, y)
        if self.x_test.shape[1] != self.x.shape[1] or self.y_test.max() > self.y.max():
            raise ValueError(
                "`x_test` and `y_test` must have the columns and labels of x and y. Received: "
                f"{self.x_test.shape[1]} columns for {self.x.shape[1]}, labels up to "
                f"{self.y_test.max()} for {self.y.max()}."
            )
        object.__setattr__(self, "hidden", tuple(int(width) for width in self.hidden))
        if min(self.hidden, default=1) < 1:
            raise ValueError(f"`hidden` must be widths above 0. Received: hidden={self.hidden}.")
        if not 1 <= self.batch_size <= len(self.x):
            raise ValueError(
                f"`batch_size` must be at least 1 and at most {len(self.x)}, the rows of x. "
                f"Received: batch_size={self.batch_size!r}."
            )

    @property
    def shapes(self):
        """The shapes of kernel, bias, kernel, bias, ...: as Keras's `get_weights` has them."""
        sizes = self.x.shape[1], *self.hidden, int(self.y.max()) + 1
        pairs = zip(sizes, sizes[1:], strict=False)
        return [shape for rows, columns in pairs for shape in ((rows, columns), (columns,))]

    @property
    def size(self):
        """How many weights the network has."""
        return sum(math.prod(shape) for shape in self.shapes)

    def weights(self, seed):
        """The weights that a seed begins with, float64: Glorot's uniform kernels, biases of zero, as Keras's Dense.

        Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks, section 4.2.1.
        """
        rng = np.random.default_rng((seed, 0))
        limits = [np.sqrt(6 / sum(shape)) if len(shape) == 2 else 0.0 for shape in self.shapes]
        return [
            rng.uniform(-limit, limit, shape)
            for limit, shape in zip(limits, self.shapes, strict=True)
        ]

    def batches(self, seed, gradients):
        """Which rows each gradient of a seed sees: (gradients, batch_size) whole numbers, the rows shuffled anew each epoch.

        The rows at the end of an epoch that fill no batch are left out.
        """
        an_epoch = len(self.x) // self.batch_size
        rng = np.random.default_rng((seed, 1))
        epochs = [
            rng.permutation(len(self.x))[: an_epoch * self.batch_size]
            for _ in range(-(-gradients // an_epoch))
        ]
        return np.concatenate(epochs).reshape(-1, self.batch_size)[:gradients]

    @cached_property
    def fingerprint(self):
        """Sixteen hexadecimal digits: equal if, to the last bit, the problem is."""
        arrays = self.x, self.y, self.x_test, self.y_test
        code = _code(type(self).weights), _code(type(self).batches)  # of a subclass, perhaps
        contents = [(a.dtype.str, a.shape, a.tobytes()) for a in arrays]
        return _digest(self.shapes, self.batch_size, code, contents)


def digits(hidden=(32,), batch_size=32):
    """The course's handwritten digits at 8 x 8 pixels: 1,408 to learn from (44 batches of 32), 389 held out."""
    x, y = load_digits(side=8)
    return Problem(x[:1408], y[:1408], x[1408:], y[1408:], hidden, batch_size)


@dataclass(frozen=True)
class Racer:
    """Who runs: a rule, its settings, and how its gradients are taken.

    rule             a name of RULES, or a Rule of your own
    settings         hyper-parameters other than the learning rate; the rest are the Keras class's defaults
    tableau          where the gradients of one step are taken: two_gradients.HEUN and its kin; None for at the weights
    micro_batches    how many batches make one step, with their mean gradient: a soft batch
    name             what the table calls it; the rule's name and what is special, if you give none
    Raises ValueError or TypeError, naming the argument.
    """

    rule: Any
    settings: Any = field(default_factory=dict)
    tableau: Tableau | None = None
    micro_batches: int = 1
    name: str = ""

    def __post_init__(self):
        if not isinstance(self.rule, str | Rule):
            raise TypeError(
                f"`rule` must be a name of RULES or a Rule. Received: rule={self.rule!r}."
            )
        if "learning_rate" in self.settings:
            raise ValueError(
                "`settings` has a learning_rate: that is what a sweep varies. "
                "Give it as learning_rates=[...]."
            )
        if not isinstance(self.micro_batches, int | np.integer) or self.micro_batches < 1:
            raise ValueError(
                "`micro_batches` must be a whole number above 0. "
                f"Received: micro_batches={self.micro_batches!r}."
            )
        if not isinstance(self.tableau, Tableau | None):
            raise TypeError(
                f"`tableau` must be a Tableau, or None. Received: tableau={self.tableau!r}."
            )
        rule = self.the_rule
        rule.arguments("step", {**self.settings, "learning_rate": 1.0})
        if not self.name:
            object.__setattr__(self, "name", self._own_name())

    @property
    def the_rule(self):
        return RULES[self.rule] if isinstance(self.rule, str) else self.rule

    @property
    def looks(self):
        """How many gradients it takes at different points for one step."""
        return self.tableau.looks if self.tableau else 1

    @property
    def gradients(self):
        """How many gradients of `batch_size` rows one step costs."""
        return self.looks * self.micro_batches

    def _own_name(self):
        name = self.rule if isinstance(self.rule, str) else self.rule.name
        name += "".join(f", {key} {value:g}" for key, value in self.settings.items())
        if self.looks > 1:
            name += f", {self.looks} looks"
        if self.micro_batches > 1:
            name += f", {self.micro_batches} micro-batches"
        return name

    @cached_property
    def fingerprint(self):
        """Sixteen hexadecimal digits: equal if the rule's code, its settings and all else is."""
        rule = self.the_rule
        code = _code(rule.numpy.init), _code(rule.numpy.step)
        settings = {**rule.hyperparameters, **self.settings, "learning_rate": None}
        return _digest(code, sorted(settings.items()), self.tableau, self.micro_batches)


# ---- The network, for all trials of a batch: w is (trials, weights), one row a network ----


def _parts(w, shapes):
    """The rows of w as arrays (trials, *shape), one a variable; in NumPy they are views."""
    ends = list(accumulate((math.prod(shape) for shape in shapes), initial=0))
    spans = zip(ends, ends[1:], shapes, strict=False)
    return [np.reshape(w[:, a:b], (w.shape[0], *shape)) for a, b, shape in spans]


def _layers(w, shapes):
    parts = _parts(w, shapes)
    return list(zip(parts[::2], parts[1::2], strict=True))


def _forward(w, x, shapes):
    """What enters each layer, and the logits: (trials, rows, units) each."""
    (kernel, bias), *rest = _layers(w, shapes)
    entering, z = [x], x @ kernel + bias[:, None]
    for kernel, bias in rest:
        entering.append(np.maximum(z, 0))
        z = entering[-1] @ kernel + bias[:, None]
    return entering, z


def _gradient(w, x, y, shapes):
    """The gradient of the mean cross-entropy, like w.  x: (trials, rows, features); y: labels one-hot."""
    entering, z = _forward(w, x, shapes)
    p = np.exp(z - np.max(z, axis=-1, keepdims=True))
    d = (p / np.sum(p, axis=-1, keepdims=True) - y) / x.shape[1]
    layers, g = _layers(w, shapes), []
    for i in reversed(range(len(layers))):
        g = [np.swapaxes(entering[i], 1, 2) @ d, np.sum(d, axis=1), *g]
        if i > 0:
            d = np.where(entering[i] > 0, d @ np.swapaxes(layers[i][0], 1, 2), 0)
    return np.concatenate([np.reshape(each, (w.shape[0], -1)) for each in g], axis=1)


def _judge(w, problem):
    """Mean cross-entropy and accuracy of each trial on the test rows.

    A hundred rows at a time: beyond 2¹⁸ multiplications OpenBLAS wakes other threads, which wait longer than they work.
    """
    loss, right = np.zeros(len(w), w.dtype), np.zeros(len(w))
    for i in range(0, len(problem.y_test), 100):
        x, y = problem.x_test[i : i + 100].astype(w.dtype), problem.y_test[None, i : i + 100, None]
        _, z = _forward(w, x, problem.shapes)
        z -= z.max(axis=-1, keepdims=True)
        of_the_label = np.take_along_axis(z, y, axis=-1)[..., 0]
        loss += (np.log(np.exp(z).sum(axis=-1)) - of_the_label).sum(axis=-1)
        right += (z.argmax(axis=-1) == y[..., 0]).sum(axis=-1)
    return loss / len(problem.y_test), right / len(problem.y_test)


# ---- The rule, for all trials of a batch ----


def _init(racer, w):
    rule = racer.the_rule
    return rule.numpy.init(w, **rule.arguments("init", racer.settings))


def _hyperparameters(racer):
    rule = racer.the_rule
    given = rule.arguments("step", {**racer.settings, "learning_rate": 1.0})
    return {name: value for name, value in given.items() if name != "learning_rate"}


@np.errstate(all="ignore")
def _is_coordinate_wise(racer):
    """Whether it makes no difference to lay all weights of all trials in one array, a row a trial.  Tried, not declared."""
    step, hyper, rng = racer.the_rule.numpy.step, _hyperparameters(racer), np.random.default_rng(0)
    shapes, rates = [(3, 2), (2,)], np.array([[0.25], [0.5]])
    w = rng.normal(size=(2, 8))
    apart = [[(part[i], _init(racer, part[i])) for part in _parts(w, shapes)] for i in range(2)]
    try:
        state = _init(racer, w)
        for _ in range(3):
            g = rng.normal(size=(2, 8))
            w, state = step(w, g, state, learning_rate=rates, **hyper)
            for i, rate in enumerate(rates[:, 0].tolist()):
                apart[i] = [
                    step(one, part[i], its, learning_rate=rate, **hyper)
                    for (one, its), part in zip(apart[i], _parts(g, shapes), strict=True)
                ]
    except Exception:  # it says itself that it wants another shape
        return False
    rows = [np.concatenate([one.ravel() for one, _ in trial]) for trial in apart]
    return w.shape == (2, 8) and np.allclose(w, rows, rtol=1e-12, atol=0)


class _Stepper:
    """What takes a racer's steps on an engine: `init(w, learning_rate)` and `step(w, g, state, learning_rate)`.

    The weights are (trials, weights), the learning rates (trials, 1).
    """

    def __init__(self, racer, engine, shapes):
        self.racer, self.engine, self.shapes = racer, engine, shapes
        self.step_function = engine.translate(racer.the_rule.numpy.step)
        self.parts = engine.translate(_parts)
        self.hyper = _hyperparameters(racer)


class _Together(_Stepper):
    """One call of the rule's `step` for all weights of all trials."""

    def init(self, w, learning_rate):
        state = _init(self.racer, w)
        step = self.racer.the_rule.numpy.step
        _, after = step(w, np.zeros_like(w), state, learning_rate=learning_rate, **self.hyper)
        return {
            key: self.engine.state(np.broadcast_to(value, np.shape(after[key])), w.dtype)
            for key, value in state.items()
        }

    def step(self, w, g, state, learning_rate):
        return self.step_function(w, g, state, learning_rate=learning_rate, **self.hyper)


class _EachAlone(_Stepper):
    """One call of `step` for each variable of each trial: for rules that take norms, rows or singular values of it."""

    def init(self, w, learning_rate):
        return [
            self.engine.stack([_init(self.racer, one) for one in part], w.dtype)
            for part in _parts(w, self.shapes)
        ]

    def step(self, w, g, state, learning_rate):
        def step(one, its, state, rate):
            return self.step_function(one, its, state, learning_rate=rate, **self.hyper)

        parts = zip(self.parts(w, self.shapes), self.parts(g, self.shapes), state, strict=True)
        moved = [self.engine.map(step, *part, learning_rate[:, 0]) for part in parts]
        return self.engine.side_by_side([w for w, _ in moved]), [state for _, state in moved]


# ---- Who computes ----


class _NumPy:
    """Step after step, as the functions stand."""

    of = np

    def translate(self, function):
        return function

    def compile(self, function):
        return function

    def array(self, values):
        return values

    def state(self, value, dtype):
        return value.item() if value.dtype.kind == "i" and value.ndim == 0 else value  # t

    def stack(self, states, dtype):
        return states

    def loop(self, n, body, carry):
        for i in range(n):
            carry = body(i, carry)
        return carry

    def map(self, step, w, g, states, rates):
        moved = []
        for i, (one, state) in enumerate(zip(w, states, strict=True)):
            try:
                moved.append(step(one, g[i], state, rates[i].item()))
            except np.linalg.LinAlgError:  # no eigenvalues: the trial has diverged
                moved.append((np.full_like(one, np.nan), state))
        return np.stack([w for w, _ in moved]), [state for _, state in moved]

    def side_by_side(self, parts):
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


class _Compiled:
    """All steps between two looks at the loss as one program.  A subclass names its library: `of` has NumPy's names."""

    of = None

    def translate(self, function):
        return translate(function, self.of)

    def state(self, value, dtype):
        return self.array(np.asarray(value, dtype))

    def stack(self, states, dtype):
        return {key: self.state(np.stack([s[key] for s in states]), dtype) for key in states[0]}

    def side_by_side(self, parts):
        flat = [self.of.reshape(part, (part.shape[0], -1)) for part in parts]
        return self.of.concatenate(flat, axis=1)


class _TensorFlow(_Compiled):
    def __init__(self):
        import keras
        import tensorflow as tf

        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "`engine` is 'tensorflow', and Keras runs on "
                f"{keras.backend.backend()} here. Take 'numpy' or 'jax'."
            )
        self.tf, self.of = tf, keras.ops

    def compile(self, function):
        return self.tf.function(function, jit_compile=True, autograph=False)

    def array(self, values):
        return self.tf.constant(values)

    def loop(self, n, body, carry):
        _, carry = self.tf.while_loop(
            lambda i, _: i < n, lambda i, carry: (i + 1, body(i, carry)), (0, carry)
        )
        return carry

    def map(self, step, *arguments):
        return self.tf.vectorized_map(lambda each: step(*each), arguments)


class _JAX(_Compiled):
    def __init__(self):
        try:
            import jax
        except ImportError:
            raise ValueError(
                "`engine` is 'jax', which is not installed. Install jax, or take 'numpy' or 'tensorflow'."
            ) from None
        self.jax, self.of = jax, jax.numpy

    def compile(self, function):
        compiled = self.jax.jit(function)

        def run(*arguments):
            with self.jax.enable_x64(True):
                return compiled(*arguments)

        return run

    def array(self, values):
        with self.jax.enable_x64(True):
            return self.jax.numpy.asarray(values)

    def loop(self, n, body, carry):
        return self.jax.lax.fori_loop(0, n, body, carry)

    def map(self, step, *arguments):
        return self.jax.vmap(step)(*arguments)


ENGINES = {"numpy": _NumPy, "tensorflow": _TensorFlow, "jax": _JAX}
_compiled = {}  # programs by what they depend on: a later batch of the same race has its program already


def _program(problem, racer, engine):
    """(stepper, run): run(data, batches, learning_rate, w, state) trains as many steps as there are batches."""
    rule = racer.the_rule.numpy
    key = engine, tuple(problem.shapes), rule.init, rule.step, racer.fingerprint
    if key not in _compiled:
        kind = _Together if _is_coordinate_wise(racer) else _EachAlone
        stepper = kind(racer, ENGINES[engine](), problem.shapes)
        while len(_compiled) > 8:
            del _compiled[next(iter(_compiled))]
        _compiled[key] = stepper, _segment(problem.shapes, racer, stepper)
    return _compiled[key]


def _segment(shapes, racer, stepper):
    engine = stepper.engine
    gradient, take = engine.translate(_gradient), engine.translate(_take)

    def run(data, batches, learning_rate, w, state):
        def mean_gradient(w, step):
            def add(i, total):
                rows = batches[step * racer.micro_batches + i]
                return total + gradient(w, *take(data, rows, shapes[0][0]), shapes)

            if racer.micro_batches == 1:
                return gradient(w, *take(data, batches[step], shapes[0][0]), shapes)
            nothing = engine.of.zeros_like(w)
            return engine.loop(racer.micro_batches, add, nothing) / racer.micro_batches

        def update(i, carry):
            w, state = carry
            if racer.tableau is None:
                return stepper.step(w, mean_gradient(w, i), state, learning_rate)
            gs = []
            for row in racer.tableau.a:
                ahead = sum(a * g for a, g in zip(row, gs, strict=True))
                gs.append(mean_gradient(w - learning_rate * ahead, i))
            g = sum(b * g for b, g in zip(racer.tableau.b, gs, strict=True))
            return stepper.step(w, g, state, learning_rate)

        return engine.loop(batches.shape[0] // racer.micro_batches, update, (w, state))

    return engine.compile(run)


def _take(data, rows, features):
    """x and y of these rows, which lie side by side in `data`: looked up at one go."""
    batch = np.take(data, rows, axis=0)
    return batch[..., :features], batch[..., features:]


# ---- The race ----


@np.errstate(all="ignore")  # a trial that diverges says so in the table
def train(
    problem,
    rule,
    learning_rates,
    seeds,
    *,
    gradients=880,
    every=44,
    engine="numpy",
    dtype="float32",
):
    """Train some trials of one rule as one batch: (Table, weights), weights[i] being those of trial i, as `get_weights` has them.

    learning_rates, seeds    one of each a trial: trial i has learning_rates[i] and seeds[i]
    The rest as in `sweep`, which calls this.
    """
    racer = _racer(rule)
    plan = {"gradients": gradients, "every": every, "engine": engine, "dtype": dtype}
    _check(problem, racer, learning_rates, seeds, **plan)
    if len(learning_rates) != len(seeds):
        raise ValueError(
            "`learning_rates` and `seeds` must be equally many, one of each a trial. "
            f"Received: {len(learning_rates)} and {len(seeds)}."
        )
    stepper, run = _program(problem, racer, engine)
    array = stepper.engine.array
    rates = np.asarray(learning_rates, dtype)[:, None]
    unique, which = np.unique(np.asarray(seeds), return_inverse=True)
    starts = np.stack([np.concatenate([v.ravel() for v in problem.weights(s)]) for s in unique])
    orders = np.stack(
        [problem.batches(s, gradients // racer.looks) for s in unique], axis=1
    ).astype("int32")
    w = starts[which].astype(dtype)
    one_hot = np.eye(int(problem.y.max()) + 1, dtype=dtype)[problem.y]
    data = array(np.concatenate([problem.x.astype(dtype), one_hot], axis=1))
    judged, diverged = [], np.zeros(len(w), bool)
    state, w, rates = stepper.init(w, rates), array(w), array(rates)
    for start in range(0, gradients, every):
        part = orders[
            start // racer.looks : (start + every) // racer.looks, which
        ]  # trials: axis 1
        w, state = run(data, array(part), rates, w, state)
        now = np.asarray(w)
        loss, accuracy = _judge(now, problem)
        diverged = diverged | ~(np.isfinite(loss) & np.isfinite(now).all(axis=1))
        judged.append((start + every, loss, accuracy, diverged))
    rows = []
    for i, (rate, seed) in enumerate(zip(learning_rates, seeds, strict=True)):
        trial = _trial(problem, racer, rate, seed, **plan), racer.name, float(rate), int(seed)
        for spent, loss, accuracy, diverged in judged:
            step = spent // racer.gradients
            seen = float(loss[i]), float(accuracy[i]), bool(diverged[i])
            rows.append((*trial, step, spent, *seen))
    return Table(rows), [[part[i] for part in _parts(now, problem.shapes)] for i in range(len(now))]


def sweep(
    problem,
    rules,
    learning_rates,
    seeds,
    *,
    gradients=880,
    every=44,
    engine="numpy",
    dtype="float32",
    file=None,
    executor=None,
    progress=None,
):
    """Train every rule with every learning rate from every seed, and hand back one Table.

    A trial's numbers do not depend on its company: alone, in a batch, on another worker or engine they are the same, to
    rounding (which training amplifies: beyond a learning rate of about 0.03, compare in float64 and over few steps).
    A trial whose weights or loss are no longer finite is marked as diverged from there on; the others do not notice.

    problem           a Problem: digits(), or your own
    rules             names of RULES, or Racers: settings, two gradients a step, soft batches, a Rule of your own
    learning_rates    numbers; or {racer's name: numbers}, for rules whose scales differ
    seeds             whole numbers.  A seed decides the first weights and the order of the rows, for every rule alike
    gradients         the budget of each trial, in gradients of batch_size rows: who takes two a step makes half the steps
    every             gradients between two rows of the table; it divides `gradients`
    engine            "numpy", "tensorflow" (compiled by XLA; for Keras on TensorFlow), "jax" (where it is installed)
    dtype             "float32" or "float64"
    file              a path: finished trials are kept there as CSV (the whole file beside, then moved into place), and those
                      that it has already are not run again.  Stop a sweep when you like; the same call goes on
    executor          a dask.distributed Client, or a concurrent.futures executor: batches of trials run there
    progress          a bar; by default where somebody watches
    Raises ValueError or TypeError, naming the argument.  On an interrupt, and on a broken executor, what is finished is in
    the file, and is the exception's `table`.
    """
    racers = [_racer(rule) for rule in rules]
    names = [racer.name for racer in racers]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"`rules` must be one or more, of different names. Received: {names}.")
    if isinstance(learning_rates, Mapping):
        if set(learning_rates) != set(names):
            raise ValueError(
                "`learning_rates` must have an entry for each rule. "
                f"Received: entries for {list(learning_rates)}, rules {names}."
            )
    else:
        learning_rates = dict.fromkeys(names, learning_rates)
    plan = {"gradients": gradients, "every": every, "engine": engine, "dtype": dtype}
    for racer in racers:
        _check(problem, racer, learning_rates[racer.name], seeds, **plan)
    wanted = {
        _trial(problem, racer, rate, seed, **plan): (racer, float(rate), int(seed))
        for racer in racers
        for rate in learning_rates[racer.name]
        for seed in seeds
    }
    table = Table.read_csv(file) if file and Path(file).exists() else Table()
    done = table.finished(gradients) & set(wanted)
    calls = [
        partial(_table_of, problem, racer, rates, seeds, **plan)
        for racer, rates, seeds in _batches(problem, wanted, done, engine)
    ]
    if progress is None:
        progress = somebody_is_there() or sys.stderr.isatty()
    bar = tqdm(total=len(wanted), initial=len(done), unit="trial", disable=not progress)
    try:
        with bar:
            for part in _results(calls, executor):
                table += part
                if file:
                    table.to_csv(file)
                bar.update(len(part.finished(gradients)))
    except (KeyboardInterrupt, futures.BrokenExecutor) as stop:
        stop.table = table.of(wanted)
        kept = (
            f"in {file}: the same call goes on from there" if file else "this exception's `table`"
        )
        finished = len(stop.table.finished(gradients))
        stop.add_note(f"{finished} of {len(wanted)} trials are finished, and are {kept}.")
        raise
    return table.of(wanted)


def _racer(rule):
    return rule if isinstance(rule, Racer) else Racer(rule)


def _check(problem, racer, learning_rates, seeds, *, gradients, every, engine, dtype):
    if not isinstance(problem, Problem):
        raise TypeError(f"`problem` must be a Problem. Received: problem={problem!r}.")
    check_hyperparameters(learning_rate=learning_rates)
    if np.ndim(learning_rates) != 1:
        raise ValueError(
            "`learning_rates` must be a list of numbers. "
            f"Received: learning_rates={learning_rates!r}."
        )
    given = np.asarray(list(seeds))
    if given.ndim != 1 or not len(given) or given.dtype.kind not in "iu" or given.min() < 0:
        raise ValueError(
            f"`seeds` must be whole numbers, 0 or more, at least one. Received: seeds={seeds!r}."
        )
    if every < 1 or every % racer.gradients:
        raise ValueError(
            f"`every` must be a multiple of the gradients of a step; {racer.name!r} takes "
            f"{racer.gradients}. Received: every={every!r}."
        )
    if gradients < 1 or gradients % every:
        raise ValueError(
            "`gradients` must be a multiple of `every`. "
            f"Received: gradients={gradients!r}, every={every!r}."
        )
    if engine not in ENGINES:
        raise ValueError(f"`engine` must be one of {list(ENGINES)}. Received: engine={engine!r}.")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"`dtype` must be 'float32' or 'float64'. Received: dtype={dtype!r}.")


def _batches(problem, wanted, done, engine):
    """What is still to do as (racer, learning rates, seeds), in batches whose weights stay in the cache (NumPy, which goes
    over them many times a step), or of some more (a compiled program, which does not).

    The batches of one racer are equally large (a program is compiled for one size), the last filled up with trials of it
    that are run once more.
    """
    largest = max(1, (2**16 if engine == "numpy" else 2**18) // problem.size)
    for racer in {id(racer): racer for racer, _, _ in wanted.values()}.values():
        trials = [
            (rate, seed)
            for key, (its, rate, seed) in wanted.items()
            if its is racer and key not in done
        ]
        if trials:
            size = -(-len(trials) // -(-len(trials) // largest))
            for i in range(0, len(trials), size):
                batch = (trials[i:] + trials)[:size]
                yield racer, *zip(*batch, strict=True)


def _table_of(*arguments, **options):
    return train(*arguments, **options)[0]


def _results(calls, executor):
    """The calls' results as they come; on an executor, in the order in which they finish."""
    if executor is None:
        for call in calls:
            yield call()
        return
    if hasattr(executor, "get_executor"):  # a Dask client: it runs again what a lost worker had
        executor = executor.get_executor(pure=False)
    running = [executor.submit(call) for call in calls]
    broken = None
    try:
        for each in futures.as_completed(running):
            if isinstance(each.exception(), futures.BrokenExecutor):
                broken = each.exception()  # and others may have come before it
            else:
                yield each.result()
        if broken:
            raise broken
    finally:
        for each in running:
            each.cancel()


def _trial(problem, racer, learning_rate, seed, *, gradients, every, engine, dtype):
    """Sixteen hexadecimal digits for a trial: equal if it is the same, on whichever engine."""
    fingerprints = problem.fingerprint, racer.fingerprint
    return _digest(*fingerprints, float(learning_rate), int(seed), gradients, every, dtype)


def _code(function, seen=()):
    """What decides what a function computes: its source, and the numbers and functions that it takes from around it."""
    around = inspect.getclosurevars(function)
    around = sorted((around.globals | around.nonlocals).items())
    functions = [each for _, each in around if inspect.isfunction(each) and each not in seen]
    try:
        source = inspect.getsource(function)
    except OSError:  # typed at a prompt
        source = function.__code__.co_code, function.__code__.co_consts
    numbers = [
        (name, value.tolist() if isinstance(value, np.ndarray) else value)
        for name, value in around
        if isinstance(value, int | float | str | tuple | np.ndarray)
    ]
    return source, numbers, [_code(each, (*seen, function, *functions)) for each in functions]


def _digest(*things):
    return hashlib.blake2b(repr(things).encode(), digest_size=8).hexdigest()


# ---- What came out ----


class Table:
    """A tidy table: one row for each look at a trial.  table["loss"] is a column, an array.

    trial            sixteen hexadecimal digits: the problem, the rule's code, its settings, the budget, the seed
    rule             the racer's name
    learning_rate
    seed
    step             steps made
    gradients        gradients spent
    loss             mean cross-entropy on the test rows
    accuracy         part of the test rows that is right
    diverged         whether loss or weights are no longer finite, or were not at an earlier look.  A network whose units have
                     all died is finite: it stays at the loss of guessing, log(classes)
    """

    KINDS = {
        "trial": str,
        "rule": str,
        "learning_rate": float,
        "seed": int,
        "step": int,
        "gradients": int,
        "loss": float,
        "accuracy": float,
        "diverged": bool,
    }

    def __init__(self, rows=()):
        self.rows = list(rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, column):
        if column not in self.KINDS:
            raise KeyError(f"no column is named {column!r}; there are: {', '.join(self.KINDS)}")
        i = list(self.KINDS).index(column)
        return np.array([row[i] for row in self.rows], self.KINDS[column])

    def __add__(self, other):
        return Table(self.rows + other.rows)

    def where(self, **values):
        """The rows that have these values: table.where(rule="adam", gradients=880)."""
        chosen = np.ones(len(self), bool)
        for column, value in values.items():
            chosen &= self[column] == value
        return Table(row for row, is_chosen in zip(self.rows, chosen, strict=True) if is_chosen)

    def finished(self, gradients):
        """The trials that have spent that many gradients: a set."""
        return set(self.where(gradients=gradients)["trial"].tolist())

    def of(self, wanted):
        """The rows of the wanted trials, in their order, each once, under the name that the rule has now."""
        rows = {}
        for row in self.rows:
            if row[0] in wanted:
                rows.setdefault(row[0], {})[row[4]] = (row[0], wanted[row[0]][0].name, *row[2:])
        return Table(rows[key][step] for key in wanted if key in rows for step in sorted(rows[key]))

    def to_csv(self, path):
        """Write the table beside `path`, and move it there: numbers to the last digit, as `read_csv` reads them."""
        path = Path(path)
        beside = path.with_name(path.name + ".partial")
        with open(beside, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([self.KINDS, *self.rows])
        os.replace(beside, path)

    @classmethod
    def read_csv(cls, path):
        """The table that was written there.  Raises ValueError for a file that is none."""
        with open(path, newline="", encoding="utf-8") as file:
            head, *rows = list(csv.reader(file)) or [[]]
        if head != list(cls.KINDS) or any(len(row) != len(head) for row in rows):
            raise ValueError(
                f"{path} is no table of a sweep: its columns should be {', '.join(cls.KINDS)}. "
                "Give another file, or move this one away."
            )
        kinds = [*list(cls.KINDS.values())[:-1], "True".__eq__]
        return cls(tuple(kind(text) for kind, text in zip(kinds, row, strict=True)) for row in rows)

    def to_pandas(self):
        """The table as a pandas DataFrame, where pandas is installed."""
        import pandas

        return pandas.DataFrame({column: self[column] for column in self.KINDS})

    def __repr__(self):
        trials = len(set(self["trial"].tolist()))
        rules = ", ".join(dict.fromkeys(self["rule"].tolist()))
        return f"<Table: {len(self)} rows, {trials} trials of {rules or 'no rule'}>"

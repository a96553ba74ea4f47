"""A rule's steps on an engine: compiled once, kept, and used for each batch of a race."""

from typing import Any

import numpy as np

from .engines import ENGINES
from .network import gradient, parts
from .problem import Problem
from .racer import Racer

_compiled = {}  # by what a program depends on: a later batch of the same race finds its own


def _init(racer, w):
    rule = racer.the_rule
    return rule.numpy.init(w, **rule.arguments("init", racer.settings))


def _hyperparameters(racer):
    rule = racer.the_rule
    given = rule.arguments("step", {**racer.settings, "learning_rate": 1.0})
    return {name: value for name, value in given.items() if name != "learning_rate"}


@np.errstate(all="ignore")
def _is_coordinate_wise(racer):
    """Whether all weights of all trials may lie in one array, one row for each trial.

    Tried, not declared: rows in one array and variables by themselves must go the same way.
    """
    step, hyper, rng = racer.the_rule.numpy.step, _hyperparameters(racer), np.random.default_rng(0)
    shapes, rates = [(3, 2), (2,)], np.array([[0.25], [0.5]])
    w = rng.normal(size=(2, 8))
    alone = [[(part[i], _init(racer, part[i])) for part in parts(w, shapes)] for i in range(2)]
    try:
        state = _init(racer, w)
        for _ in range(3):
            g = rng.normal(size=(2, 8))
            w, state = step(w, g, state, learning_rate=rates, **hyper)
            for i, rate in enumerate(rates[:, 0].tolist()):
                alone[i] = [
                    step(one, part[i], its, learning_rate=rate, **hyper)
                    for (one, its), part in zip(alone[i], parts(g, shapes), strict=True)
                ]
    except Exception:  # the rule itself says, in its own way, that it wants another shape
        return False
    rows = [np.concatenate([one.ravel() for one, _ in trial]) for trial in alone]
    return w.shape == (2, 8) and np.allclose(w, rows, rtol=1e-12, atol=0)


class _Stepper:
    """Takes a racer's steps on an engine.

    `init(w, learning_rate)` makes the state, `step(w, g, state, learning_rate)` takes a step. The
    weights are (trials, weights), the learning rates (trials, 1).
    """

    def __init__(self, racer, engine, shapes):
        self.racer, self.engine, self.shapes = racer, engine, shapes
        self.step_function = engine.translate(racer.the_rule.numpy.step)
        self.parts = engine.translate(parts)
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
    """One call of `step` for each variable of each trial.

    For rules that take norms, rows or singular values of a variable.
    """

    def init(self, w, learning_rate):
        return [
            self.engine.stack([_init(self.racer, one) for one in part], w.dtype)
            for part in parts(w, self.shapes)
        ]

    def step(self, w, g, state, learning_rate):
        def step(one, its, state, rate):
            return self.step_function(one, its, state, learning_rate=rate, **self.hyper)

        pieces = zip(self.parts(w, self.shapes), self.parts(g, self.shapes), state, strict=True)
        moved = [self.engine.map(step, *piece, learning_rate[:, 0]) for piece in pieces]
        return self.engine.side_by_side([w for w, _ in moved]), [state for _, state in moved]


def program(problem: Problem, racer: Racer, engine: str) -> tuple[Any, Any]:
    """Find or make the program that trains a racer.

    Args:
        problem: What is trained. Its shapes matter here, its rows do not.
        racer: What trains it.
        engine: A name of ENGINES.

    Returns:
        A stepper, whose `init(w, learning_rate)` makes the state and whose `engine` makes arrays;
        and run(data, batches, learning_rate, w, state), which trains on all these batches and
        returns (w, state).
    """
    rule = racer.the_rule.numpy
    key = engine, tuple(problem.shapes), rule.init, rule.step, racer.fingerprint
    if key not in _compiled:
        kind = _Together if _is_coordinate_wise(racer) else _EachAlone
        stepper = kind(racer, ENGINES[engine](), problem.shapes)
        while len(_compiled) > 8:
            del _compiled[next(iter(_compiled))]
        _compiled[key] = stepper, _segment(problem.shapes, racer, stepper)
    return _compiled[key]


def forget_programs() -> None:
    """Drop the compiled programs that are kept for later batches."""
    _compiled.clear()


def _segment(shapes, racer, stepper):
    engine = stepper.engine
    gradient_of, take = engine.translate(gradient), engine.translate(_take)

    def run(data, batches, learning_rate, w, state):
        def mean_gradient(w, step):
            def add(i, total):
                rows = batches[step * racer.micro_batches + i]
                return total + gradient_of(w, *take(data, rows, shapes[0][0]), shapes)

            if racer.micro_batches == 1:
                return gradient_of(w, *take(data, batches[step], shapes[0][0]), shapes)
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
    """x and y of these rows, which lie side by side in `data`: one look-up for both."""
    batch = np.take(data, rows, axis=0)
    return batch[..., :features], batch[..., features:]

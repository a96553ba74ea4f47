"""What the tests of sweeps race with: a small problem, a tiny one, rules of one function."""

from types import SimpleNamespace

from course_lib.optimizers import RULES, Rule
from course_lib.sweeps import Problem, digits, training

import numpy as np

RACE = {"gradients": 8, "every": 4}


def small():
    """The digits, few of them, and a smaller network."""
    x, y = digits().x, digits().y
    return Problem(x[:200], y[:200], x[200:280], y[200:280], hidden=(12,), batch_size=16)


def tiny():
    x = np.eye(4)
    return Problem(x, np.array([0, 1, 2, 0]), x, np.array([0, 1, 2, 0]), hidden=(2,), batch_size=2)


def rule_of(step):
    return Rule(SimpleNamespace(init=lambda w: {}, step=step), RULES["sgd"].keras_class, {})


def watch_training(monkeypatch):
    """What a sweep trains, batch by batch: `batches`; after `fail_after` of them it is stopped."""
    seen, really = SimpleNamespace(batches=[], fail_after=None), training.train

    def train(problem, rule, rates, seeds, **options):
        if seen.fail_after is not None and len(seen.batches) >= seen.fail_after:
            raise KeyboardInterrupt
        seen.batches.append(list(zip(rates, seeds, strict=True)))
        return really(problem, rule, rates, seeds, **options)

    monkeypatch.setattr(training, "train", train)
    return seen

"""One name, several updates: where the paper, Keras, PyTorch and optax write a rule's equation differently, line by line.

Each difference is told in the notation of the equations, and executed.  The tests hold Keras's lines against Keras, and
PyTorch's and optax's against paths of theirs that are kept beside the tests.
"""

from dataclasses import dataclass, field
from typing import Any

from course_lib.optimizers import RULES

import numpy as np

from . import equations
from .rules import _weights_and_gradients

STEPS = 12


@dataclass(frozen=True)
class Dialect:
    """What one library writes differently from the rule's own equation.

    lines    the lines that it writes differently; "" for none
    start    values that its state starts with, where they are others
    """

    lines: str = ""
    start: dict[str, Any] = field(default_factory=dict)

    def step(self, rule, w, g, state, **settings):
        """One step of the rule in this dialect: (new weights, new state), as `rule.step`."""
        lines = equations.in_dialect(equations.lines_of(rule.equation), self.lines)
        told = equations.execute(lines, rule.functions, w=w, g=g, **state, **settings)
        return told["w"], {name: told[name] for name in state}


SAME = Dialect()
GRADIENTS_SUM_IN_V = Dialect("v ← momentum · v + g\nw ← w − learning_rate · v")
EPSILON_IN_THE_MAXIMUM = Dialect(
    "u ← max(beta_2 · u, abs(g) + epsilon)\nw ← w − learning_rate · m̂ / u"
)
# Keras's dialects stand in RULES.  Where a library is missing, it does not have the rule.
DIALECTS = {
    "sgd": {"PyTorch": SAME, "optax": SAME},
    "momentum": {"PyTorch": GRADIENTS_SUM_IN_V, "optax": GRADIENTS_SUM_IN_V},
    "nesterov": dict.fromkeys(
        ("PyTorch", "optax"),
        Dialect("v ← momentum · v + g\nw ← w − learning_rate · (g + momentum · v)"),
    ),
    "adagrad": {
        "PyTorch": SAME,
        "optax": Dialect("w ← w − learning_rate · g / √(s + epsilon)"),
    },
    "rmsprop": {
        "PyTorch": Dialect("v ← momentum · v + g / (√(s) + epsilon)\nw ← w − learning_rate · v"),
        "optax": SAME,
    },
    "centered_rmsprop": {
        "PyTorch": Dialect(
            "v ← momentum · v + g / (√(s − m²) + epsilon)\nw ← w − learning_rate · v"
        ),
        "optax": SAME,
    },
    "adadelta": {"PyTorch": SAME, "optax": SAME},
    "adam": {"PyTorch": SAME, "optax": SAME},
    "amsgrad": {
        "the paper": Dialect("m̂ ← m\nŝ ← s\nw ← w − learning_rate · m̂ / √(ŝ)"),
        "PyTorch": SAME,
        "optax": Dialect("s ← max(s, v / (1 − beta_2ᵗ))\nŝ ← s"),
    },
    "adamax": {
        "the paper": Dialect("w ← w − learning_rate · m̂ / u"),
        "PyTorch": EPSILON_IN_THE_MAXIMUM,
        "optax": EPSILON_IN_THE_MAXIMUM,
    },
    "nadam": {
        "the paper": Dialect("m ← a · m + (1 − a) · g\nv̂ ← beta_2 · v / (1 − beta_2ᵗ)"),
        "PyTorch": SAME,
        "optax": Dialect("a ← beta_1\nb ← beta_1"),
    },
    "yogi": {
        "the paper": Dialect("m̂ ← m\nv̂ ← v"),
        "optax": Dialect(start={"m": 1e-6, "v": 1e-6}),
    },
    "adabelief": {"optax": SAME},
    "adamw": {
        "the paper": Dialect("w ← w − learning_rate · m̂ / (√(v̂) + epsilon) − weight_decay · w"),
        "PyTorch": SAME,
        "optax": SAME,
    },
    "ftrl": {
        "the paper": Dialect(
            "σ ← (√(n + g²) − √(n)) / learning_rate\n"
            "z ← z + g − σ · w\n"
            "q ← (beta + √(n)) / learning_rate + l2_regularization_strength",
            start={"n": 0.0},
        ),
    },
    "radam": {
        "PyTorch": Dialect(
            "r ← √((ρ − 4) · (ρ − 2) · ρ∞ / ((ρ∞ − 4) · (ρ∞ − 2) · ρ)) if ρ > 5 else 0\n"
            "u ← r · m̂ · √(1 − beta_2ᵗ) / (√(v) + epsilon) if ρ > 5 else m̂"
        ),
        "optax": Dialect(
            "r ← √((ρ − 4) · (ρ − 2) · ρ∞ / ((ρ∞ − 4) · (ρ∞ − 2) · ρ)) if ρ >= 5 else 0\n"
            "u ← r · m̂ / (√(v̂) + epsilon) if ρ >= 5 else m̂"
        ),
    },
    "schedule_free": {"optax": Dialect("r ← learning_rate")},
}


def dialect(name, library):
    """The Dialect in which a library tells a rule.  Raises ValueError where it does not have it."""
    rule = RULES[name]
    if library == "Keras" and rule.builtin:
        return Dialect(rule.dialect)
    if library not in DIALECTS[name]:
        raise ValueError(f"`library`: {library!r} does not have {rule.name}.")
    return DIALECTS[name][library]


def dialects_of(name):
    """{library: (the lines that it writes differently, how far its weights are from ours after 12 steps)}.

    The distance is the largest over all weights, for the rule's own settings, the same gradients and start; 0.0 where a
    library writes the rule otherwise and means the same.
    """
    rule = RULES[name]
    found = {}
    for library in ("the paper", "Keras", "PyTorch", "optax"):
        if library in DIALECTS[name] or (library == "Keras" and rule.builtin):
            spoken = dialect(name, library)
            apart = np.abs(path_in(rule, spoken)[-1] - path_in(rule, SAME)[-1]).max()
            found[library] = spoken.lines, float(apart)
    return found


def path_in(rule, spoken):
    """Weights of shape (4, 3) after each of 12 steps of a rule, told in a dialect."""
    w, gradients = _weights_and_gradients((4, 3))
    state = {**rule.init(w, **rule.settings), **spoken.start}
    path = []
    for g in gradients[:STEPS]:
        w, state = spoken.step(rule, w, g, state, **rule.all_settings)
        path.append(w)
    return path

"""One name, several updates: where libraries write a rule's equation differently, line by line.

The paper, Keras, PyTorch and optax are compared. Each difference is written in the notation of the
equations, and executed. `check_rule` holds Keras's lines against Keras. The tests hold PyTorch's
and optax's against paths of theirs that are kept beside the tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from course_lib.optimizers import RULES, Rule

import keras
import numpy as np

from . import equations
from .engine.runs import DIALECT_STEPS, twin_gradients, twin_weights

# Keras's Nadam casts 0.96 to the weights' dtype; on TensorFlow, keras.ops.cast takes numbers there
# by way of float32.
_CAST = float(np.float32(0.96)) if keras.backend.backend() == "tensorflow" else 0.96


@dataclass(frozen=True)
class Dialect:
    """What one library writes differently from the rule's own equation.

    Attributes:
        lines: The lines that it writes differently; "" for none.
        start: Values that its state starts with, where they are others.
        agree_when: The hyper-parameters under which the lines make no difference; None where there
            are none. `check_rule` uses it for Keras.
    """

    lines: str = ""
    start: Mapping[str, Any] = field(default_factory=dict)
    agree_when: Mapping[str, float] | None = field(default_factory=dict)

    def step(
        self, rule: Rule, w: Any, g: Any, state: Mapping[str, Any], **settings: float
    ) -> tuple[Any, dict[str, Any]]:
        """One step of the rule in this dialect.

        Args:
            rule: The rule.
            w: The weights.
            g: The gradient at `w`, of the same shape.
            state: The state before the step.
            **settings: All hyper-parameters of the rule.

        Returns:
            The new weights and the new state, as from `rule.step`.
        """
        lines = equations.in_dialect(equations.lines_of(rule.equation), self.lines)
        executed = equations.execute(lines, rule.functions, w=w, g=g, **state, **settings)
        return executed["w"], {name: executed[name] for name in state}


SAME = Dialect()
GRADIENTS_SUM_IN_V = Dialect("v ← momentum · v + g\nw ← w − learning_rate · v")
EPSILON_IN_THE_MAXIMUM = Dialect(
    "u ← max(beta_2 · u, abs(g) + epsilon)\nw ← w − learning_rate · m̂ / u"
)
NO_EPSILON = dict(epsilon=0.0)
EPSILON_HAT = "w ← w − learning_rate · √(1 − beta_2ᵗ) / (1 − beta_1ᵗ) · m / (√({}) + epsilon)"
# Where a library is missing, it does not have the rule.
DIALECTS: dict[str, dict[str, Dialect]] = {
    "sgd": {"Keras": SAME, "PyTorch": SAME, "optax": SAME},
    "momentum": {"Keras": SAME, "PyTorch": GRADIENTS_SUM_IN_V, "optax": GRADIENTS_SUM_IN_V},
    "nesterov": dict.fromkeys(
        ("PyTorch", "optax"),
        Dialect("v ← momentum · v + g\nw ← w − learning_rate · (g + momentum · v)"),
    )
    | {"Keras": SAME},
    "adagrad": {
        "Keras": Dialect("w ← w − learning_rate · g / √(s + epsilon)", agree_when=NO_EPSILON),
        "PyTorch": SAME,
        "optax": Dialect("w ← w − learning_rate · g / √(s + epsilon)"),
    },
    "rmsprop": {
        "Keras": SAME,
        "PyTorch": Dialect("v ← momentum · v + g / (√(s) + epsilon)\nw ← w − learning_rate · v"),
        "optax": SAME,
    },
    "centered_rmsprop": {
        "Keras": SAME,
        "PyTorch": Dialect(
            "v ← momentum · v + g / (√(s − m²) + epsilon)\nw ← w − learning_rate · v"
        ),
        "optax": SAME,
    },
    "adadelta": {"Keras": SAME, "PyTorch": SAME, "optax": SAME},
    "adam": {
        "Keras": Dialect(EPSILON_HAT.format("v"), agree_when=NO_EPSILON),
        "PyTorch": SAME,
        "optax": SAME,
    },
    "amsgrad": {
        "Keras": Dialect(EPSILON_HAT.format("s"), agree_when=NO_EPSILON),
        "the paper": Dialect("m̂ ← m\nŝ ← s\nw ← w − learning_rate · m̂ / √(ŝ)"),
        "PyTorch": SAME,
        "optax": Dialect("s ← max(s, v / (1 − beta_2ᵗ))\nŝ ← s"),
    },
    "adamax": {
        "Keras": SAME,
        "the paper": Dialect("w ← w − learning_rate · m̂ / u"),
        "PyTorch": EPSILON_IN_THE_MAXIMUM,
        "optax": EPSILON_IN_THE_MAXIMUM,
    },
    "nadam": {
        "Keras": Dialect(
            f"a ← beta_1 · (1 − {_CAST}^t / 2)\nb ← beta_1 · (1 − {_CAST}^(t + 1) / 2)\n"
            "p ← p · beta_1 · (1 − 0.96^t / 2)",
            agree_when=dict(beta_1=0.0),  # no momentum, no schedule
        ),
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
        "Keras": Dialect(
            "w ← w − learning_rate · "
            "(√(1 − beta_2ᵗ) / (1 − beta_1ᵗ) · m / (√(v) + epsilon) + weight_decay · w)",
            agree_when=NO_EPSILON,
        ),
        "the paper": Dialect("w ← w − learning_rate · m̂ / (√(v̂) + epsilon) − weight_decay · w"),
        "PyTorch": SAME,
        "optax": SAME,
    },
    "ftrl": {
        "Keras": SAME,
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
    "schedule_free": {
        "Keras": Dialect(
            "c ← 1 / t\n"
            "x ← (w − learning_rate · weight_decay · w "
            "− (1 − beta_1) · (z − r · g / (√(v̂) + epsilon))) / beta_1\n"
            "z ← z − r · g / (√(v̂) + epsilon)",
            agree_when=None,
        ),
        "optax": Dialect("r ← learning_rate"),
    },
    "adafactor": {
        "Keras": SAME,
        "PyTorch": Dialect(
            "r ← beta_2 · r + (1 − beta_2) · rows(g²)\n"
            "c ← beta_2 · c + (1 − beta_2) · columns(g²)\n"
            "û ← u / max(1, rms(u) / max(1, clip_threshold))"  # it refuses less than 1
        ),
        "optax": Dialect("rho ← learning_rate\nalpha ← max(0.001, rms(w)) · rho"),
    },
    "lars": {"optax": Dialect("b ← ‖g + weight_decay · w‖")},
    "lamb": {
        "Keras": Dialect(
            "u ← m̂ / (√(v̂) + epsilon)\n"
            "a ← ‖w − learning_rate · weight_decay · w‖\n"
            "w ← w − learning_rate · weight_decay · w − learning_rate · ratio · u",
            agree_when=dict(weight_decay=0.0),
        ),
        "optax": SAME,
    },
    "lion": {"Keras": SAME, "optax": SAME},
    "shampoo": {},
    "muon": {
        "Keras": SAME,
        "PyTorch": Dialect("scale ← √(max(1, w.shape[0] / w.shape[1]))"),
        "optax": Dialect(
            "t ← t + 1\n"
            "m ← momentum · m + (1 − momentum) · g\n"
            "a ← momentum · m / (1 − momentum ** (t + 1)) + (1 − momentum) · g / (1 − momentumᵗ)\n"
            "u ← orthogonal(a, ns_steps)\n"
            "scale ← √(max(1, w.shape[1] / w.shape[0]))",
            start={"t": 0},
        ),
    },
}


def dialect(name: str, library: str) -> Dialect:
    """The dialect in which a library writes a rule.

    Args:
        name: The name of a rule of RULES.
        library: "the paper", "Keras", "PyTorch" or "optax".

    Returns:
        The Dialect.

    Raises:
        ValueError: If the library does not have the rule.

    Example:
        >>> print(dialect("adagrad", "Keras").lines)
        w ← w − learning_rate · g / √(s + epsilon)
    """
    rule = RULES[name]
    if library not in _spoken(name):
        raise ValueError(f"`library`: {library!r} does not have {rule.name}.")
    return DIALECTS[name][library]


def dialects_of(name: str) -> dict[str, tuple[str, float]]:
    """What each library writes differently, and how far its weights are from ours after 12 steps.

    Args:
        name: The name of a rule of RULES.

    Returns:
        `{library: (lines, distance)}`. The distance is the largest over all weights, for the rule's
        own settings, the same gradients and start. It is 0.0 where a library writes the rule
        differently and means the same.
    """
    rule = RULES[name]
    ours = path_in(rule, SAME)[-1]
    found = {}
    for library in _spoken(name):
        spoken = DIALECTS[name][library]
        found[library] = spoken.lines, float(np.abs(path_in(rule, spoken)[-1] - ours).max())
    return found


def path_in(rule: Rule, spoken: Dialect) -> list[np.ndarray]:
    """Weights of shape (4, 3) after each of 12 steps of a rule, executed in a dialect."""
    w = twin_weights((4, 3))
    state = {**rule.init(w, **rule.settings), **spoken.start}
    path = []
    for g in twin_gradients((4, 3))[:DIALECT_STEPS]:
        w, state = spoken.step(rule, w, g, state, **rule.all_settings)
        path.append(w)
    return path


def keras_dialect_of(rule: Rule) -> Dialect:
    """The dialect in which Keras writes any rule: what the rule itself declares, or the table.

    A rule of RULES, also one with another telling in its place, is looked up in DIALECTS. A rule of
    your own declares `dialect` and `agree_when` itself.

    Args:
        rule: The rule.

    Returns:
        The Dialect; without lines if no difference is declared.
    """
    declared = getattr(rule, "dialect", "")
    if declared:
        return Dialect(declared, agree_when=rule.agree_when)
    for name, known in RULES.items():
        if known.name == rule.name and known.builtin is rule.builtin:
            return DIALECTS[name].get("Keras", SAME)
    return SAME


def _spoken(name):
    """The libraries that have a rule, in the order in which they are shown."""
    libraries = ("the paper", "Keras", "PyTorch", "optax")
    has = dict.fromkeys(DIALECTS[name], True) | {"Keras": bool(RULES[name].builtin)}
    return [library for library in libraries if has.get(library)]

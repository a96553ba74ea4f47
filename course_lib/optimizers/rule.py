"""Rule: one optimizer told twice, as a NumPy function and as a Keras class."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

_ANY = ("a finite float, 0 or more", lambda x: 0 <= x < np.inf)
_PART = ("a float between [0, 1]", lambda x: 0 <= x <= 1)
_MEAN = ("a float, 0 or more and less than 1", lambda x: 0 <= x < 1)
_COUNT = ("a whole number, 0 or more", lambda x: 0 <= x < np.inf and x == int(x))
# What each hyper-parameter may be: the sentence says it, the function decides it.
RANGES = {
    "learning_rate": _ANY,
    "momentum": _PART,
    "momentum_decay": _ANY,
    "rho": _PART,
    "beta_1": _MEAN,
    "beta_2": _MEAN,
    "epsilon": _ANY,
    "initial_accumulator_value": _ANY,
    "weight_decay": _ANY,
    "trust_coefficient": _ANY,
    "learning_rate_power": ("a finite float, 0 or less", lambda x: -np.inf < x <= 0),
    "l1_regularization_strength": _ANY,
    "l2_regularization_strength": _ANY,
    "l2_shrinkage_regularization_strength": _ANY,
    "beta": _ANY,
    "beta_2_decay": ("a float between [-1, 0]", lambda x: -1 <= x <= 0),
    "epsilon_1": _ANY,
    "epsilon_2": _ANY,
    "clip_threshold": ("a float above 0", lambda x: x > 0),
    "warmup_steps": _COUNT,
    "ns_steps": _COUNT,
    "adam_beta_1": _MEAN,
    "adam_beta_2": _MEAN,
    "adam_weight_decay": _ANY,
    "adam_lr_ratio": _ANY,
    "rms_rate": _ANY,
}


def check_hyperparameters(**given):
    """Let sound hyper-parameters pass, in silence; a schedule or a callable learning rate passes too.

    An array passes if each of its entries does (many learning rates at once).
    Raises ValueError for a number out of its range and TypeError for what is no number; both name the argument.
    """
    for name, value in given.items():
        if name not in RANGES or (name == "learning_rate" and callable(value)):
            continue
        wanted, is_sound = RANGES[name]
        entries = np.ravel(value)
        if entries.dtype.kind not in "fiu":
            raise TypeError(f"`{name}` must be {wanted}. Received: {name}={value!r}.")
        if entries.size == 0:
            raise ValueError(f"`{name}` is empty. Received: {name}={value!r}. Give at least one.")
        if not all(is_sound(entry) for entry in entries):
            raise ValueError(f"`{name}` must be {wanted}. Received: {name}={value!r}.")


@dataclass(frozen=True)
class Rule:
    """One optimizer told twice, and what is needed to compare the tellings.

    numpy         whatever has `init(w, **hyper)`, `step(w, g, state, **hyper)` and, as `__doc__`, the equation:
                  a module, or a types.SimpleNamespace
    keras_class   the keras.Optimizer
    settings      hyper-parameters for twin runs; a learning rate exact in binary (0.125), because Keras keeps it in
                  float32; an epsilon large enough that its place shows
    builtin       makes Keras's own optimizer from hyper-parameters; None where Keras has none
    dialect       the equation's lines that Keras writes differently, in the equation's notation
    agree_when    the hyper-parameters under which the dialect makes no difference; None where there are none
    """

    numpy: Any
    keras_class: type
    settings: Mapping[str, float]
    builtin: Callable | None = None
    dialect: str = ""
    agree_when: Mapping[str, float] | None = field(default_factory=dict)

    @property
    def name(self):
        """The name of the Keras class."""
        return self.keras_class.__name__

    @property
    def equation(self):
        """The rule's docstring: its ← lines are the equation."""
        return self.numpy.__doc__ or ""

    @property
    def functions(self):
        """What the equation may call by name: the functions that stand beside `init` and `step`."""
        return {name: f for name, f in vars(self.numpy).items() if inspect.isfunction(f)}

    @property
    def all_settings(self):
        """The settings, and the defaults of those hyper-parameters that they leave out."""
        defaults = self.hyperparameters.items()
        given = {name: value for name, value in defaults if value is not inspect.Parameter.empty}
        return {**given, **self.settings}

    @property
    def hyperparameters(self):
        """The rule's hyper-parameters, and the Keras class's default for each that has one."""
        return dict(self._defaults)

    @cached_property
    def _defaults(self):
        parameters = inspect.signature(self.keras_class).parameters
        names = [*self._keywords["init"], *self._keywords["step"]]
        ordered = [*(name for name in parameters if name in names), *names]
        return {
            name: getattr(parameters.get(name), "default", inspect.Parameter.empty)
            for name in ordered
        }

    @cached_property
    def _keywords(self):
        """Which hyper-parameters `init` takes, and which `step` does."""
        return {name: _keywords(getattr(self.numpy, name)) for name in ("init", "step")}

    def init(self, w, **hyper):
        """The state before the first step, for weights `w` (an array of floats of any shape).

        Hyper-parameters that are not given take the Keras class's defaults.
        Raises ValueError or TypeError, naming the argument, for weights or hyper-parameters that make no sense.
        """
        return self.numpy.init(_floats(w, "w"), **self.arguments("init", hyper))

    def step(self, w, g, state, **hyper):
        """One step: (new weights, new state); the old ones are left alone.

        `g` is the gradient at `w`, of the same shape, `state` what `init` or the last step handed back.  Hyper-parameters
        as in `init`, errors too.
        """
        w, g = _floats(w, "w"), _floats(g, "g")
        if g.shape != w.shape:
            raise ValueError(
                f"`g` must have the shape of `w`. Received: w.shape={w.shape}, g.shape={g.shape}."
            )
        wanted = {name: np.shape(value) for name, value in self.init(w, **hyper).items()}
        given = (
            {name: np.shape(state[name]) for name in state} if isinstance(state, Mapping) else state
        )
        if given != wanted:
            raise ValueError(
                f"`state` must hold, with these shapes, {wanted}. Received: {given}. Begin with init(w)."
            )
        return self.numpy.step(w, g, state, **self.arguments("step", hyper))

    def arguments(self, function, hyper):
        """What "init" or "step", the `function`, is to be called with: `hyper`, and the defaults of what it leaves out.

        Raises ValueError or TypeError, naming the argument.
        """
        for name in hyper:
            if name not in self._defaults:
                raise TypeError(
                    f"{self.name} has no hyper-parameter `{name}`. It has: {', '.join(self._defaults)}."
                )
        check_hyperparameters(**hyper)
        known = {**self._defaults, **hyper}
        values = {name: known[name] for name in self._keywords[function]}
        for name, value in values.items():
            if value is inspect.Parameter.empty or callable(value):
                raise TypeError(
                    f"`{name}` must be a number here. Give {self.name} one: {name}=0.125."
                )
        return values


class Rules(dict):
    """A dict of rules by name, which says what it has when asked for what it has not."""

    def __missing__(self, name):
        raise KeyError(f"no rule is named {name!r}; there are: {', '.join(self)}")


def _keywords(function):
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind == p.KEYWORD_ONLY]


def _floats(array, name):
    try:
        given = np.asarray(array)
    except ValueError:  # rows of different lengths
        given = np.empty(0, object)
    if given.dtype.kind not in "fiu":
        raise TypeError(f"`{name}` must be an array of floats. Received: {name}={array!r}.")
    return given if given.dtype.kind == "f" else given.astype(float)

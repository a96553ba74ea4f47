"""Rule: one optimizer written twice, as a NumPy function and as a Keras class."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from course_lib.arguments import unknown

import numpy as np

from .hyperparameters import check_hyperparameters

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

State = dict[str, Any]  # the slots of one array of weights, by name, and t, the count of steps


@dataclass(frozen=True)
class Rule:
    """One optimizer written twice, and what is needed to compare the two.

    Args:
        numpy: Has `init(w, **hyper)`, `step(w, g, state, **hyper)` and, as `__doc__`, the equation.
            A module or a `types.SimpleNamespace`.
        keras_class: The subclass of `keras.Optimizer`.
        settings: Hyper-parameters for runs that compare the two. Choose a learning rate that is
            exact in binary (0.125), because Keras keeps it in float32. Choose an epsilon that is
            large enough for its place to show.
        builtin: Makes Keras's own optimizer from hyper-parameters. None where Keras has none.
        dialect: The equation's lines that Keras writes differently, in the equation's notation.
        agree_when: The hyper-parameters under which the dialect makes no difference. None where
            there are none.

    Example:
        >>> from types import SimpleNamespace
        >>> from course_lib.optimizers import SGD, Rule, sgd
        >>> equation = "w ← w − learning_rate · g"
        >>> numpy = SimpleNamespace(init=sgd.init, step=sgd.step, __doc__=equation)
        >>> rule = Rule(numpy, SGD, settings={"learning_rate": 0.125})
        >>> rule.step([1.0], [4.0], {}, learning_rate=0.125)
        (array([0.5]), {})
    """

    numpy: Any
    keras_class: type[keras.Optimizer]
    settings: Mapping[str, float]
    builtin: Callable[..., keras.Optimizer] | None = None
    dialect: str = ""
    agree_when: Mapping[str, float] | None = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the Keras class."""
        return self.keras_class.__name__

    @property
    def equation(self) -> str:
        """The rule's docstring: its ← lines are the equation."""
        return self.numpy.__doc__ or ""

    @property
    def functions(self) -> dict[str, Callable]:
        """What the equation may call by name: the functions that stand beside `init` and `step`."""
        return {name: f for name, f in vars(self.numpy).items() if inspect.isfunction(f)}

    @property
    def all_settings(self) -> dict[str, Any]:
        """The settings, and the defaults of those hyper-parameters that they leave out."""
        defaults = self.hyperparameters.items()
        given = {name: value for name, value in defaults if value is not inspect.Parameter.empty}
        return {**given, **self.settings}

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The rule's hyper-parameters, and the Keras class's default for each that has one."""
        return dict(self._defaults)

    @cached_property
    def _defaults(self):
        parameters = inspect.signature(self.keras_class).parameters
        names = [*self._names["init"], *self._names["step"]]
        ordered = [*(name for name in parameters if name in names), *names]
        return {
            name: getattr(parameters.get(name), "default", inspect.Parameter.empty)
            for name in ordered
        }

    @cached_property
    def _names(self):
        """The names of the hyper-parameters that `init` takes, and of those that `step` takes."""
        return {name: _keywords_of(getattr(self.numpy, name)) for name in ("init", "step")}

    def init(self, w: ArrayLike, **hyper: Any) -> State:
        """The state before the first step.

        Args:
            w: The weights: an array of floats of any shape.
            **hyper: Hyper-parameters. Those not given take the Keras class's defaults.

        Returns:
            The state: arrays by name.

        Raises:
            TypeError: If an argument is not a number, or is unknown. The error names it.
            ValueError: If a hyper-parameter is out of its range. The error names it.

        Example:
            >>> from course_lib.optimizers import RULES
            >>> RULES["adagrad"].init([1.0, 2.0], initial_accumulator_value=0.5)
            {'s': array([0.5, 0.5])}
        """
        return self.numpy.init(_floats(w, "w"), **self.arguments("init", hyper))

    def step(
        self, w: ArrayLike, g: ArrayLike, state: State, **hyper: Any
    ) -> tuple[np.ndarray, State]:
        """One step of the rule. The arrays that come in stay as they are.

        Args:
            w: The weights: an array of floats of any shape.
            g: The gradient at `w`, of the same shape.
            state: What `init` or the last `step` returned.
            **hyper: Hyper-parameters. Those not given take the Keras class's defaults.

        Returns:
            The new weights and the new state.

        Raises:
            TypeError: If an argument is not a number, or is unknown. The error names it.
            ValueError: If `g` or `state` does not fit `w`, or a hyper-parameter is out of its
                range. The error names it.

        Example:
            >>> from course_lib.optimizers import RULES
            >>> RULES["sgd"].step([1.0, 2.0], [4.0, 8.0], {}, learning_rate=0.125)
            (array([0.5, 1. ]), {})
        """
        weights, gradient = _floats(w, "w"), _floats(g, "g")
        if gradient.shape != weights.shape:
            raise ValueError(
                "`g` must have the shape of `w`. "
                f"Received: w.shape={weights.shape}, g.shape={gradient.shape}."
            )
        wanted = _shapes(self.init(weights, **hyper))
        given = _shapes(state) if isinstance(state, Mapping) else state
        if given != wanted:
            raise ValueError(
                f"`state` must hold, with these shapes, {wanted}. Received: {given}. "
                "Begin with init(w)."
            )
        return self.numpy.step(weights, gradient, state, **self.arguments("step", hyper))

    def arguments(self, function: str, hyper: Mapping[str, Any]) -> dict[str, Any]:
        """The hyper-parameters that one of the two functions is to be called with.

        Args:
            function: "init" or "step".
            hyper: Hyper-parameters by name.

        Returns:
            What the function takes: `hyper`, and the defaults of what it leaves out.

        Raises:
            TypeError: If a hyper-parameter is unknown, not a number, or has no default.
            ValueError: If a hyper-parameter is out of its range.

        Example:
            >>> from course_lib.optimizers import RULES
            >>> RULES["adagrad"].arguments("step", {"learning_rate": 0.5})
            {'learning_rate': 0.5, 'epsilon': 1e-07}
        """
        for name in hyper:
            if name not in self._defaults:
                raise TypeError(
                    f"{self.name} has no hyper-parameter `{name}`. "
                    f"It has: {', '.join(self._defaults)}."
                )
        check_hyperparameters(**hyper)
        known = {**self._defaults, **hyper}
        values = {name: known[name] for name in self._names[function]}
        for name, value in values.items():
            if value is inspect.Parameter.empty or callable(value):
                raise TypeError(
                    f"`{name}` must be a number here. Give {self.name} one: {name}=0.125."
                )
        return values


class Rules(dict[str, Rule]):
    """A dict of rules by name. A name that it does not have is answered with the nearest one.

    Example:
        >>> from course_lib.optimizers import RULES
        >>> RULES["adagard"]
        Traceback (most recent call last):
        KeyError: "there is no rule 'adagard'. Did you mean 'adagrad'?"
    """

    def __missing__(self, name: str) -> Rule:
        raise KeyError(unknown("rule", str(name), self))


def _keywords_of(function):
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind == p.KEYWORD_ONLY]


def _shapes(state):
    return {name: np.shape(value) for name, value in state.items()}


def _floats(array, name):
    try:
        given = np.asarray(array)
    except ValueError:  # rows of different lengths
        given = np.empty(0, object)
    if given.dtype.kind not in "fiu":
        raise TypeError(f"`{name}` must be an array of floats. Received: {name}={array!r}.")
    return given if given.dtype.kind == "f" else given.astype(float)

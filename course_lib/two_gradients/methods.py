"""Methods that take several gradients per step, as data: Butcher tableaus, and SAM.

    gᵢ = gradient(w − learning_rate · Σⱼ aᵢⱼ gⱼ)
    w ← w − learning_rate · Σᵢ bᵢ gᵢ

A tableau is the numbers a and b. Gradient descent is Euler's method for dw/dt = −gradient(w).

Euler (1768), Institutiones calculi integralis; Runge (1895), the midpoint; Heun (1900); Kutta
(1901), order three. Extragradient: Korpelevich (1976), The extragradient method for finding saddle
points and other problems. SAM: Foret, Kleiner, Mobahi and Neyshabur (2020), Sharpness-Aware
Minimization for Efficiently Improving Generalization.
"""

from dataclasses import asdict, dataclass
from functools import reduce
from math import isclose, isfinite
from typing import Any, Protocol, runtime_checkable

import keras
from keras import ops

from ..wrappers.base import accumulation_dtype


@runtime_checkable
class Method(Protocol):
    """What a method must have, so that `two_gradient_step` can train with it.

    Any object with these three will do; it need not inherit from this class. Register its class
    with Keras (`keras.saving.register_keras_serializable`) if its models are to be saved. Then it
    also needs `get_config`, and a `from_config` if its constructor takes other arguments.

    A step calls them in this order: the first gradients are taken at w; `probe` says where the
    next are taken, until there are `looks` of them; `combine` makes one gradient of all.

    Example:
        >>> class LastOfTwo:  # extragradient, written by hand
        ...     looks = 2
        ...     def probe(self, w, gs, learning_rate):
        ...         return [each - learning_rate * g for each, g in zip(w, gs[-1])]
        ...     def combine(self, gs):
        ...         return gs[-1]
        >>> isinstance(LastOfTwo(), Method)
        True
    """

    @property
    def looks(self) -> int:
        """How many gradients a step takes, 1 or more; an attribute will do."""
        ...

    def probe(self, w: list[Any], gs: list[list[Any]], learning_rate: Any) -> list[Any]:
        """Say where to look next.

        Args:
            w: The weights at which the step began: one tensor per variable. They stay as they are.
            gs: The gradients so far, one list per look, each with one tensor per variable. The
                first list belongs to w. With several replicas they are those of the whole batch;
                with loss scaling the scale has been taken out.
            learning_rate: The optimizer's current learning rate, a scalar tensor.

        Returns:
            One tensor per variable, of the variable's shape and dtype: where to look next.
        """
        ...

    def combine(self, gs: list[list[Any]]) -> list[Any]:
        """Make one gradient of those of all looks.

        Args:
            gs: `looks` lists of gradients, each with one tensor per variable.

        Returns:
            One gradient per variable. The optimizer gets it, once per step.
        """
        ...


class _Saved:
    """A method's numbers travel in a model's saved configuration."""

    def get_config(self):
        return asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("course_lib")
@dataclass(frozen=True)
class Tableau(_Saved):
    """An explicit Runge-Kutta method, as its table of numbers.

    Args:
        a: Row i says where look i is taken. It has i numbers, as it can only use the looks before.
        b: How much each look counts. The numbers sum to 1.

    Raises:
        TypeError: If something is not a number.
        ValueError: For rows of a wrong length. For numbers `b` that do not sum to 1: then it does
            not even follow the flow to first order.

    Example:
        >>> heun = Tableau(a=((), (1.0,)), b=(0.5, 0.5))
        >>> heun.looks
        2
        >>> heun.combine([[1.0], [0.5]])
        [0.75]
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]

    def __post_init__(self):
        try:
            object.__setattr__(self, "a", tuple(tuple(float(x) for x in row) for row in self.a))
            object.__setattr__(self, "b", tuple(float(x) for x in self.b))
        except (TypeError, ValueError):
            raise TypeError(
                "`a` must be rows of numbers and `b` numbers. "
                f"Received: a={self.a!r}, b={self.b!r}."
            ) from None
        lengths = [len(row) for row in self.a]
        if not self.b or lengths != list(range(len(self.b))):
            raise ValueError(
                "`a` must have one row for each number of `b`, and row i must hold i numbers: "
                f"(), (x,), (x, x), ... Received: {len(self.b)} numbers in b, "
                f"rows of the lengths {lengths} in a."
            )
        if not all(map(isfinite, sum(self.a, self.b))):
            raise ValueError(f"a tableau's numbers must be finite. Received: {self!r}.")
        if not isclose(sum(self.b), 1, abs_tol=1e-12):
            raise ValueError(
                f"`b` must sum to 1. Received: b={self.b}, which sums to {sum(self.b):g}. "
                "Divide it by that."
            )

    @property
    def looks(self) -> int:
        """How many gradients a step takes: one per number of `b`."""
        return len(self.b)

    def probe(self, w: list[Any], gs: list[list[Any]], learning_rate: Any) -> list[Any]:
        """Say where to look next: w − learning_rate · Σⱼ aᵢⱼ gⱼ, with the row of this look.

        Args:
            w: The weights, one tensor per variable.
            gs: The gradients so far, one list per look.
            learning_rate: The current learning rate.

        Returns:
            One tensor per variable.
        """
        row, places = self.a[len(gs)], []
        for each, *looked in zip(w, *gs, strict=True):
            wide = accumulation_dtype(each.dtype)
            ahead = sum(a * ops.cast(g, wide) for a, g in zip(row, looked, strict=True))
            place = ops.cast(each, wide) - ops.cast(learning_rate, wide) * ahead
            places.append(ops.cast(place, each.dtype))
        return places

    def combine(self, gs: list[list[Any]]) -> list[Any]:
        """Add up the gradients of all looks, each times its number of `b`.

        Args:
            gs: One list of gradients per look.

        Returns:
            One gradient per variable.
        """
        return [
            sum(b * g for b, g in zip(self.b, each, strict=True)) for each in zip(*gs, strict=True)
        ]


EULER = Tableau(a=((),), b=(1.0,))
MIDPOINT = Tableau(a=((), (0.5,)), b=(0.0, 1.0))
HEUN = Tableau(a=((), (1.0,)), b=(0.5, 0.5))
EXTRAGRADIENT = Tableau(a=((), (1.0,)), b=(0.0, 1.0))


@keras.saving.register_keras_serializable("course_lib")
@dataclass(frozen=True)
class SAM(_Saved):
    """Sharpness-aware: look again a distance `rho` uphill, and step from w with that gradient.

        ŵ = w + rho · g / ‖g‖,   the norm over all variables together
        w ← w − learning_rate · gradient(ŵ)

    Where the first gradient is zero there is no uphill, and ŵ = w. Foret, Kleiner, Mobahi and
    Neyshabur (2020).

    Args:
        rho: The distance: a finite number, 0 or more.

    Raises:
        TypeError: If `rho` is not a number.
        ValueError: If `rho` is negative or not finite.

    Example:
        >>> (probe,) = SAM(rho=0.5).probe([ops.ones(1)], [[ops.ones(1)]], 0.1)
        >>> float(probe[0])
        1.5
    """

    rho: float = 0.05
    looks = 2

    def __post_init__(self):
        if isinstance(self.rho, bool) or not isinstance(self.rho, int | float):
            raise TypeError(f"`rho` must be a number. Received: rho={self.rho!r}.")
        if not 0 <= self.rho < float("inf"):
            raise ValueError(f"`rho` must be finite, and 0 or more. Received: rho={self.rho!r}.")

    def probe(self, w: list[Any], gs: list[list[Any]], learning_rate: Any) -> list[Any]:
        """Say where to look next: `rho` uphill along the first gradient.

        Args:
            w: The weights, one tensor per variable.
            gs: The gradients of the first look, in a list of one.
            learning_rate: Not used.

        Returns:
            One tensor per variable.
        """
        (g,) = gs
        wide = [ops.cast(each, accumulation_dtype(each.dtype)) for each in g]
        norm = ops.sqrt(reduce(ops.add, [ops.sum(each**2) for each in wide]))
        norm = ops.where(norm > 0, norm, ops.ones_like(norm))
        return [
            each + ops.cast(self.rho * uphill / ops.cast(norm, uphill.dtype), each.dtype)
            for each, uphill in zip(w, wide, strict=True)
        ]

    def combine(self, gs: list[list[Any]]) -> list[Any]:
        """Take the gradient of the last look, the one uphill.

        Args:
            gs: One list of gradients per look.

        Returns:
            One gradient per variable.
        """
        return gs[-1]

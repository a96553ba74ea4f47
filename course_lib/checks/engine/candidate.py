"""The optimizer under examination: made with any keyword, run, and compared with itself.

How far rounding may separate two runs is measured and not guessed. The standard run is repeated
with gradients that differ in their last bits; comparisons allow a hundred times what that changes.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import keras
import numpy as np

from . import runs
from .classes import is_refusal, memory, takes
from .report import CheckFailed, DoesNotApply
from .runs import (
    EAGER,
    SHAPES,
    STEPS,
    TWIN_SHAPES,
    TWIN_STEPS,
    Run,
    difference,
    gradient,
    gradients_of,
    number,
    variables_of,
)

MAX_PERIOD = 64  # calls of apply that may pass until a wrapper makes its first update


class Candidate:
    """One optimizer, and the runs that several checks look at. Each run is made once.

    Args:
        optimizer: A class that can be made without arguments, or a function that makes one. It is
            called anew for each run.
        reference: What it should equal: a rule in NumPy, another Keras optimizer, an optax
            transformation; or None.
        settings: Hyper-parameters that it is made with each time.
        with_memory: Give a momentum to a class whose default is 0: its memory is not seen
            otherwise.

    Attributes:
        rule: The Rule, if it was made of one.
        twin_shapes: The shapes of the twin run.
        twin_steps: The number of steps of the twin run.
        broken: Why there is no standard run; empty if there is one.
        hung: The name of a check that did not come to an end.
    """

    def __init__(
        self,
        optimizer: Callable[..., keras.Optimizer],
        reference: Any = None,
        settings: Mapping[str, Any] | None = None,
        with_memory: bool = True,
    ):
        self.optimizer = optimizer
        self.reference = reference
        self.given = dict(settings or {})
        self.settings = {**(memory(optimizer) if with_memory else {}), **self.given}
        self.rule = None
        self.twin_shapes: tuple[tuple[int, ...], ...] = TWIN_SHAPES
        self.twin_steps = TWIN_STEPS
        self.broken = self.hung = ""
        self.kept = {}

    @classmethod
    def of_rule(
        cls,
        rule: Any,
        shapes: tuple[tuple[int, ...], ...] = TWIN_SHAPES,
        steps: int = TWIN_STEPS,
    ) -> "Candidate":
        """The Keras class of a Rule, with the rule as its reference and the rule's settings.

        Args:
            rule: The Rule.
            shapes: The shapes of the twin run.
            steps: The number of steps of the twin run.
        """
        candidate = cls(rule.keras_class, reference=rule, settings=rule.settings)
        candidate.rule = rule
        candidate.twin_shapes, candidate.twin_steps = shapes, steps
        return candidate

    # ---- Made ----

    def make(self, **keywords: Any) -> keras.Optimizer:
        """A new one, with these keywords.

        Raises:
            DoesNotApply: If it does not take them.
        """
        if not keywords:
            return self._made(self.optimizer(**self.settings))
        names = ", ".join(keywords)
        if takes(self.optimizer, keywords):
            try:
                return self._made(self.optimizer(**{**self.settings, **keywords}))
            except (TypeError, ValueError) as error:
                if not is_refusal(error):
                    raise
                raise DoesNotApply(f"it takes no {names}: {error}") from None
        one = self.make()
        config = one.get_config()
        if not set(keywords) <= set(config):
            raise DoesNotApply(f"it takes no {names}")
        return type(one).from_config({**config, **keywords})

    @staticmethod
    def _made(one):
        if not isinstance(one, keras.Optimizer):
            raise TypeError(
                f"`optimizer` must make a keras.Optimizer. It made: {one!r}. "
                "Give a class that can be made without arguments, or a function that makes one."
            )
        return one

    @cached_property
    def made(self):
        """One that is never run, to look at its class and its configuration."""
        return self.make()

    @cached_property
    def name(self):
        """The name of the class or function."""
        thing = getattr(self.optimizer, "func", self.optimizer)  # a partial has no name
        name = getattr(thing, "__name__", type(thing).__name__)
        if name == "<lambda>":
            with suppress(Exception, SystemExit):
                return type(self.made).__name__
        return name

    def overrides(self, method: str) -> bool:
        """Whether its class has a method of its own in place of the base class's."""
        return getattr(type(self.made), method) is not getattr(keras.Optimizer, method)

    @cached_property
    def period(self):
        """How many calls of apply make one update: 1, unless a wrapper collects gradients."""
        if not self.overrides("apply"):
            return 1
        one, variables = self.make(), variables_of(((3,),), "float32")
        one.build(variables)
        for calls in range(1, MAX_PERIOD + 1):
            one.apply(gradients_of(one, ((3,),), 0, "float32"), variables)
            if int(one.iterations) >= 1:
                return calls
        return 1

    # ---- Run ----

    def run(self, one: keras.Optimizer | None = None, **how: Any) -> Run:
        """Run it, or `one` that was made of it, on the standard variables: see `runs.run`."""
        one = one or self.make()  # before anything else draws random numbers
        return runs.run(one, **{"dtype": self.dtype, "period": self.period, **how})

    def twin(self, how: str = EAGER) -> Run:
        """Its twin run, eager, in a graph or under XLA; made once: see `runs.twin_run`."""
        return self.once(("twin", how), lambda: self.twin_of(self.make(), how))

    def twin_of(self, one: keras.Optimizer, how: str = EAGER) -> Run:
        """The twin run of any optimizer, as long as the candidate's."""
        return runs.twin_run(one, how, shapes=self.twin_shapes, steps=self.twin_steps)

    def once(self, name: Any, make: Callable[[], Any]) -> Any:
        """What `make` returns, kept under a name, so that checks share what is expensive."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    @cached_property
    def dtype(self):
        """float64; float32 for a class that cannot be run in float64, which fails a check."""
        for dtype in ("float64", "float32"):
            try:
                runs.run(self.make(), steps=1, dtype=dtype)
            except (Exception, SystemExit):
                continue
            return dtype
        return "float64"

    @cached_property
    def standard(self) -> Run:
        """The standard run: default settings, six steps.

        Raises:
            DoesNotApply: If no step can be taken, or no two runs can be compared.
        """
        if not self.broken:
            try:
                done = self._seeded_run(1)
            except (Exception, SystemExit) as error:
                reason = f"{type(error).__name__}: see a_step_can_be_taken"
                self.broken = f"no step could be taken ({reason})"
            else:
                if not np.all(np.isfinite(np.concatenate([np.ravel(w) for w in done.path[-1]]))):
                    self.broken = "the weights are no finite numbers (see a_step_can_be_taken)"
                elif self._is_random(done):
                    self.broken = "it draws random numbers, so that no two runs can be compared"
                else:
                    return done
        raise DoesNotApply(self.broken)

    def _seeded_run(self, seed):
        keras.utils.set_random_seed(seed)
        return self.run()

    def _is_random(self, done):
        """True for a rule that draws random numbers on purpose: the seed alone decides."""
        other_seed = difference(self._seeded_run(2).path, done.path)
        return other_seed > 0 and difference(self._seeded_run(1).path, done.path) == 0

    @cached_property
    def tolerance(self):
        """How far two right runs may differ, relative to 1."""
        bits = 2.0**-50 if self.dtype == "float64" else 2.0**-21
        nudged = self.run(gradients=lambda i, t, g: g * (1 + bits * (1 + (i + t) % 3)))
        floor = runs.TOLERANCE if self.dtype == "float64" else 1e-5
        return float(np.clip(100 * difference(nudged.path, self.standard.path), floor, 1e-4))

    @cached_property
    def learning_rate(self):
        """The learning rate that it begins with; 1/16 where that is 0, as in a warm-up."""
        try:
            return float(number(self.made.learning_rate)) or 2.0**-4
        except AttributeError as error:
            raise DoesNotApply(f"it has no learning rate of its own: {error}") from None

    @cached_property
    def learning_rate_can_be_set(self):
        """Whether `optimizer.learning_rate = x` is possible; not with a schedule."""
        one = self.make()
        try:
            one.learning_rate = self.learning_rate / 2
        except (TypeError, AttributeError, NotImplementedError, DoesNotApply):
            return False
        return True

    @cached_property
    def order_matters(self):
        """How much changes if the same variables are given in another order."""
        order = [2, 3, 1, 0]
        turned = self.run(order=order)
        back = [[step[order.index(i)] for i in range(4)] for step in turned.path]
        return difference(back, self.standard.path)

    @cached_property
    def alone(self):
        """The paths of the four variables, each run with an optimizer of its own."""
        paths = [self.run(order=[i]).path for i in range(len(SHAPES))]
        return [[path[t][0] for path in paths] for t in range(STEPS)]

    @cached_property
    def is_joined(self):
        """True for a rule that joins its variables on purpose, as global norms do.

        Their order does not matter then, and their company does.
        """
        return difference(self.alone, self.standard.path) > self.tolerance >= self.order_matters

    @cached_property
    def is_elementwise(self):
        """True if a corner of a matrix takes the path that it took as part of the whole."""
        whole = self.run(shapes=((4, 4),))
        corner = self.run(
            shapes=((2, 2),),
            values=lambda i, shape: whole.start[0][:2, :2],
            gradients=lambda i, t, g: gradient((4, 4), 0, t)[:2, :2],
        )
        corners = [[step[0][:2, :2]] for step in whole.path]
        return difference(corners, corner.path) <= self.tolerance

    # ---- Compared ----

    def same_path(
        self,
        seen: list,
        expected: list,
        what: str,
        twin: str,
        tolerance: float | list[float] | None = None,
    ) -> None:
        """Check that two paths are equal but for rounding.

        Args:
            seen: A path.
            expected: The path that it should equal.
            what: What `seen` is, for the message.
            twin: What `expected` is, for the message.
            tolerance: How far they may differ, always or after each step; the measured tolerance if
                None.

        Raises:
            CheckFailed: If they differ; it names the first step and variable.
        """
        tolerance = tolerance or self.tolerance
        allowed = tolerance if isinstance(tolerance, list) else [tolerance] * len(seen)
        for t, (one, other, tolerance) in enumerate(zip(seen, expected, allowed, strict=True), 1):
            for i, (w, w_expected) in enumerate(zip(one, other, strict=True)):
                if not difference([[w]], [[w_expected]]) <= tolerance:
                    raise CheckFailed(
                        f"{what}, after step {t}, variable {i} (of shape {np.shape(w)}) is "
                        f"{difference([[w]], [[w_expected]]):.1e} away from {twin}",
                        f"at most {tolerance:.0e}",
                    )

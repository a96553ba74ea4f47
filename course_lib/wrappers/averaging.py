"""Averages: the mean of noisy iterates beats the last.

After every `every`-th update from `start` on (n counts the points; 1 / n if momentum is 1):

    share ← (1 − momentum) / (1 − momentumⁿ)
    average ← average + share · (w − average)

    averaging(rule, start=t0)             Polyak and Juditsky (1992), Ruppert (1988): the mean of
                                          all iterates
    averaging(rule, start=t0, every=k)    Izmailov et al. (2018), SWA, Algorithm 1: the mean of one
                                          iterate per cycle
    averaging(rule, momentum=0.99)        the exponential moving average (EMA), corrected for its
                                          start as Adam's m is

`averaging` does it for any NumPy rule, `Averaging` for any Keras optimizer.
"""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from ..arguments import number, whole_number
from .base import Wrapper, refuse_what_averages_by_itself


def check_averaging(momentum: float, start: int, every: int) -> None:
    """Check the three numbers that make an average.

    Args:
        momentum: How much the point before counts, beside the newest.
        start: After how many updates averaging begins.
        every: Of how many updates one is averaged.

    Raises:
        ValueError: If `momentum` is not a number from 0 to 1, `start` not a whole number of 0 or
            more, or `every` not one above 0.
    """
    number(
        "momentum",
        momentum,
        "a number from 0 to 1",
        lambda x: 0 <= x <= 1,
        "With 1 all iterates count alike, with 0 only the last one counts.",
    )
    whole_number("start", start, 0, "Both `start` and `every` count updates.")
    whole_number("every", every, 1, "Both `start` and `every` count updates.")


def share_of_the_newest(n: int, momentum: float) -> float:
    """Compute which part of the way the average goes to its n-th point.

    With momentum 1 all points count alike. Below 1, the point before the last counts momentum
    times as much as the last, the one before that momentum², and so on.

    Args:
        n: How many points there are, the newest included.
        momentum: From 0 to 1.

    Returns:
        A number above 0 and at most 1.

    Example:
        >>> share_of_the_newest(4, momentum=1)
        0.25
        >>> share_of_the_newest(1, momentum=0.5)
        1.0
    """
    return 1 / n if momentum == 1 else (1 - momentum) / (1 - momentum**n)


def averaging(rule: Any, momentum: float = 1.0, start: int = 0, every: int = 1) -> SimpleNamespace:
    """Make the same rule with an average of its iterates beside it; w takes the same path.

    The state is a value: {"average", "count", "updates", "rule": the rule's own state}. Inputs are
    not changed. NB: Izmailov et al. count the weights of step `start` as the first point; begin
    one cycle earlier for that.

    Args:
        rule: Anything with `init(w, **hyper)` and `step(w, g, state, **hyper)`: a Rule of RULES,
            or another wrapper.
        momentum: 1 for the plain mean. Below 1, 0.99 say, old iterates fade, and the beginning has
            no part in it.
        start: After how many steps averaging begins. Until then the average is w.
        every: Of how many iterates one is averaged, the last of them.

    Returns:
        `init` and `step` of the same form.

    Raises:
        ValueError: For a momentum, start or every out of range.

    Example:
        >>> from course_lib.optimizers import RULES
        >>> rule = averaging(RULES["sgd"])
        >>> w, state = 8.0, rule.init(8.0, learning_rate=0.5)
        >>> for _ in range(2):  # 8, 4, 2
        ...     w, state = rule.step(w, w, state, learning_rate=0.5)
        >>> float(state["average"])
        3.0
    """
    check_averaging(momentum, start, every)

    def init(w, **hyper):
        return {"average": np.array(w), "count": 0, "updates": 0, "rule": rule.init(w, **hyper)}

    def step(w, g, state, **hyper):
        average, count, updates = state["average"], state["count"], state["updates"] + 1
        w, inner = rule.step(w, g, state["rule"], **hyper)
        if count == 0:
            average = np.array(w)
        if updates > start and (updates - start) % every == 0:
            count = count + 1
            average = average + share_of_the_newest(count, momentum) * (w - average)
        return w, {"average": average, "count": count, "updates": updates, "rule": inner}

    return SimpleNamespace(init=init, step=step)


@keras.saving.register_keras_serializable("course_lib")
class Averaging(Wrapper):
    """Any Keras optimizer, with an average of the weights beside it; training stays the same.

    Updates are counted, not calls: where the inner optimizer accumulates gradients, its
    `iterations` says whether it has moved.

    `compile` accepts the wrapper. The model holds the last weights, in `evaluate`, in `save` and at
    the end of `fit` too. With `at_average(model)` it holds their average. The average is one more
    variable per weight, of its shape and dtype, but in float32 for float16 and bfloat16 weights. A
    `.keras` file keeps it with both counts: a saved run continues exactly.

    Constraints are not applied to the average (that of unit vectors is shorter than 1). What batch
    normalization has counted belongs to the last weights, not to the average;
    `at_average(model, batchnorm=x)` counts again.

    It works on TensorFlow (eager, in a graph, under XLA, on the replicas of tf.distribute), JAX
    and PyTorch. Polyak and Juditsky (1992), Ruppert (1988); Izmailov et al. (2018).

    NB: Keras's use_ema gives the first iterate the part momentumⁿ⁻¹, and not
        (1 − momentum) · momentumⁿ⁻¹ / (1 − momentumⁿ): its average is
        (1 − momentumⁿ) · ours + momentumⁿ · w₁.

    Args:
        optimizer: The keras.Optimizer that steps.
        momentum: 1 for the plain mean (Polyak and Ruppert; SWA). Below 1 for an exponential moving
            average.
        start: After how many updates averaging begins. Until then the average is the weights.
        every: Of how many updates one is averaged, the last of them: a cycle's length for SWA.
        name: The name of the wrapper.

    Raises:
        TypeError: If `optimizer` is not a keras.Optimizer.
        ValueError: For a momentum, start or every out of range, and as Wrapper does.
        NotImplementedError: For ScheduleFreeAdamW, which averages by itself, and as Wrapper does.

    Example:
        >>> optimizer = Averaging(keras.optimizers.SGD(0.5))
        >>> w = keras.Variable(8.0)
        >>> for _ in range(2):  # 8, 4, 2
        ...     optimizer.apply([ops.copy(w)], [w])
        >>> float(optimizer.average[0])
        3.0
    """

    arguments = ("momentum", "start", "every")

    def __init__(
        self,
        optimizer: keras.Optimizer,
        momentum: float = 1.0,
        start: int = 0,
        every: int = 1,
        name: str = "averaging",
    ):
        check_averaging(momentum, start, every)
        super().__init__(optimizer, name)
        refuse_what_averages_by_itself(optimizer, "Averaging")
        self.momentum, self.start, self.every = float(momentum), int(start), int(every)

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Make the averages, both counts and the inner optimizer's variables.

        Args:
            variables: The weights that will be trained.
        """
        if self.built:
            return
        super().build(variables)
        self.average = self.add_averages(variables, "average")
        self.count = self.add_variable((), dtype="int", name="count")
        self.updates = self.add_variable((), dtype="int", name="updates")

    def step(self, grads: Sequence[Any], variables: list[keras.Variable]) -> None:
        """Let the inner optimizer step, and move the average if the update counts.

        Args:
            grads: One gradient per variable.
            variables: The weights, in the same order.
        """
        value = ops.convert_to_tensor  # NB: JAX's where takes no keras.Variable
        moved = ops.cast(self.inner_moves(grads, variables), self.updates.dtype)
        first, count, updates = value(self.count) == 0, value(self.count), self.updates + moved
        due = (updates > self.start) & ((updates - self.start) % self.every == 0) & (moved == 1)
        count = count + ops.cast(due, count.dtype)
        for average, w in zip(self.average, self._trainable_variables, strict=True):
            w = ops.cast(w, average.dtype)
            before = ops.where(first, w, value(average))
            n = ops.cast(ops.where(due, count, ops.ones_like(count)), average.dtype)
            after = before + self._share_of_the_newest(n) * (w - before)
            self.assign(average, ops.where(due, after, before))
        self.assign(self.count, count)
        self.assign(self.updates, updates)

    def _share_of_the_newest(self, n):
        # NB: in float32, 1 − momentumⁿ loses its digits near momentum 1: 0 for 0.99999999, and
        # the average was NaN. expm1 keeps them.
        if self.momentum in (0, 1):
            return 1 / n if self.momentum else ops.ones_like(n)
        return (1 - self.momentum) / -ops.expm1(n * math.log(self.momentum))

    def averages(self) -> list[tuple[keras.Variable, Any]]:
        """Return each weight with its average; before the first update, with itself."""
        begun = ops.convert_to_numpy(self.updates) > 0
        pairs = zip(self._trainable_variables, self.average, strict=True)
        return [(w, average if begun else w) for w, average in pairs]

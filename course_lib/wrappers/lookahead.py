"""Lookahead: slow weights follow fast ones, a part of the way after every few steps.

Every `steps` steps:

    slow ← slow + alpha · (w − slow)
    w ← slow

Zhang, Lucas, Hinton and Ba (2019), Lookahead Optimizer: k steps forward, 1 step back, Algorithm 1.
`lookahead` does it for any NumPy rule, `Lookahead` for any Keras optimizer.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from ..arguments import number, whole_number
from .base import Wrapper, accumulation_dtype, refuse_what_averages_by_itself


def check_steps_and_alpha(steps: int, alpha: float) -> None:
    """Check the two numbers of Lookahead.

    Args:
        steps: How many fast steps there are between two slow ones.
        alpha: Which part of the way the slow weights go.

    Raises:
        ValueError: If `steps` is not a whole number above 0, or `alpha` not a number above 0 and
            at most 1.
    """
    whole_number(
        "steps", steps, because="It says after how many fast steps the slow weights follow."
    )
    number(
        "alpha",
        alpha,
        "a number above 0 and at most 1",
        lambda x: 0 < x <= 1,
        "It says which part of the way the slow weights go; with 1 they go all of it.",
    )


def lookahead(rule: Any, steps: int, alpha: float) -> SimpleNamespace:
    """Make the same rule, pulled back every `steps` steps towards where it stood before them.

    The state is a value: {"slow", "count", "rule": the rule's own state, which is kept when w is
    pulled back}. Inputs are not changed.

    Args:
        rule: Anything with `init(w, **hyper)` and `step(w, g, state, **hyper)`: a Rule of RULES,
            or another wrapper.
        steps: How many fast steps there are between two slow ones.
        alpha: Which part of the way the slow weights go: above 0, at most 1. With 1 nothing is
            changed.

    Returns:
        `init` and `step` of the same form.

    Raises:
        ValueError: For other steps and alpha.

    Example:
        >>> from course_lib.optimizers import RULES
        >>> ahead = lookahead(RULES["sgd"], steps=2, alpha=0.25)
        >>> w, state = 8.0, ahead.init(8.0, learning_rate=0.5)
        >>> for _ in range(2):  # 8, 4, 2, and back: a quarter of the way from 8 to 2
        ...     w, state = ahead.step(w, w, state, learning_rate=0.5)
        >>> float(w)
        6.5
    """
    check_steps_and_alpha(steps, alpha)

    def init(w, **hyper):
        return {"slow": np.array(w), "count": 0, "rule": rule.init(w, **hyper)}

    def step(w, g, state, **hyper):
        slow, count = state["slow"], state["count"] + 1
        w, inner = rule.step(w, g, state["rule"], **hyper)
        if count == steps:
            slow = slow + alpha * (w - slow)
            w, count = slow, 0
        return w, {"slow": slow, "count": count, "rule": inner}

    return SimpleNamespace(init=init, step=step)


@keras.saving.register_keras_serializable("course_lib")
class Lookahead(Wrapper):
    """Any Keras optimizer, pulled back every `steps` updates towards where it stood before them.

    The inner optimizer makes the fast steps. Its learning rate, schedule, weight decay, clipping,
    constraints, EMA and `iterations` are its own, and its state is kept when the weights are
    pulled back. `steps` counts updates, not calls: where the inner optimizer accumulates gradients
    (Keras's own way, or a SoftBatch inside), its `iterations` says whether it has moved.

    `compile` accepts the wrapper. The slow weights are one more variable per weight, of its shape
    and dtype. A `.keras` file keeps them with the count, and a run saved between two slow steps
    continues exactly. They are read from w when a cycle begins (after a slow step the two are
    equal). So weights that were loaded before it are not pulled back to older ones. For float16
    and bfloat16 weights, the way between slow and fast weights is computed in float32.

    A constraint is applied once more after a slow step. Between slow steps, also in `evaluate`
    and at the end of `fit`, the model holds the fast weights. A `fire()` called by hand on a
    SoftBatch inside is not seen; put the SoftBatch outside.

    It works on TensorFlow (eager, in a graph, under XLA, on the replicas of tf.distribute), JAX
    and PyTorch. Zhang, Lucas, Hinton and Ba (2019), Algorithm 1.

    Args:
        optimizer: The keras.Optimizer that makes the fast steps.
        steps: How many updates there are between two slow steps.
        alpha: Which part of the way the slow weights go: above 0, at most 1.
        name: The name of the wrapper.

    Raises:
        TypeError: If `optimizer` is not a keras.Optimizer.
        ValueError: For other steps and alpha, and as Wrapper does.
        NotImplementedError: For ScheduleFreeAdamW, which keeps positions of its own that would
            not be pulled back, and as Wrapper does.

    Example:
        >>> optimizer = Lookahead(keras.optimizers.SGD(0.5), steps=2, alpha=0.25)
        >>> w = keras.Variable(8.0)
        >>> for _ in range(2):
        ...     optimizer.apply([ops.copy(w)], [w])
        >>> float(w)
        6.5
    """

    arguments = ("steps", "alpha")

    def __init__(
        self,
        optimizer: keras.Optimizer,
        steps: int = 5,
        alpha: float = 0.5,
        name: str = "lookahead",
    ):
        check_steps_and_alpha(steps, alpha)
        super().__init__(optimizer, name)
        refuse_what_averages_by_itself(optimizer, "Lookahead")
        self.steps, self.alpha = int(steps), float(alpha)

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Make the slow weights, the count and the inner optimizer's variables.

        Args:
            variables: The weights that will be trained.
        """
        if self.built:
            return
        super().build(variables)
        self.slow = self.add_optimizer_variables(variables, "slow")
        self.count = self.add_variable((), dtype="int", name="count")

    def step(self, grads: Sequence[Any], variables: list[keras.Variable]) -> None:
        """Make a fast step; after every `steps` updates, a slow one.

        Args:
            grads: One gradient per variable.
            variables: The weights, in the same order.
        """
        pairs = list(zip(self.slow, self._trainable_variables, strict=True))
        value = ops.convert_to_tensor  # NB: JAX's where takes no keras.Variable
        for slow, w in pairs:
            self.assign(slow, ops.where(value(self.count) == 0, value(w), value(slow)))
        moved = self.inner_moves(grads, variables)
        count = value(self.count) + ops.cast(moved, self.count.dtype)
        due = count >= self.steps
        for slow, w in pairs:
            # NB: in float16 the way from -60,000 to 60,000 overflows, though both ends do not
            start, end = (ops.cast(v, accumulation_dtype(w.dtype)) for v in (slow, w))
            between = ops.cast(start + self.alpha * (end - start), w.dtype)
            if w.constraint is not None:
                between = w.constraint(between)
            self.assign(w, ops.where(due, between, value(w)))
        self.assign(self.count, ops.where(due, ops.zeros_like(count), count))

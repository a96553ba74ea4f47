"""The exercises of notebook 12, soft batches."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, pair, same, unchanged


@exercise("12.1")
def gradient_of_all(answer):
    examples = np.array([[1.0, -2.0], [3.0, 0.5], [8.0, 4.0], [-2.0, 1.0], [0.25, 6.0]])
    for sizes in ([4, 1], [1, 2, 2], [5]):
        parts = np.split(examples, np.cumsum(sizes)[:-1])
        gradients = [part.mean(axis=0) for part in parts]
        seen = numbers(
            ask(answer, [g.copy() for g in gradients], list(sizes)), (2,), "the gradient"
        )
        expected = examples.mean(axis=0)
        if np.allclose(seen, expected):
            continue
        if np.allclose(seen, np.mean(gradients, axis=0)):
            raise NotYet(
                f"that is the mean of the means: in groups of {sizes} it counts each example of a "
                "small group more than one of a large group"
            )
        if np.allclose(seen, examples.sum(axis=0)):
            raise NotYet("that is the sum over all examples: the large batch takes their mean")
        raise NotYet(
            f"for groups of {sizes} the large batch's gradient is {expected}; it says "
            f"{seen.round(3)}"
        )


@exercise("12.2")
def repaired_recipe(answer):
    steps, learning_rate, targets = 3, 0.25, [1.0, 2.0, 6.0, -1.0, 0.0, 4.0, 8.0, 1.0, 0.0]
    w = large = np.array([0.0, 4.0])
    state = {"sum": np.zeros(2), "iterations": 0}
    for i, target in enumerate(targets, 1):
        g = w - target
        given = {"sum": state["sum"].copy(), "iterations": state["iterations"]}
        hyper = dict(learning_rate=learning_rate, steps_per_update=steps)
        new = pair(ask(answer, w.copy(), g, state, **hyper), "w and the new state")
        unchanged(state, given, "state")
        seen = numbers(new[0], (2,), "w")
        if not isinstance(new[1], dict) or set(new[1]) != {"sum", "iterations"}:
            raise NotYet('the new state should be {"sum": ..., "iterations": ...}')
        if i % steps:
            same(seen, w, f"with {steps} to an update, the weights moved after micro-batch {i}")
        else:
            before, large = large, large - learning_rate * (large - np.mean(targets[i - steps : i]))
            if np.allclose(seen, before):
                raise NotYet(
                    f"after micro-batch {i} it has not moved: it is late, and the next gradient "
                    "will be stale"
                )
            if np.allclose(seen - before, steps * (large - before)):
                raise NotYet(
                    f"it steps {steps} times too far: the large batch takes the mean of the "
                    "gradients"
                )
            if i > steps:
                same(
                    seen,
                    large,
                    f"the first update is right, the one at {i} is not: is the sum emptied?",
                )
            same(seen, large, f"after micro-batch {i} it should be the large batch's step")
        w, state = (
            seen,
            {"sum": _sum_of(new[1]["sum"]), "iterations": new[1]["iterations"]},
        )


def _sum_of(total):
    """The sum, of the weights' shape; one number, such as 0, stands for all of them."""
    return numbers(np.full(2, total) if np.ndim(total) == 0 else total, (2,), "the sum").copy()

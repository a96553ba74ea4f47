"""The exercises of notebook 03, mini-batches and noise."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, short


@exercise("03.1")
def batches(answer):
    seen = ask(answer, 10, 4, np.random.default_rng(0))
    try:
        parts = [np.asarray(part) for part in seen]
        every = np.concatenate(parts)
    except (TypeError, ValueError):
        raise NotYet(
            f"it should return index arrays, one a batch; it returned {short(seen)}"
        ) from None
    if any(len(part) > 4 for part in parts):
        raise NotYet(f"a batch of 4 has {max(map(len, parts))} examples")
    if len(every) < 10:
        raise NotYet(f"10 examples, but only {len(every)} were used: what about the remainder?")
    if sorted(every.tolist()) != list(range(10)):
        raise NotYet("in one epoch every example has its turn exactly once")
    if every.tolist() == list(range(10)):
        raise NotYet("the order is 0, 1, 2, ...: shuffle with the rng")
    again = np.concatenate([np.asarray(p) for p in ask(answer, 10, 4, np.random.default_rng(0))])
    if every.tolist() != again.tolist():
        raise NotYet("the same rng seed gave another order: draw from the rng that you are given")


@exercise("03.2")
def steps_taken(answer):
    for examples, batch_size, epochs, steps in [
        (1000, 100, 3, 30),
        (1437, 128, 30, 360),
        (5, 8, 2, 2),
    ]:
        seen = numbers(ask(answer, examples, batch_size, epochs), (), "the number of steps")
        if seen != steps:
            hint = (
                "the last, smaller batch is a step too" if seen < steps else "count one epoch first"
            )
            asked = f"{examples} examples in batches of {batch_size}, {epochs} epochs"
            raise NotYet(f"{asked}: it says {seen:g}; {hint}")

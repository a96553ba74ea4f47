"""The exercises of notebook 07, RMSprop and Adadelta."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, pair, same, short, unchanged

GRADIENTS = np.array([[4.0, 1.0], [-0.5, 0.25], [0.125, -1.0]])


@exercise("07.1")
def torch_rmsprop_step(answer):
    w, s, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for g, learning_rate in zip(GRADIENTS, (0.125, 0.5, 0.25), strict=True):
        hyper = dict(learning_rate=learning_rate, rho=0.75, momentum=0.5, epsilon=0.25)
        state = {"s": s.copy(), "v": v.copy()}
        new = pair(ask(answer, w.copy(), g.copy(), state, **hyper), "w and the new state")
        unchanged(state, {"s": s, "v": v}, "state")
        seen, seen_s, seen_v = _entries(new, "s", "v")
        s = 0.75 * s + 0.25 * g**2
        same(seen_s, s, "s should be rho · s + (1 − rho) · g²")
        beside, under = g / (np.sqrt(s) + 0.25), g / np.sqrt(s + 0.25)
        if any(
            np.allclose(np.abs(seen_v), np.abs(0.5 * v + by * under)) for by in (1, learning_rate)
        ):
            raise NotYet("epsilon still stands under the root: put it beside")
        if np.allclose(np.abs(seen_v), np.abs(0.5 * v + learning_rate * beside)):
            raise NotYet("the velocity holds the learning rate: leave it out until w moves")
        if np.allclose(seen_v, -(0.5 * v + beside)):
            raise NotYet("PyTorch's v points uphill, as g does: the minus stands where w moves")
        v = 0.5 * v + beside
        same(seen_v, v, "v should be momentum · v + g / (√(s) + epsilon), with the new s")
        same(seen, w - learning_rate * v, "w should move by learning_rate · the new v, downhill")
        w = w - learning_rate * v


@exercise("07.2")
def rmsprop_step_with_a_warm_start(answer):
    w, s = np.array([1.0, -2.0]), np.zeros(2)
    for t, g in enumerate(GRADIENTS, 1):
        state = {"s": s.copy(), "t": t - 1}
        hyper = dict(learning_rate=0.125, rho=0.75, epsilon=0.25)
        new = pair(ask(answer, w.copy(), g.copy(), state, **hyper), "w and the new state")
        unchanged(state, {"s": s, "t": t - 1}, "state")
        seen, seen_s, seen_t = _entries(new, "s", "t")
        if seen_t != t:
            raise NotYet(f"after step {t} the new t should be {t}; it is {seen_t:g}")
        s = 0.75 * s + 0.25 * g**2
        if np.allclose(seen_s, s / (1 - 0.75**t)):
            raise NotYet("keep the undivided s: the divided one would be divided again")
        same(seen_s, s, "s should be rho · s + (1 − rho) · g²")
        if np.allclose(seen, w - 0.125 * g / (np.sqrt(s) + 0.25)):
            raise NotYet("s was used as it is: divide it by what its weights sum to")
        if t > 1 and np.allclose(seen, w - 0.125 * g / (np.sqrt(s / (1 - 0.75)) + 0.25)):
            raise NotYet("the weights sum to 1 − rhoᵗ, which grows with t, not to 1 − rho")
        if np.allclose(seen, w - 0.125 * g / np.sqrt(s / (1 - 0.75**t) + 0.25)):
            raise NotYet("epsilon should stand beside the root")
        w = w - 0.125 * g / (np.sqrt(s / (1 - 0.75**t)) + 0.25)
        same(seen, w, "divide g by √(s / (1 − rhoᵗ)) + epsilon, with the new s and the new t")


@exercise("07.3")
def steps_until_recovered(answer):
    for rho, ratio in [(0.75, 3.0), (0.9, 100.0), (0.95, 10.0), (0.99, 4.0)]:
        seen = numbers(ask(answer, rho, ratio), (), "the number of steps")
        s, wanted = ratio**2, 0
        while s > 4:  # the step is 1 / √s learning rates
            s, wanted = rho * s + (1 - rho), wanted + 1
        asked = f"for rho = {rho:g} and a ratio of {ratio:g} it says {seen:g}"
        if seen != round(float(seen)):
            raise NotYet(f"{asked}: the first step at which it holds is a whole number")
        if seen == wanted - 1:
            raise NotYet(f"{asked}, one too few: at that step it is not yet half a learning rate")
        if seen == round(1 / (1 - rho)) != wanted:
            raise NotYet(f"{asked}, the length of the memory: s has further to fade than that")
        if seen != wanted:
            raise NotYet(f"{asked}; count with s = ratio² at the start and gradients of 1")


def _entries(new, *names):
    """The new w, and those entries of the new state."""
    w, state = new
    if not isinstance(state, dict) or not set(names) <= set(state):
        wanted = ", ".join(f'"{name}": ...' for name in names)
        raise NotYet(f"the new state should be {{{wanted}}}; it is {short(state)}")
    shapes = {name: () if name == "t" else (2,) for name in names}
    found = [
        numbers(state[name], shape, f'the new state["{name}"]') for name, shape in shapes.items()
    ]
    return numbers(w, (2,), "w"), *found

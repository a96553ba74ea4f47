"""The exercises of notebook 05, momentum and Nesterov."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, pair, same, unchanged


@exercise("05.1")
def torch_momentum_step(answer):
    w, state = np.array([1.0, -2.0]), {"v": np.zeros(2)}
    v = np.zeros(2)
    for g, learning_rate in [([4.0, 1.0], 0.125), ([-2.0, 0.5], 0.125), ([1.0, 1.0], 0.5)]:
        g = np.array(g)
        before = v.copy()
        v = 0.5 * v + g
        expected = w - learning_rate * v
        new = pair(
            ask(answer, w, g, state, learning_rate=learning_rate, momentum=0.5),
            "w and the new state",
        )
        seen = numbers(new[0], (2,), "the new w")
        unchanged(state, {"v": before}, "state")
        if not isinstance(new[1], dict) or "v" not in new[1]:
            raise NotYet('the new state should be {"v": ...}')
        seen_v = numbers(new[1]["v"], (2,), 'the new state["v"]')
        if np.allclose(seen_v, 0.5 * before - learning_rate * g) and not np.allclose(seen_v, v):
            raise NotYet("that v holds the learning rate, as Keras's does; here it stays outside")
        same(seen_v, v, "v should be momentum times the old v, plus g")
        same(seen, expected, "w should move against v, by the learning rate")
        w, state = expected, {"v": v.copy()}


@exercise("05.2")
def look_ahead_step(answer):
    asked = []

    def gradient(w):
        asked.append(np.array(w))
        return np.array([1.0, 16.0]) * w

    w, v = np.array([-4.0, 2.0]), np.array([0.5, -1.0])
    new = pair(
        ask(answer, gradient, w.copy(), v.copy(), learning_rate=0.0625, momentum=0.5), "w and v"
    )
    if not asked:
        raise NotYet("it never asked for the gradient")
    if len(asked) > 1:
        raise NotYet(f"it asked for the gradient {len(asked)} times: once is enough")
    if np.allclose(asked[0], w):
        raise NotYet("it asked for the gradient at w: look where the velocity will take you")
    same(asked[0], w + 0.5 * v, "the look-ahead point is w + momentum · v")
    expected = 0.5 * v - 0.0625 * np.array([1.0, 16.0]) * (w + 0.5 * v)
    same(
        numbers(new[1], (2,), "v"),
        expected,
        "v should be momentum · v minus the learning rate times that gradient",
    )
    same(
        numbers(new[0], (2,), "w"),
        w + expected,
        "start from w, not from the look-ahead point, and add the new v",
    )

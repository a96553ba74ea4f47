"""The exercises of notebook 14, where the second gradient is taken."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, same, short, unchanged


@exercise("14.1")
def extragradient_step(answer):
    turn = np.array([[0.5, 1.0], [-1.0, 0.25]])
    w, asked = np.array([3.0, 1.0]), []

    def gradient(place):
        asked.append(np.array(place))
        return turn @ place

    handed = w.copy()
    new = numbers(ask(answer, gradient, handed, 0.5), (2,), "the new w")
    unchanged(handed, w, "w")
    if len(asked) != 2:
        raise NotYet(f"it asked for {len(asked)} gradients: two looks a step")
    probe = w - 0.5 * turn @ w
    same(asked[0], w, "the first look should be at w")
    same(asked[1], probe, "the second look should be one plain step away")
    if np.allclose(new, probe - 0.5 * turn @ probe):
        raise NotYet("that is two plain steps: step from w, not from where you looked")
    if np.allclose(new, w - 0.25 * (turn @ w + turn @ probe)):
        raise NotYet("that is Heun's mean: only the second gradient counts here")
    same(new, w - 0.5 * turn @ probe, "step from w, against the second gradient")


@exercise("14.2")
def sam_probe(answer):
    ws, gs = [np.array([1.0, 2.0]), np.array([[4.0]])], [np.array([2.0, 1.0]), np.array([[-2.0]])]
    kept = [w.copy() for w in ws]
    probe = _arrays(ask(answer, ws, gs, 0.75), ws)
    unchanged(ws, kept, "arrays", "return new ones")
    pairs = list(zip(ws, gs, strict=True))
    hints = {
        "each array has its own norm: SAM takes one norm over all together": [
            w + 0.75 * g / np.linalg.norm(g) for w, g in pairs
        ],
        "that is downhill: SAM looks where it is worse": [w - 0.25 * g for w, g in pairs],
        "the distance depends on the gradient's length: divide by its norm": [
            w + 0.75 * g for w, g in pairs
        ],
        "it divided by the squared norm: take the root": [w + 0.75 * g / 9 for w, g in pairs],
    }
    for hint, wrong in hints.items():
        if all(map(np.allclose, probe, wrong)):
            raise NotYet(hint)
    for seen, (w, g) in zip(probe, pairs, strict=True):
        same(seen, w + 0.25 * g, "each array should move by rho · g / (the norm of all gradients)")
    still = _arrays(ask(answer, ws, [0 * g for g in gs], 0.75), ws)
    for seen, w in zip(still, ws, strict=True):
        same(seen, w, "where the gradient is zero there is no uphill: stay at w, and make no nan")


def _arrays(answer, ws):
    if not isinstance(answer, list | tuple) or len(answer) != len(ws):
        raise NotYet(f"return a list of arrays, one for each of ws; it returned {short(answer)}")
    return [numbers(a, w.shape, "each array") for a, w in zip(answer, ws, strict=True)]

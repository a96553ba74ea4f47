"""The exercises of notebook 08, the Adam family."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, pair, same, unchanged

HYPER = dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625)
GRADIENTS = ([2.0, -0.5, 0.0], [-1.0, 0.25, 3.0], [0.5, 0.5, -1.0])


def _grade(answer, slot, start, slot_after, step, wrong_slots, wrong_steps, gradients=GRADIENTS):
    """Three steps of a rule of Adam's family, whose second slot has the letter `slot`.

    slot_after(g, m, s), step(m, s, t)    what is right: the new slot, and how far w moves
    wrong_slots, wrong_steps              {hint: the same, as it is often mistaken}
    """
    w, m, s = np.array([1.0, -2.0, 0.5]), np.zeros(3), np.full(3, start)
    state = {"m": m.copy(), slot: s.copy(), "t": 0}
    for t, g in enumerate(map(np.array, gradients), 1):
        given = {name: np.copy(value) for name, value in state.items()}
        new = pair(ask(answer, w.copy(), g, state, **HYPER), "w and the new state")
        unchanged(state, given, "state")
        if not isinstance(new[1], dict) or set(new[1]) != set(given):
            raise NotYet(f'the new state should be {{"m": ..., "{slot}": ..., "t": ...}}')
        seen_t = numbers(new[1]["t"], (), 'the new state["t"]')
        same(seen_t, t, f"after step {t} the state's t is {seen_t:g}: it counts the steps")
        before, m = m, 0.75 * m + 0.25 * g
        same(numbers(new[1]["m"], (3,), 'the new state["m"]'), m, "m should be as Adam's")
        seen = numbers(new[1][slot], (3,), f'the new state["{slot}"]')
        right = slot_after(g, m, s)
        for hint, wrong in wrong_slots.items():
            if np.allclose(seen, wrong(g, before, m, s)) and not np.allclose(seen, right):
                raise NotYet(hint)
        same(seen, right, f"{slot} is another: look at its line again")
        s, moved = right, w - numbers(new[0], (3,), "the new w")
        for hint, wrong in wrong_steps.items():
            if np.allclose(moved, wrong(m, s, t)) and not np.allclose(moved, step(m, s, t)):
                raise NotYet(hint)
        if np.allclose(moved, step(m, s, 1)) and t > 1:
            raise NotYet(f"in step {t} the bias is corrected as in step 1: use the t of this step")
        same(moved, step(m, s, t), "the state is right, and the step from it is not")
        w, state = w - step(m, s, t), {"m": m.copy(), slot: s.copy(), "t": t}


def _papers_step(m, s, t):
    return 0.125 * m / (1 - 0.75**t) / (np.sqrt(s / (1 - 0.875**t)) + 0.0625)


def _adams_v(g, m, v):
    return 0.875 * v + 0.125 * g**2


UNCORRECTED = {
    "the bias is not corrected: m and the other mean began at zero": lambda m, s, t: (
        0.125 * m / (np.sqrt(s) + 0.0625)
    ),
}


@exercise("08.1")
def adam_step_as_keras_writes_it(answer):
    def step(m, v, t):
        return 0.125 * np.sqrt(1 - 0.875**t) / (1 - 0.75**t) * m / (np.sqrt(v) + 0.0625)

    papers = {"that is the paper's form: here epsilon stands beside √(v)": _papers_step}
    _grade(answer, "v", 0.0, _adams_v, step, {}, papers | UNCORRECTED)


@exercise("08.2")
def yogi_step(answer):
    def slot_after(g, m, v):
        return v - np.sign(v - g**2) * 0.125 * g**2

    wrong = {
        "that is Adam's v: Yogi's moves by (1 − beta_2) · g², up or down": lambda g, _, m, v: (
            _adams_v(g, m, v)
        ),
        "v runs away from g²: turn the sign": lambda g, _, m, v: (
            v + np.sign(v - g**2) * 0.125 * g**2
        ),
        "the sign compares v with g², and you compared something else": lambda g, _, m, v: (
            v - np.sign(v - g) * 0.125 * g**2
        ),
    }
    # g² is a little above v once, so that a sign is a sign; never equal, where 0 is as good
    gradients = ([2.0, -0.5 - 2**-20, 0.0], *GRADIENTS[1:])
    _grade(answer, "v", 0.25, slot_after, _papers_step, wrong, UNCORRECTED, gradients)


@exercise("08.3")
def adabelief_step(answer):
    def slot_after(g, m, s):
        return 0.875 * s + 0.125 * (g - m) ** 2 + 0.0625

    wrong = {
        "that is Adam's v: s holds how far g is from m": lambda g, _, m, s: _adams_v(g, m, s),
        "epsilon stands twice: in s too": lambda g, _, m, s: 0.875 * s + 0.125 * (g - m) ** 2,
        "compare g with the m that this step has made": lambda g, old, m, s: (
            0.875 * s + 0.125 * (g - old) ** 2 + 0.0625
        ),
        "that is Adam's v, and epsilon": lambda g, _, m, s: _adams_v(g, m, s) + 0.0625,
    }
    _grade(answer, "s", 0.0, slot_after, _papers_step, wrong, UNCORRECTED)

"""Answers to the exercises of notebook 08: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES

import numpy as np

yogi_step = RULES["yogi"].numpy.step
adabelief_step = RULES["adabelief"].numpy.step


def adam_like(slot="v", second=None, last=None, count=1, momentum=None):
    """A step of Adam's family, one part of it replaced."""

    def step(w, g, state, *, learning_rate, beta_1, beta_2, epsilon):
        old, s, t = state["m"], state[slot], state["t"] + count
        m = momentum(old, g) if momentum else beta_1 * old + (1 - beta_1) * g
        s = second(g, old, m, s, beta_2, epsilon) if second else beta_2 * s + (1 - beta_2) * g**2
        if last:
            w = w - learning_rate * last(m, s, t, beta_1, beta_2, epsilon)
        else:
            root = np.sqrt(s / (1 - beta_2**t))
            w = w - learning_rate * m / (1 - beta_1**t) / (root + epsilon)
        return w, {"m": m, slot: s, "t": t}

    return step


def keras_form(m, v, t, b1, b2, epsilon):
    return np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + epsilon)


def yogi_v(g, old, m, v, b2, epsilon):
    return v - np.sign(v - g**2) * (1 - b2) * g**2


def belief(g, old, m, s, b2, epsilon):
    return b2 * s + (1 - b2) * (g - m) ** 2 + epsilon


def changes_its_state(w, g, state, **hyper):
    state["t"] += 1
    return w, state


def frozen(m, s, t, b1, b2, epsilon):
    return keras_form(m, s, 1, b1, b2, epsilon)


def uncorrected(m, s, t, b1, b2, epsilon):
    return m / (np.sqrt(s) + epsilon)


def yogi_v_with_where(g, old, m, v, b2, epsilon):
    return v + np.where(g**2 > v, 1, -1) * (1 - b2) * g**2


RIGHT = [
    ("08.1", adam_like(last=keras_form)),
    ("08.2", yogi_step),
    ("08.2", adam_like(second=yogi_v)),
    ("08.2", adam_like(second=yogi_v_with_where)),
    ("08.3", adabelief_step),
    ("08.3", adam_like("s", belief)),
]
WRONG = [
    ("08.1", RULES["adam"].numpy.step, "the paper's form"),
    ("08.1", adam_like(last=uncorrected), "not corrected"),
    ("08.1", adam_like(last=frozen), "as in step 1"),
    ("08.1", adam_like(last=keras_form, count=0), "counts the steps"),
    ("08.1", adam_like(last=keras_form, momentum=lambda m, g: 0.75 * m + g), "as Adam's"),
    ("08.1", adam_like(last=lambda m, *rest: m), "the step from it is not"),
    ("08.1", lambda w, g, state, **hyper: (w, {"m": w}), "the new state should be"),
    ("08.1", changes_its_state, "changed the state"),
    ("08.1", lambda w, g, state, **hyper: None, "returned None"),
    ("08.2", RULES["adam"].numpy.step, "Adam's v"),
    ("08.2", adam_like(second=lambda g, o, m, v, b2, e: 2 * v - yogi_v(g, o, m, v, b2, e)), "turn"),
    (
        "08.2",
        adam_like(second=lambda g, o, m, v, b2, e: v - np.sign(v - g) * (1 - b2) * g**2),
        "something else",
    ),
    ("08.2", adam_like(second=lambda g, o, m, v, b2, e: v), "look at its line"),
    (
        "08.2",
        adam_like(second=lambda g, o, m, v, b2, e: v - np.tanh(1e4 * (v - g**2)) * (1 - b2) * g**2),
        "look at its line",
    ),
    ("08.2", adam_like(second=yogi_v, last=uncorrected), "not corrected"),
    (
        "08.2",
        adam_like(
            second=yogi_v,
            last=lambda m, v, t, b1, b2, e: m / (1 - b1) / (np.sqrt(v / (1 - b2)) + e),
        ),
        "as in step 1",
    ),
    ("08.3", adam_like("s"), "how far g is from m"),
    ("08.3", adam_like("s", lambda g, o, m, s, b2, e: belief(g, o, m, s, b2, 0)), "twice"),
    ("08.3", adam_like("s", lambda g, o, m, s, b2, e: belief(g, o, o, s, b2, e)), "this step"),
    ("08.3", adam_like("s", belief, uncorrected), "not corrected"),
    ("08.3", RULES["adam"].numpy.step, "KeyError"),
]

"""Answers to the exercises of notebook 07: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401

import numpy as np


def torch_rmsprop_step(w, g, state, *, learning_rate, rho, momentum, epsilon):
    s = rho * state["s"] + (1 - rho) * g**2
    v = momentum * state["v"] + g / (np.sqrt(s) + epsilon)
    return w - learning_rate * v, {"s": s, "v": v}


def as_keras_writes_it(w, g, state, *, learning_rate, rho, momentum, epsilon):
    s = rho * state["s"] + (1 - rho) * g**2
    v = momentum * state["v"] - learning_rate * g / np.sqrt(s + epsilon)
    return w + v, {"s": s, "v": v}


def under_the_root(w, g, state, *, learning_rate, rho, momentum, epsilon):
    s = rho * state["s"] + (1 - rho) * g**2
    v = momentum * state["v"] + g / np.sqrt(s + epsilon)
    return w - learning_rate * v, {"s": s, "v": v}


def rate_inside(w, g, state, *, learning_rate, rho, momentum, epsilon):
    s = rho * state["s"] + (1 - rho) * g**2
    v = momentum * state["v"] - learning_rate * g / (np.sqrt(s) + epsilon)
    return w + v, {"s": s, "v": v}


def downhill(w, g, state, *, learning_rate, rho, momentum, epsilon):
    s = rho * state["s"] + (1 - rho) * g**2
    v = momentum * state["v"] - g / (np.sqrt(s) + epsilon)
    return w + learning_rate * v, {"s": s, "v": v}


def a_sum(w, g, state, *, learning_rate, rho, momentum, epsilon):
    s = state["s"] + g**2
    v = momentum * state["v"] + g / (np.sqrt(s) + epsilon)
    return w - learning_rate * v, {"s": s, "v": v}


def old_mean(w, g, state, *, learning_rate, rho, momentum, epsilon):
    v = momentum * state["v"] + g / (np.sqrt(state["s"]) + epsilon)
    s = rho * state["s"] + (1 - rho) * g**2
    return w - learning_rate * v, {"s": s, "v": v}


def old_velocity(w, g, state, *, learning_rate, rho, momentum, epsilon):
    new, state_after = torch_rmsprop_step(
        w, g, state, learning_rate=learning_rate, rho=rho, momentum=momentum, epsilon=epsilon
    )
    return w - learning_rate * state["v"], state_after


def in_place(w, g, state, *, learning_rate, rho, momentum, epsilon):
    state["s"] *= rho
    state["s"] += (1 - rho) * g**2
    return w, state


def warm(w, g, state, *, learning_rate, rho, epsilon):
    s, t = rho * state["s"] + (1 - rho) * g**2, state["t"] + 1
    return w - learning_rate * g / (np.sqrt(s / (1 - rho**t)) + epsilon), {"s": s, "t": t}


def cold(w, g, state, *, learning_rate, rho, epsilon):
    s, t = rho * state["s"] + (1 - rho) * g**2, state["t"] + 1
    return w - learning_rate * g / (np.sqrt(s) + epsilon), {"s": s, "t": t}


def corrected_twice(w, g, state, *, learning_rate, rho, epsilon):
    t = state["t"] + 1
    s = (rho * state["s"] + (1 - rho) * g**2) / (1 - rho**t)
    return w - learning_rate * g / (np.sqrt(s) + epsilon), {"s": s, "t": t}


def always_the_first(w, g, state, *, learning_rate, rho, epsilon):
    s, t = rho * state["s"] + (1 - rho) * g**2, state["t"] + 1
    return w - learning_rate * g / (np.sqrt(s / (1 - rho)) + epsilon), {"s": s, "t": t}


def warm_under_the_root(w, g, state, *, learning_rate, rho, epsilon):
    s, t = rho * state["s"] + (1 - rho) * g**2, state["t"] + 1
    return w - learning_rate * g / np.sqrt(s / (1 - rho**t) + epsilon), {"s": s, "t": t}


def frozen_t(w, g, state, *, learning_rate, rho, epsilon):
    new, after = warm(w, g, state, learning_rate=learning_rate, rho=rho, epsilon=epsilon)
    return new, {**after, "t": state["t"]}


def counted(rho, ratio):
    s, k = ratio**2, 0
    while s > 4:
        s, k = rho * s + (1 - rho), k + 1
    return k


def computed(rho, ratio):
    return np.ceil(np.log((ratio**2 - 1) / 3) / np.log(1 / rho))


RIGHT = [
    ("07.1", torch_rmsprop_step),
    ("07.2", warm),
    ("07.3", counted),
    ("07.3", computed),
]
WRONG = [
    ("07.1", as_keras_writes_it, "epsilon still stands under the root"),
    ("07.1", under_the_root, "epsilon still stands under the root"),
    ("07.1", rate_inside, "holds the learning rate"),
    ("07.1", downhill, "uphill"),
    ("07.1", a_sum, "s should be rho · s"),
    ("07.1", old_mean, "with the new s"),
    ("07.1", old_velocity, "the new v, downhill"),
    ("07.1", in_place, "changed the state"),
    ("07.1", lambda w, g, state, **hyper: (w, {"s": w}), 'should be {"s": ..., "v": ...}'),
    ("07.1", lambda w, g, state, **hyper: w, "return two things"),
    ("07.2", cold, "used as it is"),
    ("07.2", corrected_twice, "keep the undivided s"),
    ("07.2", always_the_first, "not to 1 − rho"),
    ("07.2", warm_under_the_root, "beside the root"),
    ("07.2", frozen_t, "new t should be 1"),
    ("07.2", lambda w, g, state, **hyper: None, "returned None"),
    ("07.3", lambda rho, ratio: counted(rho, ratio) - 1, "one too few"),
    ("07.3", lambda rho, ratio: round(1 / (1 - rho)), "the length of the memory"),
    ("07.3", lambda rho, ratio: np.log((ratio**2 - 1) / 3) / np.log(1 / rho), "whole number"),
    ("07.3", lambda rho, ratio: counted(rho, np.sqrt(ratio)), "count with s = ratio²"),
    ("07.3", lambda rho, ratio: "many", "should be numbers"),
]

"""Answers to the exercises of notebook 13: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401
from course_lib.two_gradients import HEUN, MIDPOINT, Tableau


def kutta():
    return Tableau(a=((), (0.5,), (-1, 2)), b=(1 / 6, 2 / 3, 1 / 6))


def heuns_third():
    return Tableau(a=((), (1 / 3,), (0, 2 / 3)), b=(1 / 4, 0, 3 / 4))


def heun_momentum_step(gradient, w, state, *, learning_rate, momentum):
    g = gradient(w)
    g = (g + gradient(w - learning_rate * g)) / 2
    v = momentum * state["v"] - learning_rate * g
    return w + v, {"v": v}


def twice(gradient, w, state, *, learning_rate, momentum):
    v, g = state["v"], gradient(w)
    v = momentum * v - learning_rate * g
    v = momentum * v - learning_rate * gradient(w - learning_rate * g)
    return w + v, {"v": v}


def along_the_velocity(gradient, w, state, *, learning_rate, momentum):
    v, g = state["v"], gradient(w)
    g = (g + gradient(w + momentum * v - learning_rate * g)) / 2
    v = momentum * v - learning_rate * g
    return w + v, {"v": v}


def second_only(gradient, w, state, *, learning_rate, momentum):
    g = gradient(w - learning_rate * gradient(w))
    v = momentum * state["v"] - learning_rate * g
    return w + v, {"v": v}


def one_look(gradient, w, state, *, learning_rate, momentum):
    v = momentum * state["v"] - learning_rate * gradient(w)
    return w + v, {"v": v}


def in_place(gradient, w, state, *, learning_rate, momentum):
    new, kept = heun_momentum_step(
        gradient, w, state, learning_rate=learning_rate, momentum=momentum
    )
    state["v"] += kept["v"] - state["v"]
    return new, state


def off_by_a_look(gradient, w, state, *, learning_rate, momentum):
    g = gradient(w)
    place = w - learning_rate * g
    g = (g + gradient(place)) / 2
    v = momentum * state["v"] - learning_rate * g
    return place + v, {"v": v}


RIGHT = [
    ("13.1", kutta),
    ("13.1", heuns_third),
    ("13.2", heun_momentum_step),
]
WRONG = [
    ("13.1", lambda: None, "returned None"),
    ("13.1", lambda: 3, "should return a Tableau"),
    (
        "13.1",
        lambda: Tableau(a=((), (0.5,), (-1, 2)), b=(0.1667, 0.6666, 0.1667)),
        "its numbers are rounded",
    ),
    ("13.1", lambda: HEUN, "Σ b·c² should be 1/3"),
    ("13.1", lambda: MIDPOINT, "fitted order is 2.0"),
    (
        "13.1",
        lambda: Tableau(a=((), (0.5,), (1, 0)), b=(1 / 6, 2 / 3, 1 / 6)),
        "must use the second",
    ),
    ("13.1", lambda: Tableau(a=((), (0.5,), (1, 0)), b=(0.2, 0.4, 0.4)), "Σ b·c be 1/2"),
    ("13.1", lambda: Tableau(a=((), (0.5,), (-1, 2)), b=(1, 4, 1)), "sum to 1"),
    (
        "13.1",
        lambda: Tableau(a=((), (0.5,), (0, 0.5), (0, 0, 1)), b=(1 / 6, 1 / 3, 1 / 3, 1 / 6)),
        "three looks are enough",
    ),
    ("13.2", twice, "moved twice"),
    ("13.2", along_the_velocity, "plain descent"),
    ("13.2", second_only, "mean of both"),
    ("13.2", one_look, "1 gradients"),
    ("13.2", in_place, "changed the state"),
    ("13.2", off_by_a_look, "from where it stood"),
    ("13.2", lambda gradient, w, state, **hyper: w, "return two things"),
    ("13.2", lambda gradient, w, state, **hyper: None, "returned None"),
    ("13.2", "heun", "give the function itself"),
]

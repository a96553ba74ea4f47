"""Answers to the exercises of notebook 12: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401

import numpy as np


def gradient_of_all(gradients, sizes):
    return np.average(gradients, axis=0, weights=sizes)


def repaired_recipe(w, g, state, *, learning_rate, steps_per_update, divide=True, late=0, keep=0):
    total, iterations = state["sum"] + g, state["iterations"] + 1
    if (iterations - late) % steps_per_update == 0 and iterations > late:
        w = w - learning_rate * total / (steps_per_update if divide else 1)
        total = keep * total
    return w, {"sum": total, "iterations": iterations}


def recipe(w, g, state, *, learning_rate, steps_per_update):
    total, iterations = state["sum"], state["iterations"]
    if iterations % steps_per_update == 0:
        w, total = w - learning_rate * total / steps_per_update, g
    else:
        total = total + g
    return w, {"sum": total, "iterations": iterations + 1}


def every_time(w, g, state, *, learning_rate, steps_per_update):
    return w - learning_rate * g / steps_per_update, state


def in_place(w, g, state, *, learning_rate, steps_per_update):
    state["sum"] += g
    return repaired_recipe(w, 0 * g, state, learning_rate=learning_rate, steps_per_update=3)


def stale_sum(w, g, state, *, learning_rate, steps_per_update):
    """Fires in time, but with the sum from before this gradient."""
    total, iterations = state["sum"], state["iterations"] + 1
    if iterations % steps_per_update == 0:
        return w - learning_rate * total / steps_per_update, {"sum": g, "iterations": iterations}
    return w, {"sum": total + g, "iterations": iterations}


def with_a_sum_of_one_number(w, g, state, **hyper):
    w, state = repaired_recipe(w, g, state, **hyper)
    return w, state if np.any(state["sum"]) else {**state, "sum": 0}


def variant(**how):
    return lambda *given, **hyper: repaired_recipe(*given, **hyper, **how)


RIGHT = [
    ("12.1", gradient_of_all),
    ("12.2", repaired_recipe),
    ("12.2", with_a_sum_of_one_number),
]
WRONG = [
    ("12.1", lambda gradients, sizes: np.mean(gradients, axis=0), "mean of the means"),
    (
        "12.1",
        lambda gradients, sizes: np.average(gradients, axis=0, weights=sizes) * 5,
        "sum over all",
    ),
    ("12.1", lambda gradients, sizes: np.sum(gradients, axis=0) / sum(sizes), "it says"),
    ("12.1", lambda gradients, sizes: None, "returned None"),
    ("12.1", 3, "give the function itself"),
    ("12.1", lambda gradients, sizes: 1.0, "shape"),
    ("12.2", recipe, "late"),
    ("12.2", lambda w, g, state, **hyper: (w, {"sum": "many", "iterations": 1}), "sum should be"),
    ("12.2", every_time, "moved after micro-batch 1"),
    ("12.2", variant(divide=False), "3 times too far"),
    ("12.2", variant(keep=1), "the sum emptied"),
    ("12.2", in_place, "changed the state"),
    ("12.2", stale_sum, "large batch's step"),
    ("12.2", lambda w, g, state, **hyper: (w, g), 'should be {"sum"'),
    ("12.2", lambda w, g, state, **hyper: w, "two things"),
    ("12.2", lambda w, g, state, **hyper: None, "returned None"),
]

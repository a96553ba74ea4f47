"""The exercises of notebook 12: right answers are right, wrong ones get a sentence of their own."""

import course_lib  # noqa: F401
from course_lib.exercises import grade

import numpy as np
import pytest


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


def variant(**how):
    return lambda *given, **hyper: repaired_recipe(*given, **hyper, **how)


@pytest.mark.parametrize(
    ("number", "answer"), [("12.1", gradient_of_all), ("12.2", repaired_recipe)]
)
def test_a_right_answer_is_right(number, answer, capsys):
    grade(number, answer)
    assert capsys.readouterr().out == f"{number}  correct\n"


WRONG = {
    "12.1": {
        "mean of the means": lambda gradients, sizes: np.mean(gradients, axis=0),
        "sum over all": lambda gradients, sizes: np.average(gradients, axis=0, weights=sizes) * 5,
        "it says": lambda gradients, sizes: np.sum(gradients, axis=0) / sum(sizes),
        "returned None": lambda gradients, sizes: None,
        "hand over the function": 3,
        "shape": lambda gradients, sizes: 1.0,
    },
    "12.2": {
        "late": recipe,
        "moved after micro-batch 1": every_time,
        "3 times too far": variant(divide=False),
        "the sum emptied": variant(keep=1),
        "changed the state": in_place,
        "large batch's step": stale_sum,
        'should be {"sum"': lambda w, g, state, **hyper: (w, g),
        "two things": lambda w, g, state, **hyper: w,
        "returned None": lambda w, g, state, **hyper: None,
    },
}


@pytest.mark.parametrize(
    ("number", "hint"), [(number, hint) for number in WRONG for hint in WRONG[number]]
)
def test_a_wrong_answer_gets_its_own_sentence(number, hint, capsys):
    grade(number, WRONG[number][hint])
    said = capsys.readouterr().out
    assert said.startswith(f"{number}  not yet: ") and hint in said and "\n" not in said[:-1]

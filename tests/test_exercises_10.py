"""The exercises of notebook 10: right answers are right, wrong ones get a sentence of their own."""

import math

import course_lib  # noqa: F401
from course_lib.exercises import grade

import pytest


def warmup_cosine(t, peak, warmup, total, first=1, hold=True, length=0):
    if t < warmup:
        return peak * (t + first) / warmup
    done = (t - warmup) / (total - warmup + length)
    return peak / 2 * (1 + math.cos(math.pi * (min(1, done) if hold else done)))


def cosine_from_the_start(t, peak, warmup, total):
    return warmup_cosine(t, peak, warmup, total) if t < warmup else warmup_cosine(t, peak, 0, total)


def decay_steps_for(
    examples, batch_size, epochs, *, soft_steps=1, gradient_accumulation_steps=1, count=math.ceil
):
    return count(examples / batch_size) * epochs // soft_steps


def divided_twice(n, batch_size, epochs, *, soft_steps=1, gradient_accumulation_steps=1):
    return math.ceil(n / batch_size) * epochs // soft_steps // gradient_accumulation_steps


def dropped_at_epoch_ends(n, batch_size, epochs, *, soft_steps=1, gradient_accumulation_steps=1):
    return math.ceil(n / batch_size) // soft_steps * epochs


def radam_as_schedule(t, learning_rate, beta_2, threshold=4, before=0.0):
    t = t + 1
    rho_inf = 2 / (1 - beta_2) - 1
    rho = rho_inf - 2 * t * beta_2**t / (1 - beta_2**t)
    if rho <= threshold:
        return before
    r2 = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
    return learning_rate * math.sqrt(r2)


def variant(function, **how):
    return lambda *given, **named: function(*given, **named, **how)


@pytest.mark.parametrize(
    ("number", "answer"),
    [("10.1", warmup_cosine), ("10.2", decay_steps_for), ("10.3", radam_as_schedule)],
)
def test_a_right_answer_is_right(number, answer, capsys):
    grade(number, answer)
    assert capsys.readouterr().out == f"{number}  correct\n"


WRONG = {
    "10.1": {
        "the first update, t = 0, should move": variant(warmup_cosine, first=0),
        "the climb is wrong at t = 0": variant(warmup_cosine, first=2),
        "should start at the peak": cosine_from_the_start,
        "the rate should be 0; it is": variant(warmup_cosine, hold=False),
        "gone through 1 of its": variant(warmup_cosine, length=1),
        "returned None": lambda t, peak, warmup, total: None,
    },
    "10.2": {
        "that is the number of epochs": lambda n, batch_size, epochs, **how: epochs,
        "the last, smaller batch is an update too": variant(decay_steps_for, count=int),
        "do not divide": divided_twice,
        "what is left over is not lost": dropped_at_epoch_ends,
        "counts updates, not micro-batches": lambda n, size, epochs, **how: (
            math.ceil(n / size) * epochs
        ),
        "it says 17970": lambda n, batch_size, epochs, **how: n * epochs,
        "unexpected keyword": lambda n, batch_size, epochs: math.ceil(n / batch_size) * epochs,
    },
    "10.3": {
        "it stands still: that is update number 5": lambda t, rate, b: (
            radam_as_schedule(t - 1, rate, b) if t else 0
        ),
        "stand still": variant(radam_as_schedule, before=0.5),
        "there rho is above 4": variant(radam_as_schedule, threshold=5),
        "learning_rate times r": lambda t, rate, beta_2: radam_as_schedule(t, 1.0, beta_2),
        "the rate should be": lambda t, rate, beta_2: radam_as_schedule(t, rate, beta_2) ** 2,
        "ZeroDivisionError": lambda t, rate, beta_2: radam_as_schedule(t - 1, rate, beta_2),
    },
}


@pytest.mark.parametrize(
    ("number", "hint"), [(number, hint) for number in WRONG for hint in WRONG[number]]
)
def test_a_wrong_answer_gets_its_own_sentence(number, hint, capsys):
    grade(number, WRONG[number][hint])
    said = capsys.readouterr().out
    assert said.startswith(f"{number}  not yet: ") and hint in said and "\n" not in said[:-1]

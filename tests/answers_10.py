"""Answers to the exercises of notebook 10: RIGHT, and WRONG with words of its hint."""

import math

import course_lib.quiet  # noqa: F401


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


RIGHT = [
    ("10.1", warmup_cosine),
    ("10.2", decay_steps_for),
    ("10.3", radam_as_schedule),
]
WRONG = [
    ("10.1", variant(warmup_cosine, first=0), "the first update, t = 0, should move"),
    ("10.1", variant(warmup_cosine, first=2), "the climb is wrong at t = 0"),
    ("10.1", cosine_from_the_start, "should start at the peak"),
    ("10.1", variant(warmup_cosine, hold=False), "the rate should be 0; it is"),
    ("10.1", variant(warmup_cosine, length=1), "gone through 1 of its"),
    ("10.1", lambda t, peak, warmup, total: None, "returned None"),
    ("10.2", lambda n, batch_size, epochs, **how: epochs, "that is the number of epochs"),
    ("10.2", variant(decay_steps_for, count=int), "the last, smaller batch is an update too"),
    ("10.2", divided_twice, "do not divide"),
    ("10.2", dropped_at_epoch_ends, "what is left over is not lost"),
    (
        "10.2",
        lambda n, size, epochs, **how: math.ceil(n / size) * epochs,
        "counts updates, not micro-batches",
    ),
    ("10.2", lambda n, batch_size, epochs, **how: n * epochs, "it says 17970"),
    (
        "10.2",
        lambda n, batch_size, epochs: math.ceil(n / batch_size) * epochs,
        "unexpected keyword",
    ),
    (
        "10.3",
        lambda t, rate, b: radam_as_schedule(t - 1, rate, b) if t else 0,
        "it stands still: that is update number 5",
    ),
    ("10.3", variant(radam_as_schedule, before=0.5), "stand still"),
    ("10.3", variant(radam_as_schedule, threshold=5), "there rho is above 4"),
    ("10.3", lambda t, rate, beta_2: radam_as_schedule(t, 1.0, beta_2), "learning_rate times r"),
    ("10.3", lambda t, rate, beta_2: radam_as_schedule(t, rate, beta_2) ** 2, "the rate should be"),
    ("10.3", lambda t, rate, beta_2: radam_as_schedule(t - 1, rate, beta_2), "ZeroDivisionError"),
]

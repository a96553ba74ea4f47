"""Answers to the exercises of notebook 15: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401

import numpy as np


def fading_average(average, w, n, momentum):
    return average + (1 - momentum) / (1 - momentum**n) * (w - average)


def in_place(average, w, n, momentum):
    average += (1 - momentum) / (1 - momentum**n) * (w - average)
    return average


def first_point_and_then_uncorrected(average, w, n, momentum):
    return w if n == 1 else average + (1 - momentum) * (w - average)


def evaluate_at(model, weights, x, y):
    own = model.get_weights()
    try:
        model.set_weights(weights)
        return model.evaluate(x, y, verbose=0)
    finally:
        model.set_weights(own)


def only_without_errors(model, weights, x, y):
    own = model.get_weights()
    model.set_weights(weights)
    seen = model.evaluate(x, y, verbose=0)
    model.set_weights(own)
    return seen


def only_with_exceptions(model, weights, x, y):
    own = model.get_weights()
    model.set_weights(weights)
    try:
        seen = model.evaluate(x, y, verbose=0)
    except Exception:
        model.set_weights(own)
        raise
    model.set_weights(own)
    return seen


def swallows(model, weights, x, y):
    try:
        return evaluate_at(model, weights, x, y)
    except RuntimeError:
        return 0.0


def stays_there(model, weights, x, y):
    model.set_weights(weights)
    return model.evaluate(x, y, verbose=0)


def x_of(w, z, beta_1):
    return (w - (1 - beta_1) * z) / beta_1


RIGHT = [
    ("15.1", fading_average),
    ("15.2", evaluate_at),
    ("15.3", x_of),
]
WRONG = [
    ("15.1", lambda a, w, n, m: a + (1 - m) * (w - a), "where it began"),
    ("15.1", first_point_and_then_uncorrected, "depends on n"),
    ("15.1", lambda a, w, n, m: a + (w - a) / n, "plain mean"),
    ("15.1", lambda a, w, n, m: a + m * (w - a), "what the old average keeps"),
    ("15.1", lambda a, w, n, m: (m * a + (1 - m) * w) / (1 - m**n), "divided before"),
    ("15.1", lambda a, w, n, m: w, "as much as the one after it"),
    ("15.1", in_place, "changed the average"),
    ("15.1", lambda a, w, n, m: None, "returned None"),
    ("15.2", lambda model, weights, x, y: 24.0, "did not call"),
    ("15.2", lambda model, weights, x, y: model.evaluate(x, y), "its own weights"),
    ("15.2", lambda model, weights, x, y: evaluate_at(model, weights, y, x), "given x and y"),
    ("15.2", lambda model, weights, x, y: -evaluate_at(model, weights, x, y), "what evaluate says"),
    ("15.2", stays_there, "put its own back"),
    ("15.2", only_without_errors, "after an error"),
    ("15.2", only_with_exceptions, "after Ctrl-C"),
    ("15.2", swallows, "come through"),
    ("15.2", lambda model, weights, x, y: None, "returned None"),
    ("15.3", lambda w, z, beta_1: w, "w again"),
    ("15.3", lambda w, z, beta_1: (1 - beta_1) * z + beta_1 * w, "other side"),
    ("15.3", lambda w, z, beta_1: (w - beta_1 * z) / (1 - beta_1), "exchanged"),
    ("15.3", lambda w, z, beta_1: w - (1 - beta_1) * z, "divide"),
    ("15.3", lambda w, z, beta_1: z, "solve w"),
    ("15.3", lambda w, z, beta_1: np.ones(2), "shape"),
    ("15.3", lambda w, z, beta_1: None, "returned None"),
]

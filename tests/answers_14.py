"""Answers to the exercises of notebook 14: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401

import numpy as np


def extragradient_step(gradient, w, learning_rate):
    probe = w - learning_rate * gradient(w)
    return w - learning_rate * gradient(probe)


def two_steps(gradient, w, learning_rate):
    w = w - learning_rate * gradient(w)
    return w - learning_rate * gradient(w)


def heuns(gradient, w, learning_rate):
    g = gradient(w)
    return w - learning_rate * (g + gradient(w - learning_rate * g)) / 2


def in_place(gradient, w, learning_rate):
    start = w.copy()
    w -= learning_rate * gradient(w)
    return start - learning_rate * gradient(w)


def uphill(gradient, w, learning_rate):
    return w - learning_rate * gradient(w + learning_rate * gradient(w))


def sam_probe(ws, gs, rho):
    norm = np.sqrt(sum(np.sum(g**2) for g in gs))
    return [w + rho * g / norm if norm > 0 else w for w, g in zip(ws, gs, strict=True)]


def one_norm_each(ws, gs, rho):
    return [w + rho * g / np.linalg.norm(g) for w, g in zip(ws, gs, strict=True)]


def not_a_number(ws, gs, rho):
    norm = np.sqrt(sum(np.sum(g**2) for g in gs))
    return [w + rho * g / norm for w, g in zip(ws, gs, strict=True)]


def changes_ws(ws, gs, rho):
    probe = sam_probe(ws, gs, rho)
    for w, p in zip(ws, probe, strict=True):
        w[...] = p
    return probe


RIGHT = [
    ("14.1", extragradient_step),
    ("14.2", sam_probe),
]
WRONG = [
    ("14.1", two_steps, "two plain steps"),
    ("14.1", heuns, "Heun's mean"),
    ("14.1", in_place, "changed the w"),
    ("14.1", uphill, "one plain step away"),
    ("14.1", lambda gradient, w, learning_rate: w - learning_rate * gradient(w), "1 gradients"),
    ("14.1", lambda gradient, w, learning_rate: None, "returned None"),
    ("14.2", one_norm_each, "one norm over all"),
    ("14.2", lambda ws, gs, rho: sam_probe(ws, gs, -rho), "downhill"),
    ("14.2", lambda ws, gs, rho: [w + rho * g for w, g in zip(ws, gs, strict=True)], "its norm"),
    ("14.2", lambda ws, gs, rho: [w + rho * g / 9 for w, g in zip(ws, gs, strict=True)], "root"),
    ("14.2", not_a_number, "no uphill"),
    ("14.2", changes_ws, "changed the arrays"),
    ("14.2", lambda ws, gs, rho: ws[0], "list of arrays"),
    ("14.2", lambda ws, gs, rho: None, "returned None"),
]

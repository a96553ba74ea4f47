"""Answers to the exercises of notebook 16: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401

import numpy as np


def slots(optimizer, variables):
    before = len(optimizer.variables)
    optimizer.build(variables)
    return optimizer.variables[before:]


def nbytes(variables):
    return sum(variable.numpy().nbytes for variable in variables)


def state_bytes(optimizer, variables):
    return nbytes(slots(optimizer, variables))


def state_bytes_by_shape(optimizer, variables):
    of = {"float32": 4, "float64": 8}
    return sum(int(np.prod(slot.shape)) * of[slot.dtype] for slot in slots(optimizer, variables))


def numbers_for_bytes(optimizer, variables):
    return sum(int(np.prod(slot.shape)) for slot in slots(optimizer, variables))


def four_bytes_each(optimizer, variables):
    return 4 * numbers_for_bytes(optimizer, variables)


def every_variable_of_it(optimizer, variables):
    optimizer.build(variables)
    return nbytes(optimizer.variables)


def the_weights_too(optimizer, variables):
    return state_bytes(optimizer, variables) + nbytes(variables)


def never_built(optimizer, variables):
    return nbytes(optimizer.variables)


def twice_the_weights(optimizer, variables):
    optimizer.build(variables)
    return 2 * nbytes(variables)


def lars_rates(ws, gs, learning_rate, trust_coefficient):
    rates = []
    for w, g in zip(ws, gs, strict=True):
        a, b = np.linalg.norm(w), np.linalg.norm(g)
        rates.append(learning_rate * (trust_coefficient * a / b if a > 0 and b > 0 else 1))
    return rates


def for_all(rate):
    """lars_rates from a formula for one layer's norms."""

    def rates(ws, gs, learning_rate, trust_coefficient):
        pairs = zip(map(np.linalg.norm, ws), map(np.linalg.norm, gs), strict=True)
        return [rate(a, b, learning_rate, trust_coefficient) for a, b in pairs]

    return rates


def one_rate_for_all(ws, gs, learning_rate, trust_coefficient):
    a, b = (np.linalg.norm(np.concatenate([np.ravel(x) for x in xs])) for xs in (ws, gs))
    return [learning_rate * trust_coefficient * a / b] * len(ws)


def factored(s):
    return np.outer(s.sum(axis=1), s.sum(axis=0)) / s.sum()


def factored_of_means(s):
    return s.mean(axis=1, keepdims=True) * s.mean(axis=0) / s.mean()


def factored_in_place(s):
    s[...] = factored(s)
    return s


def best_in_frobenius(s):
    u, values, v = np.linalg.svd(s)
    return values[0] * np.outer(u[:, 0], v[0])


def newton_schulz_step(x):
    return 1.5 * x - 0.5 * x @ x.T @ x


def by_svd(x):
    u, s, v = np.linalg.svd(x, full_matrices=False)
    return u * (1.5 * s - 0.5 * s**3) @ v


def orthogonal_at_once(x):
    u, _, v = np.linalg.svd(x, full_matrices=False)
    return u @ v


RIGHT = [
    ("16.1", state_bytes),
    ("16.1", state_bytes_by_shape),
    ("16.2", lars_rates),
    ("16.3", factored),
    ("16.3", factored_of_means),
    ("16.4", newton_schulz_step),
]
WRONG = [
    ("16.1", numbers_for_bytes, "counts numbers"),
    ("16.1", four_bytes_each, "4 bytes"),
    ("16.1", every_variable_of_it, "step count and the learning rate"),
    ("16.1", the_weights_too, "the weights too"),
    ("16.1", never_built, "before it is built"),
    ("16.1", twice_the_weights, "another number of bytes"),
    ("16.1", lambda optimizer, variables: None, "returned None"),
    ("16.2", one_rate_for_all, "layer by layer"),
    ("16.2", for_all(lambda a, b, r, c: r * c * b / a if a else r), "upside down"),
    ("16.2", for_all(lambda a, b, r, c: r * a / b if a and b else r), "one of them is missing"),
    ("16.2", for_all(lambda a, b, r, c: c * a / b if a and b else c), "one of them is missing"),
    ("16.2", for_all(lambda a, b, r, c: r * c * a / b), "never begins to move"),
    ("16.2", for_all(lambda a, b, r, c: r * c * (a / a) * a / b), "no finite number"),
    ("16.2", for_all(lambda a, b, r, c: r * c * (a / b) ** 2 if a else r), "squared norms"),
    ("16.2", for_all(lambda a, b, r, c: r * c * (a / b if a and b else 1)), "its factor included"),
    ("16.2", for_all(lambda a, b, r, c: r * c * a / b if a else r), "gradient is all zero"),
    ("16.2", lambda ws, gs, r, c: 0.5, "list of rates"),
    ("16.2", lambda ws, gs, r, c: None, "returned None"),
    ("16.3", lambda s: s.copy(), "that is s itself"),
    ("16.3", lambda s: np.outer(s.sum(axis=1), s.sum(axis=0)), "something divides"),
    ("16.3", lambda s: np.outer(s.sum(axis=1), s.sum(axis=0)) / s.size, "sums and means"),
    ("16.3", lambda s: np.outer(s.mean(axis=1), s.mean(axis=0)), "sums and means"),
    ("16.3", lambda s: (s.sum(axis=1, keepdims=True) + s.sum(axis=0)) / 2, "a mean of sums"),
    ("16.3", lambda s: s.mean(axis=0) + 0 * s, "the same in each row"),
    ("16.3", lambda s: s.mean(axis=1, keepdims=True) + 0 * s, "the same in each column"),
    ("16.3", best_in_frobenius, "row sums"),
    ("16.3", factored_in_place, "changed the matrix"),
    ("16.3", lambda s: s.sum(axis=0), "shape (2, 3)"),
    ("16.3", lambda s: None, "returned None"),
    ("16.4", lambda x: 1.5 * x - 0.5 * x**3, "cubes the entries"),
    ("16.4", lambda x: 1.5 * x + 0.5 * x @ x.T @ x, "sign of the cubic part"),
    ("16.4", lambda x: x @ x.T @ x, "smaller still"),
    ("16.4", lambda x: x.copy(), "what they were before"),
    ("16.4", orthogonal_at_once, "one round only"),
    ("16.4", by_svd, "it calls svd, a decomposition"),
    ("16.4", lambda x: 1.5 * x - 0.5 * x @ x @ x, "singular vectors turned"),
    ("16.4", lambda x: 1.5 * x - x @ x.T @ x, "each s should become"),
    ("16.4", lambda x: 1.5 * x - 0.5 * x @ x.T, "singular vectors turned"),
    ("16.4", lambda x: None, "returned None"),
]

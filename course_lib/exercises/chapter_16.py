"""The exercises of notebook 16, large models: small state, and steps that fit each layer."""

import contextlib

import numpy as np

from .grading import NotYet, ask, exercise, numbers, same, short, unchanged


@exercise("16.1")
def state_bytes(answer):
    import keras

    shapes = {"kernel": ((5, 3), "float32"), "bias": ((3,), "float32"), "scale": ((2,), "float64")}
    weights = 4 * 18 + 8 * 2  # bytes
    optimizers = {keras.optimizers.Adam: 2, keras.optimizers.SGD: 0, keras.optimizers.Lion: 1}
    for make, slots in optimizers.items():
        variables = [
            keras.Variable(np.zeros(shape), dtype=dtype, name=name)
            for name, (shape, dtype) in shapes.items()
        ]
        optimizer = make(0.125)
        seen = float(numbers(ask(answer, optimizer, variables), (), "the number of bytes"))
        if not optimizer.built:
            raise NotYet("the optimizer has no slots before it is built for the variables")
        if seen == 20 * slots and slots:
            raise NotYet("that counts numbers: how many bytes has each?")
        if seen == 4 * 20 * slots and slots:
            raise NotYet("not every number here has 4 bytes: ask each variable for its dtype")
        if seen == slots * weights + 12 or seen == slots * weights + 8:
            raise NotYet(
                "leave out the step count and the learning rate: every optimizer has these"
            )
        if seen == (1 + slots) * weights:
            raise NotYet("that counts the weights too: only what the optimizer keeps beside them")
        if seen != slots * weights:
            name = type(optimizer).__name__
            raise NotYet(f"{name} keeps another number of bytes for these variables: not {seen:g}")


@exercise("16.2")
def lars_rates(answer):
    ws = [np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([1.0, 2.0, 2.0]), np.zeros(2)]
    gs = [np.array([[0.0, 0.5], [0.0, 0.0]]), np.array([0.0, 6.0, 8.0]), np.ones(2)]
    seen = ask(answer, ws, gs, 0.5, 0.25)
    if not isinstance(seen, list | tuple) or len(seen) != len(ws):
        raise NotYet(f"return a list of rates, one a layer; it returned {short(seen)}")
    rates = numbers(seen, (3,), "the list of rates")
    if not np.all(np.isfinite(rates)):
        raise NotYet("one of the rates is no finite number: what if the weights are all zero?")
    if rates[2] == 0:
        raise NotYet("with a rate of 0 a layer of zeros never begins to move")
    a, b = (np.array([np.linalg.norm(x) for x in xs]) for xs in (ws[:2], gs[:2]))
    if np.allclose(rates[:2], np.linalg.norm(a) / np.linalg.norm([*b, 2**0.5]) / 8):
        raise NotYet("all layers have one rate: take the norms layer by layer")
    if np.allclose(rates[:2], 0.125 * b / a):
        raise NotYet("upside down: a layer with large gradients should have a small rate")
    if np.allclose(rates[:2], 0.5 * a / b) or np.allclose(rates[:2], 0.25 * a / b):
        raise NotYet("a ratio of norms, and two factors before it: one of them is missing")
    if np.allclose(rates[:2], 0.125 * (a / b) ** 2):
        raise NotYet("those are squared norms: take the root")
    same(rates[:2], 0.125 * a / b, "compare the size of the weights with the size of the gradient")
    if np.isclose(rates[2], 0.125):
        raise NotYet("where there is nothing to compare, the whole ratio is 1, its factor included")
    same(rates[2], 0.5, "where weights are all zero the ratio is 1, and the rate is the given one")
    still = numbers(ask(answer, ws[:1], [0 * gs[0]], 0.5, 0.25), (1,), "the list of rates")
    same(still, [0.5], "where the gradient is all zero the ratio is 1 too")


@exercise("16.3")
def factored(answer):
    s = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]])
    kept = s.copy()
    seen = numbers(ask(answer, s), (2, 3), "the estimate")
    unchanged(s, kept, "matrix")
    product = np.outer(s.sum(axis=1), s.sum(axis=0))
    hints = {
        "that is s itself: of s you may keep the sums of rows and columns, and no entry": s,
        "the entries do not add up to what they added up to before: something divides": product,
        "the mean does not fit: sums and means are mixed": product / s.size,
        "that is a mean of sums; a product would keep the proportions": (
            s.sum(axis=1, keepdims=True) + s.sum(axis=0)
        )
        / 2,
        "rows and columns both count: yours is the same in each row": np.tile(
            s.mean(axis=0), (2, 1)
        ),
        "rows and columns both count: yours is the same in each column": np.tile(
            s.mean(axis=1, keepdims=True), (1, 3)
        ),
    }
    for hint, wrong in hints.items():
        if np.allclose(seen, wrong):
            raise NotYet(hint)
    same(seen.sum(axis=1), s.sum(axis=1), "the estimate should have the row sums of s")
    same(seen.sum(axis=0), s.sum(axis=0), "the estimate should have the column sums of s")
    same(seen, product / s.sum(), "each row should be a multiple of every other")


@exercise("16.4")
def newton_schulz_step(answer):
    rng = np.random.default_rng(0)
    for shape, values in [
        ((3, 3), [0.75, 0.5, 0.25]),
        ((2, 4), [0.5, 0.125]),
        ((4, 2), [0.5, 0.125]),
    ]:
        u, v = (np.linalg.qr(rng.normal(size=(n, n)))[0][:, : min(shape)] for n in shape)
        x, values = u * values @ v.T, np.array(values)
        kept = x.copy()
        with _decompositions() as called:
            new = numbers(ask(answer, x), shape, f"the new x, for an x of shape {shape}")
        unchanged(x, kept, "matrix")
        seen = np.diag(u.T @ new @ v)
        if np.allclose(new, 1.5 * x - 0.5 * x**3):
            raise NotYet("x**3 cubes the entries: a singular value is cubed by matrix products")
        if np.allclose(seen, 1.5 * values + 0.5 * values**3):
            raise NotYet("the singular values grow past 1: look at the sign of the cubic part")
        if np.allclose(seen, values**3):
            raise NotYet("the cubic part alone makes small singular values smaller still")
        if np.allclose(seen, values):
            raise NotYet("the singular values are what they were before")
        if np.allclose(seen, 1.0):
            raise NotYet("all singular values are 1 already: one round only, please")
        same(new, u * seen @ v.T, "the singular vectors turned: only the values should change")
        same(seen, 1.5 * values - 0.5 * values**3, "each s should become 1.5 s − 0.5 s³")
        if called:
            raise NotYet(f"it calls {called[0]}, a decomposition: products of matrices are enough")


@contextlib.contextmanager
def _decompositions():
    """The names of NumPy's decompositions that are called meanwhile."""
    kept = {name: getattr(np.linalg, name) for name in ("svd", "eig", "eigh", "qr", "pinv")}
    called = []

    def listening(name):
        def call(*arguments, **named):
            called.append(name)
            return kept[name](*arguments, **named)

        return call

    try:
        for name in kept:
            setattr(np.linalg, name, listening(name))
        yield called
    finally:
        for name, function in kept.items():
            setattr(np.linalg, name, function)

"""The exercises of notebook 06, Adagrad, and where state lives."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, pair, same, short, unchanged


@exercise("06.1")
def adagrad_step_as_keras_writes_it(answer):
    hyper = dict(learning_rate=0.125, epsilon=0.5)
    w, state, s = np.array([1.0, -2.0]), {"s": np.array([0.25, 0.25])}, np.array([0.25, 0.25])
    for g in ([4.0, 1.0], [-0.5, 0.25], [0.0, 1.0]):
        g = np.array(g)
        new = pair(ask(answer, w, g, state, **hyper), "w and the new state")
        unchanged(state, {"s": s}, "state")
        if not isinstance(new[1], dict) or "s" not in new[1]:
            raise NotYet('the new state should be {"s": ...}')
        seen_s, seen = numbers(new[1]["s"], (2,), 'the new state["s"]'), numbers(new[0], (2,), "w")
        if np.allclose(seen_s, g**2) and not np.allclose(seen_s, s + g**2):
            raise NotYet("s forgot all that came before: it should only grow")
        s = s + g**2
        same(seen_s, s, "s should grow by g²")
        if np.allclose(seen, w - 0.125 * g / (np.sqrt(s) + 0.5)):
            raise NotYet("that is the paper's form: here epsilon stands under the root")
        expected = w - 0.125 * g / np.sqrt(s + 0.5)
        same(seen, expected, "divide by the root of s + epsilon, with the s of this very step")
        w, state = expected, {"s": s.copy()}


@exercise("06.2")
def adagrad_with_decay(answer):
    import keras

    optimizer = ask(answer, 0.5, 0.25)
    if not isinstance(optimizer, keras.Optimizer):
        raise NotYet(f"it should make an optimizer; it made {short(optimizer)}")
    if "adagrad" not in type(optimizer).__name__.lower():
        raise NotYet(f"it should make an Adagrad; it made {short(type(optimizer).__name__, str)}")
    variable = keras.Variable(np.zeros(1))
    optimizer.build([variable])
    for t in range(4):
        expected = 0.5 / (1 + 0.25 * t)
        seen = float(optimizer.learning_rate)
        if t and np.isclose(seen, 0.5):
            raise NotYet(
                f"at step {t} the learning rate is still 0.5: Keras 3 ignores `decay`, with a "
                "warning"
            )
        if not np.isclose(seen, expected, rtol=1e-6):
            raise NotYet(
                f"at step {t} the learning rate is {seen:.4f}, and 0.5 / (1 + 0.25 · {t}) is "
                f"{expected:.4f}"
            )
        optimizer.apply([keras.ops.ones(1)], [variable])

"""The exercises of notebook 15, averages and where to evaluate."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, same, unchanged


@exercise("15.1")
def fading_average(answer):
    points = np.array([[4.0, -2.0], [3.0, 5.0], [-1.0, 0.5], [2.0, 2.0]])
    average, handed = np.full(2, 1e6), np.full(2, 1e6)
    for n, w in enumerate(points, 1):
        before, kept = average, handed.copy()
        average = numbers(ask(answer, handed, w, n, 0.75), (2,), "the new average")
        unchanged(handed, kept, "average")
        parts = 0.75 ** np.arange(n)[::-1]
        wanted = parts @ points[:n] / parts.sum()
        if not np.allclose(average, wanted):
            _name_the_mistake(average, before, w, n)
        same(average, wanted, "each point should count 0.75 times as much as the one after it")
        handed = average.copy()


def _name_the_mistake(average, before, w, n):
    if np.allclose(average, before + 0.25 * (w - before)):
        raise NotYet(
            "a part of where it began stays in the average: correct it, as Adam corrects its m"
            if n == 1
            else "only the first point is right: the part that the new point gets depends on n"
        )
    if np.allclose(average, before + (w - before) / n):
        raise NotYet("that is the plain mean: here old points should fade")
    if np.allclose(average, before + 0.75 * (w - before)):
        raise NotYet("momentum is what the old average keeps, not what the new point gets")
    if np.allclose(average, (0.75 * before + 0.25 * w) / (1 - 0.75**n)):
        raise NotYet("it divides what has been divided before: correct the part, not the average")


@exercise("15.2")
def evaluate_at(answer):
    own, other = (
        [np.array([1.0, 2.0]), np.array([[3.0]])],
        [np.array([9.0, 8.0]), np.array([[7.0]])],
    )
    model = _Model(own)
    seen = numbers(ask(answer, model, other, "x", "y"), (), "what evaluate says")
    if not model.evaluated:
        raise NotYet("it did not call model.evaluate(x, y, verbose=0)")
    at, given = model.evaluated[0]
    if not _equal(at, other):
        raise NotYet("the model was evaluated at its own weights: set the others first")
    if given != ("x", "y"):
        raise NotYet("evaluate should be given x and y")
    same(seen, 24.0, "return what evaluate says at the other weights")
    if not _equal(model.weights, own):
        raise NotYet("afterwards the model holds other weights than before: put its own back")
    for error in (RuntimeError, KeyboardInterrupt):
        model = _Model(own, error)
        try:
            answer(model, other, "x", "y")
        except error:
            pass
        else:
            raise NotYet("an error while evaluating should come through, not be swallowed")
        if not _equal(model.weights, own):
            what = "Ctrl-C" if error is KeyboardInterrupt else "an error"
            raise NotYet(f"after {what} while evaluating the model is left at the other weights")


class _Model:
    """As much of a Keras model as the exercise needs: weights go in and out as copies."""

    def __init__(self, weights, error=None):
        self.weights, self.error, self.evaluated = _copy(weights), error, []

    def get_weights(self):
        return _copy(self.weights)

    def set_weights(self, weights):
        self.weights = _copy(weights)

    def evaluate(self, x, y, verbose="auto"):
        self.evaluated.append((_copy(self.weights), (x, y)))
        if self.error:
            raise self.error("while evaluating")
        return float(sum(w.sum() for w in self.weights))


def _copy(weights):
    return [np.array(w) for w in weights]


def _equal(ones, others):
    return len(ones) == len(others) and all(map(np.array_equal, ones, others))


@exercise("15.3")
def average_from_the_weights(answer):
    x, z = np.array([2.0, -1.0, 4.0]), np.array([10.0, 3.0, 4.0])
    for beta_1 in (0.875, 0.25):
        w = (1 - beta_1) * z + beta_1 * x
        seen = numbers(ask(answer, w, z, beta_1), (3,), "x")
        hints = {
            "that is w again: the model already stands there": w,
            "that is a point between w and z: x lies on the other side of w": (
                (1 - beta_1) * z + beta_1 * w
            ),
            "beta_1 and 1 - beta_1 are exchanged": (w - beta_1 * z) / (1 - beta_1),
            "that is beta_1 times x: divide": w - (1 - beta_1) * z,
        }
        for hint, wrong in hints.items():
            if np.allclose(seen, wrong):
                raise NotYet(hint)
        same(seen, x, "solve w = (1 - beta_1) * z + beta_1 * x for x")

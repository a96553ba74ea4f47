"""The exercises of notebook 02, gradient descent by hand."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, unchanged


@exercise("02.1")
def central_difference(answer):
    def bent(w):
        return w[0] ** 3 + 5 * w[0] * w[1]

    w, given = np.array([2.0, -1.0]), np.array([2.0, -1.0])
    seen = numbers(ask(answer, bent, given, 1e-3), (2,), "the gradient")
    unchanged(given, w, "w", "work on a copy")
    exact = np.array([3 * 4.0 + 5 * -1.0, 5 * 2.0])
    if not np.allclose(seen, exact, rtol=1e-2):
        raise NotYet(
            f"at w = (2, -1) the slopes of w[0]³ + 5 w[0] w[1] are (7, 10); it says {seen.round(3)}"
        )
    if not np.allclose(seen, exact, rtol=1e-5):
        raise NotYet(
            "the error is as large as h: look to both sides of w, and divide by the whole distance"
        )
    # Of w³ the central difference is 3 w² + h²: whether h counts, a large one shows.
    wide = numbers(ask(answer, bent, w.copy(), 0.5), (2,), "the gradient")
    if not np.allclose(wide, exact + [0.25, 0.0], rtol=1e-9):
        raise NotYet(f"with h = 0.5 it says {wide.round(6)}: look as far as the h that is given")


@exercise("02.2")
def largest_learning_rate(answer):
    for hessian, limit in [
        (np.diag([1.0, 16.0]), 0.125),
        (np.array([[8.5, -7.5], [-7.5, 8.5]]), 0.125),
        (np.diag([4.0, 0.5, 2.0]), 0.5),
        # curvatures (7 ± √13) / 2: neither a norm nor the determinant gives the larger one
        (np.array([[2.0, 1.0], [1.0, 5.0]]), 4 / (7 + np.sqrt(13))),
    ]:
        seen = numbers(ask(answer, hessian.copy()), (), "the learning rate")
        if np.isclose(seen, 2 / np.linalg.eigvalsh(hessian)[0]):
            raise NotYet("that is 2 over the smallest curvature: which direction gives way first?")
        if np.isclose(seen, 2 / hessian.max()) and not np.isclose(seen, limit):
            raise NotYet(
                "that is 2 over the largest entry: entries change when the axes are turned"
            )
        if not np.isclose(seen, limit):
            raise NotYet(
                f"for the Hessian {hessian.tolist()} it says {seen:g}; walk with that and see"
            )

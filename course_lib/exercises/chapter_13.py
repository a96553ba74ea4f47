"""The exercises of notebook 13, Heun and two gradients a step."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, pair, same, short, unchanged


@exercise("13.1")
def third_order_tableau(answer):
    from course_lib.two_gradients import Tableau, fitted_order, flow_errors

    tableau = ask(answer)
    if not isinstance(tableau, Tableau):
        raise NotYet(f"it should return a Tableau; it returned {short(tableau)}")
    if tableau.looks > 3:
        raise NotYet(f"it looks {tableau.looks} times a step: three looks are enough")

    def flow(w, time):  # of gradient below, solved by hand
        w0, w1 = w
        return np.array([w0, w1 - w0**2]) * np.exp(-time) + np.array([0, w0**2]) * np.exp(-2 * time)

    def gradient(w):
        return np.array([w[0], w[1] + w[0] ** 2])

    rates, errors = flow_errors(tableau, gradient, flow, [1.0, 0.5], steps=(64, 128, 256))
    order = fitted_order(rates, errors)
    if abs(order - 3) > 0.1:
        raise NotYet(f"its fitted order is {order:.1f}, not 3: {_condition(tableau)}")
    if np.abs(_off(tableau)).max() > 1e-9:
        raise NotYet("its numbers are rounded: write them as fractions, such as 1 / 3")


def _condition(tableau):
    """The first of the conditions for order three that a tableau does not fulfil, as a hint."""
    second, third, _ = np.abs(_off(tableau)) > 1e-5
    if second:
        return "already order two asks that Σ b·c be 1/2, where c is the sum of each row of a"
    if third:
        return "Σ b·c² should be 1/3, where c is the sum of each row of a"
    return "Σᵢ bᵢ Σⱼ aᵢⱼ cⱼ should be 1/6: the third look must use the second"


def _off(tableau):
    """By how much the conditions for order two, and the two for order three, do not hold."""
    b, c = np.array(tableau.b), np.array([sum(row) for row in tableau.a])
    inner = [sum(a * c[j] for j, a in enumerate(row)) for row in tableau.a]
    return np.array([b @ c - 1 / 2, b @ c**2 - 1 / 3, b @ inner - 1 / 6])


@exercise("13.2")
def heun_momentum_step(answer):
    curvature, hyper = np.array([1.0, 4.0]), dict(learning_rate=0.125, momentum=0.5)
    w, v = np.array([4.0, -2.0]), np.zeros(2)
    for _ in range(3):
        asked, state = [], {"v": v.copy()}

        def gradient(place, asked=asked):
            asked.append(np.array(place))
            return curvature * place

        new = pair(ask(answer, gradient, w.copy(), state, **hyper), "w and the new state")
        unchanged(state, {"v": v}, "state")
        if len(asked) != 2:
            raise NotYet(f"it asked for {len(asked)} gradients: two looks a step")
        same(asked[0], w, "the first look should be at w")
        g = curvature * w
        if np.any(v) and np.allclose(asked[1], w + 0.5 * v - 0.125 * g):
            raise NotYet(
                "the second look was where momentum would go: look where plain descent would go"
            )
        same(
            asked[1],
            w - 0.125 * g,
            "the second look should be one plain step away, at w − learning_rate · g",
        )
        g_again = curvature * (w - 0.125 * g)
        if not isinstance(new[1], dict) or "v" not in new[1]:
            raise NotYet('the new state should be {"v": ...}')
        seen_v, seen = numbers(new[1]["v"], (2,), 'the new state["v"]'), numbers(new[0], (2,), "w")
        if np.allclose(seen_v, 0.5 * (0.5 * v - 0.125 * g) - 0.125 * g_again):
            raise NotYet(
                "the velocity moved twice: combine the two gradients first, then take one "
                "momentum step"
            )
        if np.allclose(seen_v, 0.5 * v - 0.125 * g_again) and not np.allclose(g, g_again):
            raise NotYet("only the second gradient counted: Heun takes the mean of both")
        v = 0.5 * v - 0.125 * (g + g_again) / 2
        same(seen_v, v, "v should be momentum · v − learning_rate · the mean of the two gradients")
        same(seen, w + v, "w should move by the new v, from where it stood")
        w = w + v

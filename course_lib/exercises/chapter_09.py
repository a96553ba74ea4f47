"""The exercises of notebook 09, weight decay and clipping."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, pair, same, short, unchanged


@exercise("09.1")
def adamw_step_of_the_paper(answer):
    hyper = dict(eta=0.5, alpha=0.25, lam=0.125, beta_1=0.5, beta_2=0.75, epsilon=0.25)
    w, m, v = np.array([2.0, -4.0]), np.zeros(2), np.zeros(2)
    for t, g in enumerate(([1.0, 3.0], [0.0, -2.0], [4.0, 0.5]), 1):
        g, state = np.array(g), {"m": m.copy(), "v": v.copy(), "t": t - 1}
        handed = w.copy()
        new, new_state = pair(ask(answer, handed, g, state, **hyper), "w and the new state")
        new = numbers(new, (2,), "w")
        unchanged(handed, w, "w")
        unchanged(state, {"m": m, "v": v, "t": t - 1}, "state")
        if not isinstance(new_state, dict) or set(new_state) != {"m", "v", "t"}:
            raise NotYet('the new state should be {"m": ..., "v": ..., "t": ...}')
        coupled = g + 0.125 * w
        if np.allclose(numbers(new_state["m"], (2,), "m"), 0.5 * m + 0.5 * coupled):
            raise NotYet("λ·w went into the gradient: m and v must not hear of the decay")
        m, v = 0.5 * m + 0.5 * g, 0.75 * v + 0.25 * g**2
        same(new_state["m"], m, "m is the running mean of g, with beta_1")
        same(new_state["v"], v, "v is the running mean of g², with beta_2")
        same(new_state["t"], t, "t should grow by 1")
        adam = m / (1 - 0.5**t) / (np.sqrt(v / (1 - 0.75**t)) + 0.25)
        hints = {
            "α multiplies the decay too: that is Keras's way. In the paper only η does": 0.5
            * 0.25
            * (adam + 0.125 * w),
            "η is missing from the decay: the schedule multiplies both": 0.5 * 0.25 * adam
            + 0.125 * w,
            "η is missing: it multiplies both, the step and the decay": 0.25 * adam + 0.125 * w,
            "there is no decay in it yet": 0.5 * 0.25 * adam,
        }
        for hint, taken in hints.items():
            if np.allclose(new, w - taken):
                raise NotYet(hint)
        step = 0.5 * (0.25 * adam + 0.125 * w)
        same(new, w - step, "w should move by −η · (α · m̂ / (√v̂ + ε) + λ · w), with the old w")
        w = w - step


@exercise("09.2")
def clip_by_global_norm(answer):
    gradients = [np.array([3.0, 4.0]), np.array([[12.0]])]
    clipped = _arrays(ask(answer, [g.copy() for g in gradients], 6.5), gradients)
    hints = {
        "nothing was clipped: the norm of all is 13, twice the largest": gradients,
        "each array was clipped by its own norm: take one norm over all": [
            np.array([3.0, 4.0]),
            np.array([[6.5]]),
        ],
        "it divided by the squared norm: take the root": [g * 6.5 / 169 for g in gradients],
        "divided by the norm, and not multiplied by the largest": [g / 13 for g in gradients],
    }
    for hint, wrong in hints.items():
        if all(map(np.allclose, clipped, wrong)):
            raise NotYet(hint)
    for seen, g in zip(clipped, gradients, strict=True):
        same(seen, g / 2, "all gradients should be multiplied by one number, largest / norm")
    for seen, g in zip(_arrays(ask(answer, gradients, 100.0), gradients), gradients, strict=True):
        same(seen, g, "gradients shorter than the largest should stay as they are")
    zeros = [0 * g for g in gradients]
    for seen, g in zip(_arrays(ask(answer, zeros, 1.0), zeros), zeros, strict=True):
        same(seen, g, "where all gradients are 0 they should stay 0, and not become nan")


@exercise("09.3")
def adamw_for_matrices(answer):
    import keras

    layers = [
        keras.layers.Dense(3, name="unbiased"),
        keras.layers.LayerNormalization(name="kernel_norm"),
        keras.layers.Dense(2, use_bias=True, name="gamma_rays"),
    ]
    model = keras.Sequential([keras.Input((4,)), *layers])
    for variable in model.weights:
        variable.assign(np.full(variable.shape, 2.0))
    optimizer = ask(answer, model, 0.5, 0.25)
    if not isinstance(optimizer, keras.Optimizer):
        raise NotYet(f"it should return an optimizer; it returned {short(optimizer)}")
    variables = model.trainable_variables
    optimizer.apply([keras.ops.zeros(v.shape) for v in variables], variables)
    for variable in variables:
        seen = float(keras.ops.convert_to_numpy(variable).ravel()[0])
        name, rank = "/".join(variable.path.split("/")[-2:]), len(variable.shape)
        if rank < 2 and not np.isclose(seen, 2.0):
            raise NotYet(f"{name} has {rank} axis and decays: exclude it")
        if rank == 2 and np.isclose(seen, 2.0):
            raise NotYet(f"{name} is a matrix and does not decay: choose by shape, not by name")
        if rank == 2 and not np.isclose(seen, 2.0 * (1 - 0.5 * 0.25)):
            raise NotYet(f"{name} decays from 2 to {seen:.3f}, not by learning rate · decay = 1/8")


def _arrays(answer, like):
    if not isinstance(answer, list | tuple) or len(answer) != len(like):
        raise NotYet(f"return a list of {len(like)} arrays; it is {short(answer)}")
    return [numbers(a, b.shape, "each clipped gradient") for a, b in zip(answer, like, strict=True)]

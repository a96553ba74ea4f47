"""Answers to the exercises of notebook 09: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # within Keras


def adamw_step_of_the_paper(w, g, state, *, eta, alpha, lam, beta_1, beta_2, epsilon):
    t = state["t"] + 1
    m = beta_1 * state["m"] + (1 - beta_1) * g
    v = beta_2 * state["v"] + (1 - beta_2) * g**2
    m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
    w = w - eta * (alpha * m_hat / (np.sqrt(v_hat) + epsilon) + lam * w)
    return w, {"m": m, "v": v, "t": t}


def changed(**others):
    """The right step, with other hyper-parameters."""

    def step(w, g, state, *, eta, alpha, lam, **rest):
        lam = eval(others.get("lam", "lam"), {}, dict(eta=eta, alpha=alpha, lam=lam))
        eta = eval(others.get("eta", "eta"), {}, dict(eta=eta))
        return adamw_step_of_the_paper(w, g, state, eta=eta, alpha=alpha, lam=lam, **rest)

    return step


def l2_inside(w, g, state, *, lam, **rest):
    return adamw_step_of_the_paper(w, g + lam * w, state, lam=0.0, **rest)


def in_place(w, g, state, **rest):
    new, state = adamw_step_of_the_paper(w, g, state, **rest)
    w[...] = new
    return new, state


def state_in_place(w, g, state, **rest):
    w, new = adamw_step_of_the_paper(w, g, state, **rest)
    state["m"][...] = new["m"]
    return w, new


def shrunk_first(w, g, state, *, eta, lam, **rest):
    new, state = adamw_step_of_the_paper(w, g, state, eta=eta, lam=0.0, **rest)
    return new - eta * lam * new, state


def clip_by_global_norm(gradients, largest):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    return [g * largest / max(norm, largest) for g in gradients]


def norm_of(gradients):
    return np.sqrt(sum(np.sum(g**2) for g in gradients))


def adamw_for_matrices(model, learning_rate, weight_decay):
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
    vectors = [v for v in model.trainable_variables if len(v.shape) < 2]
    optimizer.exclude_from_weight_decay(var_list=vectors)
    return optimizer


def excluded_by_name(*names):
    def make(model, learning_rate, weight_decay):
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
        optimizer.exclude_from_weight_decay(var_names=list(names))
        return optimizer

    return make


RIGHT = [
    ("09.1", adamw_step_of_the_paper),
    ("09.2", clip_by_global_norm),
    ("09.3", adamw_for_matrices),
]
WRONG = [
    ("09.1", lambda w, g, state, **rest: None, "returned None"),
    ("09.1", l2_inside, "λ·w went into the gradient"),
    ("09.1", changed(lam="lam * alpha"), "Keras's way"),
    ("09.1", changed(lam="lam / eta"), "η is missing from the decay"),
    ("09.1", changed(eta="1"), "η is missing: it multiplies both"),
    ("09.1", changed(lam="0"), "no decay in it yet"),
    ("09.1", changed(lam="-lam"), "with the old w"),
    ("09.1", shrunk_first, "with the old w"),
    ("09.1", in_place, "changed the w"),
    ("09.1", state_in_place, "changed the state"),
    ("09.1", lambda w, g, state, **rest: w, "return two things"),
    ("09.1", lambda w, g, state, **rest: (w, {}), "the new state should be"),
    ("09.1", lambda w, g, state, **rest: (w, state), "m is the running mean"),
    ("09.2", lambda gs, largest: None, "returned None"),
    ("09.2", lambda gs, largest: gs[0], "a list of 2 arrays"),
    ("09.2", lambda gs, largest: gs, "nothing was clipped"),
    ("09.2", lambda gs, largest: [clip_by_global_norm([g], largest)[0] for g in gs], "one norm"),
    ("09.2", lambda gs, largest: [g * largest / norm_of(gs) ** 2 for g in gs], "take the root"),
    ("09.2", lambda gs, largest: [g / norm_of(gs) for g in gs], "not multiplied"),
    ("09.2", lambda gs, largest: [np.clip(g, -largest, largest) for g in gs], "one norm"),
    ("09.2", lambda gs, largest: [np.minimum(g, 1.0) for g in gs], "by one number"),
    ("09.2", lambda gs, largest: [g * largest / norm_of(gs) for g in gs], "shorter than the"),
    (
        "09.2",
        lambda gs, largest: [g / norm_of(gs) * min(largest, norm_of(gs)) for g in gs],
        "not become nan",
    ),
    ("09.3", lambda model, lr, decay: None, "returned None"),
    ("09.3", lambda model, lr, decay: "adamw", "return an optimizer"),
    ("09.3", lambda model, lr, decay: keras.optimizers.AdamW(lr, weight_decay=decay), "decays"),
    ("09.3", excluded_by_name("bias", "gamma", "beta"), "choose by shape, not by name"),
    ("09.3", lambda model, lr, decay: adamw_for_matrices(model, lr, 0.5), "from 2 to 1.500"),
]

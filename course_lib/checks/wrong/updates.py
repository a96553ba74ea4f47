"""Mistakes in the update rule itself: one row each."""

from .edit import edit
from .table import NAME, REFERENCE, Wrong

BOWL = "a_bowl_is_descended"
SCALE = "a_larger_gradient_makes_no_smaller_step"
MIRROR = "a_mirrored_run_is_mirrored"
PERMUTED = "permuted_coordinates_take_the_same_paths"
ZERO = "a_zero_gradient_pushes_nothing_away"
STEP = "a_step_can_be_taken"

D2L = "epsilon added to the weights, as d2l-en printed it"
DENOMINATOR = "(ops.sqrt(v_hat) + self.epsilon)"
STEP_OF_SGD = "learning_rate * g"


def frozen_t():
    """Adam whose step count stands still."""
    return edit("adam", "self.iterations + 1", "1")


def swapped_betas():
    """Adam whose first mean is slow and whose second is fast."""
    return edit(
        "adam",
        m="self.assign(m, m + (1 - self.beta_2) * (g - m))",
        v="self.assign(v, v + (1 - self.beta_1) * (ops.square(g) - v))",
    )


def sign_descent():
    """Adam that steps by the sign alone."""
    return edit("adam", w="self.assign(w, w - learning_rate * ops.sign(m_hat))")


def forgetful_adagrad():
    """Adagrad whose accumulator holds the last gradient alone."""
    return edit("adagrad", s="self.assign(s, ops.square(g))")


def swapped_rho():
    """RMSprop that remembers what it should forget."""
    return edit("rmsprop", s="self.assign(s, s + self.rho * (ops.square(g) - s))")


UPDATES = [
    Wrong("climbs", "adam", edit("adam", "w - learning_rate", "w + learning_rate"), BOWL),
    Wrong("climbs, plainly", "sgd", edit("sgd", "w - learning_rate", "w + learning_rate"), BOWL),
    Wrong("climbs behind a velocity", "momentum", edit("momentum", "- lear", "+ lear"), BOWL),
    Wrong("no root", "adam", edit("adam", "ops.sqrt(v_hat)", "v_hat"), SCALE),
    Wrong("no root", "adagrad", edit("adagrad", "ops.sqrt(s)", "s"), SCALE),
    Wrong("no root", "rmsprop", edit("rmsprop", "ops.sqrt(s +", "(s +"), SCALE),
    Wrong("divides by the gradient", "sgd", edit("sgd", "* g)", "* g / (g**2 + 1e-3))"), SCALE),
    Wrong(
        "no square",
        "adam",
        edit("adam", v="self.assign(v, v + (1 - self.beta_2) * (g - v))"),
        STEP,
    ),
    Wrong("no epsilon: 0 / 0", "adam", edit("adam", " + self.epsilon", ""), ZERO),
    Wrong(D2L, "adam", edit("adam", DENOMINATOR, "ops.sqrt(v_hat) + self.epsilon"), MIRROR),
    Wrong("weights creep", "sgd", edit("sgd", STEP_OF_SGD, "learning_rate * (g + 1e-3)"), ZERO),
    Wrong(
        "steps by the gradient's size alone",
        "sgd",
        edit("sgd", STEP_OF_SGD, "learning_rate * abs(g)"),
        MIRROR,
    ),
    Wrong(
        "steps along positive gradients only",
        "sgd",
        edit("sgd", STEP_OF_SGD, "learning_rate * ops.maximum(g, 0.0)"),
        MIRROR,
    ),
    Wrong(
        "gradient back to front",
        "sgd",
        edit("sgd", STEP_OF_SGD, "learning_rate * ops.flip(g)"),
        PERMUTED,
    ),
    Wrong(
        "gradient summed along",
        "sgd",
        edit("sgd", STEP_OF_SGD, "learning_rate * ops.cumsum(g, axis=0)"),
        PERMUTED,
    ),
    Wrong("t frozen at 1", "adam", frozen_t(), REFERENCE),
    Wrong("t one ahead", "adam", edit("adam", "iterations + 1", "iterations + 2"), REFERENCE),
    Wrong("t one behind: 1 / 0", "adam", edit("adam", "iterations + 1", "iterations"), STEP),
    Wrong("no correction of m", "adam", edit("adam", m_hat="m_hat = m"), REFERENCE),
    Wrong("no correction of v", "adam", edit("adam", v_hat="v_hat = v"), REFERENCE),
    Wrong(
        "epsilon under the root",
        "adam",
        edit("adam", DENOMINATOR, "ops.sqrt(v_hat + self.epsilon)"),
        REFERENCE,
    ),
    Wrong(
        "epsilon under the root",
        "adagrad",
        edit("adagrad", "(ops.sqrt(s) + self.epsilon)", "ops.sqrt(s + self.epsilon)"),
        REFERENCE,
    ),
    Wrong(
        "epsilon beside the root",
        "rmsprop",
        edit("rmsprop", "ops.sqrt(s + self.epsilon)", "(ops.sqrt(s) + self.epsilon)"),
        REFERENCE,
    ),
    Wrong("betas swapped", "adam", swapped_betas(), REFERENCE),
    Wrong(
        "m sums and does not average",
        "adam",
        edit("adam", m="self.assign(m, self.beta_1 * m + g)"),
        REFERENCE,
    ),
    Wrong(
        "assign where assign_add was meant",
        "adam",
        edit("adam", m="self.assign(m, (1 - self.beta_1) * (g - m))"),
        REFERENCE,
    ),
    Wrong(
        "the largest v forgotten",
        "amsgrad",
        edit("amsgrad", "ops.maximum(", "ops.minimum("),
        REFERENCE,
    ),
    Wrong("accumulator starts anew each step", "adagrad", forgetful_adagrad(), REFERENCE),
    Wrong(
        "damped where it should add",
        "momentum",
        edit("momentum", "- learning_rate", "- (1 - self.momentum) * learning_rate"),
        REFERENCE,
    ),
    Wrong(
        "Nesterov without looking ahead",
        "nesterov",
        edit("nesterov", w="self.assign(w, w + v)"),
        REFERENCE,
    ),
    Wrong("rho swapped", "rmsprop", swapped_rho(), REFERENCE),
    Wrong("sign descent", "adam", sign_descent(), REFERENCE),
    Wrong(
        "not centred",
        "centered_rmsprop",
        edit("centered_rmsprop", " - ops.square(m)", ""),
        REFERENCE,
    ),
    # the same, caught by the name that it bears, where nobody gave a reference
    Wrong("t frozen at 1", "adam", frozen_t(), NAME),
    Wrong("no correction of v", "adam", edit("adam", v_hat="v_hat = v"), NAME),
    Wrong("betas swapped", "adam", swapped_betas(), NAME),
    Wrong("sign descent", "adam", sign_descent(), NAME),
    Wrong("accumulator starts anew each step", "adagrad", forgetful_adagrad(), NAME),
    Wrong("rho swapped", "rmsprop", swapped_rho(), NAME),
]

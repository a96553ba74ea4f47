"""A whole step of `fit`: forward, backward, update, and what Keras does around them."""

from course_lib.checks import check_optimizer
from course_lib.checks.dialects import keras_dialect_of
from course_lib.checks.wrong import edit
from course_lib.optimizers import RULES
from course_lib.two_gradients import HEUN, TwoGradientModel

import pytest
from harness import side_by_side
from networks import batches, compiled

BUILT_IN = [name for name, rule in RULES.items() if rule.builtin]
STEPS = 20
PAIRS = 61  # many and short: what disturbs a sample lasts longer than one


@pytest.fixture(scope="module")
def data():
    return batches(128, STEPS).cache()


def fitting(model, data, epochs=1):
    return lambda: model.fit(data, epochs=epochs, verbose=0, shuffle=False)


@pytest.mark.parametrize("way", ["graph", "jit"])
@pytest.mark.parametrize("name", BUILT_IN)
def test_our_class_costs_what_keras_own_costs(results, data, name, way):
    rule, jit = RULES[name], way == "jit"
    # A small learning rate: nothing diverges, and nothing is denormal.
    settings = {**rule.settings, "learning_rate": 0.0001}
    candidates = {
        "ours": fitting(compiled(rule.keras_class(**settings), jit_compile=jit), data),
        "Keras": fitting(compiled(rule.builtin(**settings), jit_compile=jit), data),
    }
    times = side_by_side(candidates, rounds=PAIRS)
    # Where no setting makes the two agree (schedule_free), they are no twins: there is nothing to hold.
    target = None if keras_dialect_of(rule).agree_when is None else (0.95, 1.05)
    results.ratio("fit", f"{name}, {way}", "ours", times, "Keras", target)


def in_the_papers_words():
    """Our Adam with Algorithm 1's own rows: a fresh array into each slot, and a division for each weight."""
    return edit(
        "adam",
        m="self.assign(m, self.beta_1 * m + (1 - self.beta_1) * g)",
        v="self.assign(v, self.beta_2 * v + (1 - self.beta_2) * g**2)",
        m_hat="m_hat = m / (1 - self.beta_1**t)",
        v_hat="v_hat = v / (1 - self.beta_2**t)",
    )


def measure_the_papers_words(results, data):
    words = in_the_papers_words()
    same = check_optimizer(words, reference=RULES["adam"], checks=["it_follows_the_reference"])
    assert same.passed, str(same)
    candidates = {
        "in the paper's words": fitting(compiled(words(0.0001)), data),
        "ours": fitting(compiled(RULES["adam"].keras_class(0.0001)), data),
    }
    times = side_by_side(candidates, rounds=PAIRS)
    results.ratio("fit", "adam, graph", "in the paper's words", times, "ours")


@pytest.mark.parametrize("rows", [128, 2048])
@pytest.mark.parametrize("way", ["graph", "jit"])
def test_heun_costs_two_gradient_steps(results, rows, way):
    """As many gradients of as many examples: n steps of Heun, or 2 n plain ones."""
    jit, steps = way == "jit", STEPS if rows == 128 else 4
    sgd = RULES["sgd"].keras_class
    heun = compiled(sgd(0.01), wrap=lambda inner: TwoGradientModel(inner, HEUN), jit_compile=jit)
    plain = compiled(sgd(0.01), jit_compile=jit)
    candidates = {
        "Heun": fitting(heun, batches(rows, steps).cache()),
        "two gradient steps": fitting(plain, batches(rows, 2 * steps).cache()),
    }
    times = side_by_side(candidates, rounds=PAIRS if rows == 128 else 15)
    results.ratio("Heun", f"{rows} rows, {way}", "Heun", times, "two gradient steps", (0, 1.05))

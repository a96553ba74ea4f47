"""A translated step is the step: the same numbers from another library, and under its compiler."""

import course_lib  # noqa: F401
from course_lib.optimizers import RULES
from course_lib.sweeps.tracing import translate

import keras
import numpy as np
import pytest

SHAPES = [(4, 3), (3,)]


def walk(step, init, shape, of):
    """Eight steps, of numbers that `of` makes of NumPy's."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=shape)
    state = {key: of(value) for key, value in init(w).items()}
    w = of(w)
    for _ in range(8):
        w, state = step(w, of(rng.normal(size=shape)), state)
    return np.asarray(w)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", RULES)
def test_a_translated_step_is_the_step(name, shape):
    rule = RULES[name]
    hyper = rule.arguments("step", dict(rule.settings))
    init = {key: value for key, value in rule.settings.items() if key in rule.hyperparameters}
    given = rule.arguments("init", init)

    def placed(value):
        return keras.ops.convert_to_tensor(np.asarray(value, "float64"))

    translated = translate(rule.numpy.step, keras.ops)
    there = walk(
        lambda w, g, s: translated(w, g, s, **hyper),
        lambda w: rule.numpy.init(w, **given),
        shape,
        placed,
    )
    here = walk(
        lambda w, g, s: rule.numpy.step(w, g, s, **hyper),
        lambda w: rule.numpy.init(w, **given),
        shape,
        lambda value: value,
    )
    np.testing.assert_allclose(there, here, rtol=1e-12, atol=1e-12)


def cautious(x):
    return np.sqrt(x) if x > 0 and x < 9 or x == 16 else max(x, 0.0) + min(1, 2, x)


@pytest.mark.parametrize("x", [4.0, 9.0, 16.0, -2.0])
def test_choices_that_depend_on_values_are_made_by_the_compiled_program(x):
    import tensorflow as tf

    compiled = tf.function(translate(cautious, keras.ops), autograph=False)
    assert float(compiled(tf.constant(x))) == cautious(x)
    with pytest.raises(Exception, match="bool|Python"):  # the reason for all this
        tf.function(cautious, autograph=False)(tf.constant(x))


def test_choices_that_are_known_beforehand_are_made_beforehand():
    def rank(x):
        return "matrix" if len(x.shape) == 2 and max(x.shape) > 1 else "other"

    assert translate(rank, keras.ops)(keras.ops.ones((2, 3))) == "matrix"
    assert translate(rank, keras.ops)(keras.ops.ones((2,))) == "other"


def half(x):
    return np.multiply(x, 0.5)


def quarter(x, of=np, then=half):
    return of.abs(then(half(x))).T


def test_helpers_defaults_and_closures_are_translated_too():
    seen = []

    class Library:
        def __getattr__(self, name):
            seen.append(name)
            return getattr(np, name)

    def within(x):
        return np.negative(quarter(x))

    def local(x):
        return within(x)

    assert translate(local, Library())(np.array([-4.0])) == -1.0
    assert {"multiply", "abs", "transpose", "negative"} <= set(seen)


def test_the_function_itself_is_left_alone():
    translate(cautious, keras.ops)
    assert cautious(4.0) == 2.0
    assert isinstance(cautious(4.0), np.floating)


def test_without_source_there_is_nothing_to_translate():
    namespace = {"np": np}
    exec("def f(x):\n    return np.sqrt(x)", namespace)
    with pytest.raises(ValueError, match="f cannot be compiled. The source of f cannot be read"):
        translate(namespace["f"], keras.ops)
    with pytest.raises(ValueError, match="cannot be read"):
        translate(len, keras.ops)

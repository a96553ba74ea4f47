"""A translated step is the step: the same numbers from another library, and under its compiler."""

import ast
import importlib
import linecache
from textwrap import dedent

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES
from course_lib.sweeps.fingerprints import code_of, digest
from course_lib.sweeps.sources import parsed, source_of
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


def halves_the_length(text):
    return half(len(dedent(text)))


def test_only_helpers_of_files_with_numpy_are_translated():
    translated = translate(halves_the_length, keras.ops)
    assert float(translated("  ab")) == 1.0
    assert translated.__globals__["dedent"] is dedent
    assert translated.__globals__["half"] is not half


# ---- The source is the function's, or there is none ----


def without_source(code="def f(x):\n    return np.sqrt(x)\n", file="<string>"):
    namespace = {"np": np, "__name__": __name__}
    exec(compile(code, file, "exec"), namespace)
    return namespace["f"]


@pytest.fixture
def planted():
    """plant(file, text): what Python then takes for the text of that file."""
    files = []

    def plant(file, text):
        files.append(file)
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file

    yield plant
    for file in files:
        del linecache.cache[file]


def test_without_source_there_is_nothing_to_translate():
    operations = [lambda x: np.sqrt(x)]
    with pytest.raises(ValueError, match="f cannot be compiled. The source of f cannot be read"):
        translate(without_source(), keras.ops)
    with pytest.raises(ValueError, match="len cannot be read"):
        translate(len, keras.ops)
    with pytest.raises(ValueError, match="<lambda> cannot be read"):
        translate(operations[0], keras.ops)
    with pytest.raises(ValueError, match="cannot be read"):
        translate(np.sqrt, keras.ops)


@pytest.mark.parametrize(
    "text",
    [
        "raise SystemExit('executed')\n",
        "def f(x):\n    return np.exp(x)\n",
        "def f(x):\n    return np.sqrt(x) + 1\n",
        "def f(x, y=1):\n    return np.sqrt(x)\n",
        "\ndef f(x):\n    return np.sqrt(x)\n",
        "def g(x):\n    return np.sqrt(x)\n",
        "class f:\n    pass\n",
        "def f(x): return 'never closed\n",
        "import os; os._exit(3)\ndef f(x):\n    return np.sqrt(x)\n",
    ],
    ids=repr,
)
def test_the_text_of_another_file_is_neither_translated_nor_executed(planted, text):
    """As Python 3.13 finds it for a function that has none: what `python -c` was called with."""
    planted("<string>", text)
    with pytest.raises(ValueError, match="The source of f cannot be read"):
        translate(without_source(), keras.ops)


def test_where_the_text_is_the_functions_it_is_translated(planted):
    text = "def f(x):\n    return np.sqrt(x)\n"
    planted("<cell 1>", text)
    assert float(translate(without_source(text, "<cell 1>"), keras.ops)(16.0)) == 4.0


def test_statements_that_were_compiled_alone_are_found_in_their_cell(planted):
    """As a notebook does: what follows an import in the same text is compiled otherwise."""
    text = "import numpy as np\n\n\ndef f(x):\n    return np.sqrt(x)\n"
    planted("<cell 2>", text)
    namespace = {}
    for statement in ast.parse(text).body:
        exec(compile(ast.Module([statement], []), "<cell 2>", "exec"), namespace)
    assert float(translate(namespace["f"], keras.ops)(16.0)) == 4.0


def test_a_module_that_was_edited_after_its_import_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "my_rule_of_today.py"
    file.write_text("import numpy as np\n\n\ndef f(x):\n    return np.sqrt(x)\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("my_rule_of_today")
    assert float(translate(module.f, keras.ops)(16.0)) == 4.0
    file.write_text("import numpy as np\n\n\ndef f(x):\n    return np.sqrt(x) + 1\n")
    with pytest.raises(ValueError, match="my_rule_of_today.py, line 4, is not what f runs"):
        translate(module.f, keras.ops)


def test_what_stands_in_a_function_is_read_as_it_stands_there():
    scale = 2.0

    class Holder:
        @staticmethod
        def inner(x, *, more=(1.0, 2.0)):
            """Says
            two things."""
            y = [np.multiply(x, each) for each in more]
            text = """
  not indented"""
            return sum(y) * scale * len(text)

    assert float(translate(Holder.inner, keras.ops)(1.0)) == Holder.inner(1.0) == 90.0
    assert parsed(source_of(Holder.inner)).name == "inner"


# ---- Fingerprints of what has no source ----


def test_without_source_the_bytecode_tells_functions_apart(planted):
    codes = [
        "def f(x):\n    return np.sqrt(x)\n",
        "def f(x):\n    return np.exp(x)\n",
        "def f(x):\n    return np.sqrt(x + 1)\n",
        "def f(x):\n    return np.sqrt([each + 1 for each in x])\n",
        "def f(x):\n    return np.sqrt([each + 2 for each in x])\n",
        "def f(x, y=1):\n    return np.sqrt(x)\n",
        "def f(x, y=2):\n    return np.sqrt(x)\n",
    ]
    for text in (None, codes[0]):  # and where Python finds the text of another file
        if text:
            planted("<string>", text)
        found = [digest(code_of(without_source(code))) for code in codes]
        assert len(set(found)) == len(codes)
        assert found == [digest(code_of(without_source(code))) for code in codes]

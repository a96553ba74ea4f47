"""The rules keep their word on JAX and on PyTorch, where these are installed.

uv run --isolated --group jax pytest tests/test_backends.py
uv run --isolated --group torch pytest tests/test_backends.py
"""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import pytest

# A process of its own: Keras chooses its backend once, when it is imported.
ON_ANOTHER_BACKEND = """
    import json
    import course_lib.quiet
    import keras
    from course_lib.checks import check_rule
    from course_lib.models import fresh
    from course_lib.optimizers import RULES
    from course_lib.problems import load_digits, small_network

    x, y = load_digits(8)
    half = keras.ops.ones(2, "float64") / 2
    rounds = keras.backend.standardize_dtype(keras.ops.maximum(half, half).dtype) != "float64"
    for name, rule in RULES.items():
        report = check_rule(rule)
        model = fresh(small_network, 0)
        model.compile(rule.keras_class(0.01), loss="sparse_categorical_crossentropy")
        losses = model.fit(x[:512], y[:512], epochs=3, batch_size=64, verbose=0).history["loss"]
        seen = {"rows": report.rows, "text": str(report), "losses": losses, "rounds": rounds}
        print(json.dumps([keras.backend.backend(), name, seen]))
"""


@pytest.fixture(scope="module", params=["jax", "torch"])
def seen(request):
    """What was seen on a backend: the report and the losses of each rule."""
    backend = request.param
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ON_ANOTHER_BACKEND)],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1"},
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert {used for used, _, _ in rows} == {backend}
    return {name: {**row, "backend": backend} for _, name, row in rows}


# The names stand here once more, so that nothing has to be imported where no backend is installed.
NAMES = [
    "sgd",
    "momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "centered_rmsprop",
    "adadelta",
    "adam",
    "amsgrad",
    "adamax",
    "nadam",
    "yogi",
    "adabelief",
    "adamw",
    "ftrl",
    "radam",
    "schedule_free",
    "adafactor",
    "lars",
    "lamb",
    "lion",
    "shampoo",
    "muon",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_check_passes_and_graphs_do_not_apply(name, seen):
    assert list(seen) == NAMES
    report = seen[name]
    failed = {check for check, outcome, _ in report["rows"] if outcome == "FAILED"}
    if report["rounds"] and name in ("amsgrad", "adamax", "adafactor"):
        # NB: on PyTorch keras.ops.maximum hands float64 back as float32 (Keras 3.15)
        assert failed == {"keras_equals_numpy", "keras_equals_its_builtin_twin"}, report["text"]
    elif report["backend"] == "jax" and name == "schedule_free":
        # NB: on JAX a variable's value is no second name for it: one of the two declared faults of Keras's is missing
        assert failed == {"differs_from_its_builtin_twin_as_declared"}, report["text"]
    elif name == "adafactor":
        # NB: Keras's class takes keras.ops.mean, which computes in float32 on JAX (Keras 3.15); ours does not
        assert failed == {"keras_equals_its_builtin_twin"}, report["text"]
    elif name == "muon":
        # NB: Keras's class takes its scale, a root of a whole number, in float32 here; ours does not
        assert failed == {"keras_equals_its_builtin_twin"}, report["text"]
        assert "of shape (2, 3)" in report["text"]
    else:
        assert not failed, report["text"]
    not_applicable = [said for _, outcome, said in report["rows"] if outcome == "n/a"]
    assert not_applicable[0].startswith("graphs are TensorFlow's; the backend is ")


@pytest.mark.parametrize("name", NAMES)
def test_a_compiled_fit_lowers_the_loss(name, seen):
    losses = seen[name]["losses"]
    assert losses[-1] < losses[0]

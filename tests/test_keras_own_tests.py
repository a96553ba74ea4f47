"""Keras ships the tests of its optimizers.  They pass with our classes in place of theirs."""

import importlib
import re
import unittest
import warnings

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES

import keras
import pytest

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # within Keras


# Keras has one class for several rules: its flags pick ours.


def sgd(momentum=0.0, nesterov=False, **rest):
    if nesterov:
        return RULES["nesterov"].keras_class(momentum=momentum, **rest)
    if momentum != 0:
        return RULES["momentum"].keras_class(momentum=momentum, **rest)
    return RULES["sgd"].keras_class(**rest)


def rmsprop(centered=False, **rest):
    return RULES["centered_rmsprop" if centered else "rmsprop"].keras_class(**rest)


def adam(amsgrad=False, **rest):
    return RULES["amsgrad" if amsgrad else "adam"].keras_class(**rest)


def adafactor(relative_step=True, **rest):
    return RULES["adafactor"].keras_class(**rest)  # NB: in Keras 3.15 it changes nothing


def adamw(amsgrad=False, **rest):
    return RULES["amsgrad" if amsgrad else "adamw"].keras_class(**rest)


STAND_INS = {
    "SGD": sgd,
    "RMSprop": rmsprop,
    "Adam": adam,
    "Adagrad": RULES["adagrad"].keras_class,
    "Adadelta": RULES["adadelta"].keras_class,
    "Adamax": RULES["adamax"].keras_class,
    "Nadam": RULES["nadam"].keras_class,
    "AdamW": adamw,
    "Ftrl": RULES["ftrl"].keras_class,
    "ScheduleFreeAdamW": RULES["schedule_free"].keras_class,
    "Adafactor": adafactor,
    "Lamb": RULES["lamb"].keras_class,
    "Lion": RULES["lion"].keras_class,
    "Muon": RULES["muon"].keras_class,
}
FILES = {"ScheduleFreeAdamW": "schedule_free_adamw"}  # else the class's name in small letters
# What Keras asks and ours declares different: (class, method): what is said then, and why.
DECLARED = {
    ("NadamTest", "test_build_with_empty_var_list"): (
        "no attribute '_u_product'",
        "it asks for a variable of Keras's own by its private name",
    ),
    ("AdamWTest", "test_correctness_with_golden"): (
        "Mismatched elements",
        "its epsilon is 2, and stands beside √(v) there and beside √(v̂) here, as in the paper",
    ),
    ("AdamWTest", "test_weight_decay_is_none"): (
        r"TypeError: `weight_decay` must be a finite float, 0 or more. Received: weight_decay=None",
        "refused here too, as every hyper-parameter is, with a TypeError and the course's sentence",
    ),
    **{
        ("FtrlTest", f"test_invalid_{name}"): (
            f"`{name}` must be a finite float, 0 or (more|less). Received: {name}=-?0.1",
            "refused here too, with the course's sentence: Keras wants the words 'positive or zero'",
        )
        for name in (
            "initial_accumulator_value",
            "learning_rate_power",
            "l1_regularization_strength",
            "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
        )
    },
    ("LambTest", "test_weight_decay"): (
        r"ACTUAL: array\(0., dtype=float32\)",
        "the decay stands inside the ratio: without a gradient the step is as long as w, and ends at 0",
    ),
    ("LionTest", "test_invalid_beta_1"): (
        "`beta_1` must be a float, 0 or more and less than 1.",
        "beta_1 = 0 is the sign of the gradient, and welcome; the rest is refused in our own words",
    ),
}
# What Keras asks of parts that ours has in another form; tests/test_matrix_rules.py asks ours for the same numbers.
OTHER_PARTS = {
    ("MuonTest", "test_Newton_Schulz"): "orthogonal is a function of the module",
    ("MuonTest", "test_lr_adjust_2d"): "scale is a row of the step",
    ("MuonTest", "test_lr_adjust_none"): "rms_rate is a number",
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", pytest.PytestUnknownMarkWarning)  # marks of Keras's own set-up
    MODULES = {
        name: importlib.import_module(f"keras.src.optimizers.{FILES.get(name, name.lower())}_test")
        for name in STAND_INS
    }
CASES = [
    (cls, method)
    for module in MODULES.values()
    for cls in vars(module).values()
    if isinstance(cls, type) and issubclass(cls, unittest.TestCase)
    for method in unittest.TestLoader().getTestCaseNames(cls)
    if (cls.__name__, method) not in OTHER_PARTS
]


@pytest.fixture
def made(monkeypatch):
    """Our classes stand in for Keras's in its tests; the list of the optimizers that were made there."""
    made = []

    def remembered(make):
        def stand_in(**arguments):
            made.append(make(**arguments))
            return made[-1]

        return stand_in

    for name, module in MODULES.items():
        monkeypatch.setattr(module, name, remembered(STAND_INS[name]))
    yield made
    keras.config.enable_traceback_filtering()  # which Keras's tests switch off


def complaints(case):
    """What failed, raised or was skipped in one of Keras's test methods, as text."""
    result = unittest.TestResult()
    case.run(result)
    assert result.testsRun == 1
    return "\n".join(said for _, said in result.errors + result.failures + result.skipped)


@pytest.mark.parametrize("cls, method", CASES, ids=lambda it: getattr(it, "__name__", it))
def test_what_keras_asks_of_its_class_holds_for_ours(cls, method, made):
    said = complaints(cls(method))
    if (cls.__name__, method) in DECLARED:
        expected, why = DECLARED[cls.__name__, method]
        assert re.search(expected, said), f"{why}\n{said}"
        return
    assert not said, said
    classes = {type(optimizer) for optimizer in made}
    assert classes <= {rule.keras_class for rule in RULES.values()}
    assert classes or method.startswith("test_invalid_")  # where the constructor refuses


def test_kerass_tests_are_found_for_every_class():
    golden = {cls.__name__ for cls, method in CASES if method == "test_correctness_with_golden"}
    without = {"MuonTest", "ScheduleFreeAdamWTest"}  # Keras has no golden run of these
    assert golden == {f"{name}Test" for name in STAND_INS} - without
    assert "test_muon_single_step" in [method for _, method in CASES]


def test_another_class_fails_kerass_tests(made, monkeypatch):
    adagrad_test = MODULES["Adagrad"]
    monkeypatch.setattr(adagrad_test, "Adagrad", adam)
    assert "Mismatched elements" in complaints(adagrad_test.AdagradTest("test_single_step"))

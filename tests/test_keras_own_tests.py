"""Keras ships the tests of its optimizers.  They pass with our classes in place of theirs."""

import importlib
import unittest
import warnings

import course_lib  # noqa: F401
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


STAND_INS = {"SGD": sgd, "RMSprop": rmsprop, "Adam": adam, "Adagrad": RULES["adagrad"].keras_class}
STAND_INS |= {"Adafactor": adafactor}
STAND_INS |= {"Lamb": RULES["lamb"].keras_class, "Lion": RULES["lion"].keras_class}
# Where a method asks for something that our class declares different: what it says then.
DECLARED = {
    # the decay stands inside the ratio: without a gradient the step is as long as w, and ends at 0
    ("LambTest", "test_weight_decay"): "ACTUAL: array(0., dtype=float32)",
    # beta_1 = 0 is the sign of the gradient, and welcome; what is out of range we refuse in our own words
    ("LionTest", "test_invalid_beta_1"): "`beta_1` must be a float, 0 or more and less than 1.",
}
STAND_INS |= {"Muon": RULES["muon"].keras_class}
# What Keras asks of parts that ours has in another form; tests/test_matrix_rules.py asks ours for the same numbers.
OTHER_PARTS = {
    ("MuonTest", "test_Newton_Schulz"): "orthogonal is a function of the module",
    ("MuonTest", "test_lr_adjust_2d"): "scale is a row of the step",
    ("MuonTest", "test_lr_adjust_none"): "rms_rate is a number",
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", pytest.PytestUnknownMarkWarning)  # marks of Keras's own set-up
    MODULES = {
        name: importlib.import_module(f"keras.src.optimizers.{name.lower()}_test")
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
    declared = DECLARED.get((cls.__name__, method), "")
    assert bool(said) == bool(declared) and declared in said, said
    classes = {type(optimizer) for optimizer in made}
    assert classes <= {rule.keras_class for rule in RULES.values()}
    assert classes or method.startswith("test_invalid_")  # where the constructor refuses


def test_kerass_tests_are_found_for_every_class():
    golden = {cls.__name__ for cls, method in CASES if method == "test_correctness_with_golden"}
    assert golden == {f"{name}Test" for name in STAND_INS} - {"MuonTest"}  # has a golden step
    assert "test_muon_single_step" in [method for _, method in CASES]


def test_another_class_fails_kerass_tests(made, monkeypatch):
    adagrad_test = MODULES["Adagrad"]
    monkeypatch.setattr(adagrad_test, "Adagrad", adam)
    assert "Mismatched elements" in complaints(adagrad_test.AdagradTest("test_single_step"))

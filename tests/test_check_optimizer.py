"""check_optimizer passes what is right, and names what is wrong: the mutation suite.

Each wrong optimizer is one of the course's rules with one change, and each is caught by the check
that names the property which the change breaks. Where no property of all sound rules tells the
wrong from the right (a frozen step count is a sound rule, only not Adam), the table says so, and a
reference does.

Every day, each check that can fail is shown one wrong optimizer. The thorough suite asks every
check of everything.
"""

import contextlib
import json
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import course_lib.quiet  # noqa: F401
from course_lib.checks import (
    OPTIMIZER_CHECKS,
    CheckFailed,
    Report,
    check_optimizer,
    parametrize_with_checks,
)
from course_lib.checks import __main__ as command
from course_lib.checks.engine import limits, subprocess
from course_lib.checks.engine.candidate import Candidate
from course_lib.checks.engine.runs import XLA
from course_lib.checks.properties import claims, execution
from course_lib.checks.wrong import NAME, REFERENCE, WRONG, edit
from course_lib.optimizers import RULES
from course_lib.wrappers import Lookahead, SoftBatch

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # within Keras
NAMES = [check.__name__ for check in OPTIMIZER_CHECKS]
ELSEWHERE = ["two_replicas_step_as_one", "other_backends_take_the_same_path"]
thorough = pytest.mark.thorough  # every check of everything: minutes

# ---- The mutation suite ----


FIRST_OF_EACH_CHECK = {w.check: w for w in reversed(WRONG)}


def each(rows):
    """A test for each wrong optimizer; those that are asked every day carry no mark."""
    every_day = FIRST_OF_EACH_CHECK.values()
    return pytest.mark.parametrize(
        "row",
        [
            pytest.param(
                row, id=f"{row.rule}: {row.what}", marks=() if row in every_day else thorough
            )
            for row in rows
        ],
    )


@each(WRONG)
def test_a_wrong_optimizer_is_caught_by_the_check_that_names_the_property(row):
    assert_caught(row, row.examine())


@thorough
@each(WRONG)
def test_a_wrong_optimizer_is_caught_among_all_checks(row):
    assert_caught(row, row.examine(NAMES))


def assert_caught(row, report):
    assert row.check in report.failed, str(report)
    message = report.failed[row.check]
    assert ", expected " in message or message.startswith("it raised "), message


RULES_WITH_WRONG_ONES = sorted({row.rule for row in WRONG})


@pytest.mark.parametrize(
    "rule",
    [r if r == "nesterov" else pytest.param(r, marks=thorough) for r in RULES_WITH_WRONG_ONES],
)
def test_the_same_file_without_a_change_passes_those_checks(rule):
    asked = {row.check for row in WRONG if row.rule == rule}
    report = check_optimizer(edit(rule), reference=RULES[rule], checks=asked)
    assert report.passed, str(report)
    assert not report.of_keras


def test_there_are_more_than_sixty_wrong_ones_and_nearly_every_check_catches_one():
    assert len(WRONG) == 107
    assert len({(row.what, row.rule, row.check) for row in WRONG}) == len(WRONG)
    never = set(NAMES) - set(FIRST_OF_EACH_CHECK)
    assert never == {
        "it_builds_itself_at_the_first_step",
        "a_schedule_counts_updates_under_accumulation",  # these two speak about Keras alone
        "an_exclusion_after_build_is_refused",
        *ELSEWHERE,
    }


def test_an_edit_insists_on_one_place_within_update_step():
    with pytest.raises(ValueError, match="'w' must stand in exactly one place .* Found: "):
        edit("sgd", "w", "v")
    with pytest.raises(ValueError, match="Found: 0"):
        edit("sgd", "super().__init__", "pass")  # it stands in the file, in another method
    with pytest.raises(ValueError, match="a row that assigns v must stand in exactly one place"):
        edit("sgd", v="self.assign(v, g)")
    once = edit("adam", m="self.assign(m, g)")
    assert check_optimizer(once, checks=["a_step_can_be_taken"]).passed
    assert not check_optimizer(once, reference=RULES["adam"], checks=[REFERENCE]).passed


# ---- What is right passes ----

K = keras.optimizers
BUILT_IN = {
    "SGD": K.SGD,
    "SGD(nesterov)": lambda **kw: K.SGD(**{"momentum": 0.5, "nesterov": True, **kw}),
    "RMSprop": K.RMSprop,
    "RMSprop(centered)": lambda **kw: K.RMSprop(**{"momentum": 0.5, "centered": True, **kw}),
    "Adagrad": K.Adagrad,
    "Adadelta": K.Adadelta,
    "Adam": K.Adam,
    "Adam(amsgrad)": lambda **kw: K.Adam(**{"amsgrad": True, **kw}),
    "Adamax": K.Adamax,
    "Nadam": K.Nadam,
    "AdamW": K.AdamW,
    "Adafactor": K.Adafactor,
    "Ftrl": K.Ftrl,
    "Lion": K.Lion,
    "Lamb": K.Lamb,
    "Muon": K.Muon,
    "ScheduleFreeAdamW": K.ScheduleFreeAdamW,
    "LossScaleOptimizer": lambda: K.LossScaleOptimizer(K.Adam()),
    "MultiOptimizer": lambda: K.MultiOptimizer(K.OptimizerMap(K.Adam())),
}
# What Keras itself gets wrong, beside the rows that concern every optimizer (Keras 3.15.1).
OF_EVERY_ONE = {
    "a_schedule_counts_updates_under_accumulation",
    "an_exclusion_after_build_is_refused",
}
UNSUMMED = "sparse_gradients_step_like_dense_ones"
FINDINGS = {
    "SGD": set(),
    "SGD(nesterov)": set(),
    "Lion": set(),
    "Muon": {"float64_stays_float64", UNSUMMED},  # ops.sqrt of a Python int is float32
    "LossScaleOptimizer": {"it_builds_once", UNSUMMED},  # its build has no guard
    # it wants the gradients of all its variables
    "MultiOptimizer": {"a_part_of_the_variables_finds_its_own_state", UNSUMMED},
    "ScheduleFreeAdamW": {"fit_equals_a_loop", UNSUMMED},  # build assigns, with every batch
}
OURS = {name: rule.keras_class for name, rule in RULES.items()}
WRAPPED = {
    "SoftBatch": lambda: SoftBatch(RULES["adam"].keras_class(), 4),
    "Lookahead": lambda: Lookahead(RULES["adam"].keras_class(), steps=3),
    "LossScaleOptimizer of ours": lambda: K.LossScaleOptimizer(RULES["momentum"].keras_class()),
    "partial": partial(RULES["adam"].keras_class, 0.125, beta_1=0.5),
}
# Each of them costs seconds; these are the checks that a class, rather than Keras, decides.
TELLING = [
    "scalars_to_rank_four_are_stepped",
    "sparse_gradients_step_like_dense_ones",
    "it_is_what_its_name_says",
    "a_zero_gradient_pushes_nothing_away",
    "a_mirrored_run_is_mirrored",
    "permuted_coordinates_take_the_same_paths",
    "a_larger_gradient_makes_no_smaller_step",
    "the_configuration_holds_every_argument",
    "all_state_is_in_its_variables",
    "weight_decay_is_applied_once_before_the_step",
]
SOME_OF_KERAS, SOME_OF_OURS = ["Adam"], ["muon", "SoftBatch"]


def some(names, every_day):
    marked = [n if n in every_day else pytest.param(n, marks=thorough) for n in names]
    return pytest.mark.parametrize("name", marked)


@some(BUILT_IN, SOME_OF_KERAS)
def test_every_optimizer_of_keras_passes_but_for_findings_about_keras(name):
    assert_keras_passes(name, TELLING)


@thorough
@pytest.mark.parametrize("name", BUILT_IN)
def test_every_optimizer_of_keras_passes_all_checks_but_for_findings_about_keras(name):
    assert_keras_passes(name, None)


def assert_keras_passes(name, checks):
    report = check_optimizer(BUILT_IN[name], checks=checks)
    assert report.passed, str(report)
    asked = {check for check, _, _ in report.rows}
    known = (FINDINGS.get(name, {UNSUMMED}) | OF_EVERY_ONE) & asked
    if name in ("LossScaleOptimizer", "MultiOptimizer"):  # they take no schedule of their own
        known -= OF_EVERY_ONE - {"an_exclusion_after_build_is_refused"}
    assert set(report.of_keras) == known, str(report)


@some([*OURS, *WRAPPED], SOME_OF_OURS)
def test_every_rule_and_every_wrapper_of_ours_passes(name):
    assert_ours_passes(name, TELLING)


@thorough
@pytest.mark.parametrize("name", [*OURS, *WRAPPED])
def test_every_rule_and_every_wrapper_of_ours_passes_all_checks(name):
    assert_ours_passes(name, None)


def assert_ours_passes(name, checks):
    report = check_optimizer({**OURS, **WRAPPED}[name], checks=checks)
    assert report.passed, str(report)
    if name in OURS:
        assert set(report.of_keras) <= OF_EVERY_ONE, str(report)


def test_what_a_class_of_keras_refuses_is_held_against_keras():
    """MultiOptimizer wants the gradients of all its variables, and says so with a ValueError."""
    part = "a_part_of_the_variables_finds_its_own_state"
    report = check_optimizer(BUILT_IN["MultiOptimizer"], checks=[part])
    assert report.passed
    assert "MultiOptimizer refuses: " in report.of_keras[part]


@thorough  # notebook 18 shows it every day
def test_build_in_schedule_free_assigns_with_every_batch_of_fit():
    """The gravest finding about Keras: under fit, ScheduleFreeAdamW forgets where it was."""
    report = check_optimizer(K.ScheduleFreeAdamW, checks=["fit_equals_a_loop"])
    assert report.passed
    assert "what `build` assigns while `fit` traces" in report.of_keras["fit_equals_a_loop"]


@thorough
@pytest.mark.parametrize("optimizer", [K.Adam, RULES["adam"].keras_class])
def test_every_check_of_adam(optimizer):
    """The whole: also on two replicas."""
    report = check_optimizer(optimizer)
    assert report.passed, str(report)
    assert [name for name, _, _ in report.rows] == NAMES
    outcomes = {name: outcome for name, outcome, _ in report.rows}
    assert outcomes["two_replicas_step_as_one"] == "passed"
    strange = {name for name, outcome in outcomes.items() if outcome in ("n/a", "Keras")}
    registered = {"it_is_registered"} if optimizer is K.Adam else set()
    unsummed = {UNSUMMED} if optimizer is K.Adam else set()
    nothing_to_compare = {REFERENCE, NAME, "other_backends_take_the_same_path"}
    assert strange <= OF_EVERY_ONE | nothing_to_compare | registered | unsummed


def test_the_standard_run_is_made_once_for_all_checks():
    made = []

    def counted():
        made.append(RULES["momentum"].keras_class(0.125, momentum=0.75))
        return made[-1]

    asked = ["it_builds_once", "a_mirrored_run_is_mirrored", "every_update_is_counted_once"]
    check_optimizer(counted, checks=asked[:1])
    alone = len(made)
    check_optimizer(counted, checks=asked)
    assert len(made) - alone == alone + 1  # one for the mirrored run, none for the counted


# ---- References ----


ADAM = RULES["adam"]


@pytest.mark.parametrize(
    "reference, name",
    [
        (ADAM, "the NumPy rule Adam"),
        pytest.param(ADAM.numpy, "the NumPy rule", marks=thorough),
        (SimpleNamespace(init=ADAM.numpy.init, step=ADAM.numpy.step), "the NumPy rule"),
        pytest.param(ADAM.keras_class, "Adam", marks=thorough),
    ],
    ids=["a rule", "a module", "init and step", "an optimizer"],
)
def test_a_reference_is_a_rule_or_any_init_and_step_or_an_optimizer(reference, name):
    report = check_optimizer(ADAM.keras_class, reference=reference, checks=[REFERENCE])
    assert report.passed and name in report.rows[0][2], str(report)


def test_a_reference_of_keras_puts_epsilon_elsewhere():
    ours, of_keras = partial(ADAM.keras_class, epsilon=0.0), partial(K.Adam, epsilon=0.0)
    assert check_optimizer(ours, reference=of_keras, checks=[REFERENCE]).passed
    assert not check_optimizer(K.Adam, reference=ADAM, checks=[REFERENCE]).passed


def test_a_reference_gets_no_momentum_that_the_optimizer_has_not():
    report = check_optimizer(
        K.SGD, reference=lambda: RULES["sgd"].keras_class(0.01), checks=[REFERENCE]
    )
    assert report.passed, str(report)
    assert check_optimizer(K.SGD, reference=RULES["momentum"], checks=[REFERENCE]).passed
    assert not check_optimizer(
        K.SGD,
        reference=RULES["momentum"],
        settings={"momentum": 0.5, "nesterov": True},
        checks=[REFERENCE],
    ).passed


def test_optax_is_asked_only_where_jax_is_installed():
    transformation = SimpleNamespace(init=lambda ws: (), update=lambda g, state, ws: (g, state))
    report = check_optimizer(K.SGD, reference=transformation, checks=[REFERENCE])
    if not subprocess.importlib.util.find_spec("jax"):
        assert report.rows[0][1:] == (
            "n/a",
            "the reference is optax's, and jax is not installed here",
        )


# ---- What is asked, and what is answered ----


@pytest.mark.parametrize(
    "thing", [K.Adam(), "adam", 3, dict, None], ids=lambda it: type(it).__name__
)
def test_what_makes_no_optimizer_is_refused(thing):
    with pytest.raises(TypeError, match="`optimizer` must be") as refusal:
        check_optimizer(thing)
    assert "Received" in str(refusal.value)


def test_what_is_no_reference_and_a_check_that_is_not_there_are_refused():
    with pytest.raises(TypeError, match="`reference` must be a rule"):
        check_optimizer(K.Adam, reference=3)
    with pytest.raises(ValueError, match="`checks`: there is no check 'it_is_fast'"):
        check_optimizer(K.Adam, checks=["it_is_fast"])
    with pytest.raises(ValueError, match="`declared`: there is no check 'it_is_fast'"):
        check_optimizer(K.Adam, declared={"it_is_fast": "no"})


@pytest.mark.parametrize("nothing", [[], {}, ()])
def test_nothing_asked_is_an_error(nothing):
    with pytest.raises(ValueError, match="`checks` is empty, so nothing would be asked"):
        check_optimizer(K.SGD, checks=nothing)
    with pytest.raises(TypeError, match="`checks` must be names of checks"):
        check_optimizer(K.SGD, checks="a_step_can_be_taken")


def test_a_misspelt_check_is_told_the_nearest_name():
    with pytest.raises(ValueError, match="Did you mean 'a_bowl_is_descended'"):
        check_optimizer(K.SGD, checks=["a_bowl_is_decended"])


def test_what_cannot_be_made_fails_also_where_another_check_is_asked():
    report = check_optimizer(lambda: 3, checks=["a_step_can_be_taken"])
    assert list(report.failed) == ["it_is_made_anew_each_time"]
    assert not report.passed


def test_where_nothing_applies_nothing_is_known():
    report = check_optimizer(K.SGD, checks=[REFERENCE])
    assert str(report).endswith("1 checks: none of them applies, so nothing is known")


def test_what_does_not_move_makes_no_larger_steps():
    frozen = edit("sgd", w="w = w - learning_rate * g")
    larger = "a_larger_gradient_makes_no_smaller_step"
    report = check_optimizer(frozen, checks=[larger])
    assert report.rows == [(larger, "n/a", "it does not move at all: see a_step_can_be_taken")]


def test_an_argument_whose_default_is_zero_is_changed_too():
    class Damped(RULES["sgd"].keras_class):
        def __init__(self, learning_rate=0.01, damping=0.0, **kwargs):
            super().__init__(learning_rate, **kwargs)
            self.damping = damping

        def get_config(self):
            return {**super().get_config(), "damping": 0.0}

    report = check_optimizer(Damped, checks=["the_configuration_holds_every_argument"])
    assert "damping=0.25 is 0.0 in get_config()" in report.failed[report.rows[0][0]]


def test_what_cannot_be_made_fails_once_and_nothing_else_is_asked():
    class Needy(K.SGD):
        def __init__(self, speed):
            super().__init__(speed)

    for maker, message in [(Needy, "TypeError"), (lambda: 3, "must make a keras.Optimizer")]:
        report = check_optimizer(maker)
        assert list(report.failed) == ["it_is_made_anew_each_time"]
        assert message in report.failed["it_is_made_anew_each_time"]
        assert {outcome for _, outcome, _ in report.rows[1:]} == {"n/a"}


def test_what_cannot_step_fails_where_the_error_is_shown_and_nowhere_else():
    class Broken(K.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            raise KeyError("momentum")

    made = lambda: Broken(0.125)  # noqa: E731
    report = check_optimizer(made, checks=[name for name in NAMES if name not in ELSEWHERE])
    assert report.failed["a_step_can_be_taken"] == "it raised KeyError: 'momentum'"
    assert set(report.failed) <= {
        "a_step_can_be_taken",
        "float64_stays_float64",
        "scalars_to_rank_four_are_stepped",
        "no_variable_is_made_after_the_first_step",
        "it_is_registered",
        "the_configuration_holds_every_argument",
    }


def test_a_declared_property_is_not_asked():
    report = check_optimizer(
        edit("sgd", "w - learning", "w + learning"),
        declared={"a_bowl_is_descended": "it looks for maxima"},
        checks=["a_bowl_is_descended"],
    )
    assert report.passed
    assert report.rows == [("a_bowl_is_descended", "n/a", "declared: it looks for maxima")]


def test_a_class_of_keras_answers_for_what_a_derived_class_inherits():
    class Mine(K.Muon):
        pass

    class Worse(K.Adam):
        def _apply_weight_decay(self, variables):
            pass

    double = "float64_stays_float64"
    assert double in check_optimizer(Mine, checks=[double]).of_keras
    decay = "weight_decay_is_applied_once_before_the_step"
    assert decay in check_optimizer(Worse, checks=[decay]).failed


def test_a_refusal_with_a_sentence_is_heard_and_held_against_nobody():
    class MatricesOnly(RULES["sgd"].keras_class):
        def update_step(self, gradient, variable, learning_rate):
            if len(variable.shape) > 2:
                raise NotImplementedError("matrices only")
            super().update_step(gradient, variable, learning_rate)

    report = check_optimizer(MatricesOnly, checks=["scalars_to_rank_four_are_stepped"])
    assert report.rows[0][1:] == ("n/a", "it refuses, and says so: matrices only")


def test_what_breaks_on_a_sparse_gradient_is_told_how_to_mend_it_and_not_held_against_the_class():
    infix = edit("sgd", "ops.broadcast_to(gradient, w.shape)", "0.5 * gradient")
    report = check_optimizer(infix, checks=[UNSUMMED])
    assert report.passed
    assert "IndexedSlices" in report.of_keras[UNSUMMED] and "mends it" in report.of_keras[UNSUMMED]


def test_a_rule_that_draws_random_numbers_is_not_refused():
    class Noisy(RULES["sgd"].keras_class):
        def __init__(self, learning_rate=0.01, **kwargs):
            super().__init__(learning_rate, **kwargs)
            self.seed = keras.random.SeedGenerator()

        def update_step(self, gradient, variable, learning_rate):
            noise = keras.random.normal(variable.shape, dtype=variable.dtype, seed=self.seed)
            super().update_step(gradient + noise, variable, learning_rate)

    asked = [
        "a_mirrored_run_is_mirrored",
        "two_optimizers_do_not_meet",
        "the_same_run_twice_is_the_same",
    ]
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    report = check_optimizer(Noisy, checks=asked)
    assert {message for _, _, message in report.rows} == {
        "it draws random numbers, so that no two runs can be compared"
    }
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


@pytest.mark.parametrize("in_a_thread", [False, True])
def test_what_never_ends_is_stopped(in_a_thread, monkeypatch):
    monkeypatch.setattr(limits, "LIMIT", 1.0)

    class Endless(K.SGD):
        def update_step(self, gradient, variable, learning_rate):
            while True:
                with contextlib.suppress(Exception):
                    time.sleep(0.01)

    reports = []
    ask = lambda: reports.append(check_optimizer(Endless, checks=["a_step_can_be_taken"]))  # noqa: E731
    if in_a_thread:
        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(30)
    else:
        ask()
    (report,) = reports
    assert report.failed == {
        "a_step_can_be_taken": "it raised TimeoutError: it had not come to an end after 1 seconds"
    }


def test_leaving_the_program_is_a_failure():
    def leaves(optimizer):
        sys.exit(3)

    report = Report("mine")
    report.run(leaves, None)
    assert report.failed == {"leaves": "it raised SystemExit: 3"}

    asked = ["a_step_can_be_taken", "a_bowl_is_descended", "all_state_is_in_its_variables"]
    leaving = edit("sgd", "learning_rate * g", "learning_rate * g * exit(3)")
    assert check_optimizer(leaving, checks=asked).failed == {
        "a_step_can_be_taken": "it raised SystemExit: 3"
    }


def test_a_report_is_data_and_a_table_in_a_notebook():
    report = check_optimizer(K.SGD, checks=["a_step_can_be_taken", REFERENCE])
    data = json.loads(json.dumps(report.to_dict()))
    assert data["passed"] is True and data["failed"] == []
    assert [row["name"] for row in data["checks"]] == ["a_step_can_be_taken", REFERENCE]
    assert [row["outcome"] for row in data["checks"]] == ["passed", "n/a"]
    page = report._repr_html_()
    assert page.startswith("<table>") and page.count("<tr>") == 3
    report.rows.append(("worse", "FAILED", "<b>&</b>"))
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in report._repr_html_()
    report.rows.append(("theirs", "Keras", "Keras: a fault"))
    assert str(report).endswith("4 checks: 1 FAILED; 1 about Keras itself")


@parametrize_with_checks([RULES["sgd"].keras_class])
def test_each_check_can_be_a_test_of_its_own(optimizer, check):
    if check.__name__ in TELLING[:4] + [REFERENCE]:  # the others are asked elsewhere
        check(optimizer)


def test_a_check_as_a_test_raises_what_failed():
    climbing = edit("sgd", "w - learning", "w + learning")
    mark = parametrize_with_checks([climbing])
    by_name = {row.id.split("-")[1]: row.values for row in mark.args[1]}
    optimizer, check = by_name["a_bowl_is_descended"]
    with pytest.raises(CheckFailed, match="24 steps in a bowl end higher"):
        check(optimizer)


# ---- In another process ----

TO_A_FILE = """
import keras


@keras.saving.register_keras_serializable("filed")
class Mine(keras.Optimizer):
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * gradient)

    def __init__(self, learning_rate=0.125, **kwargs):
        super().__init__(learning_rate, **kwargs)


class Lonely(Mine):
    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


seven = 7
"""


@pytest.fixture
def a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(TO_A_FILE)
    return path


def test_replicas_that_do_not_share_their_gradients_are_caught(a_file):
    module = subprocess.load_file(a_file)
    report = check_optimizer(module.Lonely, checks=["two_replicas_step_as_one"])
    assert "two_replicas_step_as_one" in report.failed, str(report)


def test_what_has_no_name_travels_by_its_source_or_says_why_it_cannot():
    class Local(keras.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, np.float64(1.0) * learning_rate * gradient)

    there = subprocess._source(Local) | {
        "name": "Local",
        "files": {},
        "config": {"learning_rate": 0.5},
    }
    assert type(subprocess._received(json.loads(json.dumps(there)))()).__name__ == "Local"

    carried = subprocess._transport(Candidate(lambda: RULES["adam"].keras_class(0.25)))
    assert "missing" not in carried  # a function without a name, of a class that has one
    received = subprocess._received(json.loads(json.dumps(carried)))()
    assert type(received) is RULES["adam"].keras_class
    assert float(received.learning_rate) == 0.25

    step = 0.5

    class Closed(keras.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, step * gradient)

    report = check_optimizer(lambda: Closed(0.5), checks=["two_replicas_step_as_one"])
    assert report.rows[0][1] == "n/a" and "put the class into a file" in report.rows[0][2]


# ---- The command ----


@pytest.fixture
def quick(monkeypatch):
    two = [
        c for c in OPTIMIZER_CHECKS if c.__name__ in ("a_step_can_be_taken", "a_bowl_is_descended")
    ]
    module = sys.modules["course_lib.checks.check_optimizer"]
    monkeypatch.setattr(module, "OPTIMIZER_CHECKS", tuple(two))


def test_the_command_answers_with_its_exit_status(a_file, quick, capsys):
    assert command.main([f"{a_file}:Mine"]) == 0
    assert capsys.readouterr().out.endswith("2 checks: all is well\n")
    assert command.main([f"{a_file}:Mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True
    a_file.write_text(TO_A_FILE.replace("assign_sub", "assign_add"))
    assert command.main([f"{a_file}:Mine", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["failed"] == ["a_bowl_is_descended"]
    assert command.main(["keras.optimizers:Adam", "--reference", "adam"]) == 0


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("none.py:Mine", None, "no such file"),
        ("mine.py", TO_A_FILE, "write path/to/file.py:ClassName"),
        ("mine.py:Adam", TO_A_FILE, "no Adam in"),
        ("mine.py:seven", TO_A_FILE, "is not an optimizer class, but a int: 7"),
        ("mine.py:Plain", "class Plain: pass", "is not an optimizer: a class of type object"),
        ("mine.py:f", "def f(): return 7", "is not an optimizer: it makes a int"),
        ("mine.py:f", "def f(): return 1 / 0", "makes no optimizer: ZeroDivisionError"),
        ("mine.py:f", "import nothing_of_this_name", "fails at import: ModuleNotFoundError"),
        ("mine.py:f", "print(", "fails at import: SyntaxError"),
        ("mine.py:f", "import sys; sys.exit(0)", "fails at import: SystemExit: 0"),
        ("no_such_package.module:f", None, "no such file or module"),
    ],
)
def test_bad_input_is_answered_with_one_line(name, text, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    place = name if name.startswith("no_such") else str(tmp_path / name)
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    with pytest.raises(SystemExit) as exit:
        command.main([place])
    assert exit.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "class_name, equation",
    [
        *[
            (name, "adam")
            for name in ("Adam", "MyAdam", "my_adam", "Adam2", "FrozenTAdam", "AdamOptimizer")
        ],
        *[(name, "rmsprop") for name in ("RMSprop", "RMSProp", "CustomRMSprop")],
        *[(name, "sgd") for name in ("SGD", "SimpleSGD", "sgd_optimizer")],
        ("AdamW", "adamw"),
        *[
            (name, None)
            for name in ("RAdam", "Nadam", "LazyAdam", "AdamP", "AdaBelief", "Mine", "SGDM")
        ],
    ],
)
def test_a_class_is_held_to_the_equation_that_its_name_names(class_name, equation):
    assert claims.name_of_equation(class_name) == equation


def test_a_path_that_is_another_under_xla_is_caught(monkeypatch):
    path_in = execution.path_in

    def another(candidate, how):
        path = path_in(candidate, how)
        return [[w + 1e-6 for w in step] for step in path] if how == XLA else path

    monkeypatch.setattr(execution, "path_in", another)
    report = check_optimizer(RULES["sgd"].keras_class, checks=["eager_equals_xla"])
    assert list(report.failed) == ["eager_equals_xla"]

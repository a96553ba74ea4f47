"""The checks pass for every rule of the course, and fail for every mistake that we thought of."""

import ast
import inspect
import itertools
import re
import sys
from dataclasses import replace
from functools import cache, partial
from types import ModuleType, SimpleNamespace

import course_lib.quiet  # noqa: F401
from course_lib.checks import (
    OPTIMIZER_CHECKS,
    RULE_CHECKS,
    CheckFailed,
    DoesNotApply,
    Report,
    check_rule,
    equations,
)
from course_lib.checks.dialects import DIALECTS, keras_dialect_of
from course_lib.checks.engine.candidate import Candidate
from course_lib.checks.properties import files, tellings
from course_lib.checks.properties.tellings import TELLINGS as CHECKS_OF_TELLINGS
from course_lib.optimizers import RULES

import keras
import numpy as np
import pytest

every_rule = pytest.mark.parametrize("name", RULES)
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # within Keras


# ---- Every rule of the course passes ----

# The whole proof costs seconds a rule. Notebooks ask it of ten rules, the thorough suite of all.
EVERY_DAY = ("sgd",)
whole_proof = pytest.mark.parametrize(
    "name", [n if n in EVERY_DAY else pytest.param(n, marks=pytest.mark.thorough) for n in RULES]
)


@cache
def report_of(name):
    return check_rule(RULES[name])


@whole_proof
def test_every_rule_passes(name):
    report = report_of(name)
    assert report.passed, str(report)
    assert [check for check, _, _ in report.rows] == [check.__name__ for check in RULE_CHECKS]


@whole_proof
def test_every_check_of_every_rule_passes_or_says_why_it_does_not_apply(name):
    for check, outcome, message in report_of(name).rows:
        assert_passed_or_explained(name, check, outcome, message)


def assert_passed_or_explained(name, check, outcome, message):
    if RULES[name].builtin is None and "builtin_twin" in check:
        assert (outcome, message) == ("n/a", "Keras has no such class of its own")
    elif check == "differs_from_its_builtin_twin_as_declared" and name not in DECLARED:
        assert (outcome, message) == ("n/a", "the rule declares no difference")
    elif check == "keras_equals_its_builtin_twin" and name == "schedule_free":
        assert (outcome, message) == ("n/a", "no settings make the two agree: see what is declared")
    else:
        assert outcome == "passed", message


@every_rule
def test_every_rule_passes_a_short_proof(name):
    """The same tellings over 6 steps and four variables, eager: of every rule, every day."""
    candidate, report = short(RULES[name], steps=7), Report(name)
    for check in CHECKS_OF_TELLINGS:
        if check is not tellings.keras_is_the_same_eager_in_a_graph_and_compiled:
            report.run(check, candidate)
    assert report.passed, str(report)
    for row in report.rows:
        assert_passed_or_explained(name, *row)


DECLARED = ["adagrad", "adam", "amsgrad", "nadam", "adamw", "schedule_free", "lamb"]


def test_these_rules_declare_a_difference_from_their_twin():
    spoken = {name: keras_dialect_of(rule) for name, rule in RULES.items()}
    assert [name for name in RULES if spoken[name].lines] == DECLARED
    assert [name for name in DECLARED if spoken[name].agree_when is None] == ["schedule_free"]


# ---- Mutants: every small mistake in one of the tellings is caught ----

SERIAL = itertools.count()


def rule_told_by(source, name):
    """The rule that a file of course_lib/optimizers with this source would tell."""
    module = ModuleType(f"mutant_{next(SERIAL)}")
    module.__package__ = "course_lib.optimizers"
    # under a name of its own, or else Keras would load the mutant where it should load the rule
    source = source.replace('serializable("course_lib")', f'serializable("{module.__name__}")')
    exec(compile(source, module.__name__, "exec"), vars(module))
    return replace(RULES[name], numpy=module, keras_class=getattr(module, RULES[name].name))


SHAPES = ((), (3,), (2, 3), (2, 3))  # two alike: slots found by shape fail
STEPS = {"radam": 7}  # it becomes itself at step 5, and with another threshold at step 6


def short(rule, steps=3):
    """Twin runs of three steps of four variables: enough for what the mutants break."""
    return Candidate.of_rule(rule, SHAPES, steps)


# A mutant is done with at the first check that fails.
QUICKEST_FIRST = (
    tellings.the_equation_is_the_numpy_step,
    tellings.the_numpy_step_leaves_its_inputs_alone,
    files.the_configuration_holds_every_argument,
    tellings.keras_equals_numpy,
    tellings.slots_are_named_like_the_numpy_state,
    files.it_is_registered,
    files.training_resumes_from_a_keras_file,
    tellings.keras_is_the_same_eager_in_a_graph_and_compiled,
    tellings.keras_equals_its_builtin_twin,
    tellings.differs_from_its_builtin_twin_as_declared,
)


def first_failure(rule, name=""):
    """The message of the first check that fails; None if none does."""
    candidate = short(rule, STEPS.get(name, 3))
    for check in QUICKEST_FIRST:
        report = Report(rule.name)
        report.run(check, candidate)
        if not report.passed:
            return report.failed[check.__name__]


# (what stands there, what stands there in the mutant); every place in the text makes one mutant
IN_THE_EQUATION = [
    (r"\+", "−"),
    (r"−", "+"),
    (r"·", "/"),
    (r"/", "·"),
    (r"1 − ", ""),
    (r"learning_rate · ", ""),
    (r"²", ""),
    (r"ᵗ", ""),
    (r"√", ""),
    (r"ᵖ", ""),
    (r"max", "min"),
    (r"min\(", "max("),
    (r"abs", ""),
    (r"sign", ""),
    (r"momentum_decay · ", ""),
    (r"> 4", "> 5"),  # radam begins a step later, as in other libraries
    (r"ratio · ", ""),
    (r"trust_coefficient · ", ""),
    (r" \+ weight_decay · \w", ""),
    (r"rows", "columns"),
    (r"columns", "rows"),
    (r"ᵀ", ""),
    (r"L", "R"),
    (r"R", "L"),
    (r"scale · ", ""),
    (r" \+ epsilon", ""),
    (r"\(√\((.{1,2})\) \+ epsilon\)", r"√(\1 + epsilon)"),  # epsilon moves under the root
    (r"√\((s|u|s − m²) \+ epsilon\)", r"(√(\1) + epsilon)"),  # and out from under it
    (r"← t \+ 1", "← 1"),
    (r"(?m)^    \S+ ← .*\n", ""),  # the line is missing
]
IN_PYTHON = [
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" \* ", " / "),
    (r" / ", " * "),
    (r"1 - ", ""),
    (r"learning_rate \* ", ""),
    (r"\*\*2", ""),
    (r"ops\.square", ""),
    (r"\*\*t", ""),
    (r" ?\*\* ?p\b", ""),
    (r"= -(self\.)?learning_rate_power", "= 0.5"),
    (r"(np|ops)\.clip\((\w), (.*?), (.*?)\)", r"\1.minimum(\2, \4)"),
    (r"maximum", "minimum"),
    (r"\bmin\(", "max("),
    (r"\bmax\(", "min("),
    (r"minimum", "maximum"),
    (r"ops\.clip\((.*), 0, 1\)", r"(\1)"),
    (r"(np|ops)\.(abs|sign)", ""),
    (r"(self\.)?momentum_decay \* ", ""),
    (r"(np|ops|math)\.sqrt", ""),
    (r"> 4", "> 5"),
    (r"ratio \* ", ""),
    (r"(self\.)?trust_coefficient \* ", ""),
    (r" \+ weight_decay \* \w", ""),
    (r"rows\(", "columns("),
    (r"columns\(", "rows("),
    (r"\.T\b", ""),
    (r"ops\.transpose", ""),
    (r"scale \* ", ""),
    (r" \+ (self\.)?epsilon(_1)?", ""),
    (r"\((\w+\.sqrt)\((\w+)\) \+ ([\w.]+)\)", r"\1(\2 + \3)"),  # epsilon moves under the root
    (
        r"(\w+\.sqrt)\((s|u|s - m\*\*2|s - ops\.square\(m\)) \+ ([\w.]+)\)",
        r"(\1(\2) + \3)",
    ),  # and out from under it
]
IN_NUMPY = [
    *IN_PYTHON,
    (r"= t \+ 1", "= 1"),
    (r"(?m)^    ([a-zLR]) = (?!state)", r"    \1[...] = "),  # in place
    (r"(?m)^    ([a-su-zLR]) = \1 [+-]", r"    \1 +="),
    (r'"([a-zLR])": \1\b', r'"\1": state["\1"]'),  # the old one is handed back
    (r"zeros_like", "ones_like"),
    (r"np.ones_like", "np.zeros_like"),
    (r"full_like\(w, \w+\)", "zeros_like(w)"),
    (r'"t": 0', '"t": 1'),
]
IN_KERAS = [
    *IN_PYTHON,
    (r"self\.iterations \+ 1", "1"),
    (r"expm1", "exp"),
    (r" \* -", " * "),
    (r"self\.assign\((\w), (.*)\)\n", r"\1 = \2\n"),  # a local name in place of the variable
    (r"self\.assign_add\((\w), (.*)\)\n", r"\1 = \1 + \2\n"),
    (r"self\.assign_add\(", "self.assign("),
    (r"(?s)self\.assign(_add)?\(.*?\)\n(?=        \w|\n)", "pass\n"),  # forgotten
    (r"self\.([a-zLR])\[[^]]*\]", r"self.\1[0]"),  # one slot for all variables
    (
        r"self\.([a-zLR])\[[^]]*\]",
        r"{s.shape: s for s in self.\1}[variable.shape]",
    ),  # or for all of a shape
]
IN_THE_CONTRACT = [
    (r"\*\*super\(\)\.get_config\(\),", ""),
    (r'(, )?"(\w+)": self\.\2(?(1)|,)', ""),  # left out of the configuration
    (r'"(\w+)": self\.\1', r'"\1": 0.375'),
    (r"(?m)self\.(\w+) = \1$", r"self.\1 = 0.375"),  # whatever the constructor was given
    (r"(super\(\)\.__init__\(\s*)learning_rate", r"\g<1>0.375"),
    (r"(super\(\)\.__init__\([^)]*)\b(\w+)=\2", r"\1\2=0.375"),  # whatever it was given
    (r"(?<!=)\bbeta_1, beta_2\b", "beta_2, beta_1"),
    (r"initializer=start", "initializer='ones'"),
    (r'"ones"', "'zeros'"),
    (r'(variables, )"\w"', r'\1"x"'),  # a slot of another name
    (r'(variable, )"\w"', r'\1"x"'),
    (r", rows\)", ", columns)"),  # of another shape
    (r", columns\)", ", rows)"),
    (r"weight_decay=weight_decay, \*\*", "**"),  # the constructor forgets it
    (r'"(\w)", "(\w)"', r'"\2", "\1"'),  # two slots of each other's name
    # one slot for two letters
    (r'(self\.add.*\["(\w)", "(\w)".*)\n', r"\1\n        self.\2 = self.\3\n"),
    (r"super\(\)\.build.*\n", r"\g<0>        self.add_optimizer_variables(variables, 'x')\n"),
]
TELLINGS = {
    "equation": IN_THE_EQUATION,
    "numpy": IN_NUMPY,
    "keras": IN_KERAS,
    "contract": IN_THE_CONTRACT,
}


def rows_of(source, telling):
    """The numbers of the rows in which a rule's file tells it."""
    tree = ast.parse(source)
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    bodies = {
        "numpy": [functions["init"], functions["step"]],
        "keras": [functions["update_step"]] if "update_step" in functions else [],
        "contract": [functions[f] for f in ("__init__", "build", "get_config") if f in functions],
    }
    if telling == "equation":
        return [n for n, row in enumerate(source.splitlines(), 1) if re.match(r"    \S+ ← ", row)]
    return [n for f in bodies[telling] for n in range(f.body[0].lineno, f.end_lineno + 1)]


def mutants(source, telling, hyperparameters):
    """(pattern, the row and what became of it, the source with it): every mutant of one telling."""
    replacements = list(TELLINGS[telling])
    for one, other in [
        ("beta_1", "beta_2"),
        ("rho", "momentum"),
        ("epsilon_1", "epsilon_2"),
        ("momentum", "weight_decay"),
        ("adam_beta_1", "adam_beta_2"),
        ("adam_lr_ratio", "adam_weight_decay"),
    ]:
        if telling != "contract" and {one, other} <= set(hyperparameters):
            replacements += [(one, other), (other, one)]
    rows, seen = rows_of(source, telling), {source}
    for there, instead in replacements:
        for match in re.finditer(there, source):
            row = source.count("\n", 0, match.start()) + 1
            mutant = source[: match.start()] + match.expand(instead) + source[match.end() :]
            if row in rows and mutant not in seen:
                seen.add(mutant)
                change = f"{source.splitlines()[row - 1]}  =>  {mutant.splitlines()[row - 1]}"
                yield (there, instead), change, mutant


@cache
def mutants_of(name, telling):
    """[(pattern, change, source)] of one telling of a rule."""
    rule = RULES[name]
    found = mutants(inspect.getsource(rule.numpy), telling, rule.hyperparameters)
    return [m for m in found if not any(argument in m[1] for argument in NAMES_OF_LAYERS)]


@cache
def sample():
    """{(rule, telling): mutants}: each replacement once, and one mutant of each telling.

    A replacement is tried in the last rule that has a place for it, which is rarely the simplest.
    """
    chosen = {}
    for telling in TELLINGS:
        places = {}
        for name in RULES:
            for mutant in mutants_of(name, telling):
                places[mutant[0]] = name, mutant
            chosen[name, telling] = mutants_of(name, telling)[:1]
        for name, mutant in places.values():
            if mutant not in chosen[name, telling]:
                chosen[name, telling].append(mutant)
    return chosen


# The rule itself: beta_2 is 0 in Adafactor's first step, which forgets what r and c began with; one
# over a sign is the sign (but for 0: then the row that no gradient touched, in test_optimizers.py,
# would not stay where it is).
NO_MISTAKE = [("adafactor", "ones_like"), ("lion", "learning_rate / ops.sign")]


# What NumPy has no part in, and check_rule does not see: tests/test_matrix_rules.py does.
NAMES_OF_LAYERS = ("exclude_layers", "exclude_embeddings")


@pytest.mark.parametrize("telling", TELLINGS)
@every_rule
def test_mutants_of_every_kind_are_caught(name, telling):
    all_are_caught(name, sample()[name, telling])


@pytest.mark.thorough
@pytest.mark.parametrize("telling", TELLINGS)
@every_rule
def test_every_mutant_is_caught(name, telling):
    all_are_caught(name, mutants_of(name, telling))


def all_are_caught(name, mutants):
    survivors = []
    for _, change, source in mutants:
        with np.errstate(all="ignore"):  # mutants divide by zero
            message = first_failure(rule_told_by(source, name), name)
        if any(name == rule_name and there in change for rule_name, there in NO_MISTAKE):
            assert message is None
        elif message is None:
            survivors.append(change)
        else:
            assert ", expected " in message or message.startswith("it raised "), message
    assert not survivors, "\n".join(survivors)


@every_rule
def test_every_telling_has_its_mutants(name):
    counts = {telling: len(mutants_of(name, telling)) for telling in TELLINGS}
    if "update_step" not in vars(RULES[name].keras_class):
        assert counts.pop("keras") == 0  # it is the parent's, and so are its mutants
    assert min(counts.values()) >= 1 and sum(counts.values()) >= 10, counts


def test_a_source_without_a_mistake_passes_every_check():
    assert set(QUICKEST_FIRST) == set(RULE_CHECKS)
    source = inspect.getsource(RULES["momentum"].numpy)
    assert first_failure(rule_told_by(source, "momentum")) is None


# ---- Mistakes that need more than a replacement ----


@pytest.mark.parametrize(
    "name", ["sgd", "adam"]
)  # without state and with it; each costs a training run
def test_a_class_that_is_not_registered_is_caught(name):
    registered = inspect.getsource(RULES[name].numpy)
    source = re.sub(r"@keras\.saving\.register.*\n", "", registered)
    assert source != registered
    complaint = "expected @keras.saving.register_keras_serializable(...) over the class"
    assert complaint in first_failure(rule_told_by(source, name))


def test_a_step_count_kept_in_a_python_attribute_is_caught_in_a_graph():
    source = inspect.getsource(RULES["adam"].numpy)
    counted = source.replace(
        "ops.cast(self.iterations + 1, w.dtype)",
        f"ops.cast((self.calls + {len(SHAPES)}) // {len(SHAPES)}, w.dtype); self.calls += 1",
    ).replace("super().build(variables)", "super().build(variables); self.calls = 0")
    rule = short(rule_told_by(counted, "adam"))
    tellings.keras_equals_numpy(rule)  # eagerly nothing shows
    with pytest.raises(CheckFailed, match="in a graph, after step 2"):
        tellings.keras_is_the_same_eager_in_a_graph_and_compiled(rule)


def test_nan_agrees_with_nothing():
    source = inspect.getsource(RULES["momentum"].numpy)
    rule = rule_told_by(
        source.replace("self.assign(w, w + v)", "self.assign(w, w + v * np.nan)"), "momentum"
    )
    with pytest.raises(CheckFailed, match="after step 1, .* Keras's w is inf away"):
        tellings.keras_equals_numpy(short(rule))


def test_a_step_that_remembers_its_calls_is_caught():
    calls = itertools.count()
    sgd = RULES["sgd"]

    def step(w, g, state, *, learning_rate):
        return w - learning_rate * g + next(calls), {}

    with pytest.raises(CheckFailed, match="called twice, step gave two different w"):
        tellings.the_numpy_step_leaves_its_inputs_alone(
            replace(sgd, numpy=SimpleNamespace(init=sgd.numpy.init, step=step))
        )


ADAM, OF_ADAM = RULES["adam"].builtin, DIALECTS["adam"]["Keras"].lines


@pytest.mark.parametrize(
    "name, wrong, complaint",
    [
        ("momentum", dict(builtin=RULES["nesterov"].builtin), "from the w of Keras's own class"),
        ("momentum", dict(agree_when=None, builtin=RULES["nesterov"].builtin), "own class"),
        ("adam", dict(dialect=OF_ADAM, agree_when={}), "from the w of Keras's own class"),
        ("adam", dict(dialect="", builtin=partial(ADAM)), "from the w of Keras's own class"),
        ("adam", dict(dialect="w ← w − m̂ / √(v̂ + epsilon)"), "what the declared dialect gives"),
        ("sgd", dict(dialect="w ← w − learning_rate · g"), "a difference of more than 1e-3"),
    ],
)
def test_a_wrong_word_about_the_builtin_twin_is_caught(name, wrong, complaint):
    report, candidate = Report(name), short(replace(RULES[name], **wrong))
    for check in RULE_CHECKS:
        if "twin" in check.__name__:
            report.run(check, candidate)
    (message,) = report.failed.values()
    assert complaint in message


def test_without_a_builtin_twin_two_checks_do_not_apply():
    alone = replace(RULES["adam"], builtin=None)
    for check in RULE_CHECKS:
        if "twin" in check.__name__:
            with pytest.raises(DoesNotApply, match="Keras has no such class of its own"):
                check(alone)


def test_graphs_are_asked_of_tensorflow_alone(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(DoesNotApply, match="the backend is jax"):
        tellings.keras_is_the_same_eager_in_a_graph_and_compiled(RULES["sgd"])


def test_settings_that_are_left_out_take_their_defaults_in_the_equation_too():
    tellings.the_equation_is_the_numpy_step(
        short(replace(RULES["adam"], settings=dict(learning_rate=0.125)))
    )


def test_a_table_of_dialects_answers_for_the_rules_of_the_course_alone():
    adam = replace(RULES["adam"], dialect="")
    assert keras_dialect_of(adam) == DIALECTS["adam"]["Keras"]
    assert keras_dialect_of(replace(adam, builtin=None)).lines == ""
    own = replace(adam, dialect="w ← w − g", agree_when=None)
    assert (keras_dialect_of(own).lines, keras_dialect_of(own).agree_when) == ("w ← w − g", None)


# ---- What is asked ----


def test_everything_is_the_tellings_and_every_check_of_an_optimizer():
    names = [check.__name__ for check in (*CHECKS_OF_TELLINGS, *OPTIMIZER_CHECKS)]
    assert len(set(names)) == len(names)
    assert {check.__name__ for check in RULE_CHECKS} <= set(names)
    with pytest.MonkeyPatch.context() as patch:
        module = sys.modules["course_lib.checks.check_rule"]
        patch.setattr(module, "run_checks", lambda wanted, candidate, report: asked.extend(wanted))
        asked = []
        check_rule(RULES["sgd"], everything=True)
    assert [check.__name__ for check in asked] == names


def test_a_rule_is_its_own_reference_with_its_own_settings():
    reference = "it_follows_the_reference"
    report = check_rule(RULES["momentum"], checks=[reference])
    (row,) = report.rows
    assert row == (reference, "passed", "50 steps: equal to the NumPy rule Momentum, to 1e-12")
    other = replace(RULES["momentum"], keras_class=RULES["nesterov"].keras_class)
    assert reference in check_rule(other, checks=[reference]).failed


def test_nothing_asked_is_an_error_and_a_typing_error_is_told_the_nearest_name():
    with pytest.raises(ValueError, match="`checks` is empty, so nothing would be asked"):
        check_rule(RULES["sgd"], checks=[])
    with pytest.raises(ValueError, match="Did you mean 'keras_equals_numpy'"):
        check_rule(RULES["sgd"], checks=["keras_equal_numpy"])


def test_a_consequence_and_a_chapter_are_written_once_and_stand_in_the_help():
    for check in {*RULE_CHECKS, *OPTIMIZER_CHECKS}:
        assert check.otherwise and check.read.split()[0] in ("notebook", "the"), check.__name__
        assert f"Otherwise {check.otherwise}. See {check.read}." in check.__doc__
        assert not check.__doc__.startswith("Otherwise")


# ---- Reports ----


@pytest.mark.parametrize("thing", ["adagrad", RULES["adagrad"].keras_class, None], ids=repr)
def test_what_is_no_rule_is_refused(thing):
    with pytest.raises(TypeError, match="`rule` must be a Rule") as refusal:
        check_rule(thing)
    assert f"Received: {thing!r}" in str(refusal.value)


def holds(rule):
    return "equal"


def does_not_hold(rule):
    raise CheckFailed("w is 3", "2", "it diverges", "notebook 04")


def breaks(rule):
    return 1 / 0


def is_silent(rule):
    raise DoesNotApply("nothing to say")


def test_a_check_that_raises_becomes_a_failed_row():
    report = Report("mine")
    for check in (breaks, holds):
        report.run(check, None)
    assert report.rows == [
        ("breaks", "FAILED", "it raised ZeroDivisionError: division by zero"),
        ("holds", "passed", "equal"),
    ]


def test_a_report_passes_if_no_check_failed():
    report = Report("mine")
    for check in (holds, is_silent):
        report.run(check, None)
    assert report.passed and report.failed == {}
    report.run(does_not_hold, None)
    assert not report.passed
    assert report.failed == {
        "does_not_hold": "w is 3, expected 2. In a training run: it diverges. See notebook 04."
    }


def test_a_report_reads_as_a_table():
    report = Report("mine")
    for check in (holds, is_silent, does_not_hold):
        report.run(check, None)
    assert (
        str(report)
        == repr(report)
        == (
            "mine\n"
            "passed  holds          equal\n"
            "n/a     is silent      nothing to say\n"
            "FAILED  does not hold  w is 3, expected 2. In a training run: it diverges. "
            "See notebook 04.\n"
            "3 checks: 1 FAILED"
        )
    )
    assert str(report_of("sgd")).endswith("\n10 checks: all is well")


def test_a_long_row_is_folded_under_itself():
    def says_much(rule):
        return "word " * 50

    report = Report("mine")
    report.run(says_much, None)
    _, first, *more, _ = str(report).splitlines()
    start = first.index("word")
    assert more and all(len(row) <= 112 for row in (first, *more))  # what a laptop shows
    assert all(row.index("word") == start for row in more)
    assert " ".join(row[start:] for row in (first, *more)).split() == ["word"] * 50


def test_an_interrupt_is_no_failed_check():
    def interrupted(rule):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Report("mine").run(interrupted, None)


# ---- Equations ----


def test_a_text_without_an_equation_is_refused():
    with pytest.raises(ValueError, match="no line with ←"):
        equations.lines_of("Adagrad: a coordinate that has travelled far takes smaller steps.")


@pytest.mark.parametrize(
    "printed, python",
    [
        ("m̂ ← m / (1 − beta_1ᵗ)", ("m_hat", "m / (1 - beta_1**t)")),  # m and a hat: two characters
        ("ŝ ← s / (1 − beta_2ᵗ)", ("s_hat", "s / (1 - beta_2**t)")),  # one character
        ("    s ← rho · s + √(g²) − g³", ("s", "rho * s + sqrt(g**2) - g**3")),
    ],
)
def test_the_notation_becomes_python(printed, python):
    assert equations.lines_of(printed) == [python]


def test_prose_and_lines_with_two_arrows_are_no_equations():
    text = "A rule.\n\n    v ← g\n    w ← w − v\n\nNB: others write v ← −g and w ← w + v."
    assert equations.lines_of(text) == [("v", "g"), ("w", "w - v")]


def test_lines_are_executed_one_under_the_other():
    lines = equations.lines_of("s ← s + g²\nw ← w − g / √(s)")
    # s = 7 + 3² = 16, w = 1 - 3 / 4
    assert equations.execute(lines, w=1.0, g=3.0, s=7.0) == {"w": 0.25, "g": 3.0, "s": 16.0}


def test_an_equation_reaches_nothing_but_arithmetic():
    with pytest.raises(NameError, match="open"):
        equations.execute(equations.lines_of("w ← open(g)"), w=1.0, g=1.0)


def test_a_dialect_replaces_the_lines_that_it_speaks_and_no_other():
    lines = equations.lines_of("s ← s + g\nw ← w − s")
    assert equations.in_dialect(lines, "w ← w + s") == [("s", "s + g"), ("w", "w + s")]


def test_a_dialect_may_need_letters_of_its_own():
    lines = equations.lines_of("s ← s + g\nw ← w − s")
    spoken = equations.in_dialect(lines, "r ← √(s)\nw ← w − r")
    assert spoken == [("s", "s + g"), ("r", "sqrt(s)"), ("w", "w - r")]
    assert equations.in_dialect(lines, "") == lines

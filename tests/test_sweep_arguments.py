"""Bad input of a sweep: each argument is named, in one sentence, before anything is trained."""

import ast
import inspect
import sys
from concurrent import futures
from pathlib import Path
from types import SimpleNamespace

from course_lib import progress, sweeps
from course_lib.optimizers import RULES
from course_lib.sweeps import Problem, Racer, Table, digits, sweep, train

import numpy as np
import pytest
from races import RACE, rule_of, small, tiny, watch_training

# ---- Functions x nonsense ----

NONSENSE = {
    "None": None,
    "nan": float("nan"),
    "minus one": -1,
    "a fraction": 2.5,
    "beyond floats": 10**400,
    "True": True,
    "no text": "",
    "a text": "nonsense",
    "bytes": b"nonsense",
    "an empty list": [],
    "a list of None": [None],
    "a list of texts": ["a", "b"],
    "rows of two lengths": [[1], [1, 2]],
    "an empty dict": {},
    "a square": np.zeros((2, 2)),
    "no dimension": np.array(3.5),
    "a generator": (letter for letter in "ab"),
    "an object": object(),
    "a class": dict,
}
SOUND = {"x": np.eye(4), "y": [0, 1, 2, 0], "x_test": np.eye(4), "y_test": [0, 1, 2, 0]}
CALLS = {
    "Problem": (lambda **given: Problem(**{**SOUND, "batch_size": 2, **given})),
    "digits": digits,
    "Problem.weights": (lambda **given: tiny().weights(**given)),
    "Problem.batches": (lambda **given: tiny().batches(**{"seed": 0, "gradients": 1, **given})),
    "Racer": (lambda **given: Racer(**{"rule": "adam", **given})),
    "train": (
        lambda **given: train(
            **{"problem": tiny(), "rule": "sgd", "learning_rates": [0.1], "seeds": [0], **given}
        )
    ),
    "sweep": (
        lambda **given: sweep(
            **{"problem": tiny(), "rules": "sgd", "learning_rates": [0.1], "seeds": [0], **given}
        )
    ),
    "Table": Table,
    "Table.read_csv": Table.read_csv,
    "Table().to_csv": Table().to_csv,
    "Table(...).where": Table([("0" * 16, "sgd", 0.1, 0, 1, 1, 0.5, 0.5, False)]).where,
}
ALL = set(NONSENSE)
ASKED = {  # what is nonsense for each argument: all but a few
    ("Problem", "x"): ALL - {"a square"},
    ("Problem", "y"): ALL,
    ("Problem", "x_test"): ALL - {"a square"},
    ("Problem", "y_test"): ALL,
    ("Problem", "hidden"): ALL - {"an empty list"},
    ("Problem", "batch_size"): ALL,
    ("digits", "hidden"): ALL - {"an empty list"},
    ("digits", "batch_size"): ALL,
    ("Problem.weights", "seed"): ALL - {"beyond floats"},
    ("Problem.batches", "seed"): ALL - {"beyond floats"},
    ("Problem.batches", "gradients"): ALL - {"beyond floats"},
    ("Racer", "rule"): ALL,
    ("Racer", "settings"): ALL - {"an empty dict"},
    ("Racer", "tableau"): ALL - {"None"},
    ("Racer", "micro_batches"): ALL - {"beyond floats"},
    ("Racer", "name"): ALL - {"no text", "a text"},
    ("train", "problem"): ALL,
    ("train", "rule"): ALL,
    ("train", "learning_rates"): ALL,
    ("train", "seeds"): ALL,
    ("train", "gradients"): ALL,
    ("train", "every"): ALL,
    ("train", "engine"): ALL,
    ("train", "dtype"): ALL,
    ("sweep", "problem"): ALL,
    ("sweep", "rules"): ALL,
    ("sweep", "learning_rates"): ALL,
    ("sweep", "seeds"): ALL,
    ("sweep", "gradients"): ALL,
    ("sweep", "every"): ALL,
    ("sweep", "engine"): ALL,
    ("sweep", "dtype"): ALL,
    ("sweep", "file"): ALL - {"None", "a text"},
    ("sweep", "executor"): ALL - {"None"},
    ("sweep", "progress"): ALL - {"None", "True"},
    ("Table", "rows"): ALL - {"an empty list"},
    ("Table.read_csv", "path"): ALL,
    ("Table().to_csv", "path"): ALL - {"a text"},
    ("Table(...).where", "seed"): {kind for kind in ALL if not np.isscalar(NONSENSE[kind])},
}


@pytest.mark.parametrize(
    ("call", "argument"), ASKED, ids=[f"{call} {argument}" for call, argument in ASKED]
)
def test_nonsense_is_answered_with_the_arguments_name(call, argument):
    for kind in sorted(ASKED[call, argument]):
        value = NONSENSE[kind]
        if kind == "a generator":
            value = (letter for letter in "ab")
        with pytest.raises((ValueError, TypeError, OSError)) as refusal:
            CALLS[call](**{argument: value})
        assert f"`{argument}`" in str(refusal.value), f"{kind}: {refusal.value}"


def test_the_table_of_nonsense_has_every_argument():
    for name in ("Problem", "Racer", "train", "sweep"):
        wanted = set(inspect.signature(globals()[name]).parameters)
        assert wanted == {argument for call, argument in ASKED if call == name}


def test_generators_arrays_and_ranges_are_lists_too():
    rates, seeds = (0.1, 0.2), (0, 1)
    plain = sweep(tiny(), ["sgd", "adam"], list(rates), list(seeds), **RACE)
    for form in (iter, np.array, tuple):
        rules = iter(["sgd", "adam"]) if form is iter else form(["sgd", "adam"])
        assert sweep(tiny(), rules, form(rates), form(seeds), **RACE).rows == plain.rows
        assert train(tiny(), "sgd", form(rates), form(seeds), **RACE)[0].rows == (
            plain.rows[:2] + plain.rows[6:8]
        )


# ---- One rule ----


def test_one_rule_is_one_rule_by_name_as_a_rule_and_as_a_racer():
    listed = sweep(tiny(), ["adam"], [0.1], [0], **RACE).rows
    assert sweep(tiny(), "adam", [0.1], [0], **RACE).rows == listed
    assert sweep(tiny(), Racer("adam"), [0.1], [0], **RACE).rows == listed
    its_own = sweep(tiny(), RULES["adam"], {"Adam": [0.1]}, [0], **RACE)
    assert its_own["loss"].tolist() == [row[6] for row in listed]


@pytest.mark.parametrize("rules", ["adm", ["sgd", "adm"]])
def test_a_wrong_name_gets_the_nearest(rules):
    with pytest.raises(ValueError, match="`rules`: there is no rule 'adm'. Did you mean 'adam'?"):
        sweep(tiny(), rules, [0.1], [0], **RACE)
    with pytest.raises(ValueError, match="`rule`: there is no rule 'adm'. Did you mean 'adam'?"):
        Racer("adm")


# ---- Sentences ----


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"problem": "digits"}, "`problem` must be a Problem"),
        ({"rules": []}, "`rules` must be one or more"),
        ({"rules": ["sgd", "sgd"]}, "of different names"),
        ({"rules": ["sdg"]}, "there is no rule 'sdg'. Did you mean 'sgd'"),
        ({"rules": [3]}, "`rules` must be a name of RULES, a Rule or a Racer"),
        ({"learning_rates": [-0.1]}, "`learning_rates` must be finite numbers, 0 or more"),
        ({"learning_rates": [float("nan")]}, "`learning_rates` must be finite numbers"),
        ({"learning_rates": [10**400]}, "`learning_rates` must be finite numbers"),
        ({"learning_rates": []}, "`learning_rates` is empty"),
        ({"learning_rates": 0.1}, "`learning_rates` must be a list"),
        ({"learning_rates": {"adam": [0.1]}}, "an entry for each rule"),
        ({"seeds": []}, "`seeds` is empty"),
        ({"seeds": [0.5]}, "`seeds` must be a whole number, 0 or more"),
        ({"seeds": [-1]}, "`seeds` must be a whole number, 0 or more"),
        ({"seeds": 8}, r"`seeds` must be a list of whole numbers, such as range\(8\)"),
        ({"seeds": [2**63]}, "`seeds` must be below"),
        ({"every": 3}, "`gradients` must be a multiple of `every`"),
        ({"every": 0}, "`every` must be a whole number above 0"),
        ({"rules": [Racer("sgd", micro_batches=8)]}, "takes 8"),
        ({"gradients": 0}, "`gradients` must be a whole number above 0"),
        ({"engine": "torch"}, "`engine`: there is no engine 'torch'. .*Known: numpy, tensorflow"),
        ({"engine": "numpi"}, "Did you mean 'numpy'"),
        ({"dtype": "float16"}, "`dtype`: there is no dtype 'float16'"),
        ({"file": 3}, "`file` must be a path"),
        ({"executor": futures.Executor}, "`executor` must be a dask.distributed Client"),
    ],
    ids=str,
)
def test_bad_input_is_named(monkeypatch, changed, sentence):
    trained = watch_training(monkeypatch)
    call = {"problem": small(), "rules": ["sgd"], "learning_rates": [0.1], "seeds": [0], **RACE}
    with pytest.raises((ValueError, TypeError), match=sentence):
        sweep(**{**call, **changed})
    assert not trained.batches


def test_one_learning_rate_and_one_seed_for_each_trial():
    with pytest.raises(ValueError, match="equally many.*Received: 2 and 1"):
        train(tiny(), "sgd", [0.1, 0.2], [0], **RACE)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"settings": {"learning_rate": 0.1}}, "that is what a sweep varies"),
        ({"settings": {"momentun": 0.1}}, "has no hyper-parameter `momentun`"),
        ({"settings": {"beta_1": 2.0}}, "`beta_1` must be"),
        ({"settings": {"beta_1": [0.9, 0.8]}}, "`beta_1` must be a number"),
        ({"settings": {"beta_1": "0.9"}}, "`beta_1` must be a number"),
        ({"settings": {3: 0.9}}, "`settings` must be hyper-parameters by name"),
        ({"micro_batches": 0}, "`micro_batches` must be a whole number above 0"),
        ({"tableau": 2}, "`tableau` must be a Tableau"),
        ({"name": "\udcff"}, "`name` must be text that UTF-8 can hold"),
    ],
    ids=repr,
)
def test_a_racer_says_what_is_wrong(changed, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        Racer("adam", **changed)


def test_settings_changed_afterwards_do_not_change_a_racer():
    settings = {"beta_1": 0.5}
    racer = Racer("adam", settings)
    settings["beta_1"] = 0.25
    assert racer.settings == {"beta_1": 0.5}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"x": np.zeros(4)}, "`x` must be a table"),
        ({"x": np.full((4, 4), np.nan)}, "`x` must be a table of finite numbers"),
        ({"x": np.zeros((4, 0))}, "`x` must be a table"),
        ({"x": [[1], [1, 2]]}, "`x` must be an array"),
        ({"y": np.zeros(4)}, "`y` must hold a label"),
        ({"y": np.zeros(3, int)}, "`y` must hold a label"),
        ({"x_test": np.eye(3)[:, :2], "y_test": np.zeros(3, int)}, "the columns and labels"),
        ({"y_test": np.array([0, 1, 2, 7])}, "the columns and labels"),
        ({"hidden": (0,)}, "`hidden` must be a whole number above 0.*the widths"),
        ({"hidden": 32}, r"`hidden` must be a tuple of widths, such as \(32,\)"),
        ({"batch_size": 5}, "`batch_size` must be at least 1 and at most 4"),
    ],
    ids=str,
)
def test_a_problem_says_what_is_wrong(changed, sentence):
    with pytest.raises(ValueError, match=sentence):
        Problem(**{**SOUND, "batch_size": 2, **changed})


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(KeyError, match=r"there is no column 'los'\. Did you mean 'loss'"):
        Table()["los"]
    with pytest.raises(KeyError, match="there is no column 'rate'"):
        Table().where(rate=0.1)
    with pytest.raises(TypeError, match="unsupported operand"):
        Table() + [1]


# ---- What is not installed ----


@pytest.mark.parametrize(
    ("package", "call", "sentence"),
    [
        ("jax", lambda: CALLS["train"](engine="jax"), "engine='jax' needs jax"),
        ("pandas", lambda: Table().to_pandas(), "Table.to_pandas needs pandas"),
        ("tqdm.auto", lambda: CALLS["sweep"](progress=True), "A progress bar needs tqdm"),
    ],
)
def test_a_missing_package_is_one_sentence(monkeypatch, package, call, sentence):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"{sentence}, which is not installed. Run: pip install"):
        call()


def test_without_tqdm_a_bar_that_nobody_asked_for_is_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(progress, "somebody_is_there", lambda: True)
    assert len(sweep(tiny(), "sgd", [0.1], [0], **RACE)) == 2


def test_a_bar_is_drawn_by_default_where_somebody_watches(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(**vars(sys), isatty=lambda: False))
    monkeypatch.setattr(progress, "somebody_is_there", lambda: True)
    drawn = []
    monkeypatch.setattr("tqdm.auto.tqdm", lambda **options: drawn.append(options) or _Bar())
    sweep(tiny(), "sgd", [0.1], [0], **RACE)
    assert drawn == [{"total": 1, "initial": 0, "unit": "trial"}]


class _Bar:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def update(self, n):
        pass


def test_nothing_is_imported_at_the_top_that_may_be_missing():
    package = Path(sweeps.__file__).parent
    for path in [*package.glob("*.py"), Path(progress.__file__)]:
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [each.name for each in getattr(node, "names", [])]
            for name in [getattr(node, "module", None) or "", *names]:
                top = name.split(".")[0]
                assert top not in {"jax", "tensorflow", "tqdm", "pandas", "distributed", "IPython"}


# ---- Rules that say in their own way that they want another shape ----


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, AttributeError, RuntimeError])
def test_a_rule_that_refuses_stacked_weights_is_run_variable_by_variable(error):
    def step(w, g, state, *, learning_rate):
        if w.shape == (2, 8) or np.ndim(learning_rate):
            raise error("one variable at a time, please")
        return w - learning_rate * g, state

    table = sweep(tiny(), Racer(rule_of(step)), [0.25], [0], **RACE)
    assert table["loss"].tolist() == sweep(tiny(), "sgd", [0.25], [0], **RACE)["loss"].tolist()

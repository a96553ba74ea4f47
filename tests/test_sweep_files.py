"""A race's file: nothing is lost, and a row that is not as it was written is found."""

import csv
import shutil

from course_lib.sweeps import Problem, Racer, Table, sweep
from course_lib.two_gradients import HEUN

import pytest
from races import RACE, small, watch_training


@pytest.fixture(scope="module")
def problem():
    return small()


@pytest.fixture
def trained(monkeypatch):
    return watch_training(monkeypatch)


# ---- A sweep goes on from its file ----


def test_an_interrupted_sweep_goes_on_from_its_file(problem, trained, tmp_path):
    file = tmp_path / "race.csv"
    race = problem, ["sgd", "adam", "lion"], [0.01, 0.1], range(3)
    whole = sweep(*race, **RACE)
    trained.batches.clear()
    trained.fail_after = 2
    with pytest.raises(KeyboardInterrupt) as stop:
        sweep(*race, **RACE, file=file)
    assert "12 of 18 trials are finished" in stop.value.__notes__[0]
    assert stop.value.table.rows == whole.rows[:24] == Table.read_csv(file).rows
    trained.fail_after = None
    trained.batches.clear()
    assert sweep(*race, **RACE, file=file).rows == whole.rows
    assert len(trained.batches) == 1  # lion's
    trained.batches.clear()
    assert sweep(*race, **RACE, file=file).rows == whole.rows
    assert not trained.batches


def test_a_file_is_extended_and_holds_several_races(problem, trained, tmp_path):
    file = tmp_path / "race.csv"
    sweep(problem, ["sgd"], [0.01], [0, 1], **RACE, file=file)
    more = sweep(problem, ["sgd"], [0.01, 0.1], [0, 1, 2], **RACE, file=file)
    assert sorted(trained.batches[-1]) == [(0.01, 2), (0.1, 0), (0.1, 1), (0.1, 2)]
    assert len(more) == 12
    for changed in (
        {"rules": [Racer("sgd", tableau=HEUN)]},
        {"problem": Problem(*(problem.x, problem.y) * 2, hidden=(12,), batch_size=16)},
        {"gradients": 16},
        {"dtype": "float64"},
    ):
        call = {"problem": problem, "rules": ["sgd"], "learning_rates": [0.01], "seeds": [0]}
        before = len(trained.batches)
        sweep(**{**call, **RACE, **changed}, file=file)
        assert len(trained.batches) == before + 1, f"{changed} is another trial"
    assert len(sweep(problem, ["sgd"], [0.01, 0.1], [0, 1, 2], **RACE, file=file)) == 12


def test_a_file_that_is_no_table_is_left_alone(problem, tmp_path):
    file = tmp_path / "notes.csv"
    file.write_text("to do\nbuy milk\n")
    with pytest.raises(ValueError, match="not the table of a sweep"):
        sweep(problem, ["sgd"], [0.1], [0], **RACE, file=file)
    assert file.read_text() == "to do\nbuy milk\n"


def test_a_trial_goes_by_the_name_that_its_rule_has_now(problem, trained, tmp_path):
    file = tmp_path / "race.csv"
    sweep(problem, ["adam"], [0.01], [0], **RACE, file=file)
    renamed = sweep(problem, [Racer("adam", name="mine")], [0.01], [0], **RACE, file=file)
    assert renamed["rule"].tolist() == ["mine", "mine"] and len(trained.batches) == 1


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "race.csv"
    row = ("0" * 16, "sgd", 0.1, 0, 1, 1, 0.5, 0.25, False)
    Table([row]).to_csv(file)

    class Unwritable:
        def __str__(self):
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        Table([(*row[:-1], True), (*row[:-1], Unwritable())]).to_csv(file)
    assert Table.read_csv(file).rows == [row]


def test_numbers_come_back_from_a_file_to_the_last_digit(tmp_path):
    rows = [
        ("a" * 16, 'adam, "mine"', 0.1 + 0.2, 7, 3, 6, float("inf"), 1 / 3, True),
        ("b" * 16, "sgd\nagain", 1e-300, 0, 1, 2, float("-inf"), 0.0, False),
    ]
    Table(rows).to_csv(tmp_path / "t.csv")
    assert Table.read_csv(tmp_path / "t.csv").rows == rows


def test_a_table_as_a_frame(problem):
    pandas = pytest.importorskip("pandas")
    table = sweep(problem, ["sgd", "adam"], [0.1, 0.2], [0, 1], **RACE)
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == list(Table.KINDS)
    means = frame[frame.gradients == 8].groupby(["rule", "learning_rate"])["loss"].mean()
    ours = table.where(rule="sgd", learning_rate=0.2, gradients=8)["loss"].mean()
    assert means["sgd", 0.2] == pytest.approx(ours, rel=1e-15)


# ---- The file as a file ----


def test_a_path_may_be_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Table(ROWS).to_csv("race.csv")
    assert Table.read_csv("race.csv").rows == ROWS


def test_others_read_it_too(tmp_path):
    Table(ROWS).to_csv(tmp_path / "race.csv")
    with open(tmp_path / "race.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [*Table.KINDS, "check"]
    assert [float(row["loss"]) for row in rows] == [row[6] for row in ROWS]
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(tmp_path / "race.csv", float_precision="round_trip")
    assert frame["loss"].tolist() == [row[6] for row in ROWS]
    assert frame["diverged"].tolist() == [row[8] for row in ROWS]


def test_other_line_ends_quotes_and_a_byte_order_mark_are_no_damage(tmp_path):
    file = tmp_path / "race.csv"
    Table(ROWS).to_csv(file)
    with open(file, newline="", encoding="utf-8") as old:
        rows = list(csv.reader(old))
    with open(file, "w", newline="", encoding="utf-8-sig") as new:
        csv.writer(new, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    assert Table.read_csv(file).rows == ROWS


def test_an_empty_table_comes_back(tmp_path):
    Table().to_csv(tmp_path / "race.csv")
    assert Table.read_csv(tmp_path / "race.csv").rows == []


# ---- Damage is found ----

ROWS = [
    ("0123456789abcdef", "sgd", 0.1, 0, 44, 44, 0.5, 0.25, False),
    ("0123456789abcdef", "sgd", 0.1, 0, 88, 88, 0.375, 0.5, False),
    ("fedcba9876543210", "adam, mine", 0.1 + 0.2, 7, 44, 44, 1 / 3, 0.5, False),
    ("fedcba9876543210", "adam, mine", 0.1 + 0.2, 7, 88, 88, float("inf"), 0.25, True),
]


@pytest.fixture
def file(tmp_path):
    Table(ROWS).to_csv(tmp_path / "race.csv")
    return tmp_path / "race.csv"


def test_flipped_bits_are_found_and_their_line_is_named(file):
    """Two bits of every byte; all eight were tried once."""
    whole = file.read_bytes()
    for i in range(len(whole)):
        line = whole[:i].count(b"\n") + 1
        for bit in (i % 8, (i + 3) % 8):
            file.write_bytes(whole[:i] + bytes([whole[i] ^ 1 << bit]) + whole[i + 1 :])
            with pytest.raises(ValueError, match=rf"race.csv, line {line}: "):
                Table.read_csv(file)


def test_every_cut_is_found(file):
    whole = file.read_bytes()
    for end in range(len(whole) - 1):
        file.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"race.csv, line \d: "):
            Table.read_csv(file)
    file.write_bytes(whole[:-1])  # no more than the last line's end
    assert Table.read_csv(file).rows == ROWS


def in_line(number, change):
    def damage(lines):
        lines[number - 1] = change(lines[number - 1])

    return damage


DAMAGES = {  # what is done to the lines; the line that is named
    "an edited loss": (in_line(3, lambda line: line.replace("0.375", "0.37")), 3),
    "a loss that is nan": (in_line(3, lambda line: line.replace("0.375", "nan")), 3),
    "another rule": (in_line(2, lambda line: line.replace("sgd", "adam")), 2),
    "a check of another row": (in_line(2, lambda line: line[:-1] + "0"), 2),
    "a row doubled": (lambda lines: lines.insert(2, lines[2]), 4),
    "the last row doubled": (lambda lines: lines.append(lines[-1]), 6),
    "a row removed": (lambda lines: lines.pop(2), 3),
    "the first row removed": (lambda lines: lines.pop(1), 2),
    "the last row removed": (lambda lines: lines.pop(), 4),
    "two rows exchanged": (lambda lines: lines.insert(1, lines.pop(2)), 2),
    "all rows removed": (lambda lines: lines.__delitem__(slice(1, None)), 1),
    "an empty line": (lambda lines: lines.insert(2, ""), 3),
    "a column too many": (in_line(4, lambda line: line + ",0"), 4),
    "a quote that never ends": (in_line(2, lambda line: line.replace(",sgd", ',"sgd')), 2),
    "not UTF-8": (in_line(5, lambda line: line.replace("adam", "ad\udcffm")), 5),
    "a zero byte": (in_line(5, lambda line: line.replace("adam", "ad\0m")), 5),
    "a carriage return": (in_line(5, lambda line: line.replace("inf", "in\rf")), 5),
    "an enormous text": (in_line(5, lambda line: line.replace("adam", "a" * 200_000)), 5),
    "the table twice": (lambda lines: lines.extend(lines[:]), 6),
    "the empty table's name": (in_line(1, lambda line: line.replace("check", "no_rows")), 2),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_with_file_and_line(file, damage):
    change, line = DAMAGES[damage]
    lines = file.read_text("utf-8").splitlines()
    change(lines)
    file.write_bytes("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=rf"race.csv, line {line}: "):
        Table.read_csv(file)


def test_the_number_of_damaged_lines_is_said(file):
    file.write_text(file.read_text("utf-8").replace("0.5", "0.6"), "utf-8")
    with pytest.raises(ValueError, match="line 2: this row is not as .* 2 more lines are damaged"):
        Table.read_csv(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"to do\nbuy milk\n",
        b"\xff\xfe\x00\x01",
        b"trial,rule\n",
        "trial,rule,learning_rate".encode("utf-16"),
        b'"' + b"a" * 200_000,
    ],
    ids=range(7),
)
def test_a_file_that_is_no_table_is_refused_in_one_sentence(tmp_path, content):
    (tmp_path / "notes.csv").write_bytes(content)
    with pytest.raises(ValueError, match="notes.csv, line 1: this is not the table of a sweep"):
        Table.read_csv(tmp_path / "notes.csv")


def test_a_text_in_place_of_a_number_is_named_though_its_check_holds(tmp_path):
    Table([ROWS[0], (*ROWS[1][:-1], "maybe")]).to_csv(tmp_path / "race.csv")
    with pytest.raises(ValueError, match="line 3: this row holds a text where a number must be"):
        Table.read_csv(tmp_path / "race.csv")


# ---- Damage is mended ----


@pytest.fixture(scope="module")
def race(problem):
    return problem, ["sgd", "adam", "lion"], [0.01, 0.1], range(3)


@pytest.fixture(scope="module")
def finished(race, tmp_path_factory):
    file = tmp_path_factory.mktemp("finished") / "race.csv"
    return sweep(*race, **RACE, file=file), file


MENDED = {  # what is done to the 36 rows in lines 2 to 37; the lines named, the trials run again
    "one loss edited": (
        lambda lines: in_line(2, lambda line: line[:-30] + line[-29:])(lines),
        2,
        1,
    ),
    "a trial's first row gone": (lambda lines: lines.pop(1), 2, 1),
    "a trial's name changed": (in_line(2, lambda line: "0" * 16 + line[16:]), 2, 1),
    "the last three rows cut": (lambda lines: lines.__delitem__(slice(-3, None)), 34, 2),
    "cut within a row": (in_line(37, lambda line: line[:40]), 37, 1),
    "a row doubled": (lambda lines: lines.insert(2, lines[2]), 4, 0),
    "a quote that never ends": (in_line(10, lambda line: line.replace(",sgd", ',"sgd')), 10, 1),
    "not UTF-8": (in_line(10, lambda line: line.replace("sgd", "s\udcffd")), 10, 1),
    "all rows gone": (lambda lines: lines.__delitem__(slice(1, None)), 1, 18),
}


@pytest.mark.parametrize("damage", MENDED)
def test_a_sweep_trains_damaged_trials_again_and_says_so(race, finished, trained, tmp_path, damage):
    whole, sound = finished
    change, line, runs = MENDED[damage]
    file = tmp_path / "race.csv"
    lines = sound.read_text("utf-8").splitlines()
    change(lines)
    file.write_bytes("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
    with pytest.warns(UserWarning, match=rf"race.csv is damaged: line {line}: ") as warnings:
        mended = sweep(*race, **RACE, file=file)
    assert warnings[0].filename == __file__
    assert mended.rows == whole.rows
    assert sum(map(len, trained.batches)) == runs
    if runs:
        assert sorted(Table.read_csv(file).rows) == sorted(whole.rows)


def test_a_trial_that_lacks_a_row_is_trained_again(race, finished, trained, tmp_path):
    """Also where each row that is there is sound: somebody kept the last ones only."""
    whole, _ = finished
    file = tmp_path / "race.csv"
    Table(whole.rows[:2] + whole.rows[3:]).to_csv(file)
    assert sweep(*race, **RACE, file=file).rows == whole.rows
    assert sum(map(len, trained.batches)) == 1
    assert sorted(Table.read_csv(file).rows) == sorted(whole.rows)


def test_other_races_keep_their_sound_rows_in_a_damaged_file(problem, finished, trained, tmp_path):
    whole, sound = finished
    file = tmp_path / "race.csv"
    shutil.copy(sound, file)
    file.write_text(file.read_text("utf-8").replace(",lion,", ",lean,", 1), "utf-8")
    with pytest.warns(UserWarning, match="line 26: "):
        sweep(problem, "rmsprop", [0.1], [0], **RACE, file=file)
    assert len(trained.batches) == 1
    assert len(Table.read_csv(file)) == len(whole) - 1 + 2


def test_trials_that_only_fill_a_batch_are_not_written(problem, trained, tmp_path):
    """145 trials of 910 weights are three batches of 49, for a compiler's sake: two too many."""
    file = tmp_path / "race.csv"
    rates = [0.01 * i for i in range(1, 30)]
    table = sweep(problem, "sgd", rates, range(5), gradients=1, every=1, file=file)
    assert list(map(len, trained.batches)) == [49, 49, 49]
    assert len(Table.read_csv(file)) == len(table) == 145


# ---- The place is tried first ----


@pytest.mark.parametrize(
    ("place", "error", "sentence"),
    [
        ("nowhere/race.csv", FileNotFoundError, "`file` cannot be written: No such file"),
        (".", IsADirectoryError, "`file` must be a file"),
        ("race.csv/race.csv", NotADirectoryError, "`file` cannot be written: Not a directory"),
        ("x" * 300, OSError, "`file` cannot be written: File name too long"),
    ],
    ids=["no folder", "a folder", "in a file", "too long"],
)
def test_a_place_that_cannot_be_written_to_costs_no_training(
    problem, trained, file, place, error, sentence
):
    with pytest.raises(error, match=sentence):
        sweep(problem, "sgd", [0.1], [0], **RACE, file=file.parent / place)
    assert not trained.batches
    assert [each.name for each in file.parent.iterdir()] == ["race.csv"]


def test_a_full_disk_or_a_folder_without_rights_costs_no_training(problem, trained, monkeypatch):
    def refuse(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    with pytest.raises(PermissionError, match="`file` cannot be written: Permission denied"):
        sweep(problem, "sgd", [0.1], [0], **RACE, file="race.csv")
    assert not trained.batches

"""The exercises of notebook 11: right answers are right, every wrong one gets a sentence of its own."""

import course_lib  # noqa: F401
from course_lib.exercises import EXERCISES, grade

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # within Keras


def load_with_another_learning_rate(path, learning_rate):
    model = keras.saving.load_model(path)
    model.optimizer.learning_rate = learning_rate
    return model


def recompiled(path, learning_rate):
    model = keras.saving.load_model(path)
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse")
    return model


def under_the_old_name(path, learning_rate):
    model = keras.saving.load_model(path)
    model.optimizer.lr = learning_rate
    return model


def counter_only(path, learning_rate):
    iterations = int(keras.saving.load_model(path).optimizer.iterations)
    model = recompiled(path, learning_rate)
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(iterations)
    return model


def rows_of_a_step(seed, epoch, step, examples, batch_size):
    order = np.random.default_rng((seed, epoch)).permutation(examples)
    return order[step * batch_size : (step + 1) * batch_size]


def ordered_by(rng):
    def rows(seed, epoch, step, examples, batch_size):
        order = rng(seed, epoch).permutation(examples)
        return order[step * batch_size : (step + 1) * batch_size]

    return rows


def in_the_order_of_the_file(seed, epoch, step, examples, batch_size):
    return np.arange(examples)[step * batch_size : (step + 1) * batch_size]


one_for_all = np.random.default_rng(0)
WRONG = {
    "11.1": {
        recompiled: "forgotten its slots",
        under_the_old_name: "still the file's",
        lambda path, rate: keras.saving.load_model(path, compile=False): "no optimizer",
        counter_only: "the slots are not those",
        lambda path, rate: None: "replace the line",
    },
    "11.2": {
        ordered_by(lambda seed, epoch: one_for_all): "remembers",
        ordered_by(lambda seed, epoch: np.random.default_rng(seed)): "on the epoch",
        ordered_by(lambda seed, epoch: np.random.default_rng(epoch)): "on the seed",
        ordered_by(lambda seed, epoch: np.random.default_rng(seed + epoch)): "keep the two apart",
        in_the_order_of_the_file: "shuffle",
        lambda **where: None: "replace the line",
    },
}


@pytest.mark.parametrize("answer", [load_with_another_learning_rate, rows_of_a_step])
def test_the_right_answer_is_right(answer, capsys):
    number = {"load": "11.1", "rows": "11.2"}[answer.__name__[:4]]
    grade(number, answer)
    assert capsys.readouterr().out == f"{number}  correct\n"


@pytest.mark.parametrize("number", WRONG)
def test_every_wrong_answer_gets_a_hint_of_its_own(number, capsys):
    assert number in EXERCISES
    hints = set()
    for answer, words in WRONG[number].items():
        grade(number, answer)
        said = capsys.readouterr().out
        assert said.startswith(f"{number}  not yet") and words in said, said
        hints.add(said)
    assert len(hints) == len(WRONG[number])

"""Right answers are right; a wrong one gets its own sentence, no traceback and no solution."""

import ast
import copy
import functools
import inspect
import itertools
import math
import textwrap
import threading
import time
from importlib import import_module
from pathlib import Path

import course_lib.quiet  # noqa: F401
from course_lib.checks import OPTIMIZER_CHECKS
from course_lib.exercises import EXERCISES, grade, grading
from course_lib.exercises.chapter_18 import QUICK
from course_lib.optimizers import RULES

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # within Keras
layers = keras.layers
register = keras.saving.register_keras_serializable


# ---- Right answers ----


def step_downhill(w, learning_rate):
    return w - learning_rate * 2 * w


def make_model(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((3,)), layers.Dense(2)])


def make_model_with_seeded_initializers(seed):
    start = keras.initializers.GlorotUniform(seed)
    return keras.Sequential([keras.Input((3,)), layers.Dense(2, kernel_initializer=start)])


def independent_copy(model):
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def central_difference(f, w, h):
    ahead, behind = ([f(w + step) for step in sign * h * np.eye(len(w))] for sign in (1, -1))
    return (np.array(ahead) - np.array(behind)) / (2 * h)


def largest_learning_rate(hessian):
    return 2 / np.linalg.eigvalsh(hessian).max()


def batches(examples, batch_size, rng):
    order = rng.permutation(examples)
    return [order[i : i + batch_size] for i in range(0, examples, batch_size)]


def batches_one_by_one(examples, batch_size, rng):
    yield from batches(examples, batch_size, rng)


def steps_taken(examples, batch_size, epochs):
    return math.ceil(examples / batch_size) * epochs


@register("answers")
class SignSGD(keras.Optimizer):
    def update_step(self, gradient, variable, learning_rate):
        learning_rate = keras.ops.cast(learning_rate, variable.dtype)
        self.assign(variable, variable - learning_rate * keras.ops.sign(gradient))


@register("answers")
class ClippedSGD(keras.Optimizer):
    def __init__(self, learning_rate=0.01, largest=1.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.largest = largest

    def update_step(self, gradient, variable, learning_rate):
        learning_rate = keras.ops.cast(learning_rate, variable.dtype)
        g = keras.ops.clip(gradient, -self.largest, self.largest)
        self.assign(variable, variable - learning_rate * g)

    def get_config(self):
        return {**super().get_config(), "largest": self.largest}


def torch_momentum_step(w, g, state, *, learning_rate, momentum):
    v = momentum * state["v"] + g
    return w - learning_rate * v, {"v": v}


def look_ahead_step(gradient, w, v, *, learning_rate, momentum):
    v = momentum * v - learning_rate * gradient(w + momentum * v)
    return w + v, v


def adagrad_step_as_keras_writes_it(w, g, state, *, learning_rate, epsilon):
    s = state["s"] + g**2
    return w - learning_rate * g / np.sqrt(s + epsilon), {"s": s}


def adagrad_with_decay(learning_rate, decay):
    schedule = keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, decay)
    return keras.optimizers.Adagrad(schedule)


def our_adagrad_with_decay(learning_rate, decay):
    schedule = keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, decay)
    return RULES["adagrad"].keras_class(schedule)


RIGHT = {
    "00.1": [step_downhill],
    "01.1": [make_model, make_model_with_seeded_initializers],
    "01.2": [independent_copy, copy.deepcopy],
    "02.1": [central_difference],
    "02.2": [largest_learning_rate],
    "03.1": [batches, batches_one_by_one],
    "03.2": [steps_taken],
    "04.1": [SignSGD],
    "04.2": [ClippedSGD],
    "05.1": [torch_momentum_step],
    "05.2": [look_ahead_step],
    "06.1": [adagrad_step_as_keras_writes_it],
    "06.2": [adagrad_with_decay, our_adagrad_with_decay],
}


# ---- Wrong answers, as learners give them: what is wrong, and the answer ----

SHARED = layers.Dense(2)
SEEDS = itertools.count()


def with_a_shared_layer(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((3,)), SHARED])


def without_a_seed(seed):
    return keras.Sequential([keras.Input((3,)), layers.Dense(2)])


def with_one_seed_for_all(seed):
    return make_model(0)


def seeded_too_late(seed):
    model = without_a_seed(seed)
    keras.utils.set_random_seed(seed)
    return model


def not_built(seed):
    return keras.Sequential([layers.Dense(2)])


def copied_the_wrong_way(model):
    twin = keras.models.clone_model(model)
    model.set_weights(twin.get_weights())
    return twin


def with_one_layer_of_the_original(model):
    return keras.Sequential([keras.Input((3,)), model.layers[0], layers.Dense(1)])


def forward_difference(f, w, h):
    return np.array([f(w + step) - f(w) for step in h * np.eye(len(w))]) / h


def half_the_distance(f, w, h):
    return 2 * central_difference(f, w, h)


def not_put_back(f, w, h):
    slopes = []
    for i in range(len(w)):
        w[i] += h
        ahead = f(w)
        w[i] -= 2 * h
        slopes.append((ahead - f(w)) / (2 * h))
    return slopes


def in_order(examples, batch_size, rng):
    return np.split(np.arange(examples), range(batch_size, examples, batch_size))


def without_the_remainder(examples, batch_size, rng):
    return batches(examples, batch_size, rng)[: examples // batch_size]


def with_replacement(examples, batch_size, rng):
    return np.split(rng.integers(0, examples, examples), range(batch_size, examples, batch_size))


def with_an_rng_of_its_own(examples, batch_size, rng):
    return batches(examples, batch_size, np.random.default_rng(next(SEEDS)))


def in_one_piece(examples, batch_size, rng):
    return [rng.permutation(examples)]


def stepping(step):
    """A class of optimizers from the new w, or None where nothing is assigned."""

    @register("answers")
    class Answer(keras.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            t = keras.ops.cast(self.iterations + 1, variable.dtype)
            w = step(variable, gradient, keras.ops.cast(learning_rate, variable.dtype), t)
            if w is not None:
                self.assign(variable, w)

    return Answer


def instead(cls, **methods):
    """A right answer with something else in the place of some methods."""
    return register("answers")(type(cls.__name__, (cls,), methods))


def clip_by_norm(self, gradient, variable, learning_rate):
    norm = keras.ops.norm(gradient)
    learning_rate = keras.ops.cast(learning_rate, variable.dtype)
    self.assign(variable, variable - learning_rate * gradient * self.largest / norm)


def no_clip(self, gradient, variable, learning_rate):
    learning_rate = keras.ops.cast(learning_rate, variable.dtype)
    self.assign(variable, variable - learning_rate * gradient)


def torch(v_of, w_of=lambda w, v, r: w - r * v):
    """A step of momentum from the two lines that can go wrong."""

    def torch_momentum_step(w, g, state, *, learning_rate, momentum):
        v = v_of(state["v"], g, momentum, learning_rate)
        return w_of(w, v, learning_rate), {"v": v}

    return torch_momentum_step


def torch_in_place(w, g, state, *, learning_rate, momentum):
    state["v"] *= momentum
    state["v"] += g
    return w - learning_rate * state["v"], state


def look(
    ahead=lambda w, v, m: w + m * v, v_of=lambda v, g, m, r: m * v - r * g, start=lambda w, at: w
):
    """A look-ahead step from the three places that can go wrong."""

    def look_ahead_step(gradient, w, v, *, learning_rate, momentum):
        at = ahead(w, v, momentum)
        v = v_of(v, gradient(at), momentum, learning_rate)
        return start(w, at) + v, v

    return look_ahead_step


def adagrad(
    s_of=lambda s, g: s + g**2, w_of=lambda w, g, s, s_old, r, e: w - r * g / np.sqrt(s + e)
):
    """An Adagrad step from the two lines that can go wrong."""

    def adagrad_step(w, g, state, *, learning_rate, epsilon):
        s = s_of(state["s"], g)
        return w_of(w, g, s, state["s"], learning_rate, epsilon), {"s": s}

    return adagrad_step


def adagrad_in_place(w, g, state, *, learning_rate, epsilon):
    state["s"] += g**2
    return w - learning_rate * g / np.sqrt(state["s"] + epsilon), state


def decay_by(schedule):
    return lambda learning_rate, decay: keras.optimizers.Adagrad(schedule(learning_rate, decay))


schedules, sign = keras.optimizers.schedules, keras.ops.sign
WRONG = {
    "00.1": {
        "uphill": lambda w, r: w + r * 2 * w,
        "the 2 is missing": lambda w, r: w - r * w,
        "a fixed step": lambda w, r: w - r,
        "the slope alone": lambda w, r: 2 * w,
    },
    "01.1": {
        "a shared layer": with_a_shared_layer,
        "no seed": without_a_seed,
        "one seed": with_one_seed_for_all,
        "not built": not_built,
    },
    "01.2": {
        "assignment": lambda model: model,
        "one shared layer": with_one_layer_of_the_original,
        "new weights": keras.models.clone_model,
        "the wrong way round": copied_the_wrong_way,
    },
    "02.1": {
        "forward": forward_difference,
        "divided by h": half_the_distance,
        "w is not put back": not_put_back,
        "one slope": lambda f, w, h: central_difference(f, w, h)[0],
        "another h": lambda f, w, h: central_difference(f, w, 1e-6),
    },
    "02.2": {
        "the smallest": lambda hessian: 2 / np.linalg.eigvalsh(hessian).min(),
        "1 over": lambda hessian: 1 / np.linalg.eigvalsh(hessian).max(),
        "the diagonal": lambda hessian: 2 / np.diag(hessian).max(),
        "all of them": lambda hessian: 2 / np.linalg.eigvalsh(hessian),
        "the largest column sum": lambda hessian: 2 / np.linalg.norm(hessian, 1),
        "the determinant": lambda hessian: 2 / np.linalg.det(hessian),
    },
    "03.1": {
        "in order": in_order,
        "no remainder": without_the_remainder,
        "with replacement": with_replacement,
        "another rng": with_an_rng_of_its_own,
        "one batch": in_one_piece,
    },
    "03.2": {
        "rounded down": lambda n, b, e: n // b * e,
        "epochs forgotten": lambda n, b, e: math.ceil(n / b),
        "one more": lambda n, b, e: (n // b + 1) * e,
        "all epochs in one": lambda n, b, e: math.ceil(n * e / b),
    },
    "04.1": {
        "uphill": stepping(lambda w, g, r, t: w + r * sign(g)),
        "no sign": stepping(lambda w, g, r, t: w - r * g),
        "no learning rate": stepping(lambda w, g, r, t: w - 0.125 * sign(g)),
        "steps that shrink": stepping(lambda w, g, r, t: w - r * sign(g) / t),
        "not assigned": stepping(lambda w, g, r, t: None),
        "nothing yet": keras.Optimizer,
    },
    "04.2": {
        "no clip": instead(ClippedSGD, update_step=no_clip),
        "by norm": instead(ClippedSGD, update_step=clip_by_norm),
        "not in the configuration": instead(ClippedSGD, get_config=keras.Optimizer.get_config),
        "not registered": type("Unregistered", (ClippedSGD,), {}),
        "no such argument": SignSGD,
    },
    "05.1": {
        "as Keras has it": torch(lambda v, g, m, r: m * v - r * g, lambda w, v, r: w + v),
        "dampened": torch(lambda v, g, m, r: m * v + (1 - m) * g),
        "uphill": torch(lambda v, g, m, r: m * v + g, lambda w, v, r: w + r * v),
        "in place": torch_in_place,
        "no new state": lambda w, g, state, *, learning_rate, momentum: (w, g),
    },
    "05.2": {
        "looked where it stands": look(ahead=lambda w, v, m: w),
        "looked too far": look(ahead=lambda w, v, m: w + v),
        "no momentum": look(v_of=lambda v, g, m, r: v - r * g),
        "from the look-ahead point": look(start=lambda w, at: at),
        "never looked": lambda gradient, w, v, *, learning_rate, momentum: (w + v, v),
        "looked twice": lambda gradient, w, v, *, learning_rate, momentum: (
            gradient(w),
            gradient(v),
        ),
    },
    "06.1": {
        "the paper's form": adagrad(w_of=lambda w, g, s, old, r, e: w - r * g / (np.sqrt(s) + e)),
        "the old s": adagrad(w_of=lambda w, g, s, old, r, e: w - r * g / np.sqrt(old + e)),
        "s forgets": adagrad(s_of=lambda s, g: g**2),
        "not squared": adagrad(s_of=lambda s, g: s + g),
        "in place": adagrad_in_place,
    },
    "06.2": {
        "no schedule": decay_by(lambda rate, decay: rate),
        "exponential": decay_by(lambda rate, decay: schedules.ExponentialDecay(rate, 1, decay)),
        "another optimizer": lambda rate, decay: keras.optimizers.SGD(rate),
        "a schedule alone": lambda rate, decay: schedules.InverseTimeDecay(rate, 1, decay),
    },
}


def graded(number, answer, capsys):
    """What grade prints, which is one line."""
    grade(number, answer)
    (line,) = capsys.readouterr().out.splitlines()
    return line


# The chapters from 07 on keep their answers in files of their own: answers_<chapter>.py
HERE = [number for number in EXERCISES if number < "07"]
CHAPTERS = sorted({number[:2] for number in EXERCISES} - {number[:2] for number in HERE})
ELSEWHERE = {chapter: import_module(f"answers_{chapter}") for chapter in CHAPTERS}
RIGHT_ELSEWHERE = [row for chapter in ELSEWHERE.values() for row in chapter.RIGHT]
WRONG_ELSEWHERE = [row for chapter in ELSEWHERE.values() for row in chapter.WRONG]
every_exercise = pytest.mark.parametrize("number", HERE)


def test_no_exercise_is_without_cases():
    right = [*RIGHT, *(number for number, _ in RIGHT_ELSEWHERE)]
    wrong = [n for n in WRONG for _ in WRONG[n]] + [number for number, _, _ in WRONG_ELSEWHERE]
    assert set(right) == set(wrong) == set(EXERCISES)
    assert min(map(wrong.count, EXERCISES)) >= 3


@pytest.mark.parametrize(
    "number, answer",
    [(n, a) for n, answers in RIGHT.items() for a in answers] + RIGHT_ELSEWHERE,
    ids=lambda it: getattr(it, "__name__", it),
)
def test_a_right_answer_is_correct(number, answer, capsys):
    began = time.process_time()
    assert graded(number, answer, capsys) == f"{number}  correct"
    assert time.process_time() - began < 10  # seconds: a learner waits


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # wrong answers divide by zero
@pytest.mark.parametrize("number, answer, words", WRONG_ELSEWHERE)
def test_a_wrong_answer_gets_the_sentence_that_is_meant_for_it(number, answer, words, capsys):
    hint = graded(number, answer, capsys)
    assert hint.startswith(f"{number}  not yet: ") and words in hint and "Traceback" not in hint


@every_exercise
def test_every_wrong_answer_gets_a_hint_of_its_own(number, capsys):
    hints = {mistake: graded(number, answer, capsys) for mistake, answer in WRONG[number].items()}
    assert all(hint.startswith(f"{number}  not yet: ") for hint in hints.values()), hints
    assert len(set(hints.values())) == len(hints), hints


def raises(*arguments, **named):
    raise RuntimeError("lost my way")


def raises_without_a_word(*arguments, **named):
    raise ValueError


def raises_late(*arguments, **named):
    yield from []
    raise RuntimeError("lost my way")


def returns(thing):
    def answer(*arguments, **named):
        return thing

    return answer


USELESS = {
    "returns None": returns(None),
    "raises": raises,
    "raises without a word": raises_without_a_word,
    "raises when it is read": raises_late,
    "takes no arguments": lambda: 1.0,
    "returns a cube": returns(np.ones((2, 2, 2))),
    "returns too many": returns(np.ones(1000)),
    "returns nothing": returns([]),
    "returns nan": returns(float("nan")),
    "returns words": returns("one half"),
    "returns many lines": returns("one\ntwo"),
    "returns pairs": returns((np.ones(3), {"v": np.ones(3), "s": np.ones((3, 3))})),
    "returns pairs of words": returns(("w", "state")),
    "returns a list of lists": returns([[1.0], [1.0, 2.0]]),
    "returns a model": returns(keras.Sequential([keras.Input((5,)), layers.Dense(1)])),
    "returns an optimizer": returns(keras.optimizers.SGD(0.5)),
    "is no function": 3.0,
    "is None": None,
    "is a class": dict,
    "is an object": keras.optimizers.SGD(),
    "is an optimizer that raises": type("Raises", (keras.Optimizer,), {"__init__": raises}),
    "is an optimizer whose step raises": type(
        "Raises", (keras.Optimizer,), {"update_step": raises}
    ),
}


@every_exercise
def test_a_useless_answer_gets_one_sentence(number, capsys):
    for answer in USELESS.values():
        assert graded(number, answer, capsys).startswith(f"{number}  not yet: ")


def loses_the_state(letter):
    """A right step, but for the state that it was handed."""

    def step(w, g, state, *, learning_rate, **rest):
        rule = {"v": torch_momentum_step, "s": adagrad_step_as_keras_writes_it}[letter]
        answer = rule(w, g, dict(state), learning_rate=learning_rate, **rest)
        state.pop(letter)
        return answer

    return step


def outgrows_the_state(letter):
    def step(w, g, state, **rest):
        state[letter] = np.ones(5)
        return w, {letter: g}

    return step


WHERE_NOBODY_LOOKS = {
    "04.1 get_config raises": instead(SignSGD, get_config=raises),
    "04.1 get_config is None": instead(SignSGD, get_config=returns(None)),
    "04.2 get_config raises": instead(ClippedSGD, get_config=raises),
    "04.2 get_config is None": instead(ClippedSGD, get_config=returns(None)),
    "04.2 get_config is empty": instead(ClippedSGD, get_config=returns({})),
    "04.2 get_config says too much": instead(
        ClippedSGD, get_config=returns({"learning_rate": 0.125, "largest": 2.0, "smallest": 1.0})
    ),
    "05.1 state taken away": loses_the_state("v"),
    "05.1 state of another shape": outgrows_the_state("v"),
    "06.1 state taken away": loses_the_state("s"),
    "06.1 state of another shape": outgrows_the_state("s"),
    "06.2 step raises": returns(
        type("MyAdagrad", (keras.Optimizer,), {"update_step": raises})(0.5)
    ),
    "06.2 build raises": returns(type("MyAdagrad", (keras.Optimizer,), {"build": raises})(0.5)),
}


@pytest.mark.parametrize("case", WHERE_NOBODY_LOOKS)
def test_an_answer_that_breaks_where_nobody_looks_gets_one_sentence_too(case, capsys):
    number = case.split()[0]
    assert graded(number, WHERE_NOBODY_LOOKS[case], capsys).startswith(f"{number}  not yet: ")


def test_who_moves_w_and_leaves_it_there_is_told_so(capsys):
    # the second slope is taken at a w[0] that is off by h: the error follows from the change
    assert "changed the w" in graded("02.1", not_put_back, capsys)


def statements_of(answer):
    """What an answer's statements compute, each as code without spaces; short ones say nothing."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(answer)))
    values = [getattr(node, "value", None) for node in ast.walk(tree)]
    codes = ["".join(ast.unparse(value).split()) for value in values if isinstance(value, ast.AST)]
    return {code for code in codes if len(code) > 10}


@every_exercise
def test_no_hint_is_the_solution(number, capsys):
    solution = statements_of(RIGHT[number][0])
    assert solution
    for answer in [*WRONG[number].values(), *USELESS.values()]:
        hint = graded(number, answer, capsys)
        as_code = hint.translate(str.maketrans({"·": "*", "−": "-", " ": "", "²": "**2"}))
        assert not [code for code in solution if code in as_code], hint


@pytest.mark.parametrize(
    "number, near",
    [("6.1", "'06.1'"), (6.1, "'06.1'"), ("6 .1", "'06.1'"), ("exercise 6.1", "'06.1'")]
    + [("06.l", "'06.1' or '06.2'"), ("06.9", "'06.1' or '06.2'"), (6, "'06.1' or '06.2'")],
)
def test_an_unknown_number_is_answered_with_the_nearest(number, near):
    with pytest.raises(KeyError) as refusal:
        grade(number, step_downhill)
    assert refusal.value.args[0] == f"there is no exercise {number!r}. Did you mean {near}?"


def test_a_number_that_is_near_none_is_answered_with_the_list_of_known_ones():
    with pytest.raises(KeyError, match="there is no exercise 'downhill'") as refusal:
        grade("downhill", step_downhill)
    assert ", ".join(EXERCISES) in str(refusal.value)


# ---- What answers do that no checker expects ----


@pytest.mark.parametrize(
    "error",
    [ValueError, RuntimeError, TypeError, KeyError, AttributeError, ZeroDivisionError]
    + [OSError, NameError, AssertionError, RecursionError, MemoryError, StopIteration, Warning],
)
def test_whatever_an_answer_raises_its_name_and_the_errors_are_told(error, capsys):
    def my_step(w, learning_rate):
        raise error("lost my way")

    hint = graded("00.1", my_step, capsys)
    assert hint.startswith(f"00.1  not yet: my_step raised {error.__name__}: ")
    assert "lost my way" in hint


def forgot_to_return(w, learning_rate):
    w = w - learning_rate * 2 * w

    def slope(w):
        return 2 * w


def returns_sometimes(w, learning_rate):
    if w > 0:
        return w - learning_rate * 2 * w


def still_the_stub(w, learning_rate):
    return None


def returns_nothing(w, learning_rate):
    w = w - learning_rate * 2 * w
    return


@pytest.mark.parametrize(
    "answer, words",
    [
        (forgot_to_return, "has no `return`: end it with `return` and the result"),
        (returns_sometimes, "not every way through it ends in a `return`"),
        (still_the_stub, "replace the line `return None`"),
        (returns_nothing, "replace the line `return None`"),
        (lambda w, learning_rate: None, "replace the line `return None`"),
        (functools.partial(still_the_stub), "replace the line `return None`"),
    ],
)
def test_an_answer_of_none_is_told_what_its_source_lacks(answer, words, capsys):
    hint = graded("00.1", answer, capsys)
    assert " returned None: " in hint and words in hint


def never_ends(w, learning_rate):
    while True:
        w = w - learning_rate * 2 * w


def never_ends_and_catches(w, learning_rate):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            continue


@pytest.mark.parametrize("in_main", [True, False], ids=["in the kernel", "in a thread"])
@pytest.mark.parametrize("answer", [never_ends, never_ends_and_catches])
def test_a_loop_that_never_ends_is_stopped_and_named(answer, in_main, monkeypatch):
    monkeypatch.setattr(grading, "LIMIT", 0.25)
    seen = []
    if in_main:
        seen.append(grading.verdict("00.1", answer))
    else:
        thread = threading.Thread(target=lambda: seen.append(grading.verdict("00.1", answer)))
        thread.start()
        thread.join(30)
    ((outcome, message),) = seen
    assert outcome == "not yet" and "not come to an end after 0 seconds" in message
    assert "loop whose condition never changes" in message


def test_two_dtypes_that_meet_are_told_how_to_go_together(capsys):
    def update_step(self, gradient, variable, learning_rate):
        self.assign(
            variable, variable - keras.ops.cast(0.125, "float32") * keras.ops.sign(gradient)
        )

    hint = graded("04.1", instead(SignSGD, update_step=update_step), capsys)
    assert "two dtypes meet: cast with keras.ops.cast(x, variable.dtype)" in hint


def test_a_changed_argument_is_seen_to_the_last_bit_whatever_it_is():
    def of(w):
        return {"v": np.array(w), "t": 1, "list": [np.ones(2), (np.nan, 2.0)]}

    grading.unchanged(of([1.0, 2.0]), of([1.0, 2.0]), "state")
    changes = [
        lambda state: state.pop("v"),
        lambda state: state.update(t=2),
        lambda state: state.update(more=1),
        lambda state: state.update(v=np.ones(3)),
        lambda state: state["v"].__iadd__(1e-15),
        lambda state: state["list"].append(1),
        lambda state: state["list"][0].fill(np.nan),
    ]
    for change in changes:
        state = of([1.0, 2.0])
        change(state)
        with pytest.raises(grading.NotYet, match="it changed the state that it was given: return"):
            grading.unchanged(state, of([1.0, 2.0]), "state")


def test_what_an_answer_may_not_change_is_asked_in_one_place():
    folder = Path(grading.__file__).parent
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    assert [name for name, text in texts.items() if "it changed the" in text] == ["grading.py"]


def test_the_checker_leaves_numpy_errors_to_nobody():
    with np.errstate(all="raise"):
        grade("13.2", lambda gradient, w, state, **hyper: (w * np.nan, state))


def test_the_count_is_right_for_the_optimizers_of_the_course_too():
    variables = [keras.Variable(np.zeros(shape, "float32")) for shape in ((64, 32), (32,))]
    counts = {
        name: ELSEWHERE["16"].state_bytes(RULES[name].keras_class(), variables)
        for name in ("sgd", "lion", "adam", "adafactor")
    }
    assert counts == {"sgd": 0, "lion": 8320, "adam": 16640, "adafactor": 4 * (64 + 32 + 32 + 1)}


def test_the_capstone_asks_what_check_optimizer_asks():
    assert set(QUICK) <= {check.__name__ for check in OPTIMIZER_CHECKS}

"""The checkers of the exercises: a sentence for every answer, and a traceback for none.

A checker asks the learner's answer a few questions whose answers it can prove, and raises NotYet with a hint that names
the property that is missing, never the solution.
"""

import inspect
import warnings

import numpy as np

EXERCISES = {}


class NotYet(Exception):
    """What is still missing from an answer, as a sentence for the learner."""


def grade(number, answer):
    """Print whether an exercise is solved, and if not, what is missing.

    number    the exercise, such as "06.1"
    answer    what the exercise asks for: a function or a class
    Raises KeyError for an exercise that does not exist; whatever the answer does becomes a sentence.
    """
    if number not in EXERCISES:
        raise KeyError(f"no exercise is numbered {number!r}; there are: {', '.join(EXERCISES)}")
    try:
        EXERCISES[number](answer)
    except NotYet as missing:
        print(f"{number}  not yet: {missing}")
    else:
        print(f"{number}  correct")


def exercise(number):
    """Enter a checker under its exercise's number."""

    def enter(checker):
        EXERCISES[number] = checker
        return checker

    return enter


def ask(function, *arguments, **named):
    """What the learner's function answers; NotYet if it is none, raises, or returns None."""
    if not callable(function):
        raise NotYet(f"hand over the function itself, not {_short(function)}")
    name = getattr(function, "__name__", "your function")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = function(*arguments, **named)
    except Exception as error:
        raise NotYet(f"{name} raised {type(error).__name__}: {_short(error, str)}") from None
    if answer is None:
        raise NotYet(f"{name} returned None: replace the line `return None`")
    return answer


def numbers(answer, shape, what):
    """The answer as an array of that shape; NotYet if it is none."""
    try:
        array = np.asarray(answer, float)
    except (TypeError, ValueError):
        raise NotYet(f"{what} should be numbers; it is {_short(answer)}") from None
    if array.shape != shape:
        raise NotYet(f"{what} should have shape {shape}; it has shape {array.shape}")
    return array


def same(answer, expected, hint):
    """NotYet, with the hint, unless the numbers are equal but for rounding (float64; some ten operations)."""
    if not np.allclose(answer, expected, rtol=1e-10, atol=1e-10):
        raise NotYet(hint)


def pair(answer, what):
    """The two things that a function was to return; NotYet if it returned something else."""
    if not (isinstance(answer, tuple) and len(answer) == 2):
        raise NotYet(f"return two things, {what}; it returned {_short(answer)}")
    return answer


def _short(thing, show=repr):
    text = show(thing).splitlines()[0] if show(thing) else type(thing).__name__
    return text if len(text) <= 80 else text[:77] + "..."


@exercise("00.1")
def step_downhill(answer):
    for w, learning_rate in [(3.0, 0.25), (-2.0, 0.125), (0.0, 0.5)]:
        seen = numbers(ask(answer, w, learning_rate), (), "the new w")
        if w and abs(seen) > abs(w):
            raise NotYet(
                f"from w = {w:g} it went uphill, to {seen:g}: which way does the slope point?"
            )
        hint = f"from w = {w:g} with learning rate {learning_rate:g} it went to {seen:g}; the slope of w² is 2w"
        same(seen, w - learning_rate * 2 * w, hint)


@exercise("01.1")
def make_model(answer):
    from course_lib.models import fingerprint, who_shares

    one, same_seed, other = (_model(ask(answer, seed), "make_model(seed)") for seed in (0, 0, 1))
    if one is same_seed or who_shares(one, same_seed):
        shared = who_shares(one, same_seed)
        raise NotYet(
            f"two calls gave models that share {shared}: make every layer inside the function"
        )
    if fingerprint(one) != fingerprint(same_seed):
        raise NotYet(
            "two calls with the same seed gave different weights: use the seed before layers are made"
        )
    if fingerprint(one) == fingerprint(other):
        raise NotYet("seeds 0 and 1 gave the same weights: let the seed decide")


@exercise("01.2")
def independent_copy(answer):
    from course_lib.models import fingerprint, who_shares

    import keras

    original = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    before = fingerprint(original)
    copy = _model(ask(answer, original), "the copy")
    if who_shares(original, copy):
        raise NotYet(f"the copy shares {who_shares(original, copy)} with the original")
    if fingerprint(original) != before:
        raise NotYet("the original's weights changed")
    if fingerprint(copy) != before:
        raise NotYet("the copy has weights of its own: same layers, other numbers")


def _model(answer, what):
    import keras

    if not isinstance(answer, keras.Model) or not answer.weights:
        raise NotYet(f"{what} should be a Keras model that is built; it is {_short(answer)}")
    return answer


@exercise("02.1")
def central_difference(answer):
    def bent(w):
        return w[0] ** 3 + 5 * w[0] * w[1]

    w = np.array([2.0, -1.0])
    seen = numbers(ask(answer, bent, w.copy(), 1e-3), (2,), "the gradient")
    exact = np.array([3 * 4.0 + 5 * -1.0, 5 * 2.0])
    if not np.allclose(seen, exact, rtol=1e-2):
        raise NotYet(
            f"at w = (2, -1) the slopes of w[0]³ + 5 w[0] w[1] are (7, 10); it says {seen.round(3)}"
        )
    if not np.allclose(seen, exact, rtol=1e-5):
        raise NotYet(
            "the error is as large as h: look to both sides of w, and divide by the whole distance"
        )
    where = w.copy()
    ask(answer, bent, where, 1e-3)
    if not np.array_equal(where, w):
        raise NotYet("it changed the w that it was given: work on a copy")


@exercise("02.2")
def largest_learning_rate(answer):
    for hessian, limit in [
        (np.diag([1.0, 16.0]), 0.125),
        (np.array([[8.5, -7.5], [-7.5, 8.5]]), 0.125),
        (np.diag([4.0, 0.5, 2.0]), 0.5),
    ]:
        seen = numbers(ask(answer, hessian.copy()), (), "the learning rate")
        if np.isclose(seen, 2 / np.linalg.eigvalsh(hessian)[0]):
            raise NotYet("that is 2 over the smallest curvature: which direction gives way first?")
        if not np.isclose(seen, limit):
            raise NotYet(
                f"for the Hessian {hessian.tolist()} it says {seen:g}; walk with that and see"
            )


@exercise("03.1")
def batches(answer):
    seen = ask(answer, 10, 4, np.random.default_rng(0))
    try:
        parts = [np.asarray(part) for part in seen]
        every = np.concatenate(parts)
    except (TypeError, ValueError):
        raise NotYet(
            f"it should hand back index arrays, one a batch; it handed back {_short(seen)}"
        ) from None
    if any(len(part) > 4 for part in parts):
        raise NotYet(f"a batch of 4 has {max(map(len, parts))} examples")
    if len(every) < 10:
        raise NotYet(f"10 examples, but only {len(every)} were used: what about the remainder?")
    if sorted(every.tolist()) != list(range(10)):
        raise NotYet("in one epoch every example has its turn exactly once")
    if every.tolist() == list(range(10)):
        raise NotYet("the order is 0, 1, 2, ...: shuffle with the rng")
    again = np.concatenate([np.asarray(p) for p in ask(answer, 10, 4, np.random.default_rng(0))])
    if every.tolist() != again.tolist():
        raise NotYet("the same rng seed gave another order: draw from the rng that you are handed")


@exercise("03.2")
def steps_taken(answer):
    for examples, batch_size, epochs, steps in [
        (1000, 100, 3, 30),
        (1437, 128, 30, 360),
        (5, 8, 2, 2),
    ]:
        seen = numbers(ask(answer, examples, batch_size, epochs), (), "the number of steps")
        if seen != steps:
            hint = (
                "the last, smaller batch is a step too" if seen < steps else "count one epoch first"
            )
            asked = f"{examples} examples in batches of {batch_size}, {epochs} epochs"
            raise NotYet(f"{asked}: it says {seen:g}; {hint}")


def _optimizer(answer, **settings):
    """An optimizer of the learner's class, or NotYet."""
    import keras

    if not (inspect.isclass(answer) and issubclass(answer, keras.Optimizer)):
        raise NotYet(f"hand over the class, a keras.Optimizer; this is {_short(answer)}")
    try:
        return answer(**settings)
    except Exception as error:
        given = ", ".join(f"{name}={value}" for name, value in settings.items())
        raise NotYet(
            f"{answer.__name__}({given}) raised {type(error).__name__}: {_short(error, str)}"
        ) from None


def _after(optimizer, w, gradients):
    """The weights after each gradient was applied, in float64; or NotYet."""
    import keras

    variable = keras.Variable(np.asarray(w, float), dtype="float64")
    path = []
    try:
        for g in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(np.asarray(g, float))], [variable])
            path.append(np.array(keras.ops.convert_to_numpy(variable)))
    except NotImplementedError:
        raise NotYet("there is no update_step yet") from None
    except Exception as error:
        raise NotYet(f"the step raised {type(error).__name__}: {_short(error, str)}") from None
    if all(np.array_equal(place, w) for place in path):
        raise NotYet("the weights did not move: hand the new value to self.assign")
    return path


def _comes_back(optimizer, **settings):
    """NotYet unless the optimizer's configuration holds the settings and makes the same optimizer again."""
    config = optimizer.get_config()
    for name, value in settings.items():
        if config.get(name) != value:
            raise NotYet(
                f"get_config says {name}={config.get(name)!r} where the constructor was given {value!r}: "
                "after loading, training would go on with another one"
            )
    try:
        type(optimizer).from_config(config)
    except Exception as error:
        raise NotYet(f"from_config raised {type(error).__name__}: {_short(error, str)}") from None


@exercise("04.1")
def sign_sgd(answer):
    path = _after(_optimizer(answer, learning_rate=0.125), [1.0, -2.0, 3.0], [[4.0, -0.5, 0.0]] * 2)
    if np.allclose(path[0], [1.125, -2.125, 3.0]):
        raise NotYet("it walks uphill")
    same(
        path[0],
        [0.875, -1.875, 3.0],
        "every coordinate should move by the learning rate, or not at all where g is 0",
    )
    same(path[1], [0.75, -1.75, 3.0], "the second step differs from the first")
    path = _after(_optimizer(answer, learning_rate=0.5), [1.0], [[4.0]])
    same(path[0], [0.5], "the learning rate that it was given makes no difference")
    _comes_back(_optimizer(answer, learning_rate=0.125), learning_rate=0.125)


@exercise("04.2")
def clipped_sgd(answer):
    gradients = [[4.0, -0.5, -8.0]]
    path = _after(_optimizer(answer, learning_rate=0.125, largest=2.0), [1.0, 1.0, 1.0], gradients)
    if np.allclose(path[0], [0.5, 1.0625, 2.0]):
        raise NotYet("nothing was clipped: 4 and -8 should count as 2 and -2")
    same(path[0], [0.75, 1.0625, 1.25], "clip each entry of g to [-largest, largest], then step")
    if keras_registered_name(answer) == answer.__name__:
        raise NotYet("the class is not registered: a saved model could not find it")
    _comes_back(
        _optimizer(answer, learning_rate=0.125, largest=2.0), largest=2.0, learning_rate=0.125
    )


def keras_registered_name(cls):
    """The name under which Keras would save the class; the bare name if it is not registered."""
    import keras

    return keras.saving.get_registered_name(cls)


@exercise("05.1")
def torch_momentum_step(answer):
    w, state = np.array([1.0, -2.0]), {"v": np.zeros(2)}
    v = np.zeros(2)
    for g, learning_rate in [([4.0, 1.0], 0.125), ([-2.0, 0.5], 0.125), ([1.0, 1.0], 0.5)]:
        g = np.array(g)
        before = v.copy()
        v = 0.5 * v + g
        expected = w - learning_rate * v
        new = pair(
            ask(answer, w, g, state, learning_rate=learning_rate, momentum=0.5),
            "w and the new state",
        )
        seen = numbers(new[0], (2,), "the new w")
        same(state["v"], before, "it changed the state that it was handed: hand back a new one")
        if not isinstance(new[1], dict) or "v" not in new[1]:
            raise NotYet('the new state should be {"v": ...}')
        seen_v = numbers(new[1]["v"], (2,), 'the new state["v"]')
        if np.allclose(seen_v, 0.5 * before - learning_rate * g) and not np.allclose(seen_v, v):
            raise NotYet("that v holds the learning rate, as Keras's does; here it stays outside")
        same(seen_v, v, "v should be momentum times the old v, plus g")
        same(seen, expected, "w should move against v, by the learning rate")
        w, state = expected, {"v": v.copy()}


@exercise("05.2")
def look_ahead_step(answer):
    asked = []

    def gradient(w):
        asked.append(np.array(w))
        return np.array([1.0, 16.0]) * w

    w, v = np.array([-4.0, 2.0]), np.array([0.5, -1.0])
    new = pair(
        ask(answer, gradient, w.copy(), v.copy(), learning_rate=0.0625, momentum=0.5), "w and v"
    )
    if not asked:
        raise NotYet("it never asked for the gradient")
    if len(asked) > 1:
        raise NotYet(f"it asked for the gradient {len(asked)} times: once is enough")
    if np.allclose(asked[0], w):
        raise NotYet("it asked for the gradient at w: look where the velocity will take you")
    same(asked[0], w + 0.5 * v, "the look-ahead point is w + momentum · v")
    expected = 0.5 * v - 0.0625 * np.array([1.0, 16.0]) * (w + 0.5 * v)
    same(
        numbers(new[1], (2,), "v"),
        expected,
        "v should be momentum · v minus the learning rate times that gradient",
    )
    same(
        numbers(new[0], (2,), "w"),
        w + expected,
        "start from w, not from the look-ahead point, and add the new v",
    )


@exercise("06.1")
def adagrad_step_as_keras_writes_it(answer):
    hyper = dict(learning_rate=0.125, epsilon=0.5)
    w, state, s = np.array([1.0, -2.0]), {"s": np.array([0.25, 0.25])}, np.array([0.25, 0.25])
    for g in ([4.0, 1.0], [-0.5, 0.25], [0.0, 1.0]):
        g = np.array(g)
        new = pair(ask(answer, w, g, state, **hyper), "w and the new state")
        same(state["s"], s, "it changed the state that it was handed: hand back a new one")
        if not isinstance(new[1], dict) or "s" not in new[1]:
            raise NotYet('the new state should be {"s": ...}')
        seen_s, seen = numbers(new[1]["s"], (2,), 'the new state["s"]'), numbers(new[0], (2,), "w")
        if np.allclose(seen_s, g**2) and not np.allclose(seen_s, s + g**2):
            raise NotYet("s forgot all that came before: it should only grow")
        s = s + g**2
        same(seen_s, s, "s should grow by g²")
        if np.allclose(seen, w - 0.125 * g / (np.sqrt(s) + 0.5)):
            raise NotYet("that is the paper's form: here epsilon stands under the root")
        expected = w - 0.125 * g / np.sqrt(s + 0.5)
        same(seen, expected, "divide by the root of s + epsilon, with the s of this very step")
        w, state = expected, {"s": s.copy()}


@exercise("06.2")
def adagrad_with_decay(answer):
    import keras

    optimizer = ask(answer, 0.5, 0.25)
    if not isinstance(optimizer, keras.Optimizer):
        raise NotYet(f"it should make an optimizer; it made {_short(optimizer)}")
    if "adagrad" not in type(optimizer).__name__.lower():
        raise NotYet(f"it should make an Adagrad; it made {_short(type(optimizer).__name__, str)}")
    variable = keras.Variable(np.zeros(1))
    optimizer.build([variable])
    for t in range(4):
        expected = 0.5 / (1 + 0.25 * t)
        seen = float(optimizer.learning_rate)
        if t and np.isclose(seen, 0.5):
            raise NotYet(
                f"at step {t} the learning rate is still 0.5: Keras 3 ignores `decay`, with a warning"
            )
        if not np.isclose(seen, expected, rtol=1e-6):
            raise NotYet(
                f"at step {t} the learning rate is {seen:.4f}, and 0.5 / (1 + 0.25 · {t}) is {expected:.4f}"
            )
        optimizer.apply([keras.ops.ones(1)], [variable])

"""The recipes of Keras 1 and 2 do what their docstrings state, the right and the wrong things."""

import importlib
import importlib.util
import inspect
import json
import linecache
import re
import subprocess
import sys
import textwrap
from operator import attrgetter
from pathlib import Path

from course_lib.landscapes import ROSENBROCK
from course_lib.museum import adagrad, heun, old_model, sgd, soft_batch
from course_lib.museum import old_backend as K
from course_lib.museum.cards import CARDS, Card, card, card_rows
from course_lib.museum.names import NAMES, names_table
from course_lib.museum.old_model import Model, Optimizer, legacy_get_updates_support
from course_lib.museum.runs import (
    larger_batches,
    linear_problem,
    mean_squared_error_gradient,
    run,
)
from course_lib.optimizers import RULES

import keras
import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # Keras

W0, BATCHES = linear_problem()
LR, K_STEPS = 0.125, 4
PRINTED = soft_batch.SoftBatchAsPrinted
MEANT = soft_batch.SoftBatchAsMeant
REPAIRED = soft_batch.SoftBatchRepaired


def by_rule(name, rate=lambda t: LR, **hyper):
    """The path of the course's NumPy rule on the same batches; step t = 0, 1, ... has `rate(t)`."""
    rule = RULES[name]
    w, state = W0, rule.init(W0, **{k: v for k, v in hyper.items() if k.startswith("initial")})
    path = [w]
    for t, batch in enumerate(BATCHES):
        g = mean_squared_error_gradient(w, *batch)
        rest = {k: v for k, v in hyper.items() if not k.startswith("initial")}
        w, state = rule.step(w, g, state, learning_rate=rate(t), **rest)
        path.append(w)
    return np.array(path)


def by_keras(optimizer):
    """The path of a Keras 3 optimizer on the same batches, in float64."""
    w = keras.Variable(W0, dtype="float64")
    path = [W0]
    for batch in BATCHES:
        g = mean_squared_error_gradient(path[-1], *batch)
        optimizer.apply([keras.ops.convert_to_tensor(g, "float64")], [w])
        path.append(keras.ops.convert_to_numpy(w).copy())
    return np.array(path)


def apart(one, other):
    return np.max(np.abs(np.asarray(one) - np.asarray(other)))


def moved(path):
    """Which steps moved the weights."""
    return list(np.flatnonzero(np.any(np.diff(path, axis=0) != 0, axis=1)))


def soft(recipe, batches=BATCHES, **rest):
    return run(recipe, W0, batches, lr=LR, steps_per_update=K_STEPS, **rest)


# The stand-in


def test_eager_mode_and_the_default_graph_are_as_before():
    graph = tf.compat.v1.get_default_graph()
    with K.old_keras() as session:
        assert not tf.executing_eagerly()
        w = K.variable(1.0)
    run(sgd.SGD, W0, BATCHES[:1])
    assert tf.executing_eagerly() and tf.compat.v1.get_default_session() is None
    assert tf.compat.v1.get_default_graph() is graph
    assert float(tf.constant(1.0) + 1) == 2.0
    with pytest.raises(RuntimeError, match="closed"):
        session.run(w)


def test_outside_of_old_keras_it_says_what_to_open():
    with pytest.raises(RuntimeError, match="with old_keras"):
        sgd.SGD()


def test_switch_runs_what_was_made_outside_of_its_branches_and_only_that():
    with K.old_keras():
        inside, outside = K.variable(0), K.variable(0)
        on = K.placeholder(K.FLOATX, ())
        outcomes = [
            K.switch(on, K.update_add(outside, 1), outside),
            K.switch(on, lambda: K.update_add(inside, 1), lambda: inside),
        ]
        both = K.function([on], outcomes)
        assert [both([on])[0] for on in (0, 1, 0, 0)] == [0, 2, 2, 3]  # the switch does pick
        assert (K.get_value(outside), K.get_value(inside)) == (4, 1)


def test_a_run_reads_first_and_the_row_written_down_later_wins():
    with K.old_keras():
        a, b = K.variable(1), K.variable(10)
        swap = K.function([], [a], updates=[K.update(a, b), K.update(b, a)])
        twice = K.function([], [a], updates=[K.update(a, 5 * a), K.update(a, 7 * a)])
        assert swap([]) == [1]
        assert K.batch_get_value([a, b]) == [10, 1]
        twice([])
        assert K.get_value(a) == 70


def test_each_function_runs_its_own_updates_only():
    with K.old_keras():
        w, x, y = K.variable(0), K.placeholder(K.FLOATX, ()), K.placeholder(K.FLOATX, ())
        one = K.function([x], [], updates=[K.update(w, w + x)])
        other = K.function([y], [], updates=[K.update(w, w * y)])
        one([3.0])
        other([5.0])
        one([1.0])
        assert K.get_value(w) == 16


def test_function_takes_no_session_arguments():
    with K.old_keras(), pytest.raises(TypeError, match="options"):
        K.function([], [], options=1)


def test_the_learning_phase_is_one_placeholder_and_zero_by_itself():
    with K.old_keras():
        assert K.learning_phase() is K.learning_phase()
        phase = K.function([K.learning_phase()], [K.learning_phase()])
        assert phase([]) == [0] and phase([1.0]) == [1]


def test_get_updates_can_be_called_in_the_order_of_keras_1():
    class Asked(Optimizer):
        @legacy_get_updates_support
        def get_updates(self, loss, params):
            return [loss, params]

    asked = Asked()
    assert asked.get_updates("loss", "params") == asked.get_updates("params", {}, "loss")


def test_the_old_base_class_clips_refuses_and_remembers_as_it_did():
    with pytest.raises(TypeError, match="Unexpected keyword argument.*momentum"):
        Optimizer(momentum=0.9)
    assert Optimizer.from_config(Optimizer(clipnorm=1.0).get_config()).clipnorm == 1.0
    with K.old_keras():
        a, b = K.variable(3.0), K.variable(4.0)
        loss = (a * a + b * b) / 2
        for given, expected in (({"clipnorm": 1.0}, [0.6, 0.8]), ({"clipvalue": 3.5}, [3, 3.5])):
            grads = Optimizer(**given).get_gradients(loss, [a, b])
            assert np.allclose(K.function([], grads)([]), expected, rtol=1e-15)
        with pytest.raises(ValueError, match="None"):
            Optimizer().get_gradients(loss, [K.variable(0)])


def test_run_refuses_what_it_cannot_run_and_names_it():
    for batches in ([], [BATCHES[0], ()]):
        with pytest.raises(ValueError, match="`batches`"):
            run(sgd.SGD, W0, batches)
    with pytest.raises(ValueError, match="`resume`.*Run"):
        run(sgd.SGD, W0, BATCHES, resume=run(sgd.SGD, W0, BATCHES[:1]))
    with pytest.raises(TypeError, match="`recipe`.*SGD"):
        run(keras.optimizers.SGD, W0, BATCHES)
    with pytest.raises(ValueError, match="`k`"):
        larger_batches(BATCHES, 5)


# Once written down, cooked at every batch


def test_get_updates_and_zeros_run_once_and_the_accumulators_only_grow(monkeypatch):
    made = []

    def zeros(shape, zeros=K.zeros):
        made.append(shape)
        return zeros(shape)

    monkeypatch.setattr(K, "zeros", zeros)
    seen = run(adagrad.Adagrad, W0, BATCHES, lr=LR)
    assert (seen.get_updates_calls, made, len(seen.losses)) == (1, [(3,)], 24)
    sums = np.cumsum(
        [mean_squared_error_gradient(w, *b) ** 2 for w, b in zip(seen.path, BATCHES, strict=False)],
        axis=0,
    )
    assert apart([state[0] for state in seen.states], sums) < 1e-12 * sums.max()
    assert (seen.layer_updates, seen.metric_updates) == (24, 24)


def test_a_new_training_function_means_new_zeros():
    with K.old_keras():
        model = Model(lambda w: K.sum(w * w), [W0 + 1])
        optimizer = adagrad.Adagrad(lr=LR)
        for _ in range(2):
            model.compile(optimizer)
            model._make_train_function()
            assert not np.any(optimizer.get_weights())
            model.train_on_batch()
            assert np.all(optimizer.get_weights())


# SGD


def test_old_sgd_is_the_rule_and_the_keras_3_class():
    seen = run(sgd.SGD, W0, BATCHES, lr=LR)
    assert apart(seen.path, by_rule("sgd")) < 1e-12
    assert apart(seen.path, by_keras(RULES["sgd"].keras_class(LR))) < 1e-12
    assert apart(seen.path, by_keras(keras.optimizers.SGD(LR))) < 1e-12
    assert seen.iterations == 24 and seen.saved["optimizer"] == [24]


def test_old_sgd_applies_constraints_and_knows_its_configuration():
    seen = run(sgd.SGD, W0 - 1, BATCHES, lr=LR, constraint=lambda w: K.maximum(w, 0.0))
    assert np.min(seen.path[0]) < 0 <= np.min(seen.path[1:])
    with K.old_keras():
        assert sgd.SGD.from_config(sgd.SGD(lr=LR, clipnorm=2.0).get_config()).clipnorm == 2.0


def test_sgd_as_printed_does_not_start():
    with pytest.raises(AttributeError, match="no attribute '__name__'"):
        run(sgd.SGDAsPrinted, W0, BATCHES)


# Adagrad


def test_old_adagrad_is_the_rule_and_the_keras_3_class():
    seen = run(adagrad.Adagrad, W0, BATCHES, lr=LR, epsilon=0.0625)
    hyper = dict(epsilon=0.0625, initial_accumulator_value=0.0)
    assert apart(seen.path, by_rule("adagrad", **hyper)) < 1e-12
    assert apart(seen.path, by_keras(RULES["adagrad"].keras_class(LR, **hyper))) < 1e-12
    assert seen.iterations == 0  # without decay Keras 1 did not even count


def test_old_decay_is_inverse_time_decay():
    seen = run(adagrad.Adagrad, W0, BATCHES, lr=LR, decay=0.5, epsilon=0.0625)
    hyper = dict(epsilon=0.0625, initial_accumulator_value=0.0)
    rule = by_rule("adagrad", lambda t: LR / (1 + 0.5 * t), **hyper)
    assert apart(seen.path, rule) < 1e-12
    decay = keras.optimizers.schedules.InverseTimeDecay(LR, decay_steps=1, decay_rate=0.5)
    today = by_keras(RULES["adagrad"].keras_class(decay, **hyper))
    assert apart(seen.path, today) < 1e-6  # Keras keeps a schedule's rate in float32


def test_old_adagrad_differs_from_todays_in_its_zeros_and_its_epsilon():
    seen = run(adagrad.Adagrad, W0, BATCHES, lr=LR, epsilon=0.0)
    zeros = keras.optimizers.Adagrad(LR, initial_accumulator_value=0.0, epsilon=0.0)
    assert apart(seen.path, by_keras(zeros)) < 1e-12
    assert apart(seen.path, by_keras(keras.optimizers.Adagrad(LR, epsilon=0.0))) > 1e-3


def test_keras_1_constraints_come_as_a_dict():
    seen = run(adagrad.Adagrad, W0 - 1, BATCHES, lr=LR, constraint=lambda w: K.maximum(w, 0.0))
    assert np.min(seen.path[0]) < 0 <= np.min(seen.path[1:])


def test_several_variables_have_an_accumulator_each():
    def loss(w, b, x, y):
        return K.mean(K.square(K.sum(x * w, axis=-1) + b - y))

    seen = run(adagrad.Adagrad, (W0, 0.0), BATCHES, loss=loss, lr=LR)
    assert [path.shape for path in seen.path] == [(25, 3), (25,)]
    assert [a.shape for a in seen.states[-1]] == [(3,), ()]
    alone = run(adagrad.Adagrad, W0, BATCHES, lr=LR)
    assert apart(seen.path[0], alone.path) > 1e-3


def test_what_is_saved_is_self_weights_so_a_reloaded_run_starts_its_decay_again():
    whole = {decay: run(adagrad.Adagrad, W0, BATCHES, lr=LR, decay=decay) for decay in (0.0, 0.5)}
    for decay, faithful in ((0.0, True), (0.5, False)):
        half = run(adagrad.Adagrad, W0, BATCHES[:12], lr=LR, decay=decay)
        rest = run(adagrad.Adagrad, None, BATCHES[12:], lr=LR, decay=decay, resume=half.saved)
        assert apart(rest.path[0], half.path[-1]) == 0
        assert np.all(rest.states[0][0] > half.states[-1][0])  # the accumulators go on
        assert np.array_equal(rest.path[-1], whole[decay].path[-1]) is faithful
        if decay:
            assert (half.iterations, rest.iterations, whole[decay].iterations) == (12, 12, 24)
            first, due = rest.path[1] - rest.path[0], whole[decay].path[13] - whole[decay].path[12]
            assert apart(first / due, 1 + 0.5 * 12) < 1e-9  # the rate is seven times too large


def test_sgds_count_is_saved_and_state_fits_only_after_get_updates():
    half = run(sgd.SGD, W0, BATCHES[:12], lr=LR)
    assert run(sgd.SGD, None, BATCHES[12:], lr=LR, resume=half.saved).iterations == 24
    with K.old_keras(), pytest.raises(ValueError, match=r"specified weight list \(1\).*\(0\)"):
        sgd.SGD().set_weights([np.array(12)])


# The soft batch


def test_as_printed_the_weights_move_at_every_micro_step():
    seen = soft(PRINTED)
    assert moved(seen.path) == list(range(1, 24))  # the first sum is zero
    assert seen.iterations == 24


def test_as_printed_the_sum_never_starts_anew():
    path, total = [W0], 0
    for batch in BATCHES:
        g = mean_squared_error_gradient(path[-1], *batch)
        path.append(path[-1] - LR * total / K_STEPS)
        total = total + g
    assert apart(soft(PRINTED).path, path) < 1e-12


def test_as_meant_the_step_is_late_and_each_groups_first_gradient_is_stale():
    def by_hand(stale, late):
        w, total, path = W0, np.zeros(3), [W0]
        for t, batch in enumerate(BATCHES):
            g = mean_squared_error_gradient(w, *batch)
            if late and t % K_STEPS == 0:
                w = w - LR * total / K_STEPS
                g = g if stale else mean_squared_error_gradient(w, *batch)
                total = g
            else:
                total = total + g
            if not late and (t + 1) % K_STEPS == 0:
                w, total = w - LR * total / K_STEPS, np.zeros(3)
            path.append(w)
        return np.array(path)

    seen = soft(MEANT)
    large = run(sgd.SGD, W0, larger_batches(BATCHES, K_STEPS), lr=LR).path
    assert moved(seen.path) == [4, 8, 12, 16, 20]  # five steps; six are due
    assert apart(seen.path, by_hand(stale=True, late=True)) < 1e-12
    assert (
        apart(by_hand(stale=False, late=True)[5::4], large[1:-1]) < 1e-12
    )  # late, otherwise right
    assert apart(by_hand(stale=False, late=False)[::4], large) < 1e-12
    assert apart(seen.path[5], large[1]) < 1e-12  # the first group's gradients are all fresh
    assert apart(seen.path[9::4], large[2:-1]) > 0.01  # from the second on one in four is not


def test_repaired_the_soft_batch_is_the_large_batch():
    seen = soft(REPAIRED)
    large = run(sgd.SGD, W0, larger_batches(BATCHES, K_STEPS), lr=LR)
    assert apart(seen.path[::K_STEPS], large.path) < 1e-12
    assert moved(seen.path) == [3, 7, 11, 15, 19, 23]


def test_after_24_micro_batches_each_wrong_one_is_measurably_worse():
    x, y = map(np.concatenate, zip(*BATCHES, strict=True))
    loss = {
        r.__name__: np.mean((x @ soft(r).path[-1] - y) ** 2) for r in (REPAIRED, MEANT, PRINTED)
    }
    assert [round(value, 3) for value in loss.values()] == [0.52, 0.776, 46.373]


def test_a_soft_batch_run_that_is_saved_in_the_middle_of_a_group_goes_on():
    whole, half = soft(REPAIRED), soft(REPAIRED, BATCHES[:10])
    assert apart(soft(REPAIRED, BATCHES[10:], resume=half.saved).path[-1], whole.path[-1]) == 0


@pytest.mark.parametrize("recipe", [PRINTED, MEANT, REPAIRED])
def test_the_stand_in_takes_the_same_path_each_time(recipe):
    first = soft(recipe).path
    assert all(np.array_equal(soft(recipe).path, first) for _ in range(5))


# The intrusive Heun


def test_the_intrusive_heun_takes_heuns_steps():
    seen = run(heun.HeunOptimizer, [-1.5, 2.0], [()] * 30, loss=ROSENBROCK.value, lr=2**-10)
    w, path = np.array([-1.5, 2.0]), []
    for _ in range(31):
        path.append(w)
        k1 = -ROSENBROCK.gradient(w)
        k2 = -ROSENBROCK.gradient(w + 2**-10 * k1)
        w = w + 2**-10 / 2 * (k1 + k2)
    assert apart(seen.path, path) < 1e-12


def test_the_intrusive_heun_moves_everything_else_twice_a_step():
    seen = run(heun.HeunOptimizer, W0, BATCHES, lr=LR)
    usual = run(sgd.SGD, W0, BATCHES, lr=LR)
    assert (usual.layer_updates, usual.metric_updates) == (24, 24)
    assert (seen.layer_updates, seen.metric_updates) == (48, 48)


def test_the_intrusive_heun_reports_the_loss_of_a_point_where_it_only_looked():
    seen = run(heun.HeunOptimizer, W0, BATCHES, lr=LR)
    for w, (x, y), told in zip(seen.path, BATCHES, seen.losses, strict=False):
        probe = w - LR * mean_squared_error_gradient(w, x, y)
        assert abs(told - np.mean((x @ probe - y) ** 2)) < 1e-12
    assert abs(seen.losses[0] - np.mean(BATCHES[0][1] ** 2)) > 0.5  # at W0 = 0 the loss is mean y²


def test_the_intrusive_heun_asks_no_optimizer_and_no_constraint_and_saves_nothing():
    seen = run(heun.HeunOptimizer, W0 - 1, BATCHES, lr=LR, constraint=lambda w: K.maximum(w, 0.0))
    free = run(heun.HeunOptimizer, W0 - 1, BATCHES, lr=LR)
    assert np.array_equal(seen.path, free.path)
    assert (seen.get_updates_calls, seen.iterations) == (0, None)
    assert seen.saved["optimizer"] == [] == seen.states


def test_the_next_compile_puts_the_ordinary_training_function_back():
    with K.old_keras():
        model = Model(lambda w: K.sum(w * w), [W0 + 1])
        optimizer = sgd.SGD(lr=LR)
        model.compile(optimizer)
        heun.HeunOptimizer(LR)(model)
        model.train_on_batch()
        assert K.get_value(optimizer.iterations) == 0
        model.compile(optimizer)
        model.train_on_batch()
        assert K.get_value(optimizer.iterations) == 1


# Names and cards


def test_each_of_todays_names_exists():
    for old, (today, _) in NAMES.items():
        if today:
            root, *path = today.split(".")
            assert root in ("keras", "tensorflow"), old
            found = importlib.import_module(root)
            for name in path:
                assert hasattr(found, name), f"{old}: {today}"
                found = getattr(found, name)


def test_each_old_name_of_the_recipes_is_in_the_table():
    sources = " ".join(inspect.getsource(m) for m in (sgd, adagrad, soft_batch, heun))
    used = {f"K.{name}" for name in re.findall(r"\bK\.(\w+)", sources)}
    used |= set(re.findall(r"\bmodel\.(\w+)", sources))
    known = set(NAMES) | {name.removeprefix("model.") for name in NAMES}
    ours = {"K.cast", "K.dtype", "K.zeros_like", "fit", "save"}  # in the repair, and in the prose
    assert used - known - ours == set()
    for name in known - {"keras.optimizers.Optimizer", "keras.backend"}:
        stem = name.removeprefix("K.").removeprefix("self.").removeprefix("model.")
        assert stem in sources + inspect.getsource(K) + inspect.getsource(old_model), name


def test_the_table_is_aligned_and_can_be_asked_for_some_rows():
    lines = names_table().splitlines()
    assert max(map(len, lines)) <= 120 and "today" in lines[0]
    start = lines[0].index("today")
    assert all(line[start - 1 : start] in ("", " ") for line in lines)
    assert names_table("K.update").splitlines()[1].split()[:2] == [
        "K.update",
        "keras.Optimizer.assign",
    ]
    with pytest.raises(KeyError, match="K.updates.*Did you mean 'K.update'"):
        names_table("K.updates")
    with pytest.raises(KeyError, match="adam.*Did you mean 'adagrad'"):
        card("adam")


def words(source):
    """A source without spaces, as a card may break its lines."""
    return "".join(source.split()).replace(",)", ")")


@pytest.mark.parametrize("recipe", CARDS)
def test_each_row_of_a_card_stands_in_the_sources_and_on_the_card(recipe):
    def source(*places):
        split = (place.split(":") for place in places)
        things = [attrgetter(name)(importlib.import_module(module)) for module, name in split]
        files = set(map(inspect.getsourcefile, things))
        return words("".join(Path(file).read_text(encoding="utf-8") for file in files))

    shown, of = card(recipe), CARDS[recipe]
    assert shown.startswith("Keras 1 and 2") and len(card_rows(of)) == len(of.rows) > 5
    for there, here in card_rows(of):
        assert words(there) in source(of.old), there
        assert words(here) in source(*of.today), here
        assert there.split()[0] in shown and (here or "(the base class)").split()[0] in shown


OLD_ROWS, NEW_ROWS = "def step(w):\n    v = w\n    return v\n", "def step(w):\n    return w\n"


def test_a_card_shows_a_row_as_it_is_today_and_a_row_that_went_is_an_error(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "planted_old.py").write_text(OLD_ROWS)
    rows = (("v =", "return"), ("return", ""))
    planted = Card(old="planted_old:step", today=("planted_new:step",), rows=rows)
    (tmp_path / "planted_new.py").write_text(NEW_ROWS)
    assert card_rows(planted) == [("v = w", "return w"), ("return v", "")]
    for changed, seen in ((NEW_ROWS.replace("return w", "return 2 * w"), "return 2 * w"),):
        (tmp_path / "planted_new.py").write_text(changed)
        linecache.clearcache()
        assert card_rows(planted)[0] == ("v = w", seen)
    for gone, count in ((NEW_ROWS.replace("return w", "pass"), 0), (OLD_ROWS + "    return w", 2)):
        (tmp_path / "planted_new.py").write_text(gone)
        linecache.clearcache()
        with pytest.raises(LookupError, match=f"{count} rows of planted_new:step have .*'return'"):
            card_rows(planted)


# The same recipes on what is left of the real thing

ON_TF_KERAS = """
    import inspect, json
    import course_lib.quiet
    import numpy as np, tensorflow as tf
    tf.compat.v1.disable_eager_execution()
    import tf_keras
    from tf_keras import backend as K
    from tf_keras.src.optimizers import optimizer_v1
    from course_lib.museum import adagrad, heun, runs, sgd, soft_batch

    K.set_floatx("float64")
    K.get_variable_shape = K.int_shape  # its name in Keras 1
    for recipe in (adagrad, heun, sgd, soft_batch):
        recipe.K = K
    w0, batches = runs.linear_problem()

    def on_its_backend(recipe, batches=batches, **hyper):
        w, x, y = K.variable(w0), K.placeholder((None, 3)), K.placeholder((None,))
        loss = runs.mean_squared_error(w, x, y)
        optimizer = recipe(**hyper)
        if "constraints" in inspect.signature(optimizer.get_updates).parameters:
            updates = optimizer.get_updates([w], {}, loss)
        else:
            updates = optimizer.get_updates(loss=loss, params=[w])
        train = K.function([x, y], [loss], updates=updates)
        path, states = [K.get_value(w)], []
        for batch in batches:
            train(list(batch))
            path.append(K.get_value(w))
            states.append([K.get_value(v) for v in optimizer.weights])
        return path, states

    def dense(optimizer, *layers):
        dense = tf_keras.layers.Dense(1, use_bias=False, input_shape=(3,))
        model = tf_keras.Sequential([*layers, dense])
        model.compile(optimizer, loss="mse")
        return model

    def on_its_own_class(optimizer):
        model = dense(optimizer)
        model.set_weights([w0[:, None]])
        path = [w0]
        for x, y in batches:
            model.train_on_batch(x, y[:, None])
            path.append(model.get_weights()[0][:, 0])
        return path, [K.get_value(v) for v in optimizer.weights]

    normalization = tf_keras.layers.BatchNormalization(momentum=0.75, input_shape=(3,))
    model = dense("sgd", normalization)
    model.metrics_updates = model.metrics_tensors = []  # gone since 2.3
    heun.HeunOptimizer(0.125)(model)
    x, y = batches[0]
    model.train_on_batch(x, y[:, None])

    seen = dict(
        sgd=on_its_backend(sgd.SGD, lr=0.125)[0],
        adagrad=on_its_backend(adagrad.Adagrad, lr=0.125, epsilon=0.0625)[0],
        decay=on_its_backend(adagrad.Adagrad, lr=0.125, decay=0.5, epsilon=0.0625),
        own_sgd=on_its_own_class(optimizer_v1.SGD(lr=0.125)),
        own_adagrad=on_its_own_class(optimizer_v1.Adagrad(lr=0.125, epsilon=0.0625)),
        printed=on_its_backend(soft_batch.SoftBatchAsPrinted, lr=0.125, steps_per_update=4)[0],
        repaired=on_its_backend(soft_batch.SoftBatchRepaired, lr=0.125, steps_per_update=4)[0],
        mean=x.mean(axis=0), moving_mean=normalization.get_weights()[2],
    )
    print(json.dumps(seen, default=lambda array: np.asarray(array).tolist()))
"""


@pytest.fixture(scope="module")
def on_tf_keras():
    if importlib.util.find_spec("tf_keras") is None:
        pytest.skip("tf_keras is not installed: uv run --isolated --group tf-keras")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ON_TF_KERAS)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_on_tf_keras_the_recipes_take_the_path_of_the_stand_in(on_tf_keras):
    adagrad_path = run(adagrad.Adagrad, W0, BATCHES, lr=LR, epsilon=0.0625).path
    for name, path in {
        "sgd": run(sgd.SGD, W0, BATCHES, lr=LR).path,
        "adagrad": adagrad_path,
    }.items():
        assert apart(on_tf_keras[name], path) < 1e-12
        assert apart(on_tf_keras[f"own_{name}"][0], path) < 1e-12


def test_tf_keras_own_adagrad_leaves_out_iterations_to_this_day(on_tf_keras):
    (state,) = on_tf_keras["own_adagrad"][1]
    assert np.shape(state) == (3, 1)
    assert np.shape(on_tf_keras["own_sgd"][1][0]) == ()  # SGD's first entry is its count


def test_on_tf_keras_decay_uses_this_steps_rate_or_the_next_ones(on_tf_keras):
    path, states = np.array(on_tf_keras["decay"][0][1:]), np.array(on_tf_keras["decay"][1])
    w = W0
    for t, (after, (a,)) in enumerate(zip(path, states, strict=True)):
        g = mean_squared_error_gradient(w, *BATCHES[t])
        rates = (w - after) * (np.sqrt(a) + 0.0625) / g
        assert min(apart(rates, LR / (1 + 0.5 * count)) for count in (t, t + 1)) < 1e-9
        w = after


def test_on_tf_keras_the_printed_soft_batch_moves_at_every_micro_step(on_tf_keras):
    assert len(moved(np.array(on_tf_keras["printed"]))) >= 23
    assert apart(on_tf_keras["repaired"], soft(REPAIRED).path) < 1e-12


def test_on_tf_keras_the_intrusive_heun_moves_batch_normalization_twice(on_tf_keras):
    once, twice = 1 - 0.75, 1 - 0.75**2
    share = np.array(on_tf_keras["moving_mean"]) / on_tf_keras["mean"]
    assert apart(share, twice) < 1e-12 < apart(share, once)

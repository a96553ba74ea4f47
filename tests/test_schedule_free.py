"""Schedule-free: the weights are y, and x is the average; Keras's own class, with one line mended, is ours."""

import inspect
import textwrap

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES, schedule_free

import keras
import numpy as np
import pytest
from keras import ops
from wrapped import TOLERANCE, K, apart, network, numpy_of, x, y


def test_x_is_the_mean_of_z_weighted_by_the_squared_rate():
    rng, w = np.random.default_rng(0), np.array([1.0, -2.0])
    state, zs, squares = schedule_free.init(w), [], []
    settings = dict(RULES["schedule_free"].settings, warmup_steps=5)
    for t in range(1, 13):
        w, state = schedule_free.step(w, rng.normal(size=2), state, **settings)
        zs.append(state["z"])
        squares.append(min(1, t / 5) ** 2)
        x_t = schedule_free.averaged(w, state["z"], settings["beta_1"])
        np.testing.assert_allclose(x_t, np.average(zs, axis=0, weights=squares), rtol=1e-12)


def test_a_rate_of_zero_moves_nothing():
    settings = dict(RULES["schedule_free"].settings, learning_rate=0.0)
    w = np.array([1.0, -2.0])
    new, _ = schedule_free.step(w, w, schedule_free.init(w), **settings)
    np.testing.assert_allclose(new, w, rtol=TOLERANCE)
    variable = keras.Variable(w, dtype="float64")
    RULES["schedule_free"].keras_class(**settings).apply([ops.convert_to_tensor(w)], [variable])
    np.testing.assert_allclose(numpy_of([variable])[0], w, rtol=TOLERANCE)


def test_beta_1_must_leave_a_way_back_to_x():
    with pytest.raises(ValueError, match="`beta_1` must be above 0"):
        RULES["schedule_free"].keras_class(beta_1=0.0)


def mended_twin():
    """Keras's class with one line mended: the old z is copied, and not called by a second name."""
    source = textwrap.dedent(inspect.getsource(K.ScheduleFreeAdamW.update_step))
    line = "momentum_old = momentum.value"
    assert source.count(line) == 1
    names = {"ops": ops}
    exec(source.replace(line, "momentum_old = ops.copy(momentum.value)"), names)
    return type("Mended", (K.ScheduleFreeAdamW,), {"update_step": names["update_step"]})


TOLD = [
    {},
    dict(clipnorm=0.5),
    dict(global_clipnorm=0.5),
    dict(clipvalue=0.25),
    dict(use_ema=True, ema_momentum=0.75, ema_overwrite_frequency=3),
    dict(gradient_accumulation_steps=3),
    dict(loss_scale_factor=8.0),
]


@pytest.mark.parametrize("keyword", TOLD, ids=lambda keyword: next(iter(keyword), "nothing"))
def test_kerass_class_with_one_line_mended_is_ours(keyword):
    settings = dict(learning_rate=0.125, beta_1=0.75, beta_2=0.875, epsilon=0.0625) | keyword
    ends = {}
    classes = (RULES["schedule_free"].keras_class, mended_twin(), K.ScheduleFreeAdamW)
    for cls in classes:
        optimizer = cls(**settings)
        w = keras.Variable([1.0, -2.0, 0.5], dtype="float64", constraint=Outside())
        for g in np.random.default_rng(0).normal(size=(9, 3)):
            optimizer.apply([ops.convert_to_tensor(g)], [w])
        ends[cls] = numpy_of([w])[0].copy()
    ours, mended, as_it_is = ends.values()
    assert np.max(np.abs(ours - mended)) < TOLERANCE
    if keras.backend.backend() != "jax":  # where a value is no second name
        assert np.max(np.abs(ours - as_it_is)) > 1e-3


class Outside(keras.constraints.Constraint):
    def __call__(self, w):
        return ops.where(ops.convert_to_tensor(w) < -1.5, -1.5, w)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a fault on TensorFlow")
def test_in_a_compiled_fit_kerass_class_throws_the_initial_weights_away_and_ours_does_not():
    moved = {}
    for cls in (K.ScheduleFreeAdamW, RULES["schedule_free"].keras_class):
        for eager in (True, False):
            model = network()
            before = numpy_of(model.weights)
            model.compile(cls(2**-10), loss="mse", run_eagerly=eager)
            model.fit(x, y, batch_size=48, verbose=0)
            moved[cls.__module__[:5], eager] = apart(before, model.weights)
    theirs, ours = ((moved[who, True], moved[who, False]) for who in ("keras", "cours"))
    assert max(ours) < 2**-9 and theirs[0] < 2**-9
    assert theirs[1] > 0.1

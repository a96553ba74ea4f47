"""A model is evaluated at its average, and comes back from it whatever happens."""

import course_lib.quiet  # noqa: F401
from course_lib.optimizers import RULES
from course_lib.wrappers import Averaging, EvaluateAtAverage, Lookahead, SoftBatch, at_average

import keras
import numpy as np
import pytest
from keras import ops
from wrapped import TOLERANCE, TORCH, K, apart, fit, network, numpy_of, x, y

KEEPS_AN_AVERAGE = {
    "ours": lambda: Averaging(K.SGD(0.125), 0.75),
    "Keras's EMA": lambda: K.SGD(0.125, use_ema=True, ema_momentum=0.75),
    "schedule-free": lambda: RULES["schedule_free"].keras_class(0.125),
    "wrapped": lambda: SoftBatch(Averaging(K.SGD(0.125)), 2),
    "scaled": lambda: K.LossScaleOptimizer(Averaging(K.SGD(0.125))),
}


def few_steps(make):
    """A model some steps into its training, by train_on_batch: at the end of `fit` Keras overwrites with its EMA."""
    model = network()
    model.compile(make(), loss="mse", jit_compile=False)
    for i in range(0, 48, 8):
        model.train_on_batch(x[i : i + 8], y[i : i + 8])
    return model


@pytest.mark.parametrize("make", KEEPS_AN_AVERAGE.values(), ids=KEEPS_AN_AVERAGE)
@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_the_model_comes_back_from_its_average_whatever_happens(make, error):
    model = few_steps(make)
    own, state = numpy_of(model.weights), numpy_of(model.optimizer.variables)
    with pytest.raises(error) if error else at_average(model):  # noqa: SIM117
        with at_average(model) as same:
            assert same is model and apart(own, model.weights) > 1e-3
            if error:
                raise error
    assert apart(own, model.weights) == 0 and apart(state, model.optimizer.variables) == 0


@pytest.mark.parametrize("make", KEEPS_AN_AVERAGE.values(), ids=KEEPS_AN_AVERAGE)
def test_before_the_first_step_the_average_is_the_weights(make):
    model = network()
    model.compile(make(), loss="mse")
    own = numpy_of(model.weights)
    with at_average(model):
        assert apart(own, model.weights) == 0
    model.optimizer.build(model.trainable_variables)
    with at_average(model):
        assert apart(own, model.weights) == 0


def test_what_is_evaluated_and_saved_within_is_the_average(tmp_path):
    model = few_steps(KEEPS_AN_AVERAGE["ours"])
    with at_average(model):
        there = model.evaluate(x, y, verbose=0)
        model.save(tmp_path / "average.keras")
    loaded = keras.saving.load_model(tmp_path / "average.keras")
    assert apart(loaded.weights, model.optimizer.average) == 0
    assert loaded.evaluate(x, y, verbose=0) == there != model.evaluate(x, y, verbose=0)


def test_evaluating_there_is_what_swap_ema_weights_evaluates():
    model = few_steps(KEEPS_AN_AVERAGE["Keras's EMA"])
    swapped = model.evaluate(x, y, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights()])
    with at_average(model):
        there = model.evaluate(x, y, verbose=0)
    assert there == pytest.approx(swapped, rel=1e-6) != model.evaluate(x, y, verbose=0)


def test_a_callback_evaluates_at_the_average_after_each_epoch():
    plain = fit(Averaging(K.SGD(0.125), 0.75))
    model = network()
    model.compile(Averaging(K.SGD(0.125), 0.75), loss="mse", jit_compile=False)
    how = dict(batch_size=8, epochs=2, shuffle=False, verbose=0, validation_data=(x, y))
    history = model.fit(x, y, callbacks=[EvaluateAtAverage(x, y)], **how).history
    assert apart(plain.weights, model.weights) < (1e-6 if TORCH else TOLERANCE)
    with at_average(model):
        assert history["average_val_loss"][-1] == pytest.approx(model.evaluate(x, y, verbose=0))
    assert history["average_val_loss"][-1] != pytest.approx(history["val_loss"][-1], rel=1e-3)


def with_batch_normalization():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(4),
            layers.Dropout(0.5),
            keras.Sequential([layers.BatchNormalization(momentum=0.9)]),
            layers.Dense(1),
        ]
    )
    model.compile(Averaging(K.SGD(0.125)), loss="mse", jit_compile=False)
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    return model


def test_batch_normalization_is_counted_anew_and_put_back():
    model = with_batch_normalization()
    model.layers[1].rate = 0.0  # so that we can count by hand; its seed must not move all the same
    (norm,) = model.layers[2].layers
    own = numpy_of(model.variables)
    with at_average(model, batchnorm=x, batch_size=20):  # 20, 20 and 8 rows
        inputs = ops.convert_to_numpy(model.layers[0](x))
        parts = [inputs[:20], inputs[20:40], inputs[40:]]
        for statistic, seen in [(np.mean, norm.moving_mean), (np.var, norm.moving_variance)]:
            wanted = np.average([statistic(p, axis=0) for p in parts], axis=0, weights=[20, 20, 8])
            np.testing.assert_allclose(ops.convert_to_numpy(seen), wanted, rtol=1e-5)
        assert norm.momentum == 0.9
        seeds = [v for v in model.variables if "seed" in v.path]
        before = [o for o, v in zip(own, model.variables, strict=True) if "seed" in v.path]
        assert seeds and apart(seeds, before) == 0
    assert apart(own, model.variables) == 0


def test_batch_normalization_must_be_spoken_of():
    model = with_batch_normalization()
    with pytest.raises(ValueError, match="`batchnorm` must be given"), at_average(model):
        pass
    (norm,) = model.layers[2].layers
    before = numpy_of([norm.moving_mean])
    with at_average(model, batchnorm=False):
        assert apart(before, [norm.moving_mean]) == 0


def test_an_optimizer_without_an_average_is_refused():
    for optimizer in (K.SGD(), K.ScheduleFreeAdamW(), Lookahead(K.SGD())):
        model = network()
        model.compile(optimizer, loss="mse")
        with pytest.raises(ValueError, match="keeps no average"), at_average(model):
            pass


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_weights_hold_their_rounded_average_and_come_back(dtype):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, dtype=dtype)])
    model.compile(Averaging(K.SGD(0.125), 0.999), loss="mse", jit_compile=False)
    model.fit(x, y, batch_size=8, verbose=0)
    own = numpy_of(model.weights)
    rounded = numpy_of([ops.cast(a, dtype) for a in model.optimizer.average])
    with at_average(model):
        assert all(map(np.array_equal, rounded, numpy_of(model.weights)))
        assert np.all(np.isfinite(rounded[0].astype("float32")))
        assert not np.array_equal(own[0], numpy_of(model.weights)[0])
    assert all(map(np.array_equal, own, numpy_of(model.weights)))

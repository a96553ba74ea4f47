"""What all wrappers share: the walk along a chain, half precision, copies."""

import copy
import pickle

import course_lib.quiet  # noqa: F401
from course_lib.wrappers import Averaging, Lookahead, SoftBatch, Wrapper, chain
from course_lib.wrappers.base import accumulation_dtype

import keras
import numpy as np
import pytest
from keras import ops
from wrapped import K, apart, fit, network, numpy_of

WRAPPERS = {
    "SoftBatch": lambda optimizer: SoftBatch(optimizer, 5),
    "Averaging": lambda optimizer: Averaging(optimizer, 0.75, start=1, every=2),
    "Lookahead": lambda optimizer: Lookahead(optimizer, 4),
    "all": lambda optimizer: SoftBatch(Averaging(Lookahead(optimizer, 2), 0.75), 5),
}
each_wrapper = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)


def test_a_chain_goes_from_the_outermost_to_the_innermost():
    inner = K.SGD()
    soft = SoftBatch(inner, 2)
    ahead = Lookahead(soft)
    scaled = K.LossScaleOptimizer(ahead)
    assert list(chain(scaled)) == [scaled, ahead, soft, inner]
    assert list(chain(inner)) == [inner] and list(chain(None)) == []


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
        (np.dtype("float16"), "float32"),
        (ops.zeros((), "bfloat16").dtype, "float32"),
    ],
    ids=str,
)
def test_half_precision_is_added_up_in_float32(dtype, wanted):
    assert accumulation_dtype(dtype) == wanted


def test_a_wrapper_must_say_what_a_step_does():
    with pytest.raises(NotImplementedError):
        Wrapper(K.SGD(), "plain").apply([ops.ones(2)], [keras.Variable(np.ones(2))])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.function")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@each_wrapper
def test_half_precision_weights_move_in_a_graph_as_eagerly(wrap, dtype):
    import tensorflow as tf

    def moved(recorded):
        w, optimizer = keras.Variable(np.ones(3), dtype=dtype), wrap(K.SGD(0.125, momentum=0.75))
        optimizer.build([w])
        apply = recorded(lambda g: optimizer.apply([g], [w]))
        for g in np.random.default_rng(0).normal(size=(12, 3)):
            apply(ops.cast(g, dtype))
        assert w.dtype == dtype
        return [v.astype("float32") for v in numpy_of([w, *optimizer.variables])]

    ends = moved(lambda step: step), moved(tf.function)
    assert all(np.all(np.isfinite(v)) for v in ends[0]) and not np.array_equal(ends[0][0], [1] * 3)
    assert apart(*ends) == 0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@each_wrapper
def test_a_copy_of_a_model_goes_on_as_the_model_and_apart_from_it(wrap, copied):
    model = fit(wrap(K.Adam(0.125)), epochs=1)
    twin, before = copied(model), numpy_of(model.weights)
    assert apart(model.optimizer.variables, twin.optimizer.variables) == 0
    fit(None, twin, epochs=2)
    assert apart(before, model.weights) == 0 < apart(before, twin.weights)
    fit(None, model, epochs=2)
    assert apart(model.weights, twin.weights) == 0
    assert apart(model.optimizer.variables, twin.optimizer.variables) == 0
    twin.optimizer.learning_rate = 0.5
    assert float(model.optimizer.learning_rate) == 0.125


@each_wrapper
def test_a_configuration_makes_new_optimizers_for_other_models(wrap):
    used = fit(wrap(K.Adam(0.125)), epochs=1).optimizer
    config = used.get_config()
    again = [type(used).from_config(config) for _ in range(2)]
    optimizers = [each for one in [used, *again] for each in chain(one)]
    assert len({id(each) for each in optimizers}) == len(optimizers)
    assert used.get_config() == config == again[0].get_config()
    w = keras.Variable(np.ones(3))  # another number of weights than the used one has seen
    again[0].apply([ops.ones(3)], [w])
    fresh = fit(again[1], network_compiled(again[1]), epochs=1)
    assert apart(fresh.optimizer.variables, used.variables) == 0


def network_compiled(optimizer):
    model = network()
    model.compile(optimizer, loss="mse", jit_compile=False)
    return model

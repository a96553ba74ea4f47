"""Fresh models share nothing; fingerprints differ by one bit; who_shares sees the very objects."""

import copy
import re

from course_lib.models import Shared, fingerprint, fresh, who_shares

import keras
import numpy as np
import pytest

layers = keras.layers
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # within Keras


def build():
    return keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, "relu"), layers.Dropout(0.5), layers.Dense(2)]
    )


def compiled(seed=0):
    model = fresh(build, seed)
    model.compile("sgd", loss="mse", run_eagerly=True)
    return model


def train(model):
    model.fit(np.eye(3), np.ones((3, 2)), batch_size=1, verbose=0)
    return fingerprint(model)


# ---- fresh ----


def test_the_same_seed_gives_the_same_weights_in_models_that_share_nothing():
    one, other = fresh(build, 7), fresh(build, 7)
    assert fingerprint(one) == fingerprint(other)
    assert not who_shares(one, other)


def test_another_seed_gives_other_weights():
    assert len({fingerprint(fresh(build, seed)) for seed in range(5)}) == 5


def test_dropout_and_the_order_of_the_data_repeat_with_the_seed():
    assert train(compiled(0)) == train(compiled(0)) != train(compiled(1))


@pytest.mark.parametrize("thing", [3, None, "model", build()], ids=["3", "None", "text", "a model"])
def test_what_makes_no_model_is_refused(thing):
    with pytest.raises(TypeError, match="`build` must be a function that makes a model") as refusal:
        fresh(thing, 0)
    assert repr(thing) in str(refusal.value)


def test_a_function_that_hands_back_no_model_is_refused():
    with pytest.raises(TypeError, match=r"`build` must return a keras.Model. It returned: \[\]"):
        fresh(list, 0)


@pytest.mark.parametrize("seed", [-1, 0.5, None, "0", True])
def test_a_seed_that_is_no_whole_number_is_refused_by_name(seed):
    with pytest.raises(ValueError, match="`seed` must be a whole number, 0 or more"):
        fresh(build, seed)
    assert fingerprint(fresh(build, np.int64(7))) == fingerprint(fresh(build, 7))


# ---- fingerprint ----


def test_a_fingerprint_is_eight_hexadecimal_digits():
    assert re.fullmatch("[0-9a-f]{8}", fingerprint(build()))


def test_one_bit_of_one_weight_changes_the_fingerprint_and_back():
    model = build()
    before = fingerprint(model)
    bias = model.layers[-1].bias
    bias.assign([0.0, np.nextafter(np.float32(0), np.float32(1))])
    assert fingerprint(model) != before
    bias.assign([0.0, 0.0])
    assert fingerprint(model) == before


def test_training_changes_the_fingerprint():
    model = compiled()
    before = fingerprint(model)
    assert train(model) != before


# ---- who_shares ----


def names_and_paths(model):
    return tuple(layer.name for layer in model.layers), tuple(v.path for v in model.weights)


def test_a_second_name_is_the_same_model():
    model = compiled()
    same = model
    names, paths = names_and_paths(model)
    assert who_shares(model, same) == Shared(names, paths, optimizer=True)


def test_a_model_of_the_same_layers_shares_them_all_but_no_optimizer():
    model = compiled()
    again = keras.Sequential([keras.Input((3,)), *model.layers])
    assert who_shares(model, again) == Shared(*names_and_paths(model), optimizer=False)


def test_one_shared_layer_is_named_with_its_variables():
    first, second = build(), build()
    shared = layers.Dense(4, name="in_both")
    first, second = (
        keras.Sequential([keras.Input((3,)), shared, layers.Dense(1)]) for _ in range(2)
    )
    seen = who_shares(first, second)
    assert seen.layers == ("in_both",)
    assert seen.variables == tuple(v.path for v in shared.weights) and len(seen.variables) == 2
    assert not seen.optimizer and bool(seen)


def test_a_model_inside_another_shares_its_variables():
    inner = build()
    outer = keras.Sequential([keras.Input((3,)), inner])
    assert len(who_shares(inner, outer).variables) == len(inner.weights) == 4
    assert who_shares(inner, outer)


@pytest.mark.parametrize(
    "copied",
    [
        keras.models.clone_model,
        copy.copy,
        copy.deepcopy,
        lambda model: type(model).from_config(model.get_config()),
        lambda model: fresh(build, 0),
    ],
    ids=["clone_model", "copy.copy", "copy.deepcopy", "from_config", "fresh"],
)
def test_a_copy_shares_nothing_and_stays_when_the_original_trains(copied):
    original = compiled()
    other = copied(original)
    assert who_shares(original, other) == Shared((), (), optimizer=False)
    before = fingerprint(other)
    train(original)
    assert fingerprint(other) == before


@pytest.mark.parametrize(
    "alias",
    [lambda model: model, lambda model: keras.Sequential([keras.Input((3,)), *model.layers])],
    ids=["assignment", "Sequential(layers)"],
)
def test_what_is_shared_moves_when_the_original_trains(alias):
    original = compiled()
    other = alias(original)
    before = fingerprint(other)
    train(original)
    assert fingerprint(other) == fingerprint(original) != before


def test_one_optimizer_for_two_models_is_seen():
    optimizer = keras.optimizers.SGD()
    one, other = build(), build()
    for model in (one, other):
        model.compile(optimizer, loss="mse")
    assert who_shares(one, other) == Shared((), (), optimizer=True)
    assert who_shares(one, other)


def test_models_without_an_optimizer_share_none():
    assert not who_shares(build(), build()).optimizer


@pytest.mark.parametrize(
    "shared, text",
    [
        (Shared((), (), False), "nothing"),
        (Shared(("a", "b"), ("a/kernel",), False), "2 layers, 1 variable, no optimizer"),
        (Shared((), (), True), "0 layers, 0 variables, the optimizer"),
    ],
)
def test_what_is_shared_is_said_in_words(shared, text):
    assert str(shared) == text


# ---- Errors ----


@pytest.mark.parametrize(
    "thing", [None, "model", layers.Dense(2), build], ids=["None", "text", "a layer", "a function"]
)
def test_what_is_no_model_is_refused_by_name(thing):
    for ask, name in [
        (lambda: fingerprint(thing), "model"),
        (lambda: who_shares(thing, build()), "model_a"),
        (lambda: who_shares(build(), thing), "model_b"),
    ]:
        with pytest.raises(TypeError, match=f"`{name}` must be a keras.Model") as refusal:
            ask()
        assert repr(thing) in str(refusal.value)


def test_a_model_that_is_not_built_is_refused_by_name():
    unbuilt = keras.Sequential([layers.Dense(2)])
    for ask, name in [
        (lambda: fingerprint(unbuilt), "model"),
        (lambda: who_shares(unbuilt, build()), "model_a"),
        (lambda: who_shares(build(), unbuilt), "model_b"),
    ]:
        with pytest.raises(ValueError, match=f"`{name}` has no variables yet"):
            ask()


def test_layers_of_a_model_within_a_model_are_shared_too():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="shared")])
    assert who_shares(inner, keras.Sequential([inner])).layers == ("shared",)

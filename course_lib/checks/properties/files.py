"""Configured, saved and loaded: an interrupted run goes on as if nothing had happened."""

import inspect
import json
import tempfile
import warnings
from functools import partial
from pathlib import Path

import keras
import numpy as np

from ..engine.check import ANATOMY, SAVING, check
from ..engine.classes import BASE_KEYWORDS, chain, is_kerass_own, known
from ..engine.report import CheckFailed, DoesNotApply
from ..engine.runs import difference, number, state_of, variables_of
from .network import network, train, trained


@check(
    otherwise="a saved and reloaded optimizer goes on with a default or with another value, in "
    "silence",
    read=ANATOMY,
)
def the_configuration_holds_every_argument(candidate):
    """Each argument of the constructor comes back from the configuration as it was given."""
    cls = candidate.optimizer
    cls = cls.func if isinstance(cls, partial) else cls
    if not isinstance(cls, type):
        cls = type(candidate.made)
    kept = []
    for name, value in _other_values(cls).items():
        try:
            one = candidate.make(**{name: value})
        except (DoesNotApply, ValueError, TypeError):
            continue  # it does not take this value: nothing to keep
        config = one.get_config()
        if name not in config:
            raise _left_out(name)
        again = type(one).from_config(dict(config)).get_config()
        for when, there in [("in get_config()", config), ("after from_config", again)]:
            if not _equal(there.get(name), value):
                raise CheckFailed(
                    f"{name}={value!r} is {there.get(name)!r} {when}",
                    "the value that was given",
                )
        kept.append(name)
    _stated_settings_come_back(candidate)
    config = candidate.made.get_config()
    for name, p in inspect.signature(cls).parameters.items():
        has_no_other_value = p.default is None or isinstance(p.default, str)  # names, lists, ...
        if has_no_other_value and name not in config:
            raise _left_out(name)
    if not kept:
        raise DoesNotApply("its constructor takes no argument that could be changed here")
    own = [name for name in kept if name in inspect.signature(cls).parameters]
    inherited = f" and {len(kept) - len(own)} of Keras's" if len(kept) > len(own) else ""
    return ", ".join(own) + inherited


def _stated_settings_come_back(candidate):
    """The settings that it is examined with, also where no other value could be tried."""
    if not isinstance(candidate.optimizer, type):
        return  # a function's arguments need not be the optimizer's
    config = candidate.made.get_config()
    again = type(candidate.made).from_config(dict(config)).get_config()
    given = candidate.given
    plain = {name: v for name, v in given.items() if isinstance(v, bool | int | float | str)}
    for name in plain:
        if name not in config:
            raise _left_out(name)
    for name in config if candidate.rule else plain:
        value = plain.get(name, config[name])
        if not _equal(config[name], value) or again.get(name) != config[name]:
            came_back = again.get(name) if _equal(config[name], value) else config[name]
            raise CheckFailed(f"{name} = {value!r} came back as {came_back!r}", "the same value")


def _left_out(name):
    return CheckFailed(f"get_config leaves out {name}", "every argument of the constructor")


def _other_values(cls):
    """For each argument of the constructor a value that is not its default."""
    parameters = inspect.signature(cls).parameters
    values = (
        dict(BASE_KEYWORDS) if any(p.kind == p.VAR_KEYWORD for p in parameters.values()) else {}
    )
    values["learning_rate"] = 0.0625
    for name, p in parameters.items():
        default = p.default
        if name in BASE_KEYWORDS:
            values[name] = BASE_KEYWORDS[name]
        elif name == "learning_rate":
            continue
        elif isinstance(default, bool):
            values[name] = not default
        elif isinstance(default, float):
            values[name] = default / 2 or 0.25
        elif isinstance(default, int):
            values[name] = default + 1
    # an option that needs another one is given with it by its own check
    values.pop("ema_overwrite_frequency", None)
    return values


def _equal(one, other):
    if isinstance(other, float) and not isinstance(other, bool):
        return isinstance(one, int | float) and abs(one - other) <= 1e-6 * abs(other)
    return one == other


@check(
    otherwise="a loaded model is trained with other hyper-parameters, or another optimizer, than "
    "the saved one",
    read=SAVING,
)
def the_configuration_makes_the_same_optimizer(candidate, standard):
    """What `get_config` returns, as JSON and back, makes an optimizer that takes the same path."""
    one = candidate.made
    text = json.dumps(keras.saving.serialize_keras_object(one))
    with known(one):
        again = keras.saving.deserialize_keras_object(json.loads(text))
    if type(again) is not type(one):
        raise CheckFailed(
            f"out of its configuration comes a {type(again).__name__}",
            f"a {type(one).__name__}",
        )
    candidate.same_path(
        candidate.run(again).path,
        standard.path,
        "made again out of its configuration",
        "its own path",
        tolerance=max(candidate.tolerance, 1e-7),  # Keras keeps the learning rate in float32
    )
    return "as JSON and back: the same path"


@check(
    otherwise='load_model fails with "Could not locate class", far away from here',
    read=ANATOMY,
)
def it_is_registered(candidate):
    """Keras finds the class when it loads a model."""
    strangers = [type(o) for o in chain(candidate.made) if not is_kerass_own(type(o))]
    if not strangers:
        raise DoesNotApply("Keras knows its own classes")
    for cls in strangers:
        if keras.saving.get_registered_name(cls) == cls.__name__:
            raise CheckFailed(
                f"{cls.__name__} is not registered",
                "@keras.saving.register_keras_serializable(...) over the class",
            )
    return ", ".join(keras.saving.get_registered_name(cls) for cls in strangers)


# ---- Saved, loaded, cloned ----


@check(
    otherwise="something is remembered outside `optimizer.variables`: no file holds it, each "
    "restart loses it",
    read=SAVING,
)
def all_state_is_in_its_variables(candidate, standard):
    """A fresh one that is given the values of `optimizer.variables` goes on like the old one."""
    kept = {}

    def keep(t, one, variables):
        if t == 2:
            kept["state"], kept["w"] = state_of(one), [number(v) for v in variables]

    whole = candidate.run(after=keep)
    fresh = candidate.make()
    variables = variables_of(tuple(np.shape(w) for w in standard.start), candidate.dtype)
    fresh.build(variables)
    _give(fresh, kept["state"])
    for v, w in zip(variables, kept["w"], strict=True):
        v.assign(w)
    rest = candidate.run(fresh, variables=variables, first=3, steps=3)
    candidate.same_path(
        rest.path,
        whole.path[3:],
        "a fresh one, given the state after step 3",
        "the one that went on",
    )
    return f"{len(kept['state'])} variables hold all of it"


def _give(one, state):
    if len(one.variables) != len(state):
        raise CheckFailed(
            f"built anew it has {len(one.variables)} variables, after three steps {len(state)}",
            "the same number",
        )
    for variable, value in zip(one.variables, state, strict=True):
        variable.assign(value)


@check(otherwise="the curve has a kink at each restart, and the result is another one", read=SAVING)
def training_resumes_from_a_keras_file(candidate, standard):
    """Four epochs equal two, save, load, and two more, to the last bit."""
    _resumes(*_whole_and_half(candidate))
    return "2 epochs, save, load, 2 more = 4: difference 0.0"


@check(
    otherwise="the first update after a restart misses the gradients that had been collected",
    read=SAVING,
)
def training_resumes_in_the_middle_of_an_accumulation(candidate, standard):
    """The same, saved while gradients are being collected."""
    steps = {"gradient_accumulation_steps": 3}
    _resumes(trained(candidate.make(**steps)), trained(candidate.make(**steps), epochs=2))
    return "saved with 1 of 3 micro-batches in the buffer: difference 0.0"


def _whole_and_half(candidate):
    """The network after four epochs and after two; neither is trained any further."""
    make = lambda: (trained(candidate.make()), trained(candidate.make(), epochs=2))  # noqa: E731
    return candidate.once("whole and half", make)


def _resumes(whole, half):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say shows in the result
            half.save(path)
            with known(half.optimizer):
                loaded = keras.saving.load_model(path)
    loaded.run_eagerly = True
    _must_be_identical(train(loaded, 2), whole, "the .keras file")


@check(
    otherwise="each restart from a checkpoint begins cold: the curve has a kink, and the result is "
    "another one",
    read=SAVING,
)
def training_resumes_from_a_weights_file(candidate, standard):
    """The same with `.weights.h5`, which ModelCheckpoint writes."""
    whole, half = _whole_and_half(candidate)
    rest = network(candidate.make(), build=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.weights.h5"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            half.save_weights(path)
            rest.load_weights(path)
    _must_be_identical(train(rest, 2), whole, "the .weights.h5 file")
    return "2 epochs, save_weights, build, load_weights, 2 more = 4: difference 0.0"


def _must_be_identical(resumed, whole, file):
    for one, other in zip(
        resumed.trainable_variables + resumed.optimizer.variables,
        whole.trainable_variables + whole.optimizer.variables,
        strict=True,
    ):
        if not np.array_equal(number(one), number(other)):
            raise CheckFailed(
                f"after a restart from {file}, {other.path} is "
                f"{difference([[number(one)]], [[number(other)]]):.1e} away",
                "a difference of 0",
            )


FILES = (
    the_configuration_holds_every_argument,
    the_configuration_makes_the_same_optimizer,
    it_is_registered,
    all_state_is_in_its_variables,
    training_resumes_from_a_keras_file,
    training_resumes_in_the_middle_of_an_accumulation,
    training_resumes_from_a_weights_file,
)

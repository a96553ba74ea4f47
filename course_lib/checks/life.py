"""Life: configured, saved, loaded, cloned, and combined with what Keras offers to every optimizer."""

import inspect
import json
import tempfile
import warnings
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from .candidate import (
    ANATOMY,
    BASE_KEYWORDS,
    SAVING,
    apart,
    chain,
    gradient,
    is_kerass_own,
    known,
    number,
    state_of,
    variables_of,
)
from .execution import network, train, trained
from .report import CheckFailed, DoesNotApply, KerasFault

DECAY = "notebook 09, weight decay and clipping"
SCHEDULES = "notebook 10, schedules and warm-up"
SOFT = "notebook 12, soft batches"
AVERAGING = "notebook 15, averaging"


# ---- Configured ----


def the_configuration_holds_every_argument(candidate):
    """Each argument of the constructor comes back from `from_config(get_config())` with the value that was given.
    Otherwise a loaded optimizer goes on with a default, in silence."""
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
                    f"a saved and reloaded optimizer goes on with another {name}",
                    ANATOMY,
                )
        kept.append(name)
    for name, p in inspect.signature(
        cls
    ).parameters.items():  # names, lists, ... have no other value
        if (
            p.default is None or isinstance(p.default, str)
        ) and name not in candidate.made.get_config():
            raise _left_out(name)
    if not kept:
        raise DoesNotApply("its constructor takes no argument that could be changed here")
    return f"{len(kept)} arguments come back: {', '.join(kept)}"


def _left_out(name):
    return CheckFailed(
        f"get_config leaves out {name}",
        "every argument of the constructor",
        f"a saved and reloaded optimizer falls back to the default {name}, in silence",
        ANATOMY,
    )


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


def the_configuration_makes_the_same_optimizer(candidate):
    """What `get_config` says, written as JSON and read again, makes an optimizer that takes the same path.  Otherwise a
    loaded model trains differently."""
    plain = candidate.plain
    one = candidate.made
    text = json.dumps(keras.saving.serialize_keras_object(one))
    with known(one):
        again = keras.saving.deserialize_keras_object(json.loads(text))
    if type(again) is not type(one):
        raise CheckFailed(
            f"out of its configuration comes a {type(again).__name__}",
            f"a {type(one).__name__}",
            "a loaded model trains with another optimizer",
            SAVING,
        )
    candidate.must_agree(
        candidate.run(again).path,
        plain.path,
        "made again out of its configuration",
        "its own path",
        "a loaded model is trained with other hyper-parameters than the saved one",
        SAVING,
        room=max(candidate.room, 1e-7),  # Keras keeps the learning rate in float32
    )
    return "as JSON and back: the same path"


def it_is_registered(candidate):
    """Keras finds the class when it loads a model.  Otherwise only those can load it who know about custom_objects."""
    strangers = [type(o) for o in chain(candidate.made) if not is_kerass_own(type(o))]
    if not strangers:
        raise DoesNotApply("Keras knows its own classes")
    for cls in strangers:
        if keras.saving.get_registered_name(cls) == cls.__name__:
            raise CheckFailed(
                f"{cls.__name__} is not registered",
                "@keras.saving.register_keras_serializable(...) over the class",
                'load_model fails with "Could not locate class", far away from here',
                ANATOMY,
            )
    return ", ".join(keras.saving.get_registered_name(cls) for cls in strangers)


# ---- Saved, loaded, cloned ----


def all_state_is_in_its_variables(candidate):
    """A fresh one that is given the values of `optimizer.variables` goes on like the old one.  Otherwise something is
    remembered that no file holds."""
    plain = candidate.plain
    kept = {}

    def keep(t, one, variables):
        if t == 2:
            kept["state"], kept["w"] = state_of(one), [number(v) for v in variables]

    whole = candidate.run(after=keep)
    fresh = candidate.make()
    variables = variables_of(tuple(np.shape(w) for w in plain.start), candidate.dtype)
    fresh.build(variables)
    _give(fresh, kept["state"])
    for v, w in zip(variables, kept["w"], strict=True):
        v.assign(w)
    rest = candidate.run(fresh, variables=variables, first=3, steps=3)
    candidate.must_agree(
        rest.path,
        whole.path[3:],
        "a fresh one, given the state after step 3",
        "the one that went on",
        "something is remembered outside `optimizer.variables`: no file holds it, each restart loses it",
        SAVING,
    )
    return f"{len(kept['state'])} variables hold all of it"


def _give(one, state):
    if len(one.variables) != len(state):
        raise CheckFailed(
            f"built anew it has {len(one.variables)} variables, after three steps {len(state)}",
            "the same number",
            "a saved state cannot be loaded before the first step",
            SAVING,
        )
    for variable, value in zip(one.variables, state, strict=True):
        variable.assign(value)


def training_resumes_from_a_keras_file(candidate):
    """Four epochs equal two, save, load, and two more, to the last bit.  Otherwise each interrupted run is another run."""
    _resumes(candidate, lambda: candidate.make())
    return "2 epochs, save, load, 2 more = 4: difference 0.0"


def training_resumes_in_the_middle_of_an_accumulation(candidate):
    """The same, saved while gradients are being collected.  Otherwise the first update after a restart misses some."""
    _resumes(candidate, lambda: candidate.make(gradient_accumulation_steps=3))
    return "saved with 1 of 3 micro-batches in the buffer: difference 0.0"


def _resumes(candidate, make):
    candidate.plain  # noqa: B018
    whole = trained(make())
    half = trained(make(), epochs=2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say shows in the result
            half.save(path)
            with known(half.optimizer):
                loaded = keras.saving.load_model(path)
    loaded.run_eagerly = True
    _must_be_identical(train(loaded, 2), whole, "the .keras file")


def training_resumes_from_a_weights_file(candidate):
    """The same with `.weights.h5`, which ModelCheckpoint writes.  Otherwise each restart from a checkpoint begins cold."""
    candidate.plain  # noqa: B018
    whole = trained(candidate.make())
    half = trained(candidate.make(), epochs=2)
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
                f"after a restart from {file}, {other.path} is {apart([[number(one)]], [[number(other)]]):.1e} away",
                "a difference of 0",
                "the curve has a kink at each restart, and the result is another one",
                SAVING,
            )


# ---- With what Keras offers to every optimizer ----


def micro_batches_equal_the_large_batch(candidate):
    """With `gradient_accumulation_steps=2`, two micro-batches make the step of their mean.  Otherwise a larger soft batch
    is a different optimizer."""
    plain = candidate.plain
    steps = 2
    one = candidate.make(gradient_accumulation_steps=steps)

    def micro(i, t, g):
        whole = gradient(np.shape(plain.start[i]), i, t // steps)
        return whole * (1.5 if t % steps else 0.5)  # their mean is the whole

    done = candidate.run(one, gradients=micro, steps=steps * len(plain.path))
    candidate.must_agree(
        done.path[steps - 1 :: steps],
        plain.path,
        f"with gradient_accumulation_steps={steps}",
        "the run on the mean of the micro-batches",
        "something counts micro-batches (`self._iterations` in place of `self.iterations`), or moves with each of them",
        SOFT,
    )
    still = [
        apart([done.path[t]], [before])
        for t, before in zip(
            range(0, len(done.path), steps), [done.start, *done.path[1::steps]], strict=False
        )
    ]
    if max(still) > 0:
        raise CheckFailed(
            "weights move before the accumulation is complete",
            "rest until then",
            "each micro-batch is a step of its own",
            SOFT,
        )
    return f"{len(plain.path)} x {steps} micro-batches: the large batch's path"


def a_schedule_counts_updates_under_accumulation(candidate):
    """A schedule counts updates, also while gradients are collected.  Otherwise a warm-up of 1,000 steps is over after
    1,000 micro-batches."""
    candidate.plain  # noqa: B018
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.0625, decay_steps=1, decay_rate=1.0)
    whole = candidate.run(candidate.make(learning_rate=schedule))
    one = candidate.make(learning_rate=schedule, gradient_accumulation_steps=2)
    done = candidate.run(
        one,
        gradients=lambda i, t, g: gradient(np.shape(whole.start[i]), i, t // 2),
        steps=2 * len(whole.path),
    )
    if apart(done.path[1::2], whole.path) > candidate.room:
        raise KerasFault(
            "under gradient_accumulation_steps=k a schedule counts micro-batches, so it is spent k times too early. "
            "Multiply its decay_steps by k, or use course_lib.wrappers.SoftBatch."
        )
    return "counted in updates"


def weight_decay_is_applied_once_before_the_step(candidate):
    """`weight_decay=x` shrinks the weights by learning_rate · x, once, before the step.  Otherwise it is applied twice,
    goes through the gradient's scaling (L2 in Adam), or does nothing."""
    candidate.plain  # noqa: B018
    decay = 0.25
    one = candidate.make(weight_decay=decay)
    rate = float(number(one.learning_rate))
    decayed = candidate.run(one)
    without = _without_decay(candidate)
    plain = candidate.run(without())
    if not apart(decayed.path, plain.path) > candidate.room:
        raise CheckFailed(
            f"weight_decay={decay} changes nothing",
            "weights that shrink",
            "the model is trained without the regularization that was asked for",
            DECAY,
        )

    def shrink(t, one, variables):
        for v in variables:
            v.assign(v - v * decay * rate)

    by_keras = one.weight_decay == decay and not candidate.overrides("_apply_weight_decay")
    if not by_keras:
        return _decays_in_its_own_way(candidate, without, decay)
    by_hand = candidate.run(without(), before=shrink)
    candidate.must_agree(
        decayed.path,
        by_hand.path,
        f"with weight_decay={decay}",
        "the run in which the weights were shrunk by learning_rate · weight_decay before each step",
        "decay acts twice (Keras's base class applies `self.weight_decay` by itself), or through the gradient's scaling",
        DECAY,
        room=max(candidate.room, 1e-7),  # on PyTorch, Keras rounds the factor to float32
    )
    return "as w - learning_rate * weight_decay * w before each step"


def _without_decay(candidate):
    def make():
        try:
            return candidate.make(weight_decay=0.0)
        except ValueError:
            return candidate.make()

    return make


def _decays_in_its_own_way(candidate, without, decay):
    """A rule that is coordinate by coordinate must not let the gradient's size decide how much it decays (L2 in Adam)."""
    if not candidate.is_elementwise:
        return "it has an effect; the rule decays in a way of its own, inside its norms"

    def strength(size):
        steep = lambda i, t, g: size * gradient((2, 3), 0, 0)  # noqa: E731
        ends = [
            candidate.run(one, shapes=((2, 3),), steps=1, gradients=steep).path[0][0]
            for one in (candidate.make(weight_decay=decay), without())
        ]
        return np.linalg.norm(ends[0] - ends[1])

    usual, steep = strength(1.0), strength(2.0**12)
    if not usual / 4 < steep < 4 * usual + candidate.room * 100:
        raise CheckFailed(
            f"with gradients 4096 times as large, weight decay moves the weights {steep:.1e} instead of {usual:.1e}",
            "the same: decoupled from the gradient",
            "where gradients are large nothing is decayed: it is L2 inside an adaptive rule, not weight decay",
            DECAY,
        )
    return "it decays in a way of its own, whatever the gradient's size"


def excluded_variables_do_not_decay(candidate):
    """`exclude_from_weight_decay` keeps biases and norms from decaying.  Otherwise they shrink all the same."""
    candidate.plain  # noqa: B018
    if candidate.is_joined:
        raise DoesNotApply("the rule joins its variables")
    decayed = candidate.run(candidate.make(weight_decay=0.25)).path
    plain = candidate.run(_without_decay(candidate)()).path
    decaying = [
        i for i, w in enumerate(plain[-1]) if apart([[w]], [[decayed[-1][i]]]) > candidate.room
    ]
    if not decaying:
        raise DoesNotApply(
            "weight_decay changes nothing: see weight_decay_is_applied_once_before_the_step"
        )
    one, k = candidate.make(weight_decay=0.25), decaying[0]
    variables = variables_of(tuple(np.shape(w) for w in candidate.plain.start), candidate.dtype)
    one.exclude_from_weight_decay(var_list=[variables[k]])
    one.build(variables)
    done = candidate.run(one, variables=variables).path
    expected = [[*d[:k], p[k], *d[k + 1 :]] for p, d in zip(plain, decayed, strict=True)]
    candidate.must_agree(
        done,
        expected,
        f"with variable {k} excluded from weight decay",
        f"variable {k} without decay and the rest with it",
        "biases and normalization layers shrink although they were excluded",
        DECAY,
    )
    return "excluded: no decay; the others: as before"


def an_exclusion_after_build_is_refused(candidate):
    """`exclude_from_weight_decay` says when it comes too late, as documented.  Otherwise a script is never told."""
    one = candidate.plain.optimizer
    if candidate.overrides("exclude_from_weight_decay"):
        raise DoesNotApply("the class has an exclude_from_weight_decay of its own")
    try:
        one.exclude_from_weight_decay(var_names=["nothing"])
    except ValueError:
        return "refused"
    raise KerasFault(
        "exclude_from_weight_decay after build is documented to be refused, and is not: the guard asks for "
        "`_built`, the attribute is `built`."
    )


def gradients_are_clipped_once_before_the_step(candidate):
    """`clipnorm`, `clipvalue` and `global_clipnorm` do what clipping by hand does.  Otherwise one exploding batch ends
    the run that they were to protect."""
    plain = candidate.plain
    limit, seen = 0.5, []
    n = len(plain.start)

    def each(i, t):
        return gradient(np.shape(plain.start[i]), i, t)

    def total(t):
        return np.sqrt(sum(np.sum(each(j, t) ** 2) for j in range(n)))

    by_hand = {
        "clipnorm": lambda i, t, g: g * min(1, limit / np.linalg.norm(g)),
        "clipvalue": lambda i, t, g: np.clip(g, -limit, limit),
        "global_clipnorm": lambda i, t, g: g * min(1, limit / total(t)),
    }
    for keyword, clip in by_hand.items():
        try:
            one = candidate.make(**{keyword: limit})
        except DoesNotApply as reason:
            refused = reason
            continue
        candidate.must_agree(
            candidate.run(one, steps=4).path,
            candidate.run(steps=4, gradients=clip).path,
            f"with {keyword}={limit}",
            "the run in which the gradients were clipped by hand",
            "one exploding batch ends the run, although it was to be clipped",
            DECAY,
            room=max(candidate.room, 1e-9),
        )
        seen.append(keyword)
    if not seen:
        raise refused
    return f"{', '.join(seen)}: as clipped by hand"


def constraints_hold_after_the_step(candidate):
    """A constraint is applied once, after the step.  Otherwise weights leave the set that they were to stay in."""
    plain = candidate.plain
    if candidate.overrides("apply"):  # a wrapper may project more often than once
        constraint = keras.constraints.NonNeg()
        done = candidate.run(constraint=constraint)
        if min(w.min() for w in done.path[-1]) < 0:
            raise CheckFailed(
                "a weight is below 0 under the constraint NonNeg",
                "weights of 0 and more after each update",
                "weights leave the set that they were to stay in",
                ANATOMY,
            )
        return "NonNeg holds"
    halve = lambda w: w * 0.5 + 0.125  # not idempotent: once and twice are different  # noqa: E731

    def by_hand(t, one, variables):
        for v in variables:
            v.assign(halve(ops.convert_to_tensor(v)))

    done, expected = candidate.run(constraint=halve), candidate.run(after=by_hand)
    candidate.must_agree(
        done.path,
        expected.path,
        "with a constraint",
        "the run in which it was applied by hand after each step",
        "weights leave the set that they were to stay in, or are pulled into it twice",
        ANATOMY,
    )
    assert plain
    return "applied once, after the step"


def the_moving_average_follows_the_weights(candidate):
    """`use_ema=True` averages the weights and leaves the run alone; `finalize_variable_values` puts the average in.
    Otherwise the model that is evaluated is another."""
    plain = candidate.plain
    momentum = 0.5
    one = candidate.make(use_ema=True, ema_momentum=momentum)
    done = candidate.run(one)
    candidate.must_agree(
        done.path,
        plain.path,
        "with use_ema=True",
        "the run without",
        "averaging changes what is averaged",
        AVERAGING,
    )
    average = plain.path[0]
    for ws in plain.path[1:]:
        average = [momentum * a + (1 - momentum) * w for a, w in zip(average, ws, strict=True)]
    one.finalize_variable_values(done.variables)
    candidate.must_agree(
        [[number(v) for v in done.variables]],
        [average],
        "what finalize_variable_values puts in",
        "the average of the path",
        "the model that is evaluated and saved is not the average that was asked for",
        AVERAGING,
    )
    return "the run as without; the average as by hand"


LIFE = (
    the_configuration_holds_every_argument,
    the_configuration_makes_the_same_optimizer,
    it_is_registered,
    all_state_is_in_its_variables,
    training_resumes_from_a_keras_file,
    training_resumes_in_the_middle_of_an_accumulation,
    training_resumes_from_a_weights_file,
    micro_batches_equal_the_large_batch,
    a_schedule_counts_updates_under_accumulation,
    weight_decay_is_applied_once_before_the_step,
    excluded_variables_do_not_decay,
    an_exclusion_after_build_is_refused,
    gradients_are_clipped_once_before_the_step,
    constraints_hold_after_the_step,
    the_moving_average_follows_the_weights,
)

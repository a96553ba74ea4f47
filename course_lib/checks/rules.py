"""What must hold for a rule that is told twice.

Twin runs are in float64, with a learning rate that binary numbers hold exactly.  Then two right tellings differ by
rounding alone: about 1e-16 a step, some 1e-14 after fifty.  TOLERANCE leaves a hundredfold room above that, and the
smallest mistake that we have seen in a published optimizer stands ten orders of magnitude above it.
"""

import tempfile
from functools import lru_cache
from pathlib import Path

from course_lib.optimizers import Rule

import keras
import numpy as np

from . import equations
from .report import CheckFailed, DoesNotApply, Report

TOLERANCE = 1e-12
STEPS = 50
SHAPES = [(), (3,), (2, 3), (2, 3), (2, 1, 3), (2, 1, 2, 2)]  # two alike: slots found by shape fail
ANATOMY = "notebook 04, the anatomy of a Keras optimizer"


def check_rule(rule):
    """Everything that this course proves of a rule, proved of yours.

    rule    a Rule: of RULES, or made of your own two tellings (see `course_lib.optimizers.Rule`)
    Returns a Report: print it, or ask for .passed and .failed.  Raises TypeError for what is not a Rule.
    """
    if not isinstance(rule, Rule):
        raise TypeError(
            f"`rule` must be a Rule. Received: {rule!r}. Take one of RULES, say RULES['adagrad'], "
            "or make one: Rule(numpy=..., keras_class=..., settings={'learning_rate': 0.125})."
        )
    report = Report(f"check_rule({rule.name})")
    for check in RULE_CHECKS:
        report.run(check, rule)
    return report


def the_equation_is_the_numpy_step(rule):
    """The printed equation, executed, gives what `step` gives.  Otherwise readers learn one thing and run another."""
    lines = equations.lines_of(rule.equation)
    w, gradients = _weights_and_gradients((4, 3))  # some rules tell rows from columns
    state = rule.init(w, **rule.settings)
    for t, g in enumerate(gradients, 1):
        told = equations.execute(lines, rule.functions, w=w, g=g, **state, **rule.all_settings)
        w, state = rule.step(w, g, state, **rule.settings)
        for letter, value in {"w": w, **state}.items():
            _must_agree(
                told[letter],
                value,
                f"after step {t} the equation's {letter}",
                f"step's {letter}",
                "one of the two is not the optimizer that you think you are using",
                "notebook 02, where an equation is executed for the first time",
            )
    return f"{len(lines)} lines executed over {STEPS} steps: equal to {TOLERANCE:.0e}"


def the_numpy_step_leaves_its_inputs_alone(rule):
    """`step` hands back new arrays, and asked twice it answers the same.  Otherwise a saved state changes afterwards."""
    for shape in [(7,), (4, 3)]:  # some rules tell a matrix from a vector
        w, gradients = _weights_and_gradients(shape)
        state = rule.init(w, **rule.settings)
        for g in gradients:
            given = {"w": w, "g": g, **state}
            before = {name: np.array(value, copy=True) for name, value in given.items()}
            first = rule.step(w, g, state, **rule.settings)
            for name in given:
                if not np.array_equal(before[name], given[name]):
                    raise CheckFailed(
                        f"step changed the {name} that it was given",
                        "new arrays to be handed back",
                        "a state that was put aside, for a restart or for a comparison, moves on by itself",
                        "notebook 06, where state lives",
                    )
            again = rule.step(w, g, state, **rule.settings)
            for name in ["w", *state]:
                one, two = ({"w": w, **state}[name] for w, state in (first, again))
                if not np.array_equal(one, two):
                    raise CheckFailed(
                        f"asked twice, step gave two different {name}",
                        "the same answer to the same question",
                        "the step remembers something outside the state that it is handed",
                        "notebook 06, where state lives",
                    )
            w, state = first
    return "inputs unchanged; asked twice, the same answer"


def keras_equals_numpy(rule):
    """The Keras class takes the path of the NumPy rule, variable by variable.  Otherwise the lesson is about another
    optimizer than the one that trains."""
    path, slots = _keras_run(rule.keras_class, rule.settings)
    for i, shape in enumerate(SHAPES):
        w, gradients = _weights_and_gradients(shape, i)
        state = rule.init(w, **rule.settings)
        for t, g in enumerate(gradients):
            w, state = rule.step(w, g, state, **rule.settings)
            _must_agree(
                path[t][i],
                w,
                f"after step {t + 1}, for a variable of shape {shape}, Keras's w",
                "NumPy's w",
                "the weights go elsewhere, and the loss curve need not show it",
                ANATOMY,
            )
        for name in _slot_names(state):
            _must_agree(
                slots(name)[i],
                state[name],
                f"after {STEPS} steps, for a variable of shape {shape}, Keras's slot {name}",
                f"NumPy's {name}",
                "the next steps start from another state",
                ANATOMY,
            )
    return f"{STEPS} steps, {len(SHAPES)} variables at once, float64: equal to {TOLERANCE:.0e}"


def keras_is_the_same_eager_in_a_graph_and_compiled(rule):
    """Eager, in a graph and under XLA the class takes the same path.  Otherwise what you debug is not what trains."""
    if keras.backend.backend() != "tensorflow":
        raise DoesNotApply(f"graphs are TensorFlow's; the backend is {keras.backend.backend()}")
    eager, _ = _keras_run(rule.keras_class, rule.settings)
    for how in (GRAPH, XLA):
        path, _ = _keras_run(rule.keras_class, rule.settings, how)
        for t, (one, other) in enumerate(zip(eager, path, strict=True)):
            for shape, w_eager, w_other in zip(SHAPES, one, other, strict=True):
                _must_agree(
                    w_other,
                    w_eager,
                    f"{how}, after step {t + 1}, w of shape {shape}",
                    "the eager w",
                    "compile() and a loop of your own train two different models",
                    ANATOMY,
                )
    return f"{STEPS} steps: equal to {TOLERANCE:.0e}"


def slots_are_named_like_the_numpy_state(rule):
    """One slot a variable for each entry of the NumPy state, of the same name and shape, in the variable's dtype.
    Otherwise state can be neither compared nor inspected, and variables may share it."""
    optimizer = rule.keras_class(**rule.settings)
    variables = _variables()
    optimizer.build(variables)
    states = [rule.init(np.zeros(variable.shape), **rule.settings) for variable in variables]
    names = list(dict.fromkeys(name for state in states for name in _slot_names(state)))
    slots = optimizer.variables[len(rule.keras_class(**rule.settings).variables) :]
    wanted = sorted(
        f"{variable.path.replace('/', '_')}_{name}"
        for variable, state in zip(variables, states, strict=True)
        for name in _slot_names(state)
    )
    if sorted(slot.name for slot in slots) != wanted:
        raise CheckFailed(
            f"Keras keeps {sorted({slot.name.rsplit('_', 1)[-1] for slot in slots})} ({len(slots)} slots)",
            f"{sorted(names)} for {len(variables)} variables ({len(wanted)} slots)",
            "state is missing, superfluous or shared, and nobody can tell which slot is which",
            "notebook 06, where state lives",
        )
    for name in names:
        for slot, variable, state in zip(getattr(optimizer, name), variables, states, strict=True):
            if name not in state:  # Muon keeps a second slot for what is no matrix
                continue
            if not slot.name.endswith(f"_{name}"):
                raise CheckFailed(
                    f"the optimizer's {name} is the slot named {slot.name}",
                    f"a name that ends in _{name}",
                    "whoever inspects a saved file reads one quantity for another",
                    "notebook 06, where state lives",
                )
            shape = np.shape(state[name])
            if (tuple(slot.shape), slot.dtype) != (shape, variable.dtype):
                raise CheckFailed(
                    f"slot {name} of a variable of shape {tuple(variable.shape)} has shape "
                    f"{tuple(slot.shape)} and dtype {slot.dtype}",
                    f"the NumPy state's shape {shape} and the variable's dtype {variable.dtype}",
                    "state is rounded or spread over coordinates",
                    "notebook 06, where state lives",
                )
    return f"{', '.join(names) or 'no slot'}: one a variable" if names else "stateless: no slot"


def keras_equals_its_builtin_twin(rule):
    """The class takes the path of Keras's own class, under the settings that the rule states.  Otherwise it is no
    drop-in replacement."""
    _needs_a_twin(rule)
    if rule.dialect and rule.agree_when is None:
        raise DoesNotApply("no settings make the two agree: see what is declared")
    agreed = rule.agree_when if rule.dialect else {}  # no difference declared: none allowed
    settings = {**rule.all_settings, **agreed}
    ours, _ = _keras_run(rule.keras_class, settings, _fastest())
    theirs = _builtin_path(rule, settings)
    for t, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        for shape, w_ours, w_theirs in zip(SHAPES, one, other, strict=True):
            _must_agree(
                w_ours,
                w_theirs,
                f"after step {t + 1}, w of shape {shape}",
                "the w of Keras's own class",
                "replacing one by the other changes the result",
                "this rule's notebook",
            )
    stated = ", ".join(f"{name} = {value:g}" for name, value in agreed.items())
    return f"{STEPS} steps{' with ' + stated if stated else ''}: equal to {TOLERANCE:.0e}"


def differs_from_its_builtin_twin_as_declared(rule):
    """Where Keras writes the equation differently, its line is executed too, and explains the whole difference.
    Otherwise "a matter of convention" is a guess."""
    _needs_a_twin(rule)
    if not rule.dialect:
        raise DoesNotApply("the rule declares no difference")
    lines = equations.in_dialect(equations.lines_of(rule.equation), rule.dialect)
    ours, _ = _keras_run(rule.keras_class, rule.settings)
    theirs = _builtin_path(rule, rule.settings)
    for i, shape in enumerate(SHAPES):
        w, gradients = _weights_and_gradients(shape, i)
        state = rule.init(w, **rule.settings)
        for t, g in enumerate(gradients):
            told = equations.execute(lines, rule.functions, w=w, g=g, **state, **rule.all_settings)
            w, state = told["w"], {name: told[name] for name in state}
            _must_agree(
                theirs[t][i],
                w,
                f"after step {t + 1}, w of shape {shape} of Keras's own class",
                "what the declared dialect gives",
                "the two differ in something that nobody has declared",
                "this rule's notebook",
            )
    apart = max(float(np.max(np.abs(a - b))) for a, b in zip(ours[-1], theirs[-1], strict=True))
    if not apart > 1e-3:
        raise CheckFailed(
            f"the weights are {apart:.1e} apart under {dict(rule.settings)}",
            "a difference of more than 1e-3",
            "a difference is declared that is none, or the settings hide it",
            "this rule's notebook",
        )
    return f"{apart:.3f} apart after {STEPS} steps, explained to {TOLERANCE:.0e}"


def the_configuration_comes_back(rule):
    """`from_config(get_config())` makes the same optimizer.  Otherwise a loaded one trains on with default settings."""
    optimizer = rule.keras_class(**rule.settings)
    config = optimizer.get_config()
    for name in rule.hyperparameters:
        if name not in config:
            raise CheckFailed(
                f"get_config leaves out {name}",
                "every argument of the constructor",
                f"a saved and reloaded optimizer falls back to the default {name}, in silence",
                ANATOMY,
            )
    again = rule.keras_class.from_config(dict(config)).get_config()
    changed = [name for name in config if again.get(name) != config[name]]
    changed += [name for name, value in rule.settings.items() if config[name] != value]
    if changed:
        name = changed[0]
        raise CheckFailed(
            f"{name} = {rule.settings.get(name, config[name])!r} came back as {again.get(name)!r}",
            "the same value",
            f"a saved and reloaded optimizer goes on with another {name}",
            ANATOMY,
        )
    return ", ".join(rule.hyperparameters)


def training_resumes_after_saving(rule):
    """Four epochs equal two, save, load and two more, to the last bit.  Otherwise every interrupted run is another run."""

    def fit(model, epochs):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(8, 3)).astype("float32")
        model.fit(x, x[:, :1], epochs=epochs, batch_size=4, shuffle=False, verbose=0)
        return model

    def compiled():
        layer = keras.layers.Dense(1, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((3,)), layer])
        model.compile(rule.keras_class(**rule.settings), loss="mse", run_eagerly=True)
        return model

    whole = fit(compiled(), 4)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        fit(compiled(), 2).save(path)
        try:
            loaded = keras.saving.load_model(path)
        except (TypeError, ValueError) as error:
            if "locate class" not in str(error):
                raise
            raise CheckFailed(
                f"load_model does not know the class {rule.name}",
                "a class registered with @keras.saving.register_keras_serializable(...)",
                "the saved model can only be loaded by those who know about custom_objects",
                ANATOMY,
            ) from None
    loaded.run_eagerly = True
    resumed = fit(loaded, 2)
    pairs = zip(
        whole.variables + whole.optimizer.variables,
        resumed.variables + resumed.optimizer.variables,
        strict=True,
    )
    for one, other in pairs:
        one_value, other_value = map(keras.ops.convert_to_numpy, (one, other))
        if not np.array_equal(one_value, other_value):
            raise CheckFailed(
                f"{one.path} is {np.max(np.abs(one_value - other_value)):.1e} away after the restart",
                "a difference of 0",
                "the curve has a kink at each restart, and the result is another one",
                "notebook 06, where state lives",
            )
    return "2 epochs, save, load, 2 more = 4: difference 0.0"


# In the order in which they are read; the first failure is usually the cause of the later ones.
RULE_CHECKS = (
    the_equation_is_the_numpy_step,
    the_numpy_step_leaves_its_inputs_alone,
    keras_equals_numpy,
    keras_is_the_same_eager_in_a_graph_and_compiled,
    slots_are_named_like_the_numpy_state,
    keras_equals_its_builtin_twin,
    differs_from_its_builtin_twin_as_declared,
    the_configuration_comes_back,
    training_resumes_after_saving,
)


def _weights_and_gradients(shape, seed=0):
    """Weights and STEPS gradients: large, small and exactly zero ones, in turns."""
    rng = np.random.default_rng(seed)
    sizes = np.resize([1.0, 1e-3, 16.0, 0.0, 0.25], STEPS)
    gradients = [size * rng.normal(size=shape) for size in sizes]
    return rng.normal(size=shape), gradients


def _variables():
    return [
        keras.Variable(_weights_and_gradients(shape, i)[0], dtype="float64", name=f"w{i}")
        for i, shape in enumerate(SHAPES)
    ]


EAGER, GRAPH, XLA = "eager", "in a graph", "compiled by XLA"


def _fastest():
    """How a twin runs: in a graph where there are graphs."""
    return GRAPH if keras.backend.backend() == "tensorflow" else EAGER


def _keras_run(make, settings, how=EAGER):
    """All variables after each step, a list of lists of arrays; and the optimizer's slots at the end, by name.

    The last runs are kept: several checks look at the same one.
    """
    return _remembered_run(make, tuple(sorted(settings.items())), how, STEPS)


@lru_cache(maxsize=4)
def _remembered_run(make, settings, how, steps):
    optimizer, variables = make(**dict(settings)), _variables()
    optimizer.build(variables)

    def apply(gradients):
        optimizer.apply(gradients, variables)

    if how != EAGER:
        import tensorflow as tf

        apply = tf.function(apply, jit_compile=how == XLA)
    gradients = zip(*(_weights_and_gradients(s, i)[1] for i, s in enumerate(SHAPES)), strict=True)
    path = []
    for g in gradients:
        apply([keras.ops.convert_to_tensor(one, "float64") for one in g])
        path.append([np.array(keras.ops.convert_to_numpy(v)) for v in variables])
    return path, lambda name: [keras.ops.convert_to_numpy(v) for v in getattr(optimizer, name)]


def _builtin_path(rule, settings):
    """The path of Keras's own class.  NB: Keras's Muon mixes float64 with floatx, and TensorFlow refuses that."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        return _keras_run(rule.builtin, settings, _fastest())[0]
    finally:
        keras.config.set_floatx(before)


def _slot_names(state):
    """The names that Keras keeps in slots: all but the step count, which every optimizer has as `iterations`."""
    return [name for name in state if name != "t"]


def _needs_a_twin(rule):
    if rule.builtin is None:
        raise DoesNotApply("Keras has no such class of its own")


def _must_agree(seen, expected, what, twin, consequence, notebook):
    seen, expected = np.asarray(seen), np.asarray(expected)
    apart = np.max(np.abs(seen - expected) / np.maximum(1, np.abs(expected)), initial=0)
    if not apart <= TOLERANCE:
        raise CheckFailed(
            f"{what} is {apart:.1e} away from {twin}",
            f"at most {TOLERANCE:.0e}",
            consequence,
            notebook,
        )

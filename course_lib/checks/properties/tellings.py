"""What is special to a rule that is written twice: equation, NumPy step and Keras class agree.

These checks look at the twin run: fifty steps of six variables in float64, with a learning rate
that binary numbers hold exactly. Two right tellings then differ by rounding alone, so a comparison
to 1e-12 is a proof.
"""

import keras
import numpy as np

from .. import equations
from ..dialects import keras_dialect_of
from ..engine.check import ANATOMY, EQUATION, RULE, STATE, check
from ..engine.reference import numpy_path
from ..engine.report import CheckFailed, DoesNotApply
from ..engine.runs import (
    EAGER,
    GRAPH,
    TOLERANCE,
    XLA,
    difference,
    number,
    on_tensorflow,
    twin_gradients,
    twin_weights,
    variables_of,
)

EXACTLY = f"at most {TOLERANCE:.0e}"


@check(
    otherwise="one of the two is not the optimizer that you think you are using",
    read=EQUATION,
    excusable=False,
)
def the_equation_is_the_numpy_step(candidate):
    """The printed equation, executed, gives what `step` gives."""
    rule, steps = candidate.rule, candidate.twin_steps
    lines = equations.lines_of(rule.equation)
    w, gradients = _matrix_run(steps)
    state = rule.init(w, **rule.settings)
    for t, g in enumerate(gradients, 1):
        executed = equations.execute(lines, rule.functions, w=w, g=g, **state, **rule.all_settings)
        w, state = rule.step(w, g, state, **rule.settings)
        for letter, value in {"w": w, **state}.items():
            _same(
                executed[letter],
                value,
                f"after step {t} the equation's {letter}",
                f"step's {letter}",
            )
    return f"{len(lines)} lines executed over {steps} steps: equal to {TOLERANCE:.0e}"


@check(
    otherwise="a state that was put aside, for a restart or for a comparison, moves on by itself: "
    "the step remembers something, or changes it in place",
    read=STATE,
    excusable=False,
)
def the_numpy_step_leaves_its_inputs_alone(candidate):
    """`step` returns new arrays, and gives the same answer when it is called again."""
    rule = candidate.rule
    for shape in [(7,), (4, 3)]:  # some rules tell a matrix from a vector
        w = twin_weights(shape)
        state = rule.init(w, **rule.settings)
        for g in twin_gradients(shape)[: candidate.twin_steps]:
            given = {"w": w, "g": g, **state}
            before = {name: np.array(value, copy=True) for name, value in given.items()}
            first = rule.step(w, g, state, **rule.settings)
            for name in given:
                if not np.array_equal(before[name], given[name]):
                    raise CheckFailed(
                        f"step changed the {name} that it was given", "new arrays to be returned"
                    )
            again = rule.step(w, g, state, **rule.settings)
            for name in ["w", *state]:
                one, two = ({"w": w, **state}[name] for w, state in (first, again))
                if not np.array_equal(one, two):
                    raise CheckFailed(
                        f"called twice, step gave two different {name}",
                        "the same answer to the same question",
                    )
            w, state = first
    return "inputs unchanged; called twice, the same answer"


@check(
    otherwise="weights or state go elsewhere, and the loss curve need not show it",
    read=ANATOMY,
    excusable=False,
)
def keras_equals_numpy(candidate):
    """The Keras class takes the path of the NumPy rule, variable by variable."""
    rule, shapes, steps = candidate.rule, candidate.twin_shapes, candidate.twin_steps
    done, states = candidate.twin(), []
    path = numpy_path(rule, dict(rule.settings), shapes, steps, states)
    for i, (shape, state) in enumerate(zip(shapes, states, strict=True)):
        for t in range(steps):
            _same(
                done.path[t][i],
                path[t][i],
                f"after step {t + 1}, for a variable of shape {shape}, Keras's w",
                "NumPy's w",
            )
        for name in _slot_names(state):
            _same(
                number(getattr(done.optimizer, name)[i]),
                state[name],
                f"after {steps} steps, for a variable of shape {shape}, Keras's slot {name}",
                f"NumPy's {name}",
            )
    return f"{steps} steps, {len(shapes)} variables at once, float64: equal to {TOLERANCE:.0e}"


@check(
    otherwise="compile() and a loop of your own train two different models",
    read=ANATOMY,
    excusable=False,
)
def keras_is_the_same_eager_in_a_graph_and_compiled(candidate):
    """Eager, in a graph and under XLA the class takes the same path, over the whole twin run."""
    on_tensorflow()
    eager = candidate.twin(EAGER).path
    for how in (GRAPH, XLA):
        _same_path(candidate, candidate.twin(how).path, eager, f"{how}, ", "w", "the eager w")
    return f"{candidate.twin_steps} steps: equal to {TOLERANCE:.0e}"


@check(
    otherwise="state is missing, superfluous or shared, and nobody can tell which slot is which",
    read=STATE,
    excusable=False,
)
def slots_are_named_like_the_numpy_state(candidate):
    """Each entry of the NumPy state is one slot for each variable.

    It has the same name and shape, and the variable's dtype.
    """
    rule = candidate.rule
    optimizer = candidate.make()
    variables = variables_of(candidate.twin_shapes, "float64")
    optimizer.build(variables)
    states = [rule.init(np.zeros(variable.shape), **rule.settings) for variable in variables]
    names = list(dict.fromkeys(name for state in states for name in _slot_names(state)))
    slots = optimizer.variables[len(candidate.make().variables) :]
    wanted = sorted(
        f"{variable.path.replace('/', '_')}_{name}"
        for variable, state in zip(variables, states, strict=True)
        for name in _slot_names(state)
    )
    if sorted(slot.name for slot in slots) != wanted:
        seen = sorted({slot.name.rsplit("_", 1)[-1] for slot in slots})
        raise CheckFailed(
            f"Keras keeps {seen} ({len(slots)} slots)",
            f"{sorted(names)} for {len(variables)} variables ({len(wanted)} slots)",
        )
    for name in names:
        for slot, variable, state in zip(getattr(optimizer, name), variables, states, strict=True):
            if name in state:  # Muon keeps a second slot for what is not a matrix
                _must_be_slot_of(slot, name, variable, np.shape(state[name]))
    return f"{', '.join(names)}: one a variable" if names else "stateless: no slot"


def _must_be_slot_of(slot, name, variable, shape):
    if not slot.name.endswith(f"_{name}"):
        raise CheckFailed(
            f"the optimizer's {name} is the slot named {slot.name}", f"a name that ends in _{name}"
        )
    if (tuple(slot.shape), slot.dtype) != (shape, variable.dtype):
        raise CheckFailed(
            f"slot {name} of a variable of shape {tuple(variable.shape)} has shape "
            f"{tuple(slot.shape)} and dtype {slot.dtype}",
            f"the NumPy state's shape {shape} and the variable's dtype {variable.dtype}",
        )


@check(
    otherwise="replacing one by the other changes the result",
    read=RULE,
    excusable=False,
)
def keras_equals_its_builtin_twin(candidate):
    """The class takes the path of Keras's own class, under the settings that the rule states."""
    rule = candidate.rule
    _needs_a_twin(rule)
    spoken = keras_dialect_of(rule)
    if spoken.lines and spoken.agree_when is None:
        raise DoesNotApply("no settings make the two agree: see what is declared")
    agreed = spoken.agree_when if spoken.lines else {}  # no difference declared: none allowed
    settings = {**rule.all_settings, **agreed}
    ours = candidate.twin_of(rule.keras_class(**settings), _fastest()).path
    _same_path(candidate, ours, _builtin_path(candidate, settings), "", "w", _OF_KERAS)
    stated = ", ".join(f"{name} = {value:g}" for name, value in agreed.items())
    with_these = f" with {stated}" if stated else ""
    return f"{candidate.twin_steps} steps{with_these}: equal to {TOLERANCE:.0e}"


@check(
    otherwise="the two differ in something that nobody has declared, or a difference is declared "
    "that does not exist: a matter of convention is a guess then",
    read=RULE,
    excusable=False,
)
def differs_from_its_builtin_twin_as_declared(candidate):
    """Where Keras writes the equation differently, its lines explain the whole difference."""
    rule, steps = candidate.rule, candidate.twin_steps
    _needs_a_twin(rule)
    spoken = keras_dialect_of(rule)
    if not spoken.lines:
        raise DoesNotApply("the rule declares no difference")
    theirs = _builtin_path(candidate, rule.settings)
    for i, shape in enumerate(candidate.twin_shapes):
        w = twin_weights(shape, i)
        state = rule.init(w, **rule.settings)
        for t, g in enumerate(twin_gradients(shape, i)[:steps]):
            w, state = spoken.step(rule, w, g, state, **rule.all_settings)
            _same(
                theirs[t][i],
                w,
                f"after step {t + 1}, w of shape {shape} of Keras's own class",
                "what the declared dialect gives",
            )
    ours = candidate.twin().path
    ends = zip(ours[-1], theirs[-1], strict=True)
    distance = max(float(np.max(np.abs(a - b))) for a, b in ends)
    if not distance > 1e-3:
        raise CheckFailed(
            f"the weights are {distance:.1e} apart under {dict(rule.settings)}",
            "a difference of more than 1e-3",
        )
    return f"{distance:.3f} apart after {steps} steps, explained to {TOLERANCE:.0e}"


TELLINGS = (
    the_equation_is_the_numpy_step,
    the_numpy_step_leaves_its_inputs_alone,
    keras_equals_numpy,
    keras_is_the_same_eager_in_a_graph_and_compiled,
    slots_are_named_like_the_numpy_state,
    keras_equals_its_builtin_twin,
    differs_from_its_builtin_twin_as_declared,
)
_OF_KERAS = "the w of Keras's own class"


def _matrix_run(steps):
    """Weights and gradients of shape (4, 3): some rules tell rows from columns."""
    return twin_weights((4, 3)), twin_gradients((4, 3))[:steps]


def _fastest():
    """How a twin runs: in a graph where there are graphs."""
    return GRAPH if keras.backend.backend() == "tensorflow" else EAGER


def _builtin_path(candidate, settings):
    """The path of Keras's own class.

    NB: Keras's Muon mixes float64 with floatx, and TensorFlow refuses that.
    """

    def path():
        before = keras.config.floatx()
        keras.config.set_floatx("float64")
        try:
            return candidate.twin_of(candidate.rule.builtin(**settings), _fastest()).path
        finally:
            keras.config.set_floatx(before)

    return candidate.once(("builtin", *sorted(settings.items())), path)


def _slot_names(state):
    """The names that Keras keeps in slots.

    These are all but the step count, which every optimizer has as `iterations`.
    """
    return [name for name in state if name != "t"]


def _needs_a_twin(rule):
    if rule.builtin is None:
        raise DoesNotApply("Keras has no such class of its own")


def _same_path(candidate, seen, expected, how, what, twin):
    for t, (one, other) in enumerate(zip(seen, expected, strict=True), 1):
        for shape, w, w_expected in zip(candidate.twin_shapes, one, other, strict=True):
            _same(w, w_expected, f"{how}after step {t}, {what} of shape {shape}", twin)


def _same(seen, expected, what, twin):
    distance = difference([[seen]], [[expected]])
    if not distance <= TOLERANCE:
        raise CheckFailed(f"{what} is {distance:.1e} away from {twin}", EXACTLY)

"""Mistakes about state: shared, kept in the wrong place, made too late, or not kept at all."""

from course_lib.optimizers.adam import Adam
from course_lib.optimizers.momentum import Momentum
from course_lib.optimizers.sgd import SGD

import keras
from keras import ops

from .edit import edit
from .table import Wrong, registered

SHARED = "no_state_is_shared_between_variables"
MET = "two_optimizers_do_not_meet"
KEPT = "all_state_is_in_its_variables"
EMPTY = "no_slot_stays_empty"
FLOAT64 = "float64_stays_float64"
LATE = "no_variable_is_made_after_the_first_step"
MADE = "it_is_made_anew_each_time"
STEP = "a_step_can_be_taken"

SLOT = "self.v[self._get_variable_index(variable)]"
# Momentum that asks a method for the velocity of a variable.
Asking = edit("momentum", SLOT, "self.velocity_of(variable)")


@registered
class FoundByShape(Adam):
    def _get_variable_index(self, variable):
        shapes = {tuple(v.shape): i for i, v in enumerate(self._trainable_variables)}
        return shapes[tuple(variable.shape)]


@registered
class WrongFoundByName(Asking):
    def velocity_of(self, variable):
        i = self._get_variable_index(variable)
        if len(variable.shape) != 1:
            return self.v[i]
        names = [v.name for v in self._trainable_variables]
        return dict(zip(names, self.v, strict=True))[names[i]]


@registered
class CountsVariables(edit("adam", "self.iterations + 1", "self.counted()")):
    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.count = self.add_variable((), dtype="int64")

    def counted(self):
        self.assign_add(self.count, 1)
        return self.count


@registered
class FoundByTurn(Momentum):
    turn = -1

    def _get_variable_index(self, variable):
        self.turn += 1
        return self.turn % len(self.v)


@registered
class KeptBesideTheVariables(Momentum):
    def build(self, variables):
        if self.built:
            return
        keras.Optimizer.build(self, variables)
        made = [keras.Variable(ops.zeros(v.shape), dtype=v.dtype) for v in variables]
        vars(self)["v"] = made  # Keras does not see them there


@registered
class ParkedOnTheWeights(Asking):
    def build(self, variables):
        if not self.built:
            keras.Optimizer.build(self, variables)

    def velocity_of(self, variable):
        zeros = ops.zeros(variable.shape)
        return vars(variable).setdefault("parked", keras.Variable(zeros, dtype=variable.dtype))


@registered
class ParkedOnTheClass(Asking):
    everybodys = {}

    def velocity_of(self, variable):
        i = self._get_variable_index(variable)
        return self.everybodys.setdefault(i, self.v[i])


PARKED = {}


@registered
class ParkedOnTheModule(Asking):
    def velocity_of(self, variable):
        key = tuple(variable.shape), self._get_variable_index(variable)
        if key not in PARKED:
            PARKED[key] = keras.Variable(ops.zeros(variable.shape), dtype=variable.dtype)
        return PARKED[key]


@registered
class SlotsInFloat32(
    edit(
        "momentum",
        v="self.assign(v, self.momentum * ops.cast(v, w.dtype) - learning_rate * g)",
        w="self.assign(w, w + ops.cast(v, w.dtype))",
    )
):
    def build(self, variables):
        if self.built:
            return
        keras.Optimizer.build(self, variables)
        self.v = [self.add_variable(v.shape, dtype="float32") for v in variables]


@registered
class MadeLate(Asking):
    def build(self, variables):
        if self.built:
            return
        keras.Optimizer.build(self, variables)
        self.late = {}

    def velocity_of(self, variable):
        i = self._get_variable_index(variable)
        if i not in self.late:
            self.late[i] = self.add_variable(variable.shape, dtype=variable.dtype)
        return self.late[i]


@registered
class MakesMoreEachStep(SGD):
    def update_step(self, gradient, variable, learning_rate):
        self.add_variable((), name="more")
        super().update_step(gradient, variable, learning_rate)


@registered
class BuildsAgain(Momentum):
    def build(self, variables):
        keras.Optimizer.build(self, variables)
        self.v = self.add_optimizer_variables(variables, "v")


@registered
class BuildsWithoutItsBase(Momentum):
    def build(self, variables):
        if self.built:
            return
        self.built = True
        self.v = self.add_optimizer_variables(variables, "v")


@registered
class BeginsWithoutItsBase(Adam):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **kwargs):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon


@registered
class AlwaysTheSame(Momentum):
    one = None

    def __new__(cls, *arguments, **keywords):
        if cls.one is None:
            cls.one = super().__new__(cls)
        return cls.one


ROUNDED = "self.assign(w, ops.cast(ops.cast(w - learning_rate * g, 'float32'), w.dtype))"
STATE = [
    Wrong(
        "one buffer for all, as the TensorFlow guide had it",
        "momentum",
        edit("momentum", SLOT, "self.v[0]"),
        SHARED,
    ),
    Wrong("slots found by shape", "adam", FoundByShape, SHARED),
    Wrong("slots found by name", "momentum", WrongFoundByName, SHARED),
    Wrong(
        "t counts variables",
        "adam",
        CountsVariables,
        "the_order_of_the_variables_does_not_matter",
    ),
    Wrong(
        "slots found by turn",
        "momentum",
        FoundByTurn,
        "a_part_of_the_variables_finds_its_own_state",
    ),
    Wrong("a velocity in a Python list", "momentum", KeptBesideTheVariables, KEPT),
    Wrong(
        "state parked on the weights, as fastai's course had it",
        "momentum",
        ParkedOnTheWeights,
        KEPT,
    ),
    Wrong("a buffer of the class", "momentum", ParkedOnTheClass, MET),
    Wrong("state parked on the module", "momentum", ParkedOnTheModule, MET),
    Wrong(
        "the slot is not assigned",
        "adam",
        edit("adam", m="m = m + (1 - self.beta_1) * (g - m)"),
        EMPTY,
    ),
    Wrong(
        "the slot is not assigned",
        "momentum",
        edit("momentum", v="v = self.momentum * v - learning_rate * g"),
        EMPTY,
    ),
    Wrong(
        "the weights are not assigned",
        "sgd",
        edit("sgd", w="w = w - learning_rate * g"),
        STEP,
    ),
    Wrong("slots in float32", "momentum", SlotsInFloat32, FLOAT64),
    Wrong(
        "weights rounded to float32",
        "sgd",
        edit("sgd", w=ROUNDED),
        FLOAT64,
    ),
    Wrong("state made in update_step", "momentum", MadeLate, LATE),
    Wrong("a new variable each step", "sgd", MakesMoreEachStep, LATE),
    Wrong("built twice", "momentum", BuildsAgain, "it_builds_once"),
    Wrong("super().build forgotten", "momentum", BuildsWithoutItsBase, STEP),
    Wrong("super().__init__ forgotten", "adam", BeginsWithoutItsBase, MADE),
    Wrong("the same object each time", "momentum", AlwaysTheSame, MADE),
]

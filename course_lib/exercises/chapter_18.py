"""The exercises of notebook 18, the bug museum: a repair, a check and an optimizer of your own."""

import inspect

import numpy as np

from .grading import NotYet, ask, exercise, short

# What a right optimizer of any kind has, and a second or two can tell: no files, no replicas.
QUICK = (
    "it_is_made_anew_each_time",
    "a_step_can_be_taken",
    "float64_stays_float64",
    "scalars_to_rank_four_are_stepped",
    "it_builds_once",
    "it_builds_itself_at_the_first_step",
    "no_variable_is_made_after_the_first_step",
    "no_slot_stays_empty",
    "no_state_is_shared_between_variables",
    "the_order_of_the_variables_does_not_matter",
    "a_part_of_the_variables_finds_its_own_state",
    "variables_without_a_gradient_stay",
    "two_optimizers_do_not_meet",
    "it_is_what_its_name_says",
    "a_bowl_is_descended",
    "a_zero_gradient_pushes_nothing_away",
    "a_mirrored_run_is_mirrored",
    "permuted_coordinates_take_the_same_paths",
    "a_larger_gradient_makes_no_smaller_step",
    "every_update_is_counted_once",
    "the_learning_rate_matters",
    "a_new_learning_rate_is_followed",
    "the_same_run_twice_is_the_same",
    "eager_equals_graph",
    "it_is_registered",
    "the_configuration_holds_every_argument",
    "the_configuration_makes_the_same_optimizer",
    "all_state_is_in_its_variables",
    "micro_batches_equal_the_large_batch",
    "weight_decay_is_applied_once_before_the_step",
)


@exercise("18.1")
def repaired_momentum(answer):
    from course_lib.optimizers import RULES

    cls = _an_optimizer_class(answer)
    wanted = {"learning_rate", "momentum"} - set(inspect.signature(cls).parameters)
    if wanted:
        raise NotYet(f"its constructor takes no {sorted(wanted)[0]}")
    shared = ("no_state_is_shared_between_variables", "all_state_is_in_its_variables")
    _holds(cls, shared)
    _holds(cls, ("it_follows_the_reference",), reference=RULES["momentum"])


@exercise("18.2")
def is_mirrored(answer):
    for hint, right, make in _mirrors():
        seen = ask(answer, make)
        if not isinstance(seen, bool | np.bool_):
            raise NotYet(f"answer True or False; it answered {short(seen)}")
        if bool(seen) is not right:
            raise NotYet(hint)


@exercise("18.3")
def my_own_optimizer(answer):
    cls = _an_optimizer_class(answer)
    _holds(cls, QUICK)
    known = _known_path(cls)
    if known:
        raise NotYet(f"it goes where {known} goes: invent another")


def _an_optimizer_class(answer):
    """The class that the learner's function returns; NotYet if it is not one, or another's."""
    import keras

    cls = ask(answer)
    if not isinstance(cls, type) or not issubclass(cls, keras.Optimizer):
        raise NotYet(f"return a class derived from keras.Optimizer, not {short(cls)}")
    if cls.__module__.split(".")[0] in ("keras", "course_lib"):
        raise NotYet(f"{cls.__name__} is not your own class")
    if cls.update_step is keras.Optimizer.update_step:
        raise NotYet("it has no update_step")
    return cls


def _holds(cls, checks, **how):
    """NotYet with the name of the first property that does not hold."""
    from course_lib.checks import check_optimizer

    report = check_optimizer(cls, checks=checks, **how)
    if report.failed:
        raise NotYet(f"this does not hold: {[*report.failed][0].replace('_', ' ')}")


def _known_path(cls):
    """The name of a rule of the course, or of Keras's, whose path this is; or None."""
    from course_lib.checks.engine.candidate import Candidate
    from course_lib.checks.engine.runs import difference
    from course_lib.optimizers import RULES

    import keras

    rate = 0.0625
    one = Candidate(cls).make(learning_rate=rate)
    numbers = {name: value for name, value in one.get_config().items() if type(value) is float}
    path = _path(one)
    makers = [keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.Lion]
    for make in [*(rule.keras_class for rule in RULES.values()), *makers]:
        names = inspect.signature(make).parameters
        same = {name: value for name, value in numbers.items() if name in names}
        for given in ({}, same):
            if difference(path, _path(make(**{**given, "learning_rate": rate}))) < 1e-6:
                return make.__name__
    return None


def _path(optimizer):
    from course_lib.checks.engine.runs import run

    return run(optimizer, shapes=((3,), (2, 3))).path


def _mirrors():
    """(hint if it is missed, whether its runs are mirrored, a maker of optimizers), easy first."""
    from course_lib.optimizers import RULES

    import keras
    from keras import ops

    class Tilted(keras.Optimizer):
        """Gradient descent, and something beside it."""

        def __init__(self, beside, momentum=0.0):
            super().__init__(0.125)
            self.beside, self.momentum = beside, momentum

        def build(self, variables):
            if not self.built:
                super().build(variables)
                self.v = self.add_optimizer_variables(variables, "v")

        def update_step(self, gradient, variable, learning_rate):
            i = self._get_variable_index(variable)
            g, rate = ops.cast(gradient, variable.dtype), ops.cast(learning_rate, variable.dtype)
            t = ops.cast(self.iterations, variable.dtype)
            self.assign(self.v[i], self.momentum * self.v[i] + g)
            self.assign(variable, variable - rate * self.v[i] + self.beside(g, t))

    rules = {name: RULES[name].keras_class for name in ("adam", "sgd", "lion")}
    rejected = "it calls a right optimizer wrong: {}"
    return [
        (rejected.format("gradient descent"), True, lambda: rules["sgd"](0.125)),
        (rejected.format("Adam"), True, lambda: rules["adam"](0.125)),
        (rejected.format("one that pauses"), True, lambda: Tilted(lambda g, t: 0 * g, 0.5)),
        (
            "an optimizer that steps by the gradient's size alone slips through",
            False,
            lambda: Tilted(lambda g, t: -0.125 * (abs(g) - g)),
        ),
        (
            "one whose weights creep by a millionth each step slips through",
            False,
            lambda: Tilted(lambda g, t: 1e-6 + 0 * g),
        ),
        (
            "one that is fine for two steps and tilts then slips through",
            False,
            lambda: Tilted(lambda g, t: ops.where(t > 1.5, abs(g), 0 * g)),
        ),
        (rejected.format("Lion"), True, lambda: rules["lion"](0.125)),
    ]

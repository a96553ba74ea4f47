"""Wrong optimizers: the course's rules with one change each, and the check that names what the change breaks.

Published bugs, the mistakes of old recipes, and systematic ones.  Where no property of all sound rules tells the wrong from
the right (a frozen step count makes a sound rule, only not Adam), the table says so: then a reference tells, or the name.
"""

import inspect
import itertools
from types import ModuleType

from course_lib.optimizers import RULES

UPDATE = "self.assign(w, w - learning_rate * m_hat / (ops.sqrt(v_hat) + self.epsilon))"
BETAS_SWAPPED = ("beta_1) * (g", "beta_2) * (g"), ("beta_2) * (ops", "beta_1) * (ops")
CONFIG = '"beta_1": self.beta_1,'
BUILD = "super().build(variables)\n"
STEP = "    def update_step(self, gradient, variable, learning_rate):\n"
# What no property of all sound rules tells from the right: a reference does, or the name that it bears.
REFERENCE, NAME = "it_follows_the_reference", "it_is_what_its_name_says"


def method(text):
    """Insert a method before update_step."""
    return STEP, text.strip("\n") + "\n\n" + STEP


# (what is wrong, the rule, the check that names it, (there, instead)...)
MUTANTS = [
    # -- the update rule
    ("climbs", "adam", "a_bowl_is_descended", (UPDATE, UPDATE.replace("w - ", "w + "))),
    ("climbs, plainly", "sgd", "a_bowl_is_descended", ("w - learning", "w + learning")),
    ("climbs behind a velocity", "momentum", "a_bowl_is_descended", ("- learning_rate * g", "+ learning_rate * g")),
    ("no root", "adam", "a_larger_gradient_makes_no_smaller_step", ("ops.sqrt(v_hat)", "v_hat")),
    ("no root", "adagrad", "a_larger_gradient_makes_no_smaller_step", ("ops.sqrt(s)", "s")),
    ("no root", "rmsprop", "a_larger_gradient_makes_no_smaller_step", ("ops.sqrt(s + self.epsilon)", "(s + self.epsilon)")),
    ("divides by the gradient", "sgd", "a_larger_gradient_makes_no_smaller_step", ("learning_rate * g", "learning_rate * g / (g**2 + 1e-3)")),
    ("no square", "adam", "a_step_can_be_taken", ("ops.square(g)", "g")),
    ("no epsilon: 0 / 0", "adam", "a_zero_gradient_pushes_nothing_away", (" + self.epsilon", "")),
    ("epsilon added to the weights, as d2l-en printed it", "adam", "a_mirrored_run_is_mirrored", ("(ops.sqrt(v_hat) + self.epsilon)", "(ops.sqrt(v_hat)) + self.epsilon")),
    ("weights creep", "sgd", "a_zero_gradient_pushes_nothing_away", ("w - learning_rate * g", "w - learning_rate * (g + 1e-3)")),
    ("steps by the gradient's size alone", "sgd", "a_mirrored_run_is_mirrored", ("learning_rate * g", "learning_rate * abs(g)")),
    ("steps along positive gradients only", "sgd", "a_mirrored_run_is_mirrored", ("learning_rate * g", "learning_rate * ops.maximum(g, 0.0)")),
    ("gradient back to front", "sgd", "permuted_coordinates_take_the_same_paths", ("learning_rate * g", "learning_rate * ops.flip(g)")),
    ("gradient summed along", "sgd", "permuted_coordinates_take_the_same_paths", ("learning_rate * g", "learning_rate * ops.cumsum(g, axis=0)")),
    ("t frozen at 1", "adam", REFERENCE, ("self.iterations + 1", "1")),
    ("t one ahead", "adam", REFERENCE, ("self.iterations + 1", "self.iterations + 2")),
    ("t one behind: 1 / 0", "adam", "a_step_can_be_taken", ("self.iterations + 1", "self.iterations")),
    ("no correction of m", "adam", REFERENCE, ("1 / (1 - self.beta_1**t)", "1")),
    ("no correction of v", "adam", REFERENCE, ("1 / (1 - self.beta_2**t)", "1")),
    ("epsilon under the root", "adam", REFERENCE, ("(ops.sqrt(v_hat) + self.epsilon)", "ops.sqrt(v_hat + self.epsilon)")),
    ("epsilon under the root", "adagrad", REFERENCE, ("(ops.sqrt(s) + self.epsilon)", "ops.sqrt(s + self.epsilon)")),
    ("epsilon beside the root", "rmsprop", REFERENCE, ("ops.sqrt(s + self.epsilon)", "(ops.sqrt(s) + self.epsilon)")),
    ("betas swapped", "adam", REFERENCE, *BETAS_SWAPPED),
    ("m sums and does not average", "adam", REFERENCE, ("(1 - self.beta_1) * (g - m)", "g - (1 - self.beta_1) * m")),
    ("assign where assign_add was meant", "adam", REFERENCE, ("self.assign_add(m,", "self.assign(m,")),
    ("the largest v forgotten", "amsgrad", REFERENCE, ("ops.maximum(", "ops.minimum(")),
    ("accumulator starts anew each step", "adagrad", REFERENCE, ("s + ops.square(g)", "ops.square(g)")),
    ("damped where it should add", "momentum", REFERENCE, ("- learning_rate * g", "- (1 - self.momentum) * learning_rate * g")),
    ("Nesterov without looking ahead", "nesterov", REFERENCE, ("self.momentum * v - learning_rate * g)", "v)")),
    ("rho swapped", "rmsprop", REFERENCE, ("self.rho * s + (1 - self.rho) *", "(1 - self.rho) * s + self.rho *")),
    ("sign descent", "adam", REFERENCE, (UPDATE, "self.assign(w, w - learning_rate * ops.sign(m_hat))")),
    ("not centred", "centered_rmsprop", REFERENCE, (" - ops.square(m)", "")),
    # -- the same, caught by the name that it bears, where nobody gave a reference
    ("t frozen at 1", "adam", NAME, ("self.iterations + 1", "1")),
    ("no correction of v", "adam", NAME, ("1 / (1 - self.beta_2**t)", "1")),
    ("betas swapped", "adam", NAME, *BETAS_SWAPPED),
    ("sign descent", "adam", NAME, (UPDATE, "self.assign(w, w - learning_rate * ops.sign(m_hat))")),
    ("accumulator starts anew each step", "adagrad", NAME, ("s + ops.square(g)", "ops.square(g)")),
    ("rho swapped", "rmsprop", NAME, ("self.rho * s + (1 - self.rho) *", "(1 - self.rho) * s + self.rho *")),
    # -- state
    ("one buffer for all, as the TensorFlow guide had it", "momentum", "no_state_is_shared_between_variables", ("self.v[self._get_variable_index(variable)]", "self.v[0]")),
    ("slots found by shape", "adam", "no_state_is_shared_between_variables", ("self.m[i]", "{tuple(s.shape): s for s in self.m}[tuple(variable.shape)]")),
    ("slots found by name", "momentum", "no_state_is_shared_between_variables", ("self.v[self._get_variable_index(variable)]", "{v.name: s for v, s in zip(self._trainable_variables, self.v)}['kernel'] if variable.shape == (3,) else self.v[self._get_variable_index(variable)]")),
    ("t counts variables", "adam", "the_order_of_the_variables_does_not_matter", ("t = ops.cast(self.iterations + 1, w.dtype)", "self.assign_add(self.t, 1); t = ops.cast(self.t, w.dtype)"), (BUILD, BUILD + "        self.t = self.add_variable((), dtype='int64')\n")),
    ("slots found by turn", "momentum", "a_part_of_the_variables_finds_its_own_state", ("self.v[self._get_variable_index(variable)]", "self.v[self.turn % len(self.v)]; self.turn += 1"), (BUILD, BUILD + "        self.turn = 0\n")),
    ("a velocity in a Python list", "momentum", "all_state_is_in_its_variables", ("self.v = self.add_optimizer_variables(variables, \"v\")", "self.v = tuple(tf.Variable(ops.zeros(v.shape, v.dtype)) for v in variables)")),
    ("state parked on the weights, as fastai's course had it", "momentum", "all_state_is_in_its_variables", ("v = variable, self.v[self._get_variable_index(variable)]", "v = variable, variable.__dict__.setdefault('parked', keras.Variable(ops.zeros(variable.shape), dtype=variable.dtype))"), ('self.v = self.add_optimizer_variables(variables, "v")', "self.v = {}")),
    ("a buffer of the class", "momentum", "two_optimizers_do_not_meet", ("v = variable, self.v[self._get_variable_index(variable)]", "v = variable, self.everybodys.setdefault(self._get_variable_index(variable), self.v[self._get_variable_index(variable)])"), method("    everybodys = {}")),
    ("state parked on the module", "momentum", "two_optimizers_do_not_meet", ("v = variable, self.v[self._get_variable_index(variable)]", "v = variable, PARKED.setdefault((tuple(variable.shape), self._get_variable_index(variable)), keras.Variable(ops.zeros(variable.shape), dtype=variable.dtype))"), ("import keras\n", "import keras\nPARKED = {}\n")),
    ("the slot is not assigned", "adam", "no_slot_stays_empty", ("self.assign_add(m, (1 - self.beta_1) * (g - m))", "m = m + (1 - self.beta_1) * (g - m)")),
    ("the slot is not assigned", "momentum", "no_slot_stays_empty", ("self.assign(v, self.momentum * v - learning_rate * g)", "v = self.momentum * v - learning_rate * g")),
    ("the weights are not assigned", "sgd", "a_step_can_be_taken", ("self.assign(w, w - learning_rate * g)", "w = w - learning_rate * g")),
    ("slots in float32", "momentum", "float64_stays_float64", ("self.v = self.add_optimizer_variables(variables, \"v\")", "self.v = [self.add_variable(v.shape, dtype='float32') for v in variables]"), ("self.momentum * v", "self.momentum * ops.cast(v, w.dtype)"), ("w + v", "w + ops.cast(v, w.dtype)")),
    ("weights rounded to float32", "sgd", "float64_stays_float64", ("w - learning_rate * g", "ops.cast(ops.cast(w - learning_rate * g, 'float32'), w.dtype)")),
    ("state made in update_step", "momentum", "no_variable_is_made_after_the_first_step", ("self.v = self.add_optimizer_variables(variables, \"v\")", "self.v = {}"), ("v = variable, self.v[self._get_variable_index(variable)]", "v = variable, self.v.setdefault(self._get_variable_index(variable), None) or self.late(variable)"), method("    def late(self, variable):\n        made = self.add_variable(variable.shape, dtype=variable.dtype)\n        self.v[self._get_variable_index(variable)] = made\n        return made")),
    ("a new variable each step", "sgd", "no_variable_is_made_after_the_first_step", ("self.assign(w, w", "self.add_variable((), name='more'); self.assign(w, w")),
    ("built twice", "momentum", "it_builds_once", ("        if self.built:\n            return\n", "")),
    ("super().build forgotten", "momentum", "a_step_can_be_taken", (BUILD, "self.built = True\n")),
    ("super().__init__ forgotten", "adam", "it_is_made_anew_each_time", ("super().__init__(learning_rate, **kwargs)", "pass")),
    ("the same object each time", "momentum", "it_is_made_anew_each_time", ("import keras\n", "import keras\nONE = []\n"), method("    def __new__(cls, *args, **kwargs):\n        ONE or ONE.append(super().__new__(cls))\n        return ONE[0]")),
    # -- gradients as they come
    ("None shifts the rest", "sgd", "variables_without_a_gradient_stay", method("    def apply(self, grads, trainable_variables=None):\n        there = [g for g in grads if g is not None]\n        super().apply(there, (trainable_variables or self._trainable_variables)[: len(there)])")),
    ("None becomes 1", "sgd", "variables_without_a_gradient_stay", method("    def apply(self, grads, trainable_variables=None):\n        vs = trainable_variables or self._trainable_variables\n        super().apply([ops.ones_like(v) if g is None else g for g, v in zip(grads, vs)], vs)")),
    ("rows of a sparse gradient lose their place", "sgd", "sparse_gradients_step_like_dense_ones", ("g = ops.cast(ops.broadcast_to(gradient, w.shape), w.dtype)", "g = getattr(gradient, 'values', gradient); g = ops.concatenate([g, ops.zeros((int(w.shape[0]) - int(g.shape[0]), *w.shape[1:]), w.dtype)]) if len(w.shape) and g.shape[0] != w.shape[0] else g")),
    ("scalars break it", "sgd", "scalars_to_rank_four_are_stepped", ("learning_rate * g", "learning_rate * g * len(g) / len(g)")),
    ("no convolutions", "sgd", "scalars_to_rank_four_are_stepped", ("learning_rate * g", "learning_rate * (g if len(w.shape) < 4 else 0 * g)")),
    # -- counting and learning rates
    ("counts twice", "adam", "every_update_is_counted_once", ("t = ops.cast(self.iterations + 1, w.dtype)", "t = ops.cast(self.iterations + 1, w.dtype); self.iterations.assign_add(1)")),
    ("does not count", "sgd", "every_update_is_counted_once", method("    def apply(self, grads, trainable_variables=None):\n        super().apply(grads, trainable_variables)\n        self._iterations.assign_sub(1)")),
    ("counts micro-batches", "adam", "micro_batches_equal_the_large_batch", ("self.iterations + 1", "self._iterations + 1")),
    ("sums micro-batches, does not average", "sgd", "micro_batches_equal_the_large_batch", ("learning_rate * g", "learning_rate * g * (self.gradient_accumulation_steps or 1)")),
    ("steps with the last micro-batch", "sgd", "micro_batches_equal_the_large_batch", method("    def _backend_increment_gradient_accumulators(self, grads, acc_grads):\n        pass")),
    ("learning rate ignored", "sgd", "the_learning_rate_matters", ("learning_rate * g", "0.125 * g")),
    ("learning rate frozen at construction", "sgd", "a_new_learning_rate_is_followed", ("super().__init__(learning_rate, **kwargs)", "super().__init__(learning_rate, **kwargs); self.rate = learning_rate"), ("learning_rate * g", "self.rate * g")),
    ("schedule frozen at its first value", "sgd", "a_schedule_is_followed", ("super().__init__(learning_rate, **kwargs)", "super().__init__(float(learning_rate(0)) if callable(learning_rate) else learning_rate, **kwargs)")),
    ("learning rate frozen in the graph", "sgd", "a_new_learning_rate_reaches_the_graph", ("learning_rate = ops.cast(learning_rate, w.dtype)", "with tf.init_scope(): rate = float(self._learning_rate.numpy())\n        learning_rate = ops.cast(rate, w.dtype)")),
    ("the buffer is not emptied: a stale first gradient", "sgd", "micro_batches_equal_the_large_batch", method("    def _backend_reset_gradient_accumulators(self):\n        pass")),
    ("moves with each micro-batch, as K.switch around an assignment did", "sgd", "micro_batches_equal_the_large_batch", method("    def _backend_apply_gradients(self, grads, trainable_variables):\n        steps, self.gradient_accumulation_steps = self.gradient_accumulation_steps, None\n        super()._backend_apply_gradients(grads, trainable_variables)\n        self.gradient_accumulation_steps = steps")),
    # -- execution
    ("t in Python", "adam", "eager_equals_graph", ("t = ops.cast(self.iterations + 1, w.dtype)", "self.calls = getattr(self, 'calls', 0) + 1; t = ops.cast((self.calls + 3) // 4, w.dtype)")),
    ("computed in NumPy", "sgd", "eager_equals_graph", ("learning_rate * g)", "learning_rate * g.numpy())")),
    ("branches in Python", "sgd", "eager_equals_graph", ("learning_rate * g", "learning_rate * g * (0.5 if tf.executing_eagerly() else 1.0)")),
    ("a string operation, which XLA has not", "sgd", "eager_equals_xla", ("learning_rate * g", "learning_rate * tf.cast(tf.strings.to_number(tf.strings.as_string(g)), g.dtype)")),
    ("traced again each step", "sgd", "nothing_is_traced_again", ("self.assign(w, w - learning_rate * g)", "self.calls = getattr(self, 'calls', 0) + 1; self.assign(w, w - learning_rate * traced(g, self.calls))"), ("import keras\n", "import keras\n\n\n@tf.function(autograph=False)\ndef traced(g, n):\n    return g * 1.0\n\n")),
    ("noise without a seed", "sgd", "the_same_run_twice_is_the_same", ("learning_rate * g", "learning_rate * g * next(NOISE)"), ("import keras\n", "import keras\nimport itertools\nNOISE = (1 + 1e-3 * i for i in itertools.count())\n")),
    ("assigns in build", "momentum", "fit_equals_a_loop", (BUILD, BUILD + "        self.start = self.add_optimizer_variables(variables, 'start')\n        for s, v in zip(self.start, variables): self.assign(s, ops.copy(v))\n"), ("w + v", "w + v + 0.125 * (self.start[self._get_variable_index(variable)] - w)")),
    # -- configuration and files
    ("not registered", "adam", "it_is_registered", ('@keras.saving.register_keras_serializable("course_lib")\n', "")),
    ("beta_1 left out of the configuration", "adam", "the_configuration_holds_every_argument", (CONFIG, "")),
    ("a list of names left out, as in LAMB of TensorFlow Addons", "adam", "the_configuration_holds_every_argument", ("epsilon=1e-7, **kwargs", "epsilon=1e-7, exclude=None, **kwargs")),
    ("the base class left out of the configuration", "adam", "the_configuration_holds_every_argument", ("**super().get_config(),", '"learning_rate": float(self.learning_rate),')),
    ("another value in the configuration", "adam", "the_configuration_holds_every_argument", (CONFIG, '"beta_1": 0.5,')),
    ("the argument is not kept", "adam", "the_configuration_holds_every_argument", ("self.beta_1 = beta_1", "self.beta_1 = 0.9")),
    ("no get_config", "rmsprop", "the_configuration_holds_every_argument", ("def get_config(self)", "def configuration(self)")),
    ("from_config forgets", "adam", "the_configuration_holds_every_argument", method("    @classmethod\n    def from_config(cls, config):\n        return cls(config['learning_rate'])")),
    ("a tensor in the configuration", "adam", "the_configuration_makes_the_same_optimizer", (CONFIG, '"beta_1": self.beta_1, "name": keras.Variable(1.0),')),
    ("the configuration changes the rule", "momentum", "the_configuration_makes_the_same_optimizer", method("    @classmethod\n    def from_config(cls, config):\n        made = cls(**config)\n        made.momentum = 0.5\n        return made")),
    ("saves no slots", "momentum", "training_resumes_from_a_keras_file", method("    def save_own_variables(self, store):\n        store['0'] = self.iterations.numpy()\n\n    def load_own_variables(self, store):\n        self.iterations.assign(store['0'])")),
    ("begins to count anew when it is loaded", "adam", "training_resumes_from_a_weights_file", method("    def load_own_variables(self, store):\n        super().load_own_variables(store)\n        self.iterations.assign(0)")),
    ("does not save the collected gradients", "sgd", "training_resumes_in_the_middle_of_an_accumulation", method("    def load_own_variables(self, store):\n        super().load_own_variables(store)\n        [v.assign(ops.zeros_like(v)) for v in getattr(self, '_accumulated_gradients', [])]")),
    # -- what Keras offers to every optimizer
    ("decays twice", "adam", "weight_decay_is_applied_once_before_the_step", ("self.assign_add(m,", "self.assign(w, w - learning_rate * (self.weight_decay or 0.0) * w)\n        self.assign_add(m,")),
    ("decays through the gradient (L2)", "adam", "weight_decay_is_applied_once_before_the_step", ("self.assign_add(m,", "g = g + (self.weight_decay or 0.0) * w\n        self.assign_add(m,"), method("    def _apply_weight_decay(self, variables):\n        pass")),
    ("does not decay", "adam", "weight_decay_is_applied_once_before_the_step", method("    def _apply_weight_decay(self, variables):\n        pass")),
    ("decays after the step", "sgd", "weight_decay_is_applied_once_before_the_step", ("self.assign(w, w - learning_rate * g)", "d = self.weight_decay or 0.0\n        self.assign(w, (w / (1 - learning_rate * d) - learning_rate * g) * (1 - learning_rate * d))")),
    ("decays what is excluded", "adam", "excluded_variables_do_not_decay", method("    def _use_weight_decay(self, variable):\n        return True")),
    ("does not clip", "sgd", "gradients_are_clipped_once_before_the_step", method("    def _clip_gradients(self, grads):\n        return grads")),
    ("clips the step, not the gradient", "momentum", "gradients_are_clipped_once_before_the_step", method("    def _clip_gradients(self, grads):\n        return grads"), ("w + v", "w + (ops.clip(v, -self.clipvalue, self.clipvalue) if self.clipvalue else v)")),
    ("ignores constraints", "sgd", "constraints_hold_after_the_step", method("    def apply(self, grads, trainable_variables=None):\n        variables = trainable_variables or self._trainable_variables\n        kept = [v.constraint for v in variables]\n        for v in variables: v.constraint = None\n        super().apply(grads, variables)\n        for v, c in zip(variables, kept): v.constraint = c")),
    ("applies constraints twice", "sgd", "constraints_hold_after_the_step", method("    def _backend_apply_gradients(self, grads, trainable_variables):\n        super()._backend_apply_gradients(grads, trainable_variables)\n        for v in trainable_variables: v.constraint and v.assign(v.constraint(v))")),
    ("averages twice", "sgd", "the_moving_average_follows_the_weights", method("    def _update_model_variables_moving_average(self, trainable_variables):\n        for _ in range(2): super()._update_model_variables_moving_average(trainable_variables)")),
    ("averages into the weights", "sgd", "the_moving_average_follows_the_weights", method("    def _update_model_variables_moving_average(self, trainable_variables):\n        super()._update_model_variables_moving_average(trainable_variables)\n        if self.use_ema: self._overwrite_model_variables_with_average_value(trainable_variables)")),
    ("float32 weights in float16", "sgd", "mixed_precision_trains", ("w - learning_rate * g", "w - learning_rate * g * (1.0 if w.dtype == 'float64' else float('nan'))")),
]  # fmt: skip
SERIAL = itertools.count()


def wrong(rule, *changes):
    """The class of a rule's file with these changes, under a registered name of its own."""
    source = inspect.getsource(RULES[rule].numpy)
    for there, instead in changes:
        assert there in source, there
        source = source.replace(there, instead)
    module = ModuleType(f"wrong_{next(SERIAL)}")
    module.__package__ = "course_lib.optimizers"
    if "tf." in source:
        import tensorflow as tf

        module.tf = tf
    source = source.replace('serializable("course_lib")', f'serializable("{module.__name__}")')
    exec(compile(source, module.__name__, "exec"), vars(module))
    return getattr(module, RULES[rule].name)

"""Mistakes about what Keras offers to every optimizer: decay, clipping, constraints, averaging."""

from course_lib.optimizers.adam import Adam
from course_lib.optimizers.sgd import SGD

from keras import ops

from .edit import edit
from .table import Wrong, registered

DECAY = "weight_decay_is_applied_once_before_the_step"
CLIPPED = "gradients_are_clipped_once_before_the_step"
CONSTRAINED = "constraints_hold_after_the_step"
AVERAGED = "the_moving_average_follows_the_weights"


def shrinkage(optimizer, variable, learning_rate):
    """The share of a weight that its decay takes away in one step."""
    return ops.cast(learning_rate, variable.dtype) * (optimizer.weight_decay or 0.0)


@registered
class DecaysTwice(Adam):
    def update_step(self, gradient, variable, learning_rate):
        self.assign(variable, variable - shrinkage(self, variable, learning_rate) * variable)
        super().update_step(gradient, variable, learning_rate)


@registered
class DecaysThroughTheGradient(Adam):
    def update_step(self, gradient, variable, learning_rate):
        g = gradient + (self.weight_decay or 0.0) * variable
        super().update_step(g, variable, learning_rate)

    def _apply_weight_decay(self, variables):
        pass


@registered
class DoesNotDecay(Adam):
    def _apply_weight_decay(self, variables):
        pass


@registered
class DecaysAfterTheStep(SGD):
    def update_step(self, gradient, variable, learning_rate):
        kept = 1 - shrinkage(self, variable, learning_rate)
        self.assign(variable, variable / kept)  # Keras has shrunk it before the step
        super().update_step(gradient, variable, learning_rate)
        self.assign(variable, variable * kept)


@registered
class DecaysWhatIsExcluded(Adam):
    def _use_weight_decay(self, variable):
        return True


@registered
class DoesNotClip(SGD):
    def _clip_gradients(self, grads):
        return grads


@registered
class ClipsTheStep(edit("momentum", w="self.assign(w, w + self.clipped(v))")):
    def _clip_gradients(self, grads):
        return grads

    def clipped(self, v):
        return ops.clip(v, -self.clipvalue, self.clipvalue) if self.clipvalue else v


@registered
class IgnoresConstraints(SGD):
    def apply(self, grads, trainable_variables=None):
        variables = trainable_variables or self._trainable_variables
        kept = [v.constraint for v in variables]
        for v in variables:
            v.constraint = None
        super().apply(grads, variables)
        for v, constraint in zip(variables, kept, strict=True):
            v.constraint = constraint


@registered
class ConstrainsTwice(SGD):
    def _backend_apply_gradients(self, grads, trainable_variables):
        super()._backend_apply_gradients(grads, trainable_variables)
        for v in trainable_variables:
            if v.constraint:
                v.assign(v.constraint(v))


@registered
class AveragesTwice(SGD):
    def _update_model_variables_moving_average(self, trainable_variables):
        for _ in range(2):
            super()._update_model_variables_moving_average(trainable_variables)


@registered
class AveragesIntoTheWeights(SGD):
    def _update_model_variables_moving_average(self, trainable_variables):
        super()._update_model_variables_moving_average(trainable_variables)
        if self.use_ema:
            self._overwrite_model_variables_with_average_value(trainable_variables)


@registered
class NotInHalfPrecision(SGD):
    def update_step(self, gradient, variable, learning_rate):
        size = 1.0 if variable.dtype == "float64" else float("nan")
        super().update_step(gradient * size, variable, learning_rate)


OPTIONS = [
    Wrong("decays twice", "adam", DecaysTwice, DECAY),
    Wrong("decays through the gradient (L2)", "adam", DecaysThroughTheGradient, DECAY),
    Wrong("does not decay", "adam", DoesNotDecay, DECAY),
    Wrong("decays after the step", "sgd", DecaysAfterTheStep, DECAY),
    Wrong(
        "decays what is excluded",
        "adam",
        DecaysWhatIsExcluded,
        "excluded_variables_do_not_decay",
    ),
    Wrong("does not clip", "sgd", DoesNotClip, CLIPPED),
    Wrong("clips the step, not the gradient", "momentum", ClipsTheStep, CLIPPED),
    Wrong("ignores constraints", "sgd", IgnoresConstraints, CONSTRAINED),
    Wrong("applies constraints twice", "sgd", ConstrainsTwice, CONSTRAINED),
    Wrong("averages twice", "sgd", AveragesTwice, AVERAGED),
    Wrong("averages into the weights", "sgd", AveragesIntoTheWeights, AVERAGED),
    Wrong("float32 weights in float16", "sgd", NotInHalfPrecision, "mixed_precision_trains"),
]

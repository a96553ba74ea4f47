"""Mistakes in the configuration and in files."""

from course_lib.optimizers.adam import Adam
from course_lib.optimizers.momentum import Momentum
from course_lib.optimizers.rmsprop import RMSprop
from course_lib.optimizers.sgd import SGD

import keras
from keras import ops

from .table import Wrong, registered

ARGUMENTS = "the_configuration_holds_every_argument"
SAME = "the_configuration_makes_the_same_optimizer"


class NotRegistered(Adam):
    pass


@registered
class LeavesOutBeta(Adam):
    def get_config(self):
        config = super().get_config()
        del config["beta_1"]
        return config


@registered
class LeavesOutNames(Adam):
    def __init__(self, learning_rate=0.001, exclude=None, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.exclude = exclude


@registered
class LeavesOutItsBase(Adam):
    def get_config(self):
        own = {name: getattr(self, name) for name in ("beta_1", "beta_2", "epsilon")}
        return {"learning_rate": float(self.learning_rate), **own}


@registered
class WritesAnotherValue(Adam):
    def get_config(self):
        return {**super().get_config(), "beta_1": 0.5}


@registered
class DropsBeta(Adam):
    def __init__(self, learning_rate=0.001, beta_1=0.9, **kwargs):
        super().__init__(learning_rate, **kwargs)


@registered
class NoConfiguration(RMSprop):
    def get_config(self):
        return keras.Optimizer.get_config(self)


@registered
class FromConfigForgets(Adam):
    @classmethod
    def from_config(cls, config):
        return cls(config["learning_rate"])


@registered
class TensorInTheConfiguration(Adam):
    def get_config(self):
        return {**super().get_config(), "name": keras.Variable(1.0)}


@registered
class FromConfigChanges(Momentum):
    @classmethod
    def from_config(cls, config):
        made = cls(**config)
        made.momentum = 0.5
        return made


@registered
class SavesNoSlots(Momentum):
    def save_own_variables(self, store):
        store["0"] = self.iterations.numpy()

    def load_own_variables(self, store):
        self.iterations.assign(store["0"])


@registered
class CountsAnew(Adam):
    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.iterations.assign(0)


@registered
class DropsWhatItCollected(SGD):
    def load_own_variables(self, store):
        super().load_own_variables(store)
        for v in getattr(self, "_accumulated_gradients", []):
            v.assign(ops.zeros_like(v))


FILES = [
    Wrong("not registered", "adam", NotRegistered, "it_is_registered"),
    Wrong("beta_1 left out of the configuration", "adam", LeavesOutBeta, ARGUMENTS),
    Wrong(
        "a list of names left out, as in LAMB of TensorFlow Addons",
        "adam",
        LeavesOutNames,
        ARGUMENTS,
    ),
    Wrong("the base class left out of the configuration", "adam", LeavesOutItsBase, ARGUMENTS),
    Wrong("another value in the configuration", "adam", WritesAnotherValue, ARGUMENTS),
    Wrong("the argument is not kept", "adam", DropsBeta, ARGUMENTS),
    Wrong("no get_config", "rmsprop", NoConfiguration, ARGUMENTS),
    Wrong("from_config forgets", "adam", FromConfigForgets, ARGUMENTS),
    Wrong("a tensor in the configuration", "adam", TensorInTheConfiguration, SAME),
    Wrong("the configuration changes the rule", "momentum", FromConfigChanges, SAME),
    Wrong("saves no slots", "momentum", SavesNoSlots, "training_resumes_from_a_keras_file"),
    Wrong(
        "begins to count anew when it is loaded",
        "adam",
        CountsAnew,
        "training_resumes_from_a_weights_file",
    ),
    Wrong(
        "does not save the collected gradients",
        "sgd",
        DropsWhatItCollected,
        "training_resumes_in_the_middle_of_an_accumulation",
    ),
]

"""Names that stand for one equation: a class that is called Adam must go where Adam goes."""

import re

import keras

# For each name the class of Keras's, and the hyper-parameters without which it is no claim.
CLAIMS = {
    "sgd": (keras.optimizers.SGD, {"learning_rate"}),
    "adagrad": (keras.optimizers.Adagrad, {"initial_accumulator_value", "epsilon"}),
    "rmsprop": (keras.optimizers.RMSprop, {"rho", "epsilon"}),
    "adadelta": (keras.optimizers.Adadelta, {"rho", "epsilon"}),
    "adam": (keras.optimizers.Adam, {"beta_1", "beta_2", "epsilon"}),
    "adamw": (keras.optimizers.AdamW, {"beta_1", "beta_2", "epsilon", "weight_decay"}),
    "adamax": (keras.optimizers.Adamax, {"beta_1", "beta_2", "epsilon"}),
    "lion": (keras.optimizers.Lion, {"beta_1", "beta_2"}),
}
# Words around such a name that make no other rule of it (AdamW, RAdam and Nadam are other rules).
FILLERS = {
    *("a", "my", "our", "own", "the", "new", "custom", "simple", "plain", "basic"),
    *("naive", "vanilla", "mini", "tiny", "toy", "test", "student", "optimizer", "keras", "wrong"),
    *(
        "bad",
        "broken",
        "buggy",
        "faulty",
        "mutant",
        "frozen",
        "swapped",
        "shared",
        "stale",
        "t",
        "v",
    ),
}


def name_of_equation(class_name):
    """The well-known equation that a class is named after.

    It is "adam" for MyAdam and Adam2, and None for LazyAdam, RAdam and Mine.
    """
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", class_name)
    rest = "".join(word.lower() for word in words if word.lower() not in FILLERS)
    joined = re.sub(r"[\d_]", "", class_name).lower()
    return next((name for name in (rest, joined) if name in CLAIMS), None)

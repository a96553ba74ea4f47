"""Fresh models by seed, fingerprints, and what two models have in common."""

import hashlib
from dataclasses import dataclass

import keras


def fresh(build, seed):
    """A new model that shares nothing with any other; the same seed gives the same weights, masks and shuffles.

    build    a function without arguments that makes a model
    seed     a whole number; seeds Python, NumPy and the backend, so that what follows (dropout, the order of the data in
             `fit`) repeats too
    Raises TypeError for a `build` that is no function (a model, say), or that does not hand back a model.
    """
    if not callable(build) or isinstance(build, keras.Model):
        raise TypeError(
            f"`build` must be a function that makes a model. Received: {build!r}. "
            "A model cannot be made fresh again; write the lines that made it into a function."
        )
    keras.utils.set_random_seed(seed)
    model = build()
    if not isinstance(model, keras.Model):
        raise TypeError(f"`build` must return a keras.Model. It returned: {model!r}.")
    return model


def fingerprint(model):
    """Eight hexadecimal digits of a model's weights: equal if, to the last bit, the weights are."""
    _must_be_built(model, "model")
    digest = hashlib.blake2b(digest_size=4)
    for variable in model.weights:
        digest.update(keras.ops.convert_to_numpy(variable).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Shared:
    """What two models have in common: names of layers, paths of variables, and whether it is one optimizer.

    True if there is anything at all.
    """

    layers: tuple
    variables: tuple
    optimizer: bool

    def __bool__(self):
        return bool(self.layers or self.variables or self.optimizer)

    def __str__(self):
        if not self:
            return "nothing"
        optimizer = "the optimizer" if self.optimizer else "no optimizer"
        return f"{_count(self.layers, 'layer')}, {_count(self.variables, 'variable')}, {optimizer}"


def who_shares(model_a, model_b):
    """Which layers, variables and optimizer two models have in common: the very objects, not equal copies.

    What they share, training one of them changes in the other.  Returns a Shared.
    Raises ValueError for a model without variables (not built yet), TypeError for what is no model.
    """
    _must_be_built(model_a, "model_a")
    _must_be_built(model_b, "model_b")
    layers_b = {id(layer) for layer in _layers(model_b)}
    variables_b = {id(variable) for variable in model_b.weights}
    optimizer = getattr(model_a, "optimizer", None)
    return Shared(
        layers=tuple(layer.name for layer in _layers(model_a) if id(layer) in layers_b),
        variables=tuple(v.path for v in model_a.weights if id(v) in variables_b),
        optimizer=optimizer is not None and optimizer is getattr(model_b, "optimizer", None),
    )


def _layers(model):
    """A model's layers; of a model within it, that model and its layers."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


def _count(things, name):
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _must_be_built(model, name):
    if not isinstance(model, keras.Model):
        raise TypeError(f"`{name}` must be a keras.Model. Received: {model!r}.")
    if not model.weights:
        raise ValueError(
            f"`{name}` has no variables yet. Give it a keras.Input or call it on data first."
        )

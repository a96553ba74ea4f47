"""Fresh models by seed, fingerprints, and what two models have in common."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from course_lib.arguments import whole_number

import keras


def fresh(build: Callable[[], keras.Model], seed: int) -> keras.Model:
    """A new model that shares nothing with any other; the same seed makes the same model.

    The seed is set for Python, NumPy and the backend. So what follows repeats too: dropout, and
    the order of the data in `fit`.

    Args:
        build: A function without arguments that makes a model.
        seed: A whole number, 0 or more.

    Returns:
        The model that `build` made.

    Raises:
        TypeError: If `build` is not a function (but a model, say), or does not return a model.
        ValueError: If `seed` is not a whole number, 0 or more.

    Example:
        >>> def build():
        ...     return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> fingerprint(fresh(build, seed=0)) == fingerprint(fresh(build, seed=0))
        True
    """
    if not callable(build) or isinstance(build, keras.Model):
        raise TypeError(
            f"`build` must be a function that makes a model. Received: {build!r}. "
            "A model cannot be made fresh again; write the lines that made it into a function."
        )
    keras.utils.set_random_seed(whole_number("seed", seed, least=0))
    model = build()
    if not isinstance(model, keras.Model):
        raise TypeError(f"`build` must return a keras.Model. It returned: {model!r}.")
    return model


def fingerprint(model: keras.Model) -> str:
    """Eight hexadecimal digits of a model's weights: equal if, to the last bit, the weights are.

    Args:
        model: A model that is built. Its seeds and metrics do not count.

    Returns:
        A string such as "5f2a09c1". Two different models agree by chance once in 4 billion.

    Raises:
        TypeError: If `model` is not a keras.Model.
        ValueError: If it has no variables yet.
    """
    _must_be_built(model, "model")
    digest = hashlib.blake2b(digest_size=4)
    for variable in model.weights:
        digest.update(keras.ops.convert_to_numpy(variable).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Shared:
    """What two models have in common. It is true if there is anything at all.

    Args:
        layers: The names of the layers that both hold, as the first model calls them.
        variables: The paths of the variables that both hold.
        optimizer: Whether both were compiled with one and the same optimizer.
    """

    layers: tuple[str, ...]
    variables: tuple[str, ...]
    optimizer: bool

    def __bool__(self):
        return bool(self.layers or self.variables or self.optimizer)

    def __str__(self):
        if not self:
            return "nothing"
        optimizer = "the optimizer" if self.optimizer else "no optimizer"
        return f"{_count(self.layers, 'layer')}, {_count(self.variables, 'variable')}, {optimizer}"


def who_shares(model_a: keras.Model, model_b: keras.Model) -> Shared:
    """Which layers, variables and optimizer two models share: the very objects, not equal copies.

    What they share, training one of them changes in the other.

    Args:
        model_a: A model that is built.
        model_b: Another one, or the same.

    Returns:
        A Shared. Print it, or ask whether it is true.

    Raises:
        TypeError: If one of them is not a keras.Model.
        ValueError: If one of them has no variables yet.

    Example:
        >>> layer = keras.layers.Dense(1)
        >>> one, two = (keras.Sequential([keras.Input((2,)), layer]) for _ in range(2))
        >>> print(who_shares(one, two))
        1 layer, 2 variables, no optimizer
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

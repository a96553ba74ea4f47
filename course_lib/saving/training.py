"""What must be the same when a training continues: data, model, loss and optimizer."""

import hashlib
import json
import re

import keras
import numpy as np

from .losses import shortened


def description(model, data):
    """A training, as plain values that another process can compare with its own."""
    config = _settings(keras.saving.serialize_keras_object(model.optimizer)["config"])
    compiled = _asked(model.get_compile_config) or {}
    described = dict(
        optimizer=type(model.optimizer).__name__,
        examples=len(data.x),
        batch_size=data.batch_size,
        seed=data.seed,
        shapes=[list(variable.shape) for variable in model.variables],
        **{f"the optimizer's {name}": value for name, value in config.items()},
        loss=compiled.get("loss"),
        **{"the digest of x": _digest(data.x), "the digest of y": _digest(data.y)},
        **{"the model's": _anonymous(_asked(model.get_config))},
    )
    return json.loads(json.dumps(described, default=str))


def changes(before, now, where=""):
    """A sentence for each setting that changed, of two descriptions."""
    inside = {type(before), type(now)}
    if inside == {dict}:
        for key in dict.fromkeys([*before, *now]):
            here = where if key in ("config", "class_name") else f"{where} {key}".strip()
            yield from changes(before.get(key), now.get(key), here)
    elif inside == {list} and len(before) == len(now) and any(isinstance(x, dict) for x in now):
        for i, (a, b) in enumerate(zip(before, now, strict=True)):
            yield from changes(a, b, f"{where} {i}")
    elif before != now:
        yield f"{where} was {shortened(str(before), 60)}, and is {shortened(str(now), 60)}"


def _settings(config):
    """A configuration without what differs from process to process: names, and restored rates."""
    if not isinstance(config, dict):
        return config
    rates = {name for name in config if name == "learning_rate" and isinstance(config[name], float)}
    return {name: _settings(config[name]) for name in config if name not in {"name", *rates}}


def _anonymous(node):
    """A model's configuration without the numbers that Keras appends to names: "dense_3"."""
    if isinstance(node, dict):
        if node.get("class_name") == "__lambda__":  # its code holds line numbers
            return "a lambda"
        return {key: _anonymous(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_anonymous(one) for one in node]
    return re.sub(r"_\d+$", "", node) if isinstance(node, str) else node


def _asked(get_config):
    try:
        return get_config()
    except Exception:  # a subclass without get_config, a loss that is a lambda
        return None


def _digest(array):
    if array.dtype.hasobject:  # its bytes are addresses
        array = np.array([repr(one) for one in array.ravel().tolist()])
    found = hashlib.blake2b(f"{array.dtype.str} {array.shape}".encode(), digest_size=16)
    found.update(np.ascontiguousarray(array))
    return found.hexdigest()

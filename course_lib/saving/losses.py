"""What a file would lack, found before it is written."""

import copy
import inspect
import re
from typing import Any

import keras
import numpy as np

from .inventory import chain, optimizer_of


def lost_when_saved(model: keras.Model | keras.Optimizer) -> list[str]:
    """List what a file saved now would lack.

    It answers three questions for each optimizer, and for those that it wraps. Does the configuration
    name every argument of the constructor? Can every class be found again? Has an optimizer that is
    made from the configuration, and filled by its `load_own_variables`, the same attributes?

    Variables are left aside, because they are saved. An attribute that differs is a forgotten
    setting, or state that is not a variable. Attributes whose name ends in "_cache" may differ.

    Not seen are state in closures, modules and class attributes, and objects that are neither
    numbers, strings, arrays, lists nor dicts. A number that is back at its first value is not seen.

    Args:
        model: A `keras.Model` or a `keras.Optimizer`.

    Returns:
        A sentence for each loss. An empty list if nothing is known to be lost.

    Raises:
        TypeError: If `model` is something else.

    Example:
        >>> lost_when_saved(keras.optimizers.Adam(0.125))
        []
    """
    if isinstance(model, keras.Optimizer):
        optimizers = list(chain(model))
    elif isinstance(model, keras.Model):
        optimizers = optimizers_of(model)
    else:
        raise TypeError(f"`model` must be a keras.Model or a keras.Optimizer. Received: {model!r}.")
    lost = [
        f"{name} is not registered: write @keras.saving.register_keras_serializable() above it, "
        "or nobody can load the file"
        for name in _unregistered(keras.saving.serialize_keras_object(model))
    ]
    for optimizer in optimizers:
        name, config = type(optimizer).__name__, optimizer.get_config()
        forgotten = forgotten_arguments(type(optimizer), config)
        lost += [
            f"{name}.get_config leaves out {one}: it returns as its default" for one in forgotten
        ]
        lost += state_outside_variables(optimizer)
        if any(
            getattr(optimizer, f"_exclude_from_weight_decay{end}", None) for end in ("", "_pattern")
        ):
            lost.append(
                f"what {name}.exclude_from_weight_decay excluded is in no configuration: "
                "a loaded optimizer decays all weights"
            )
    return lost


def optimizers_of(model):
    """The optimizer of `compile`, those that the model keeps as attributes, and what they wrap."""
    outer = [thing for thing in vars(model).values() if isinstance(thing, keras.Optimizer)]
    outer += [optimizer_of(model)] if optimizer_of(model) is not None else []
    return list({id(one): one for first in outer for one in chain(first)}.values())


def _unregistered(node):
    """The names of classes and functions in a configuration that loading could not find again."""
    if isinstance(node, list | tuple):
        return list(dict.fromkeys(name for one in node for name in _unregistered(one)))
    if not isinstance(node, dict):
        return []
    names = _unregistered(list(node.values()))
    module, registered = node.get("module"), node.get("registered_name")
    if "class_name" in node and "registered_name" in node:
        if node["class_name"] == "function":
            module, registered, name = "", node["config"], node["config"]
        else:
            name = node["class_name"]
        ours = not (module or "").startswith(("keras", "builtins"))
        if ours and isinstance(registered, str | None):
            found = registered and keras.saving.get_registered_object(registered)
            names += [] if found or name in names else [name]
    return names


def forgotten_arguments(cls: type, config: dict[str, Any]) -> list[str]:
    """The constructor's arguments that a configuration does not name."""
    parameters = inspect.signature(cls).parameters.values()
    return [
        p.name
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in config
    ]


def state_outside_variables(optimizer):
    """A sentence for each plain attribute that a loaded optimizer would not have."""
    config = optimizer.get_config()
    forgotten = forgotten_arguments(type(optimizer), config)
    return [
        f"{type(optimizer).__name__}.{attribute} is {here}, and {there} in an optimizer made from "
        "its configuration: put a setting into get_config, and state into a variable "
        "(self.add_variable)"
        for attribute, here, there in _different_attributes(optimizer, config)
        if attribute not in forgotten
    ]


def _different_attributes(optimizer, config):
    """(attribute, value here, value there) wherever a loaded optimizer would differ."""
    try:
        twin = type(optimizer).from_config(copy.deepcopy(config))
        if optimizer.built:
            twin.build(list(optimizer._trainable_variables))
    except (TypeError, ValueError):
        return  # an unknown class, or a forgotten argument without a default: reported already
    if _restores_more_than_variables(type(optimizer)):
        store = {}  # what Keras writes into a file and reads from it, without the file
        optimizer.save_own_variables(store)
        twin.load_own_variables(store)
    base = vars(keras.Optimizer(0.125))
    for name, value in vars(optimizer).items():
        if name in base or name.startswith("_self_") or name.endswith("_cache"):  # book-keeping
            continue
        other = getattr(twin, name, None)
        if _differ(value, other):
            yield name, shortened(repr(value)), shortened(repr(other))


def _restores_more_than_variables(cls):
    return (
        cls.save_own_variables is not keras.Optimizer.save_own_variables
        and cls.load_own_variables is not keras.Optimizer.load_own_variables
    )


def _differ(a, b):
    """Whether two attributes differ, if they are plain values. Other objects never do."""
    if isinstance(a, keras.Variable) or isinstance(b, keras.Variable):
        return False
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() != b.keys() or any(_differ(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) != len(b) or any(map(_differ, a, b))
    if isinstance(a, list | tuple | dict):
        inside = a.values() if isinstance(a, dict) else a
        return any(_differ(one, None) for one in inside)
    if keras.ops.is_tensor(a) or isinstance(a, np.ndarray | np.generic):
        try:
            return not np.array_equal(keras.ops.convert_to_numpy(a), b)
        except Exception:  # a tensor of a graph has no value at all: it leaked from the tracing
            return True
    return isinstance(a, int | float | str) and a != b


def shortened(text, length=40):
    """A text on one line, cut where it is too long."""
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= length else text[: length - 3] + "..."

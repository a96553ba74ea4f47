"""Questions about an optimizer's class: whose it is, what it takes, what it wraps."""

import inspect
from contextlib import nullcontext
from functools import partial

import keras

# Arguments of Keras's base class, each with a value that is not its default.
BASE_KEYWORDS = {
    "weight_decay": 0.25,
    "clipnorm": 1.5,
    "global_clipnorm": 1.5,
    "clipvalue": 1.5,
    "use_ema": True,
    "ema_momentum": 0.5,
    "ema_overwrite_frequency": 3,
    "loss_scale_factor": 8.0,
    "gradient_accumulation_steps": 3,
    "name": "mine",
}


def known(one):
    """The scope in which its class can be loaded; whether it is registered is another check."""
    mine = [o for o in chain(one) if not is_kerass_own(type(o))]
    names = {keras.saving.get_registered_name(type(o)): type(o) for o in mine}
    names |= {type(o).__name__: type(o) for o in mine}
    return keras.saving.custom_object_scope(names) if names else nullcontext()


def chain(one):
    """An optimizer, the one that it wraps, the one that this one wraps, and so on."""
    while one is not None:
        yield one
        one = getattr(one, "inner_optimizer", None)


def is_kerass_own(cls):
    """Whether a class is Keras's own."""
    return cls.__module__.split(".")[0] == "keras"


def takes(optimizer, keywords):
    """Whether a class, function or partial can be called with these keywords."""
    try:
        parameters = inspect.signature(optimizer).parameters
    except (TypeError, ValueError):
        return False
    if isinstance(optimizer, partial):  # what it fills by position cannot be given again by name
        filled = list(inspect.signature(optimizer.func).parameters)[: len(optimizer.args)]
        if set(filled) & set(keywords):
            return False
    if any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
        return True
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = {name for name, p in parameters.items() if p.kind in by_name}
    given = optimizer.keywords if isinstance(optimizer, partial) else {}
    return set(keywords) <= named | set(given)


def memory(optimizer):
    """A momentum for a class whose default is 0: its memory is not seen otherwise."""
    try:
        momentum = inspect.signature(optimizer).parameters.get("momentum")
    except (TypeError, ValueError):
        return {}
    is_number = momentum is not None and not isinstance(momentum.default, bool)
    return {"momentum": 0.75} if is_number and momentum.default == 0 else {}


def is_refusal(error):
    """True if an error says that a keyword is unknown, rather than that something broke."""
    words = ("unexpected keyword", "not recognized", "does not support")
    return any(word in str(error) for word in words)

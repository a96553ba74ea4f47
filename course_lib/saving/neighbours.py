"""What the other callbacks of a fit know: plain attributes that change while it trains."""

import inspect
import numbers

import keras
import numpy as np

KERAS_MAKES = (keras.callbacks.History, keras.callbacks.ProgbarLogger)  # new in each fit
PLAIN = (str, bool, type(None))


class Neighbours(keras.callbacks.Callback):
    """Comes after all other callbacks, remembers how they began, and restores what they knew.

    EarlyStopping's patience and the best value of ModelCheckpoint are plain attributes. Each class
    sets them anew in on_train_begin, so they are restored after that.
    """

    def __init__(self, owner):
        super().__init__()
        self.owner = owner
        self.known = {}  # to be restored, {"EarlyStopping 0": {"wait": 3}}
        self.others, self.first = {}, {}

    def join(self):
        """Become the last of the callbacks that run now; False where there is no list of them."""
        callbacks = _callbacks_that_run()
        if callbacks is None:
            return False
        callbacks[:] = [one for one in callbacks if getattr(one, "owner", None) is not self.owner]
        for one in callbacks:
            if not isinstance(one, (type(self.owner), Neighbours, *KERAS_MAKES)):
                self.others[_free(type(one).__name__, self.others)] = one
        self.set_model(self.owner.model)
        callbacks.append(self)  # NB: the loop over this list, which is running, gets here too
        return True

    def on_train_begin(self, logs=None):
        self.first = {key: dict(_state(one)) for key, one in self.others.items()}
        for key, values in self.known.items():
            if key in self.others:
                vars(self.others[key]).update(values)

    def on_epoch_end(self, epoch, logs=None):
        self.owner.end_epoch(epoch, logs)

    def now(self):
        """What changed since training began, and the names of what no file of ours can hold."""
        known, lost = {}, []
        for key, one in self.others.items():
            first = self.first.get(key, {})
            for name, value in _state(one):
                if name in first and _equal(first[name], value):
                    continue
                if _is_plain(value):
                    known.setdefault(key, {})[name] = _plain(value)
                else:
                    lost.append(f"{key.rpartition(' ')[0]}.{name}")
        return known, lost


def _callbacks_that_run():
    # NB: Keras tells a callback nothing of the others. The list is the caller's `self`.
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList):
            return caller.callbacks
        frame = frame.f_back
    return None


def _free(name, taken):
    return next(f"{name} {i}" for i in range(len(taken) + 1) if f"{name} {i}" not in taken)


def _state(callback):
    """(name, value) of the attributes that are data, as they are now."""
    for name, value in vars(callback).items():
        if isinstance(value, np.ndarray | np.generic) or keras.ops.is_tensor(value):
            value = keras.ops.convert_to_numpy(value).item() if value.shape == () else value
            data = True
        else:
            data = isinstance(value, list | tuple | dict)
        if name not in ("params", "_model") and (data or _is_plain(value)):
            yield name, _copied(value)


def _copied(value):
    if isinstance(value, list | tuple):
        return [_copied(one) for one in value]
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return value


def _is_plain(value):
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, (*PLAIN, numbers.Real))


def _plain(value):
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, PLAIN):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _equal(a, b):
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return a is b or (_is_plain(a) and _is_plain(b) and a == b)

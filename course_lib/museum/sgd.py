"""SGD in the form of Keras 2: `get_updates` hands back assignments, it does not make them.

    w ← w − lr · g

After the "custom SGD" of a Chinese tutorial of 2020-02-28.  Its faults:

- As printed it does not start: its constructor asks an *instance* for `__name__`, which only the class has.  SGDAsPrinted
  keeps that; SGD asks the class.

It is right otherwise: it counts, it saves its count, it applies constraints.
"""

from . import old_backend as K
from .old_backend import Optimizer, legacy_get_updates_support


class SGD(Optimizer):
    def __init__(self, lr=0.01, **kwargs):
        super().__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")

    @legacy_get_updates_support
    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        self.weights = [self.iterations]
        for p, g in zip(params, grads, strict=True):
            new_p = p - self.lr * g
            if getattr(p, "constraint", None) is not None:
                new_p = p.constraint(new_p)
            self.updates.append(K.update(p, new_p))
        return self.updates

    def get_config(self):
        return {"lr": float(K.get_value(self.lr)), **super().get_config()}


class SGDAsPrinted(SGD):
    def __init__(self, lr=0.01, **kwargs):
        Optimizer.__init__(self, **kwargs)
        with K.name_scope(self.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")

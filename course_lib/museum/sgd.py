"""SGD in the form of Keras 2: `get_updates` returns assignments, it does not make them.

    w ← w − lr · g

After the SGD of Su Jianlin (苏剑林), 让Keras更酷一些！：小众的自定义优化器, of 2018-09-08
(https://kexue.fm/archives/5879). It is right: it counts, it saves its count, it applies
constraints.

A copy of that page without the author's name, of 2020-02-28, circulates. Its SGD does not start:
the constructor reads `self.__name__`, which an instance does not have. The author wrote
`self.__class__.__name__`. SGD is the author's form, SGDAsPrinted is the copy's.
"""

from . import old_backend as K
from .old_model import Optimizer, legacy_get_updates_support


class SGD(Optimizer):
    """Gradient descent in the form of Keras 2.

    Args:
        lr: The learning rate, which became `learning_rate`.
        **kwargs: `clipnorm` and `clipvalue`.
    """

    def __init__(self, lr: float = 0.01, **kwargs: float):
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
    """SGD as the copy without a name prints it: its constructor raises AttributeError.

    Args:
        lr: The learning rate.
        **kwargs: `clipnorm` and `clipvalue`.
    """

    def __init__(self, lr: float = 0.01, **kwargs: float):
        Optimizer.__init__(self, **kwargs)
        with K.name_scope(self.__name__):  # type: ignore[attr-defined]
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")

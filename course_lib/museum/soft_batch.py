"""A soft batch, as it circulates: an assignment handed to K.switch is made in any case.

k micro-batches, one step, was the promise.  Three classes, from the printed one to one that keeps it, all in the form of
Keras 2, after the "soft batch" of a Chinese tutorial of 2020-02-28.

SoftBatchAsPrinted    what is printed.  `K.switch(cond, K.update(p, new_p), p)` moves the weights at every micro-step, and the
                      two assignments to the sum, meant as alternatives, are both made.  Which of them wins, TensorFlow never
                      promised; here the one that is written down later, so that the sum never starts anew.
SoftBatchAsMeant      the branches are functions, so that one of them runs.  Still not the large batch: the step for a group
                      comes with the first micro-batch of the next (late by one, and the first step is one with a sum of
                      zeros), and that micro-batch's gradient, taken at the weights before the step, opens the next sum
                      (stale).
SoftBatchRepaired     adds first, fires on the k-th micro-batch, and chooses between *values*, by a factor of 1 or 0, so that
                      each write waits for what it reads.  Equal to the large batch, here and on tf_keras 2.21.
"""

from . import old_backend as K
from .old_backend import Optimizer, legacy_get_updates_support


class SoftBatchAsPrinted(Optimizer):
    def __init__(self, lr=0.01, steps_per_update=1, **kwargs):
        super().__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")
            self.steps_per_update = steps_per_update

    @legacy_get_updates_support
    def get_updates(self, loss, params):
        sum_grads = [K.zeros(K.int_shape(p)) for p in params]
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        self.weights = [self.iterations] + sum_grads
        for p, g, sg in zip(params, grads, sum_grads, strict=True):
            new_p = p - self.lr * sg / float(self.steps_per_update)
            if getattr(p, "constraint", None) is not None:
                new_p = p.constraint(new_p)
            cond = K.equal(self.iterations % self.steps_per_update, 0)
            self.updates += self.switches(cond, p, new_p, sg, g)
        return self.updates

    def switches(self, cond, p, new_p, sg, g):
        return [
            K.switch(cond, K.update(p, new_p), p),
            K.switch(cond, K.update(sg, g), K.update(sg, sg + g)),
        ]

    def get_config(self):
        config = {"lr": float(K.get_value(self.lr)), "steps_per_update": self.steps_per_update}
        return {**config, **super().get_config()}


class SoftBatchAsMeant(SoftBatchAsPrinted):
    def switches(self, cond, p, new_p, sg, g):
        return [
            K.switch(cond, lambda: K.update(p, new_p), lambda: p),
            K.switch(cond, lambda: K.update(sg, g), lambda: K.update(sg, sg + g)),
        ]


class SoftBatchRepaired(SoftBatchAsPrinted):
    @legacy_get_updates_support
    def get_updates(self, loss, params):
        sum_grads = [K.zeros(K.int_shape(p)) for p in params]
        grads = self.get_gradients(loss, params)
        t = self.iterations + 1
        self.updates = [K.update(self.iterations, t)]
        self.weights = [self.iterations] + sum_grads
        fire = K.cast(K.equal(t % self.steps_per_update, 0), K.dtype(self.lr))  # 1 or 0
        for p, g, sg in zip(params, grads, sum_grads, strict=True):
            total = sg + g
            new_p = p - self.lr * total / float(self.steps_per_update)
            if getattr(p, "constraint", None) is not None:
                new_p = p.constraint(new_p)
            self.updates.append(K.update(p, fire * new_p + (1 - fire) * p))
            self.updates.append(K.update(sg, (1 - fire) * total))
        return self.updates

"""A soft batch, as it circulates: an assignment that K.switch gets as a value is made in any case.

The promise: k micro-batches, one step. Three classes in the form of Keras 2, from the printed one
to one that keeps the promise. After Su Jianlin (苏剑林), 让Keras更酷一些！：小众的自定义优化器, of
2018-09-08 (https://kexue.fm/archives/5879), as a copy of 2020-02-28 without the author's name
has it. The copy lacks the author's correction of 2019-07-08: the page itself says that this
implementation is wrong and does not reach its goal, and leads to https://kexue.fm/archives/6794.
There he gives the reason (K.switch selects which result is used, and not what is executed), a
repaired optimizer (bojone/accum_optimizer_for_keras on GitHub), and a warning about BatchNorm.

SoftBatchAsPrinted    `K.switch(cond, K.update(p, new_p), p)` moves the weights at every micro-step.
                      The two assignments to the sum, meant as alternatives, are both made. Which
                      of them comes last, and what each reads, TensorFlow never promised.
SoftBatchAsMeant      The branches are functions, so that one of them runs. Still not the large
                      batch. The step for a group comes with the first micro-batch of the next: it
                      is late by one, and the first step has a sum of zeros. That micro-batch's
                      gradient was taken at the weights before the step, and opens the next sum:
                      it is stale.
SoftBatchRepaired     Adds first, fires on the k-th micro-batch, and chooses between *values*, by a
                      factor of 1 or 0, so that each write waits for what it reads. Equal to the
                      large batch, here and on tf_keras 2.21.

NB: SoftBatchAsPrinted takes one path here: it reads first, then writes in the order of the rows,
so that the sum never starts anew. TensorFlow rarely takes that path. On tf_keras 2.21 in graph
mode, 699 steps of 30 runs could be classified, and other runs differ a little. In 380 the weights
moved by the old sum, and the sum became g. In 299 they moved by the new sum, and the sum became
2g. In 20 the sum became sum + g, as here. So there the weights do not swing as far as here, and
not every step is one gradient late.
"""

from typing import Any

from . import old_backend as K
from .old_model import Optimizer, legacy_get_updates_support


class SoftBatchAsPrinted(Optimizer):
    """The soft batch as it is printed: the weights move at every micro-step.

    Args:
        lr: The learning rate.
        steps_per_update: How many micro-batches were to make one step.
        **kwargs: `clipnorm` and `clipvalue`.
    """

    def __init__(self, lr: float = 0.01, steps_per_update: int = 1, **kwargs: float):
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

    def switches(self, cond: Any, p: Any, new_p: Any, sg: Any, g: Any) -> list:
        """What is written for one weight.

        Args:
            cond: Whether this is the micro-batch that steps: a boolean tensor.
            p: The weight.
            new_p: Its next value.
            sg: The sum of its gradients, a variable.
            g: Its gradient.

        Returns:
            Operations that assign when they run.
        """
        return [
            K.switch(cond, K.update(p, new_p), p),
            K.switch(cond, K.update(sg, g), K.update(sg, sg + g)),
        ]

    def get_config(self):
        config = {"lr": float(K.get_value(self.lr)), "steps_per_update": self.steps_per_update}
        return {**config, **super().get_config()}


class SoftBatchAsMeant(SoftBatchAsPrinted):
    """The soft batch with functions as branches: one step per group, late and from a stale sum."""

    def switches(self, cond, p, new_p, sg, g):
        return [
            K.switch(cond, lambda: K.update(p, new_p), lambda: p),
            K.switch(cond, lambda: K.update(sg, g), lambda: K.update(sg, sg + g)),
        ]


class SoftBatchRepaired(SoftBatchAsPrinted):
    """The soft batch that equals the large batch: it adds first and chooses between values."""

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

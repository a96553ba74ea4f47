"""Heun's method as an "intrusive" optimizer: it replaces the model's training function by two.

    w' ← w − lr · g(w)
    w ← w' − lr / 2 · (g(w') − g(w))

The weights that come out are Heun's. What else happens is not what a reader expects of one step.
After the HeunOptimizer of Su Jianlin (苏剑林), 让Keras更酷一些！：小众的自定义优化器, of 2018-09-08
(https://kexue.fm/archives/5879), as a copy of 2020-02-28 without the author's name has it. It
repeats the body of Keras 2's `_make_train_function`. Its faults:

- Each of the two functions runs `model.updates` and `model.metrics_updates`. So BatchNorm's
  averages and the metrics move twice per step. (Dropout draws two masks, too.) The author has
  mended this since: in his page's present form only the first function runs them.
- The loss that is reported is the second function's, taken at w', where the weights never stay.
  In the page's present form it is the first function's.
- It is not an optimizer. The one given to `compile` is never called: its clipping, its decay, its
  count of `iterations` and the layers' constraints do nothing. `lr` is a Python float, recorded
  once. There is nothing to save.
- The next `compile`, and every loading from a file, puts the ordinary training function back.

The author's own verdict is that such optimizers do not work well in practice.
"""

from typing import Any

from . import old_backend as K


class HeunOptimizer:
    """Heun's method, given a model whose training function it replaces.

    Args:
        lr: The learning rate, a Python float that is recorded once.
    """

    def __init__(self, lr: float):
        self.lr = lr

    def __call__(self, model):
        params, loss = model._collected_trainable_weights, model.total_loss
        inputs = model._feed_inputs + model._feed_targets + model._feed_sample_weights
        inputs += [K.learning_phase()]
        old_grads = [K.zeros(K.int_shape(p)) for p in params]
        functions = []
        for i, step in enumerate([self.step1, self.step2]):
            updates = model.updates + step(loss, params, old_grads) + model.metrics_updates
            outputs = [loss] + model.metrics_tensors
            functions.append(
                K.function(
                    inputs,
                    outputs,
                    updates=updates,
                    name=f"train_function_{i}",
                    **model._function_kwargs,
                )
            )

        def train_function(ins):
            for f in functions:
                outs = f(ins)
            return outs

        model.train_function = train_function

    def step1(self, loss: Any, params: list, old_grads: list) -> list:
        """The updates of the first function: keep the gradients, and step.

        Args:
            loss: The loss of the graph, a scalar tensor.
            params: The weights.
            old_grads: A variable for each weight, where its gradient is kept.

        Returns:
            Operations that assign when they run.
        """
        ops = []
        for p, g, og in zip(params, K.gradients(loss, params), old_grads, strict=True):
            ops.append(K.update(og, g))
            ops.append(K.update(p, p - self.lr * g))
        return ops

    def step2(self, loss: Any, params: list, old_grads: list) -> list:
        """The updates of the second function: correct the step by half the gradients' difference.

        Args:
            loss: The loss of the graph, a scalar tensor.
            params: The weights, where the first function left them.
            old_grads: The gradients that it kept.

        Returns:
            Operations that assign when they run.
        """
        ops = []
        for p, g, og in zip(params, K.gradients(loss, params), old_grads, strict=True):
            ops.append(K.update(p, p - 0.5 * self.lr * (g - og)))
        return ops

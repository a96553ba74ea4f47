"""Heun's method as an "intrusive" optimizer: it replaces the model's training function by two.

    w' ← w − lr · g(w)
    w ← w' − lr / 2 · (g(w') − g(w))

The weights that come out are Heun's.  What else happens is not what a reader expects of one step.  After the HeunOptimizer of
a Chinese tutorial of 2020-02-28, which copies the body of Keras 2's `_make_train_function`.  Its faults:

- Each of the two functions runs `model.updates` and `model.metrics_updates`: BatchNorm's averages and the metrics move
  twice a step.  (Dropout draws two masks, too.)
- The loss that is reported is the second function's: taken at w', where the weights only stopped by.
- It is no optimizer: the one given to `compile` is never asked, so its clipping, its decay, its count of `iterations` and
  the layers' constraints do nothing; `lr` is a Python float, recorded once; there is nothing to save.
- The next `compile`, and every loading from a file, puts the ordinary training function back.
"""

from . import old_backend as K


class HeunOptimizer:
    def __init__(self, lr):
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

    def step1(self, loss, params, old_grads):
        ops = []
        for p, g, og in zip(params, K.gradients(loss, params), old_grads, strict=True):
            ops.append(K.update(og, g))
            ops.append(K.update(p, p - self.lr * g))
        return ops

    def step2(self, loss, params, old_grads):
        ops = []
        for p, g, og in zip(params, K.gradients(loss, params), old_grads, strict=True):
            ops.append(K.update(p, p - 0.5 * self.lr * (g - og)))
        return ops

"""Adagrad in the form of Keras 1: zeros that are made once, and a list that decides what is saved.

    a ← a + g²
    w ← w − lr / (1 + decay · iterations) · g / (√(a) + epsilon)

After the class that a Spanish question of 2017 quotes from Keras 1: how can accumulators that start as zeros in get_updates
remember anything, and what is `self.weights` for?  Because get_updates is entered once, and for saving.  Its faults:

- `self.weights` leaves out `iterations`: a reloaded run keeps the accumulators and starts its decay again.
- With decay, one row reads `iterations` and another writes it, in the same run, and TensorFlow promised no order.  On tf_keras
  2.21 one and the same run was seen to use the step's own rate at some steps and the next step's at others.  (Here a run
  reads first.)
- Making the training function again (a second compile) makes new accumulators, full of zeros.
- The arithmetic is the paper's.  Today's Keras starts the accumulators at 0.1 and puts epsilon under the root.

NB: the original says `lr *= ...`, which today's tf.Variable refuses; here it is `lr = lr * ...`.
"""

from . import old_backend as K
from .old_backend import Optimizer


class Adagrad(Optimizer):
    def __init__(self, lr=0.01, epsilon=1e-8, decay=0.0, **kwargs):
        super().__init__(**kwargs)
        self.lr = K.variable(lr)
        self.epsilon = epsilon
        self.decay = K.variable(decay)
        self.initial_decay = decay
        self.iterations = K.variable(0.0)

    def get_updates(self, params, constraints, loss):
        grads = self.get_gradients(loss, params)
        shapes = [K.get_variable_shape(p) for p in params]
        accumulators = [K.zeros(shape) for shape in shapes]
        self.weights = accumulators
        self.updates = []

        lr = self.lr
        if self.initial_decay > 0:
            lr = lr * (1.0 / (1.0 + self.decay * self.iterations))
            self.updates.append(K.update_add(self.iterations, 1))

        for p, g, a in zip(params, grads, accumulators, strict=True):
            new_a = a + K.square(g)
            self.updates.append(K.update(a, new_a))
            new_p = p - lr * g / (K.sqrt(new_a) + self.epsilon)
            if p in constraints:
                new_p = constraints[p](new_p)
            self.updates.append(K.update(p, new_p))
        return self.updates

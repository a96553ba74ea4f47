"""Adagrad in the form of Keras 1: zeros that are made once, and a list that decides what is saved.

    a ← a + g²
    w ← w − lr / (1 + decay · iterations) · g / (√(a) + epsilon)

After the class of Keras 1 that a Spanish question of 2017 quotes. It asks how accumulators that
start as zeros in get_updates can remember anything, and what `self.weights` is for. The answers:
get_updates runs once, and the list is for saving. The class has these faults:

- `self.weights` leaves out `iterations`. A reloaded run keeps the accumulators and starts its
  decay again.
- With decay, one row reads `iterations` and another writes it, in the same run. TensorFlow
  promised no order. On tf_keras 2.21, some steps of one run used the step's own rate, and others
  the next step's. (Here a run reads first.)
- Making the training function again (a second compile) makes new accumulators, full of zeros.

The arithmetic is the paper's. Today's Keras starts the accumulators at 0.1 and puts epsilon under
the root.

NB: the original has `lr *= ...`, which today's tf.Variable refuses; here it is `lr = lr * ...`.
"""

from . import old_backend as K
from .old_model import Optimizer


class Adagrad(Optimizer):
    """Adagrad in the form of Keras 1.

    Args:
        lr: The learning rate, which became `learning_rate`.
        epsilon: Added to the root.
        decay: How fast the learning rate falls: lr / (1 + decay · iterations).
        **kwargs: `clipnorm` and `clipvalue`.
    """

    def __init__(
        self, lr: float = 0.01, epsilon: float = 1e-8, decay: float = 0.0, **kwargs: float
    ):
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

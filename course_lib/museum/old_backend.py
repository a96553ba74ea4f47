"""The old `keras.backend`, `Optimizer` and `Model`: a recipe is written down once, and cooked at every batch.

Stands in for Keras 2.2 on TensorFlow 1, and for Keras 1 where a recipe asks for it, as far as the recipes beside this file
reach into them: `from . import old_backend as K`.  It is TensorFlow's own graph mode (tf.Graph, Session, assign, gradients,
cond) under the old names.  What made the recipes right or wrong is kept as it was:

- `get_updates` is entered once, when the training function is made.  What it returns are operations of a graph.
- `K.zeros` and `K.variable` make a variable, at that moment, and fill it once.
- `K.function` runs all its `updates` at each call; `K.switch` picks a result.  An operation that was made outside of the
  switch's branches is an input of the switch, and runs whichever branch is taken.

All of it lives between `with old_keras():` and the end of that block, in a graph and a session of its own: eager mode and
Keras 3 beside it notice nothing.  Where it simplifies:

- Everything is float64, as after K.set_floatx("float64"), and on the CPU.
- Variables are filled when they are made; old Keras did it before the first run.
- TensorFlow 1 promised no order between the reads and the writes of one run.  Here a run reads every variable once, before
  anything writes it, and several writes to one variable outside of branches happen in the order in which they were written
  down.  On tf_keras 2.21 in graph mode, which still has this contract, recipes without such a race take the same path as
  here, to 1e-12; those with one (Adagrad's decay, the soft batch as printed and as meant) were seen to end elsewhere from
  run to run.
- A Model is a loss, some weights and placeholders.  It has no layers; `updates` and `metrics_updates` only count how often
  they were run.
"""

import contextlib
import functools
import inspect

import numpy as np
import tensorflow as tf

FLOATX = "float64"
WRITES, PHASE = "old_keras_writes", "old_keras_learning_phase"  # collections of the graph

cast, equal, square, sqrt = tf.cast, tf.equal, tf.square, tf.sqrt
mean, sum, maximum, gradients = tf.reduce_mean, tf.reduce_sum, tf.maximum, tf.gradients
zeros_like, name_scope, placeholder = tf.zeros_like, tf.name_scope, tf.compat.v1.placeholder


@contextlib.contextmanager
def old_keras():
    """A graph and a session for what is made inside; both end with the block.  Blocks may follow one another."""
    graph = tf.Graph()
    with graph.as_default(), tf.device("/CPU:0"), tf.compat.v1.Session(graph=graph) as session:
        yield session


def get_session():
    """The session of the `with old_keras():` that we are in.  Raises RuntimeError outside of one."""
    session = tf.compat.v1.get_default_session()
    if session is None:
        raise RuntimeError("the old Keras only exists inside `with old_keras():`. Open one first.")
    return session


# Variables


def variable(value, dtype=FLOATX, name=None, constraint=None):
    """A variable that starts at `value`."""
    session = get_session()
    # A caching device makes TensorFlow read the variable once a run: all who use it see the same value.
    w = tf.compat.v1.Variable(
        np.asarray(value, dtype),
        name=name,
        constraint=constraint,
        use_resource=True,
        caching_device="/CPU:0",
    )
    session.run(w.initializer)
    return w


def zeros(shape, dtype=FLOATX, name=None):
    """A variable, not a tensor: it is zero once, when it is made."""
    return variable(np.zeros(shape), dtype, name)


def int_shape(x):
    return tuple(x.shape.as_list())


get_variable_shape = int_shape  # its name in Keras 1


def dtype(x):
    return x.dtype.base_dtype.name


def get_value(x):
    return get_session().run(x)


def set_value(x, value):
    get_session().run(x.initializer, {x.initializer.inputs[1]: value})


def batch_get_value(variables):
    return [get_value(v) for v in variables]


# Updates


def update(x, new_x):
    """An operation that, whenever it runs, writes `new_x` into `x`.  Nothing is written now."""
    writes = tf.compat.v1.get_collection_ref(WRITES)
    # A branch of a switch is a graph of its own; it may wait for what is outside, not for its sibling.
    within = (tf.compat.v1.get_default_graph(), get_session().graph)
    after = [x.value()] + [write for v, write in writes if v is x and write.graph in within]
    with tf.control_dependencies(after):
        write = x.assign(new_x, read_value=False)
    writes.append((x, write))
    with tf.control_dependencies([write]):
        return tf.identity(new_x)


def update_add(x, increment):
    return update(x, x + tf.cast(increment, x.dtype))


def switch(condition, then_expression, else_expression):
    """What `then_expression` gives if the condition holds when this runs, else what `else_expression` gives.

    As in Keras 2: what is no callable is wrapped into one that hands it back.  But then it is already in the graph, outside
    of the branch, and runs in any case.
    """

    def as_branch(expression):
        return expression if callable(expression) else lambda: tf.convert_to_tensor(expression)

    with tf.control_dependencies([v.value() for v in tf.compat.v1.global_variables()]):
        condition = tf.identity(tf.cast(condition, "bool"))
    return tf.cond(condition, as_branch(then_expression), as_branch(else_expression))


def learning_phase():
    """The placeholder that was 1 while training; 0 where nobody feeds it."""
    phase = tf.compat.v1.get_collection_ref(PHASE)
    if not phase:
        phase.append(tf.compat.v1.placeholder_with_default(np.zeros((), FLOATX), ()))
    return phase[0]


def function(inputs, outputs, updates=(), name=None, **kwargs):
    """One session.run, packed: called with values for `inputs` it runs all `updates` and hands back the `outputs`."""
    if kwargs:
        raise TypeError(f"the stand-in for K.function takes no {', '.join(kwargs)}.")
    session, updates = get_session(), tf.group(*updates)
    # The writes of the next function wait for none of these.
    tf.compat.v1.get_collection_ref(WRITES).clear()

    def run(values):
        return session.run([outputs, updates], dict(zip(inputs, values, strict=False)))[0]

    return run


# The optimizer


def legacy_get_updates_support(get_updates):
    """Keras 2's decorator: a get_updates(loss, params) that may still be called as in Keras 1, (params, constraints, loss)."""

    @functools.wraps(get_updates)
    def called_either_way(self, *args, **kwargs):
        if len(args) == 3:
            # The constraints are dropped: Keras 2 keeps them on the variables.
            params, _, loss = args
            return get_updates(self, loss=loss, params=params)
        return get_updates(self, *args, **kwargs)

    return called_either_way


class Optimizer:
    """The base class of old: two empty lists, gradients, and the optimizer's half of model.save and load_model."""

    def __init__(self, **kwargs):
        for name in kwargs:
            if name not in ("clipnorm", "clipvalue"):
                raise TypeError(f"Unexpected keyword argument passed to optimizer: {name}")
        self.__dict__.update(kwargs)
        self.updates = []
        self.weights = []

    def get_updates(self, loss, params):
        raise NotImplementedError

    def get_gradients(self, loss, params):
        grads = gradients(loss, params)
        if any(g is None for g in grads):
            raise ValueError("An operation has `None` for gradient.")
        if getattr(self, "clipnorm", 0) > 0:  # one norm over all gradients, unlike today's clipnorm
            norm = sqrt(sum([sum(square(g)) for g in grads]))
            grads = [g * tf.minimum(tf.ones_like(norm), self.clipnorm / norm) for g in grads]
        if getattr(self, "clipvalue", 0) > 0:
            grads = [tf.clip_by_value(g, -self.clipvalue, self.clipvalue) for g in grads]
        return grads

    def get_weights(self):
        """What model.save wrote: the values of `self.weights`, and of nothing else."""
        return batch_get_value(self.weights)

    def set_weights(self, weights):
        """What load_model called.  Before get_updates has run `self.weights` is empty, and nothing fits."""
        if len(self.weights) != len(weights):
            raise ValueError(
                f"Length of the specified weight list ({len(weights)}) does not match the number of weights of the "
                f"optimizer ({len(self.weights)})"
            )
        for w, value in zip(self.weights, weights, strict=True):
            set_value(w, value)

    def get_config(self):
        return {
            name: getattr(self, name) for name in ("clipnorm", "clipvalue") if hasattr(self, name)
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


# The model


class Model:
    """A compiled model of Keras 2, as far as an optimizer could see it, or lay hands on it.

    loss           from weights and placeholders to a scalar: loss(*weights, *batch)
    weights        arrays to start from
    batch          a batch of the shapes to come: a tuple of arrays, the target last; may be empty
    constraint     what each weight is projected with, or None
    """

    def __init__(self, loss, weights, batch=(), constraint=None):
        self._collected_trainable_weights = [variable(w, constraint=constraint) for w in weights]
        self.constraints = {w: constraint for w in self._collected_trainable_weights if constraint}
        inputs = [placeholder(FLOATX, (None, *np.shape(values)[1:])) for values in batch]
        self._feed_inputs, self._feed_targets = inputs[:-1], inputs[-1:]
        self._feed_sample_weights = []
        self.total_loss = loss(*self._collected_trainable_weights, *inputs)
        self.layer_updates_run = variable(0, "int64")  # where BatchNorm kept its moving averages
        self.metric_updates_run = variable(0, "int64")  # where a metric counted examples
        self.updates = [update_add(self.layer_updates_run, 1)]
        self.metrics_updates = [update_add(self.metric_updates_run, 1)]
        self.metrics_tensors = []
        self._function_kwargs = {}
        self.compile(None)

    def compile(self, optimizer):
        self.optimizer, self.train_function = optimizer, None

    def _make_train_function(self):
        if self.train_function is not None:
            return
        inputs = self._feed_inputs + self._feed_targets + self._feed_sample_weights
        inputs += [learning_phase()]
        params, loss = self._collected_trainable_weights, self.total_loss
        if "constraints" in inspect.signature(self.optimizer.get_updates).parameters:  # Keras 1
            training_updates = self.optimizer.get_updates(params, self.constraints, loss)
        else:
            training_updates = self.optimizer.get_updates(params=params, loss=loss)
        updates = self.updates + training_updates + self.metrics_updates
        outputs = [loss] + self.metrics_tensors
        self.train_function = function(inputs, outputs, updates=updates, name="train_function")

    def train_on_batch(self, *batch):
        """One step.  Hands back the loss that the training function hands back."""
        self._make_train_function()
        return self.train_function([*batch, 1.0])[0]

    def get_weights(self):
        return batch_get_value(self._collected_trainable_weights)

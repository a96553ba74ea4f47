"""The old `keras.backend`: updates are recorded once, and run at every batch.

Stands in, with `old_model`, for Keras 2.2 on TensorFlow 1, and for Keras 1 where a recipe needs
it, as far as the recipes beside this file reach into them: `from . import old_backend as K`. It is
TensorFlow's own graph mode (tf.Graph, Session, assign, gradients, cond) under the old names. What
made the recipes right or wrong is kept as it was:

- `get_updates` runs once, when the training function is made. It returns operations of a graph.
- `K.zeros` and `K.variable` make a variable, at that moment, and fill it once.
- `K.function` runs all its `updates` at each call; `K.switch` picks a result. An operation that
  was made outside of the switch's branches is an input of the switch. It always runs.

All of it lives between `with old_keras():` and the end of that block, with its own graph and
session. Eager mode and Keras 3 beside it notice nothing. It is simpler than the original:

- Everything is float64, as after K.set_floatx("float64"), and on the CPU.
- Variables are filled when they are made; old Keras did it before the first run.
- TensorFlow 1 promised no order between the reads and the writes of one run. Here a run reads
  every variable once, before anything writes it. Several writes to one variable outside of
  branches happen in the order in which their rows were run.

tf_keras 2.21 in graph mode still has TensorFlow 1's contract. There, recipes without such a race
take the same path as here, to 1e-12. Those with one end elsewhere from run to run: Adagrad's
decay, and the soft batch as printed and as meant. For the printed one, the order of this file is
one that TensorFlow rarely takes (`soft_batch` has the counts).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

FLOATX = "float64"
WRITES, PHASE = "old_keras_writes", "old_keras_learning_phase"  # collections of the graph

cast, equal, square, sqrt = tf.cast, tf.equal, tf.square, tf.sqrt
mean, sum, maximum, gradients = tf.reduce_mean, tf.reduce_sum, tf.maximum, tf.gradients
zeros_like, name_scope, placeholder = tf.zeros_like, tf.name_scope, tf.compat.v1.placeholder


@contextlib.contextmanager
def old_keras() -> Iterator[Any]:
    """A graph and a session for what is made inside; both end with the block.

    Yields:
        The session. Blocks may follow one another.
    """
    graph = tf.Graph()
    with graph.as_default(), tf.device("/CPU:0"), tf.compat.v1.Session(graph=graph) as session:
        yield session


def get_session() -> Any:
    """The session of the `with old_keras():` block that is open.

    Raises:
        RuntimeError: If none is open.
    """
    session = tf.compat.v1.get_default_session()
    if session is None:
        raise RuntimeError("the old Keras only exists inside `with old_keras():`. Open one first.")
    return session


# Variables


def variable(
    value: Any,
    dtype: str = FLOATX,
    name: str | None = None,
    constraint: Callable[[Any], Any] | None = None,
) -> Any:
    """A variable of the graph, filled when it is made.

    Args:
        value: Where it starts: a number or an array.
        dtype: Its dtype, "float64" if not given.
        name: Its name in the graph.
        constraint: What an optimizer projects it with after a step.

    Returns:
        A variable of TensorFlow's graph mode.
    """
    session = get_session()
    # With a caching device TensorFlow reads the variable once a run: all see the same value.
    w = tf.compat.v1.Variable(
        np.asarray(value, dtype),
        name=name,
        constraint=constraint,
        use_resource=True,
        caching_device="/CPU:0",
    )
    session.run(w.initializer)
    return w


def zeros(shape: tuple[int, ...], dtype: str = FLOATX, name: str | None = None) -> Any:
    """A variable, not a tensor: it is zero once, when it is made.

    Args:
        shape: Its shape.
        dtype: Its dtype.
        name: Its name in the graph.

    Returns:
        A variable of TensorFlow's graph mode.
    """
    return variable(np.zeros(shape), dtype, name)


def int_shape(x: Any) -> tuple[int | None, ...]:
    """The shape of a tensor or variable.

    Args:
        x: The tensor or variable.

    Returns:
        Its lengths, None where one is not known yet.
    """
    return tuple(x.shape.as_list())


get_variable_shape = int_shape  # its name in Keras 1


def dtype(x: Any) -> str:
    """The dtype of a tensor or variable.

    Args:
        x: The tensor or variable.

    Returns:
        Its name: "float64".
    """
    return x.dtype.base_dtype.name


def get_value(x: Any) -> np.ndarray:
    """The present value of a tensor or variable.

    Args:
        x: The tensor or variable.

    Returns:
        An array. The session computes it now.
    """
    return get_session().run(x)


def set_value(x: Any, value: Any) -> None:
    """Write a value into a variable now.

    Args:
        x: The variable.
        value: An array of its shape.
    """
    get_session().run(x.initializer, {x.initializer.inputs[1]: value})


def batch_get_value(variables: Sequence[Any]) -> list[np.ndarray]:
    """The present values of several variables.

    Args:
        variables: The variables.

    Returns:
        An array for each.
    """
    return [get_value(v) for v in variables]


# Updates


def update(x: Any, new_x: Any) -> Any:
    """An operation that writes a value into a variable each time it runs. Nothing is written now.

    Args:
        x: The variable.
        new_x: A tensor of its shape.

    Returns:
        The new value as a tensor, which waits for the write.
    """
    writes = tf.compat.v1.get_collection_ref(WRITES)
    # A branch of a switch is another graph: it may wait for what is outside, not for its sibling.
    within = (tf.compat.v1.get_default_graph(), get_session().graph)
    after = [x.value()] + [write for v, write in writes if v is x and write.graph in within]
    with tf.control_dependencies(after):
        write = x.assign(new_x, read_value=False)
    writes.append((x, write))
    with tf.control_dependencies([write]):
        return tf.identity(new_x)


def update_add(x: Any, increment: Any) -> Any:
    """As `update`, with what is added.

    Args:
        x: The variable.
        increment: A number or a tensor.

    Returns:
        The new value as a tensor, which waits for the write.
    """
    return update(x, x + tf.cast(increment, x.dtype))


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One of two results, depending on a condition when it runs.

    As in Keras 2, a tensor may stand in place of a function. But then it is already in the graph,
    outside of the branch, and runs in any case.

    Args:
        condition: A scalar tensor.
        then_expression: A function without arguments that returns a tensor, or a tensor.
        else_expression: The same, for the other case.

    Returns:
        A tensor: the result of the branch that is taken.
    """

    def as_branch(expression):
        return expression if callable(expression) else lambda: tf.convert_to_tensor(expression)

    with tf.control_dependencies([v.value() for v in tf.compat.v1.global_variables()]):
        condition = tf.identity(tf.cast(condition, "bool"))
    return tf.cond(condition, as_branch(then_expression), as_branch(else_expression))


def learning_phase() -> Any:
    """The placeholder that was 1 while training. It is 0 where nothing is fed."""
    phase = tf.compat.v1.get_collection_ref(PHASE)
    if not phase:
        phase.append(tf.compat.v1.placeholder_with_default(np.zeros((), FLOATX), ()))
    return phase[0]


def function(
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    updates: Sequence[Any] = (),
    name: str | None = None,
    **kwargs: Any,
) -> Callable[[Sequence[Any]], list]:
    """One session.run as a function.

    Args:
        inputs: Placeholders.
        outputs: Tensors whose values are returned.
        updates: Operations that run at each call.
        name: Ignored.
        **kwargs: Arguments of the session in Keras 2. None is known here.

    Returns:
        A function of one list, with a value for each of `inputs`. It returns the `outputs`.

    Raises:
        TypeError: If there are other arguments.
    """
    if kwargs:
        raise TypeError(f"the stand-in for K.function takes no {', '.join(kwargs)}.")
    session, updates = get_session(), tf.group(*updates)
    # The writes of the next function wait for none of these.
    tf.compat.v1.get_collection_ref(WRITES).clear()

    def run(values):
        return session.run([outputs, updates], dict(zip(inputs, values, strict=False)))[0]

    return run

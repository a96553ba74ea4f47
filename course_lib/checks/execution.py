"""Execution: a loop in Python, a graph, XLA, `fit`, several devices and other backends must all train the same model."""

import keras
import numpy as np

from . import elsewhere
from .candidate import ANATOMY, CHANGE, STEPS, apart, number, on_tensorflow
from .report import CheckFailed, DoesNotApply

SCHEDULES = "notebook 10, schedules and warm-up"


def eager_equals_graph(candidate):
    """In a graph it takes the eager path.  Otherwise what you debug is not what trains."""
    return _as_eager(candidate, graph_path, "in a graph")


def eager_equals_xla(candidate):
    """Compiled by XLA it takes the eager path.  Otherwise `jit_compile=True`, the default on a GPU, trains another model."""
    least = 1e-9  # XLA decomposes matrices in a way of its own
    return _as_eager(candidate, xla_path, "compiled by XLA", least)


def _as_eager(candidate, path_of, how, least=0.0):
    on_tensorflow()
    candidate.plain  # noqa: B018
    room = max(candidate.room, least)
    compiled, eager = path_of(candidate), _eager_path(candidate)
    steps = CHANGE - 1  # what comes after the change is another check's
    candidate.must_agree(
        compiled[:steps],
        eager[:steps],
        how,
        "the eager path",
        "a value was frozen when the graph was made: `fit` and a loop of your own train two different models",
        ANATOMY,
        room,
    )
    return f"{steps} steps: equal to {room:.0e}"


def a_new_learning_rate_reaches_the_graph(candidate):
    """A learning rate that is changed midway reaches a compiled step.  Otherwise callbacks that lower it do nothing."""
    on_tensorflow()
    candidate.plain  # noqa: B018
    if not candidate.learning_rate_can_be_set:
        raise DoesNotApply("its learning rate follows a schedule, or cannot be set")
    graph, eager = graph_path(candidate), _eager_path(candidate)
    if apart(graph[: CHANGE - 1], eager[: CHANGE - 1]) > candidate.room:
        raise DoesNotApply(
            "in a graph it takes another path from the start: see eager_equals_graph"
        )
    candidate.must_agree(
        graph,
        eager,
        f"in a graph, with half the learning rate from step {CHANGE} on",
        "the eager path",
        "the learning rate was read once, when the graph was made; lowering it later changes nothing",
        SCHEDULES,
    )
    return f"halved before step {CHANGE}: followed"


def nothing_is_traced_again(candidate):
    """After the first step no graph is made any more.  Otherwise each step costs a thousand."""
    on_tensorflow()
    candidate.plain  # noqa: B018
    from tensorflow.python.framework import func_graph

    made, original = [], func_graph.FuncGraph.__init__

    def counted(self, *arguments, **keywords):
        made.append(1)
        return original(self, *arguments, **keywords)

    def watch(t, one, variables):
        if t == STEPS:
            func_graph.FuncGraph.__init__ = counted

    try:  # more steps than any run before it: what was traced then would not be traced again
        candidate.run(before=watch, steps=2 * STEPS)
    finally:
        func_graph.FuncGraph.__init__ = original
    if len(made) >= 2:
        raise CheckFailed(
            f"{len(made)} graphs were made during steps {STEPS + 1} to {2 * STEPS}",
            "none after the first steps",
            "each step takes a thousand times as long, and memory grows",
            ANATOMY,
        )
    return f"steps {STEPS + 1} to {2 * STEPS}: no new graph"


def fit_equals_a_loop(candidate):
    """`fit`, which builds while TensorFlow traces, goes where an eager run goes.  Otherwise a step in `build` runs again
    with each batch, or a counter stands still."""
    on_tensorflow()
    candidate.plain  # noqa: B018
    loop, fitted = (
        trained(candidate.make(), run_eagerly=eagerly, dtype=candidate.dtype)
        for eagerly in (True, False)
    )
    candidate.must_agree(
        [[number(w) for w in fitted.trainable_variables]],
        [[number(w) for w in loop.trainable_variables]],
        "after 8 batches of fit",
        "an eager run over the same batches",
        "what `build` assigns becomes part of the graph and is assigned again with each batch",
        ANATOMY,
        room=max(candidate.room, 1e-9),
    )
    return "8 batches: fit in a graph equals the eager run"


def two_replicas_step_as_one(candidate):
    """Under MirroredStrategy, each replica with its part of the gradient, it steps as one.  Otherwise more devices mean
    another optimizer."""
    on_tensorflow("strategies are")
    candidate.plain  # noqa: B018
    answer = elsewhere.ask(candidate, "replicas")
    candidate.must_agree(
        answer["path"],
        candidate.plain.path,
        f"on {answer['replicas']} replicas",
        "the path on one",
        "on two devices another model is trained than on one",
        ANATOMY,
    )
    return f"{answer['replicas']} logical CPUs: equal to {candidate.room:.0e}"


def other_backends_take_the_same_path(candidate):
    """On JAX and PyTorch, where installed, it takes the same path.  Otherwise `KERAS_BACKEND` changes the result."""
    candidate.plain  # noqa: B018
    others = elsewhere.other_backends()
    if not others:
        raise DoesNotApply("no other backend is installed here")
    for backend in others:
        answer = elsewhere.ask(candidate, backend)
        candidate.must_agree(
            answer["path"],
            candidate.plain.path,
            f"on {backend}",
            f"the path on {keras.backend.backend()}",
            f"the same script trains another model with KERAS_BACKEND={backend}",
            ANATOMY,
            room=max(candidate.room, 1e-6),  # NB: PyTorch's maximum rounds to float32 (Keras 3.15)
        )
    return f"{', '.join(others)}: equal to 1e-06"


EXECUTION = (
    eager_equals_graph,
    eager_equals_xla,
    a_new_learning_rate_reaches_the_graph,
    nothing_is_traced_again,
    fit_equals_a_loop,
    two_replicas_step_as_one,
    other_backends_take_the_same_path,
)


def _halved(candidate):
    """The learning rate to set before each step: half of it from step CHANGE on."""
    if not candidate.learning_rate_can_be_set:
        return None
    rate = candidate.learning_rate
    return lambda t: rate / 2 if t == CHANGE - 1 else None


def _once(candidate, name, make):
    """What was run once is kept with the candidate; an exception comes again to each check that asks."""
    kept = candidate.__dict__.setdefault("kept", {})
    if name not in kept:
        kept[name] = make()
    return kept[name]


def _eager_path(candidate):
    return _once(candidate, "eager", lambda: candidate.run(learning_rate=_halved(candidate)).path)


def graph_path(candidate):
    tf = on_tensorflow()
    compiled = lambda f: tf.function(f)  # noqa: E731
    return _once(
        candidate,
        "graph",
        lambda: candidate.run(learning_rate=_halved(candidate), compiled=compiled).path,
    )


def xla_path(candidate):
    tf = on_tensorflow()
    return _once(
        candidate,
        "xla",
        lambda: (
            candidate.run(
                learning_rate=_halved(candidate),
                compiled=lambda f: tf.function(f, jit_compile=True),
            ).path
        ),
    )


# ---- A small network ----

X = np.random.default_rng(7).normal(size=(8, 3))
Y = np.random.default_rng(8).normal(size=(8, 1))


def network(optimizer, run_eagerly=True, build=False, dtype="float32"):
    """A small network with fixed weights, compiled."""
    layers = [
        keras.layers.Dense(
            units,
            kernel_initializer=keras.initializers.RandomNormal(seed=units),
            dtype=dtype,
            name=f"dense_{units}",
        )
        for units in (2, 1)
    ]
    model = keras.Sequential([keras.Input((3,), dtype=dtype), *layers])
    loss = keras.losses.MeanSquaredError(dtype=dtype)
    model.compile(optimizer, loss=loss, run_eagerly=run_eagerly, jit_compile=False)
    if build:
        optimizer.build(model.trainable_variables)
    return model


def train(model, epochs):
    """Two batches an epoch, in the same order each time."""
    model.fit(X, Y, epochs=epochs, batch_size=4, shuffle=False, verbose=0)
    return model


def trained(optimizer, epochs=4, **how):
    return train(network(optimizer, **how), epochs)

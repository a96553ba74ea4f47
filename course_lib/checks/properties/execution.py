"""Execution: the same model is trained in each way to execute the steps.

A loop in Python, a graph, XLA, `fit`, several devices and other backends take the same path.
"""

import keras

from ..engine import subprocess
from ..engine.check import ANATOMY, SCHEDULES, check
from ..engine.report import CheckFailed, DoesNotApply
from ..engine.runs import (
    BOWL_STEPS,
    CHANGE,
    EAGER,
    GRAPH,
    STEPS,
    XLA,
    compiler,
    difference,
    number,
    on_tensorflow,
)
from .network import trained


@check(
    otherwise="a value was frozen when the graph was made: `fit` and a loop of your own train two "
    "different models",
    read=ANATOMY,
)
def eager_equals_graph(candidate, standard):
    """In a graph it takes the eager path."""
    return _as_eager(candidate, GRAPH)


@check(
    otherwise="`jit_compile=True`, the default on a GPU, trains another model than a loop of your "
    "own",
    read=ANATOMY,
)
def eager_equals_xla(candidate, standard):
    """Compiled by XLA it takes the eager path."""
    return _as_eager(candidate, XLA, least=1e-9)  # XLA decomposes matrices in a way of its own


def _as_eager(candidate, how, least=0.0):
    on_tensorflow()
    tolerance = max(candidate.tolerance, least)
    compiled, eager = path_in(candidate, how), path_in(candidate, EAGER)
    steps = CHANGE - 1  # what comes after the change is another check's
    candidate.same_path(compiled[:steps], eager[:steps], how, "the eager path", tolerance)
    return f"{steps} steps: equal to {tolerance:.0e}"


def path_in(candidate, how):
    """Its path with half the learning rate from step CHANGE on: eager, in a graph or under XLA."""

    def halved(t):
        return candidate.learning_rate / 2 if t == CHANGE - 1 else None

    def path():
        rate = halved if candidate.learning_rate_can_be_set else None
        return candidate.run(learning_rate=rate, compiled=compiler(how)).path

    return candidate.once(("halved", how), path)


@check(
    otherwise="the learning rate was read once, when the graph was made; lowering it later changes "
    "nothing",
    read=SCHEDULES,
)
def a_new_learning_rate_reaches_the_graph(candidate, standard):
    """A learning rate that is changed midway reaches a compiled step."""
    on_tensorflow()
    if not candidate.learning_rate_can_be_set:
        raise DoesNotApply("its learning rate follows a schedule, or cannot be set")
    graph, eager = path_in(candidate, GRAPH), path_in(candidate, EAGER)
    if difference(graph[: CHANGE - 1], eager[: CHANGE - 1]) > candidate.tolerance:
        raise DoesNotApply(
            "in a graph it takes another path from the start: see eager_equals_graph"
        )
    candidate.same_path(
        graph,
        eager,
        f"in a graph, with half the learning rate from step {CHANGE} on",
        "the eager path",
    )
    return f"halved before step {CHANGE}: followed"


@check(otherwise="each step takes a thousand times as long, and memory grows", read=ANATOMY)
def nothing_is_traced_again(candidate, standard):
    """After the first step no graph is made any more."""
    on_tensorflow()
    from tensorflow.python.framework import func_graph

    made, original = [], func_graph.FuncGraph.__init__

    def counted(self, *arguments, **keywords):
        made.append(1)
        return original(self, *arguments, **keywords)

    def watch(t, one, variables):
        if t == BOWL_STEPS:
            func_graph.FuncGraph.__init__ = counted

    try:  # More steps than any run before it: what was traced then would not be traced again.
        candidate.run(before=watch, steps=BOWL_STEPS + STEPS)
    finally:
        func_graph.FuncGraph.__init__ = original
    if len(made) >= 2:
        raise CheckFailed(
            f"{len(made)} graphs were made during steps {BOWL_STEPS + 1} to {BOWL_STEPS + STEPS}",
            "none after the first steps",
        )
    return f"steps {BOWL_STEPS + 1} to {BOWL_STEPS + STEPS}: no new graph"


@check(
    otherwise="what `build` assigns while `fit` traces does not stay, or is assigned again with "
    "each batch: the state begins elsewhere",
    read=ANATOMY,
)
def fit_equals_a_loop(candidate, standard):
    """`fit`, which builds while TensorFlow traces, goes where an eager run goes."""
    on_tensorflow()
    loop, fitted = (
        trained(candidate.make(), run_eagerly=eagerly, dtype=candidate.dtype)
        for eagerly in (True, False)
    )
    candidate.same_path(
        [[number(w) for w in fitted.trainable_variables]],
        [[number(w) for w in loop.trainable_variables]],
        "after 8 batches of fit",
        "an eager run over the same batches",
        tolerance=max(candidate.tolerance, 1e-9),
    )
    return "8 batches: fit in a graph equals the eager run"


@check(
    otherwise="on two devices another model is trained than on one, or training hangs or breaks "
    "there",
    read=ANATOMY,
)
def two_replicas_step_as_one(candidate, standard):
    """Under MirroredStrategy, each replica with its part of the gradient, it steps as one."""
    on_tensorflow("strategies are")
    answer = subprocess.ask(candidate, "replicas")
    candidate.same_path(
        answer["path"],
        standard.path,
        f"on {answer['replicas']} replicas",
        "the path on one",
    )
    return f"{answer['replicas']} logical CPUs: equal to {candidate.tolerance:.0e}"


@check(
    otherwise="the same script trains another model with another KERAS_BACKEND, or breaks there",
    read=ANATOMY,
)
def other_backends_take_the_same_path(candidate, standard):
    """On JAX and PyTorch, where installed, it takes the same path."""
    others = subprocess.other_backends()
    if not others:
        raise DoesNotApply("no other backend is installed here")
    for backend in others:
        answer = subprocess.ask(candidate, backend)
        candidate.same_path(
            answer["path"],
            standard.path,
            f"on {backend}",
            f"the path on {keras.backend.backend()}",
            # NB: PyTorch's maximum rounds to float32 (Keras 3.15)
            tolerance=max(candidate.tolerance, 1e-6),
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

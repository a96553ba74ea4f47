"""The update alone: weights and gradients are there, and one step is taken.  Everything in float32.

Each candidate stands against the limit on the same number of weights, in the same process and the same rounds.  Before
each step the caches are cleared, as the backward pass of a large model clears them: weights, gradients and state come
from memory.  `test_in_a_cache` says what it is like when they do not.
"""

from functools import partial

from course_lib.optimizers import RULES
from course_lib.roofline import BLOCK, BlockedAdam, bandwidth, least_bytes

import limit
import numpy as np
import pytest
from harness import side_by_side

CASES = {
    "4 tensors, 1e6 weights": (4, 1_000_000),
    "200 tensors, 1e6 weights": (200, 1_000_000),
    "400 tensors, 1e6 weights": (400, 1_000_000),
    "4 tensors, 5e7 weights": (4, 50_000_000),
}
NUMPY_CASES = CASES | {
    "1 tensor, 1e6 weights": (1, 1_000_000),
    "1 tensor, 5e7 weights": (1, 50_000_000),
    "400 tensors, 5e7 weights": (400, 50_000_000),
}
BLOCKED = "NumPy, in place and blocked"
HYPER = {
    "sgd": dict(learning_rate=0.001),
    "momentum": dict(learning_rate=0.001, momentum=0.9),
    "adagrad": dict(learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7),
    "adam": dict(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7),
}


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return limit.compiled(tmp_path_factory.mktemp("limit"))


def tensors(count, size, seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(size // count, dtype="float32") for _ in range(count)]


def against_the_limit(
    results, library, rule, case, candidates, target=None, rounds=None, cold=True
):
    """Measure candidates and the limit together; the first limit there is (the C loop, if it was compiled) counts.

    target    of the first candidate
    """
    _, size = NUMPY_CASES[case]
    standards = limit.limits(rule, size, library)
    standard = next(iter(standards))
    rounds = rounds or (15 if size > 2**24 else 31)
    times = side_by_side(
        standards | candidates, rounds, before=limit.clear_caches if cold else None
    )
    case = f"{rule}, {case}" if cold else f"{rule}, {case}, in a cache"
    if rule == "adam":
        bytes_moved = least_bytes(RULES[rule], np.empty(size, "float32"))
        gigabytes = bytes_moved / np.median(times[standard]) / 1e9
        row = {"GB_a_second": float(f"{gigabytes:.3g}")}
        results.keep("limit", case, standard, "seconds", row, gigabytes)
    for what in reversed([*candidates, *list(standards)[1:]]):
        held = target if what == next(iter(candidates)) else None
        results.ratio("update", case, what, times, standard, held)
    return times


def test_the_limit_is_a_step_of_adam(library):
    """The C loop goes where the course's Adam goes, after so many steps that the bias corrections are gone."""
    if library is None:
        pytest.skip("no C compiler: the limit is the NumPy touch")
    g, w, m, v = (x.copy() for x in tensors(4, 400, 0))
    v = np.abs(v)
    state = {"m": m.astype(float), "v": v.astype(float), "t": 100_000}
    want, _ = RULES["adam"].step(w.astype(float), g.astype(float), state, **HYPER["adam"])
    limit.c_step("adam", g, w, [m, v], library)()
    np.testing.assert_allclose(w, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", NUMPY_CASES)
def test_numpy(results, library, case):
    candidates = numpy_ways(*NUMPY_CASES[case])
    against_the_limit(results, library, "adam", case, candidates, target=(0, 2.7))


@pytest.mark.parametrize("case", ["1 tensor, 1e6 weights", "400 tensors, 1e6 weights"])
def measure_in_a_cache(results, library, case):
    """Step after step and nothing in between: 16 MB stay in a large cache, where NumPy's instructions are the limit."""
    count, size = NUMPY_CASES[case]
    v, scratch = np.ones(size, "float32"), np.empty(BLOCK, "float32")
    blocks = [(v[i : i + BLOCK], scratch[: size - i]) for i in range(0, size, BLOCK)]

    def roots():
        for block, out in blocks:
            np.sqrt(block, out)

    candidates = numpy_ways(count, size) | {"NumPy, the root alone": roots}
    against_the_limit(results, library, "adam", case, candidates, rounds=15, cold=False)


def numpy_ways(count, size):
    """Four ways to take the same step."""
    gs = tensors(count, size, 1)
    blocked, copying, whole = (
        BlockedAdam(tensors(count, size, 0), block=block) for block in (BLOCK, BLOCK, size)
    )
    for adam in (blocked, whole):
        adam.step(gs)  # from here on they stand in its own memory
    return {
        BLOCKED: blocked.step,
        "NumPy, blocked, gradients copied in": partial(copying.step, gs),
        "NumPy, in place": whole.step,
        "NumPy, naive": naive("adam", tensors(count, size, 0), gs),
    }


def naive(rule, ws, gs):
    """The course's own step, tensor by tensor."""
    step, hyper = RULES[rule].numpy.step, dict(HYPER[rule])
    start = {k: hyper.pop(k) for k in ("initial_accumulator_value",) if k in hyper}
    states = [RULES[rule].numpy.init(w, **start) for w in ws]

    def run():
        for i, g in enumerate(gs):
            ws[i], states[i] = step(ws[i], g, states[i], **hyper)

    return run


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adagrad"])
def measure_naive_numpy_of_other_rules(results, library, rule):
    case = "4 tensors, 1e6 weights"
    candidates = {"NumPy, naive": naive(rule, tensors(4, 10**6, 0), tensors(4, 10**6, 1))}
    against_the_limit(results, library, rule, case, candidates)


def measure_block_sizes(results):
    """The same Adam from memory, with blocks from much too small to much too large."""
    ws, gs = tensors(1, 20_000_000, 0), tensors(1, 20_000_000, 1)
    candidates = {}
    for power in range(10, 25, 2):
        adam = BlockedAdam(ws, block=2**power)
        np.copyto(adam.gradients[0], gs[0])
        candidates[f"{2**power}"] = adam.step
    adam = BlockedAdam(ws)
    np.copyto(adam.gradients[0], gs[0])
    candidates["as it comes"] = adam.step
    times = side_by_side(candidates, rounds=9, before=limit.clear_caches)
    for what in list(candidates)[:-1]:
        results.ratio("block size", f"of {BLOCK}", what, times, "as it comes")


def measure_balance(results):
    """How many operations this core does in the time in which it moves a byte: a matrix product beside a touch."""
    a = np.random.default_rng(0).standard_normal((1024, 1024), dtype="float32")
    out = np.empty_like(a)
    times = side_by_side({"product": lambda: np.matmul(a, a, out=out)})
    operations = 2 * 1024**3 / np.median(times["product"])
    for name, size in {"from memory": 2**29, "from a cache": 2**22}.items():
        moved = bandwidth(size, seconds=1)
        row = {"operations_a_byte": float(f"{operations / moved:.3g}")}
        row["GB_a_second"] = float(f"{moved / 1e9:.3g}")
        results.keep("balance", name, "matrix product", "NumPy touch", row, operations / moved)


# ---- Keras ----


def keras_step(make, count, size, way):
    """One call of `optimizer.apply`: way is "eager", "graph" or "jit"."""
    import keras
    import tensorflow as tf

    gs = [tf.constant(g) for g in tensors(count, size, 1)]
    weights = [keras.Variable(w) for w in tensors(count, size, 0)]
    optimizer = make()
    optimizer.build(weights)

    def step(*gs):
        optimizer.apply(list(gs), weights)

    return partial(step if way == "eager" else tf.function(step, jit_compile=way == "jit"), *gs)


@pytest.mark.parametrize("way", ["graph", "jit", "eager"])
@pytest.mark.parametrize(
    ("rule", "case"),
    [("adam", case) for case in CASES]
    + [(rule, "4 tensors, 1e6 weights") for rule in ("sgd", "momentum", "adagrad")],
)
def measure_keras(results, library, rule, case, way):
    pytest.importorskip("tensorflow")
    makes = {"ours": RULES[rule].keras_class, "Keras": RULES[rule].builtin}
    candidates = {
        f"{name}, {way}": keras_step(partial(make, **HYPER[rule]), *CASES[case], way)
        for name, make in makes.items()
    }
    rounds = 9 if way == "eager" else None
    times = against_the_limit(results, library, rule, case, candidates, rounds=rounds)
    results.ratio("update", f"{rule}, {case}", f"ours, {way}", times, f"Keras, {way}")


def measure_a_square_as_a_power(results):
    """The same numbers by two operations, outside of a graph; within one, TensorFlow makes a product of both."""
    tf = pytest.importorskip("tensorflow")
    g = tf.constant(tensors(1, 1_000_000, 0)[0])
    times = side_by_side({"g**2": lambda: g**2, "tf.square(g)": lambda: tf.square(g)})
    results.ratio("square", "1e6 weights, eager", "g**2", times, "tf.square(g)")


@pytest.mark.parametrize("case", CASES)
def measure_tensorflows_fused_operation(results, library, case):
    """tf.raw_ops.ResourceApplyAdam: one pass, written by hand in C++, in a graph."""
    tf = pytest.importorskip("tensorflow")
    count, size = CASES[case]
    ws, ms, vs = ([tf.Variable(np.abs(x)) for x in tensors(count, size, seed)] for seed in range(3))
    gs = [tf.constant(g) for g in tensors(count, size, 3)]

    @tf.function
    def step(*gs):
        for w, m, v, g in zip(ws, ms, vs, gs, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=w.handle, m=m.handle, v=v.handle, grad=g, beta1_power=0.5, beta2_power=0.5,
                lr=0.001, beta1=0.9, beta2=0.999, epsilon=1e-7,
            )  # fmt: skip

    candidates = {"TensorFlow's fused operation, graph": partial(step, *gs)}
    against_the_limit(results, library, "adam", case, candidates)


# ---- Others, where they are installed ----


@pytest.mark.parametrize("case", CASES)
def measure_optax(results, library, case):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    count, size = CASES[case]
    optimizer = optax.adam(0.001)

    def step(ws, state, gs):
        updates, state = optimizer.update(gs, state, ws)
        return optax.apply_updates(ws, updates), state

    jitted = jax.jit(step, donate_argnums=(0, 1))
    gs = [jax.numpy.asarray(g) for g in tensors(count, size, 1)]
    ws = [jax.numpy.asarray(w) for w in tensors(count, size, 0)]
    held = [(ws, optimizer.init(ws))]

    def run():
        held[0] = jax.block_until_ready(jitted(*held[0], gs))

    against_the_limit(results, library, "adam", case, {"optax, jit": run})


@pytest.mark.parametrize("case", CASES)
def measure_torch(results, library, case):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    count, size = CASES[case]
    candidates = {}
    for name, more in {"PyTorch": {}, "PyTorch, fused": {"fused": True}}.items():
        ws = [torch.tensor(w, requires_grad=True) for w in tensors(count, size, 0)]
        for w, g in zip(ws, tensors(count, size, 1), strict=True):
            w.grad = torch.tensor(g)
        candidates[name] = torch.optim.Adam(ws, lr=0.001, **more).step
    against_the_limit(results, library, "adam", case, candidates)

"""The same run in a process of its own: on two logical CPUs, or on another backend.

Both are chosen once, before TensorFlow or Keras start, so a new process is needed. It has a time
limit. The optimizer travels by name (a module, or the file that it stands in). If it was defined in
a notebook, it travels by its source.
"""

import base64
import importlib.util
import inspect
import json
import os
import pickle
import subprocess
import sys
import tempfile
import textwrap
import types
from functools import partial
from pathlib import Path

import keras

from .candidate import Candidate
from .report import CheckFailed, DoesNotApply
from .runs import SHAPES, STEPS, gradient, loss_scale, number, variables_of

LIMIT = 120.0  # seconds
ANSWER = "the answer of another process: "
FILES = {}  # modules that were loaded from a file: name -> path


def load_file(path):
    """The module that a file holds, under a name that no other module has."""
    path = Path(path).resolve()
    name = path.stem
    if name in sys.modules and name not in FILES:
        name = f"{name}_of_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    FILES[name] = str(path)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name], FILES[name]
        raise
    return module


def other_backends():
    """The backends that are installed, without the one in use."""
    others = {"tensorflow", "jax", "torch"} - {keras.backend.backend()}
    return sorted(backend for backend in others if importlib.util.find_spec(backend))


def begin(candidate, where):
    """Start the run; `ask` waits for it. Started early, it runs beside the other checks."""
    started = candidate.once("processes", dict)
    if where not in started:
        order = {
            "where": where,
            "settings": base64.b64encode(pickle.dumps(candidate.settings)).decode(),
            "dtype": candidate.dtype,
            "period": candidate.period,
            **_transport(candidate),
        }
        out, err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115  (`end` closes them)
        backend = "tensorflow" if where == "replicas" else where
        process = subprocess.Popen(
            [sys.executable, "-m", "course_lib.checks.engine.subprocess"],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            text=True,
            env=os.environ
            | {
                "KERAS_BACKEND": backend,
                "JAX_ENABLE_X64": "1",
                "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                "CUDA_VISIBLE_DEVICES": "",
            },
        )
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        started[where] = process, out, err
    return started[where]


def ask(candidate, where):
    """The answer of the process.

    Returns:
        A dict with the path.

    Raises:
        CheckFailed: If the run fails there.
        DoesNotApply: If it cannot be run there.
    """
    process, out, err = begin(candidate, where)
    try:
        process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise CheckFailed(
            f"after {LIMIT:.0f} seconds a run of {STEPS} steps ({where}) had not come to an end",
            "a few seconds",
        ) from None
    out.seek(0)
    err.seek(0)
    lines = [line for line in out if line.startswith(ANSWER)]
    if not lines:
        last = err.read().strip().splitlines()[-1:] or ["no message"]
        raise RuntimeError(f"the process for {where} ended with {process.returncode}: {last[0]}")
    answer = json.loads(lines[-1].removeprefix(ANSWER))
    if "missing" in answer:
        raise DoesNotApply(f"it cannot be carried into another process: {answer['missing']}")
    if "refused" in answer:
        raise DoesNotApply(f"it refuses, and says so: {answer['refused']}")
    if "error" in answer:
        raise CheckFailed(
            f"the run ({where}) raised {answer['error']}",
            "the same path as here",
        )
    return answer


def end(candidate):
    """Stop what was begun and not needed any more."""
    for process, out, err in candidate.kept.pop("processes", {}).values():
        if process.poll() is None:
            process.kill()
            process.wait()
        out.close()
        err.close()


# ---- How an optimizer travels ----


def _transport(candidate):
    """By name if there is one, else its class by name and its configuration, else by source."""
    thing = candidate.optimizer
    if _has_a_name(thing):
        return {"files": FILES, "pickle": base64.b64encode(pickle.dumps(thing)).decode()}
    cls = type(candidate.made)
    try:
        config = json.loads(json.dumps(candidate.made.get_config()))
    except Exception as error:
        raise DoesNotApply(f"it has no configuration to carry over ({error})") from None
    if _has_a_name(cls):
        pickled = base64.b64encode(pickle.dumps(cls)).decode()
        return {"files": FILES, "pickle": pickled, "config": config}
    return {"files": FILES, "name": cls.__name__, "config": config, **_source(cls)}


def _has_a_name(thing):
    """True if another process can import it."""
    if isinstance(thing, partial):
        plain = (int, float, str, bool, type(None))
        values = [*thing.args, *thing.keywords.values()]
        return _has_a_name(thing.func) and all(isinstance(v, plain) for v in values)
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "<locals>")
    if module in (None, "__main__") or "<" in name:
        return False
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is thing and (module in FILES or importlib.util.find_spec(module) is not None)


def _source(cls):
    """The source of a class that was defined in a notebook, and what it uses by name."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        raise DoesNotApply("its source cannot be read; put the class into a file") from None
    names, modules, values = set(), {}, {}
    for function in vars(cls).values():
        function = getattr(function, "__func__", function)
        if not isinstance(function, types.FunctionType):
            continue
        if set(function.__code__.co_freevars) - {"__class__"}:
            raise DoesNotApply(
                "it uses variables of the function that it stands in; put the class into a file"
            )
        names |= set(_names(function.__code__))
        names |= {"keras"}
        known = function.__globals__
        for name in names & set(known):
            if isinstance(known[name], types.ModuleType):
                modules[name] = known[name].__name__
            elif _has_a_name(known[name]) or isinstance(known[name], int | float | str):
                values[name] = base64.b64encode(pickle.dumps(known[name])).decode()
    bases = {base.__name__: base for base in cls.__bases__}
    for name, base in bases.items():
        if _has_a_name(base):
            values[name] = base64.b64encode(pickle.dumps(base)).decode()
    return {"source": source, "modules": modules, "values": values}


def _names(code):
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


# ---- In the other process ----


def _received(order):
    for path in order["files"].values():
        load_file(path)
    if "source" in order:
        space = {"__name__": "carried_over", "keras": keras}
        for name, module in order["modules"].items():
            space[name] = importlib.import_module(module)
        for name, value in order["values"].items():
            space[name] = pickle.loads(base64.b64decode(value))
        exec(compile(order["source"], "carried over", "exec"), space)
        thing = space[order["name"]]
    else:
        thing = pickle.loads(base64.b64decode(order["pickle"]))
    if "config" in order:
        return lambda: thing.from_config(dict(order["config"]))
    return thing


def _main():
    order = json.loads(sys.stdin.read())
    try:
        thing = _received(order)
        settings = pickle.loads(base64.b64decode(order["settings"]))
        candidate = Candidate(thing, settings={} if "config" in order else settings)
    except Exception as error:
        answer = {"missing": f"{type(error).__name__}: {error}"}
    else:
        try:
            candidate.__dict__.update(period=order["period"])
            if order["where"] == "replicas":
                answer = _on_two_replicas(candidate, order["dtype"])
            else:
                candidate.__dict__.update(dtype=order["dtype"])
                path = candidate.run().path
                answer = {"path": [[w.tolist() for w in ws] for ws in path]}
        except NotImplementedError as refusal:
            answer = {"refused": str(refusal)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
    print(f"\n{ANSWER}{json.dumps(answer)}", flush=True)


def _on_two_replicas(candidate, dtype):
    """The standard run, with a quarter of each gradient on one replica, the rest on the other."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        one, variables = candidate.make(), variables_of(SHAPES, dtype)
        one.build(variables)
    scale, path = loss_scale(one), []
    for t in range(STEPS):

        def step(t=t):
            first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
            share = tf.where(first, tf.constant(0.25, dtype), tf.constant(0.75, dtype)) * scale
            given = [tf.constant(gradient(s, i, t), dtype) * share for i, s in enumerate(SHAPES)]
            one.apply(given, variables)

        for _ in range(candidate.period):
            strategy.run(step)
        path.append([number(v).tolist() for v in variables])
    for v in variables:
        copies = [number(copy).tolist() for copy in v.value.values]
        if copies[0] != copies[1]:
            raise RuntimeError("the replicas hold different weights: they drift apart")
    return {"path": path, "replicas": strategy.num_replicas_in_sync}


if __name__ == "__main__":
    _main()

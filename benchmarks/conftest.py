"""Benchmarks run alone, on one thread: uv run pytest benchmarks -n0"""

import importlib.util
import os

# JAX too; the conftest above this one sees to the others.  (TensorFlow's XLA multiplies matrices more slowly so.)
if importlib.util.find_spec("jax"):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import pytest
from harness import Results


@pytest.fixture(scope="session")
def results(request):
    """The results file; each row is written as soon as it is measured."""
    if hasattr(request.config, "workerinput"):
        pytest.fail("benchmarks disturb each other: run them with -n0", pytrace=False)
    return Results()

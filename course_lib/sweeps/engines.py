"""Who computes: NumPy, TensorFlow (under XLA), or JAX.

An engine says how a function is translated and compiled, how arrays are made, and how a loop over
steps and a map over trials are written. Everything else is the same for all of them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import needs_package
from .tracing import translate


class _NumPy:
    """Step after step, as the functions stand."""

    of = np

    def translate(self, function):
        return function

    def compile(self, function):
        return function

    def array(self, values):
        return values

    def state(self, value, dtype):
        return value.item() if value.dtype.kind == "i" and value.ndim == 0 else value  # t

    def stack(self, states, dtype):
        return states

    def loop(self, n, body, carry):
        for i in range(n):
            carry = body(i, carry)
        return carry

    def map(self, step, w, g, states, rates):
        moved = []
        for i, (one, state) in enumerate(zip(w, states, strict=True)):
            try:
                moved.append(step(one, g[i], state, rates[i].item()))
            except np.linalg.LinAlgError:  # no eigenvalues: the trial has diverged
                moved.append((np.full_like(one, np.nan), state))
        return np.stack([w for w, _ in moved]), [state for _, state in moved]

    def side_by_side(self, parts):
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


class _Compiled:
    """All steps between two looks at the loss as one program.

    A subclass names its library: `of` has NumPy's names.
    """

    of = None

    def translate(self, function):
        return translate(function, self.of)

    def state(self, value, dtype):
        return self.array(np.asarray(value, dtype))

    def stack(self, states, dtype):
        return {key: self.state(np.stack([s[key] for s in states]), dtype) for key in states[0]}

    def side_by_side(self, parts):
        flat = [self.of.reshape(part, (part.shape[0], -1)) for part in parts]
        return self.of.concatenate(flat, axis=1)


class _TensorFlow(_Compiled):
    def __init__(self):
        import keras

        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "`engine` is 'tensorflow', and Keras runs on "
                f"{keras.backend.backend()} here. Take 'numpy' or 'jax'."
            )
        self.tf = needs_package("engine='tensorflow'", "tensorflow", "tensorflow")
        self.of = keras.ops

    def compile(self, function):
        return self.tf.function(function, jit_compile=True, autograph=False)

    def array(self, values):
        return self.tf.constant(values)

    def loop(self, n, body, carry):
        _, carry = self.tf.while_loop(
            lambda i, _: i < n, lambda i, carry: (i + 1, body(i, carry)), (0, carry)
        )
        return carry

    def map(self, step, *arguments):
        return self.tf.vectorized_map(lambda each: step(*each), arguments)


class _JAX(_Compiled):
    def __init__(self):
        self.jax = needs_package("engine='jax'", "jax", "jax")
        self.of = self.jax.numpy

    def compile(self, function):
        compiled = self.jax.jit(function)

        def run(*arguments):
            with self.jax.enable_x64(True):
                return compiled(*arguments)

        return run

    def array(self, values):
        with self.jax.enable_x64(True):
            return self.jax.numpy.asarray(values)

    def loop(self, n, body, carry):
        return self.jax.lax.fori_loop(0, n, body, carry)

    def map(self, step, *arguments):
        return self.jax.vmap(step)(*arguments)


ENGINES: dict[str, Callable[[], Any]] = {
    "numpy": _NumPy,
    "tensorflow": _TensorFlow,
    "jax": _JAX,
}

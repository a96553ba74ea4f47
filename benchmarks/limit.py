"""The limit: a loop over the bytes that a rule must move, as fast as this machine allows."""

import ctypes
import shutil
import subprocess

from course_lib.roofline import touch

import numpy as np

# One pass each: everything is read once and written once.
LOOPS = {
    "sgd": "w[i] -= rate * g[i];",
    "momentum": "a[i] = b1 * a[i] - rate * g[i]; w[i] += a[i];",
    "adagrad": "a[i] += g[i] * g[i]; w[i] -= rate * g[i] / (sqrtf(a[i]) + eps);",
    "adam": """a[i] = b1 * a[i] + (1 - b1) * g[i]; b[i] = b2 * b[i] + (1 - b2) * g[i] * g[i];
               w[i] -= rate * a[i] / (sqrtf(b[i]) + eps);""",
}
SLOTS = {"sgd": 0, "momentum": 1, "adagrad": 1, "adam": 2}
SOURCE = "#include <math.h>\n#include <stddef.h>\n" + "".join(
    f"""void {name}(ptrdiff_t n, float *restrict g, float *restrict w, float *restrict a, float *restrict b,
                   float rate, float b1, float b2, float eps) {{
  for (ptrdiff_t i = 0; i < n; i++) {{ {body} }}
}}
"""
    for name, body in LOOPS.items()
)


def compiled(folder):
    """The loops, compiled for this processor; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    source, library = folder / "limit.c", folder / "limit.so"
    source.write_text(SOURCE)
    flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-o", str(library)]
    done = subprocess.run([compiler, *flags, str(source)], capture_output=True)
    return ctypes.CDLL(str(library)) if done.returncode == 0 else None


def limits(rule, size, library):
    """{"C loop": ..., "NumPy touch": ...} over `size` float32 weights of `rule`; the first only where it was compiled.

    The C loop takes the rule's step.  The touch reads and writes the same bytes and does the least arithmetic instead.
    """
    g, w, *slots = arrays = [np.full(size, 0.5, "float32") for _ in range(2 + SLOTS[rule])]
    found = {"NumPy touch": lambda: touch(*arrays)}
    if library is not None:
        found = {"C loop": c_step(rule, g, w, slots, library)} | found
    return found


def c_step(rule, g, w, slots, library, rate=0.001, b1=0.9, b2=0.999, eps=1e-7):
    """A function that takes one step in place, without bias corrections."""
    pointers = [x.ctypes.data_as(ctypes.c_void_p) for x in (g, w, *slots)]
    pointers += [None] * (4 - len(pointers))
    numbers = [ctypes.c_float(x) for x in (rate, b1, b2, eps)]
    step, n = getattr(library, rule), ctypes.c_ssize_t(g.size)
    return lambda: step(n, *pointers, *numbers)


def clear_caches(size=2**27, kept=[]):  # noqa: B006  (one buffer for all calls)
    """Walk through more memory than any cache holds, as a backward pass does between two updates."""
    if not kept:
        kept.append(np.zeros(size // 4, "float32"))
    np.add(kept[0], 1, out=kept[0])

"""One update of 784-512-512-10, notebook 16's network, from 16,384 examples: at once, or in eight soft batches.

In eight, `steps_per_execution=8`: one call from Python is then one update, as it is at once.
"""

from course_lib.optimizers import RULES
from course_lib.wrappers import SoftBatch

from networks import batches, compiled

ROWS, STEPS = 2048, 8


def trainer(kind, way, updates, calls=1):
    """(compiled model, its data for that many `updates`).

    kind     "large"; "soft", ours; "keras", Keras's own accumulation; "small", where each micro-batch makes a step
    way      "graph" or "jit"
    calls    how many calls from Python make one soft update: 1, or 8
    """
    adam, jit = RULES["adam"], way == "jit"
    if kind == "large":
        model = compiled(adam.keras_class(0.001), widths=(512, 512), jit_compile=jit)
        return model, batches(ROWS * STEPS, updates)
    optimizer = {
        "soft": lambda: SoftBatch(adam.keras_class(0.001), steps=STEPS),
        "keras": lambda: adam.builtin(0.001, gradient_accumulation_steps=STEPS),
        "small": lambda: RULES["sgd"].keras_class(0.001),
    }[kind]()
    more = dict(jit_compile=jit, steps_per_execution=STEPS // calls)
    return compiled(optimizer, widths=(512, 512), **more), batches(ROWS, STEPS * updates)

"""One update of 784-512-512-10, notebook 16's network, from 16,384 examples: at once, or in eight soft batches."""

from course_lib.optimizers import RULES
from course_lib.soft_batch import SoftBatch

from networks import batches, compiled

ROWS, STEPS = 2048, 8


def trainer(kind, way, updates):
    """(compiled model, its data for that many `updates`): kind is "large", "soft" or "keras", way "graph" or "jit"."""
    if kind == "large":
        optimizer, rows, number = RULES["adam"].keras_class(0.001), ROWS * STEPS, updates
    else:
        rows, number = ROWS, STEPS * updates
        if kind == "soft":
            optimizer = SoftBatch(RULES["adam"].keras_class(0.001), steps=STEPS)
        else:
            optimizer = RULES["adam"].builtin(0.001, gradient_accumulation_steps=STEPS)
    return compiled(optimizer, widths=(512, 512), jit_compile=way == "jit"), batches(rows, number)

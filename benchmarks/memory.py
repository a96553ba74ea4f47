"""A program of its own, for test_large_batch.py: what an update holds in memory, in a process that does nothing else.

    python memory.py large|soft|keras graph|jit

Prints {"peak": ..., "state": ...}, in bytes: by how much the live bytes grew while an update was made, at their peak, over
what was there before (data, weights, state); and the optimizer's state, which was there before.  TensorFlow's own count,
to the byte, XLA's temporaries included; TF_CPU_ALLOCATOR_USE_BFC=1 makes it count.
"""

import json
import os
import sys

os.environ["TF_CPU_ALLOCATOR_USE_BFC"] = "1"  # before TensorFlow is imported

import numpy as np
from large_batches import trainer


def main(kind, way):
    import tensorflow as tf

    memory = tf.config.experimental
    model, data = trainer(kind, way, updates=2)
    model.fit(data, verbose=0, shuffle=False)  # compiles, and makes what is made once
    memory.reset_memory_stats("CPU:0")
    before = memory.get_memory_info("CPU:0")["current"]
    model.fit(data, verbose=0, shuffle=False)
    peak = memory.get_memory_info("CPU:0")["peak"] - before
    state = sum(
        int(np.prod(v.shape)) * np.dtype(v.dtype).itemsize for v in model.optimizer.variables
    )
    print(json.dumps({"peak": peak, "state": state}))


if __name__ == "__main__":
    main(*sys.argv[1:])

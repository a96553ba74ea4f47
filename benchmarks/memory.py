"""A program of its own, for test_large_batch.py: what an update holds in memory, in a process that does nothing else.

    python memory.py large|soft|keras graph|jit

Prints {"peak": ..., "state": ...}, in bytes: by how much the resident set grew while an update was made, at its peak, over
what was there before (program, data, weights, state); and the optimizer's state, which was there before.  Linux only.
So that what is freed is given back, and the next update has to ask for it anew: malloc maps each array on its own
(MALLOC_MMAP_THRESHOLD_, set by the test), and TensorFlow does without oneDNN, which keeps a pool.
"""

import json
import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # before TensorFlow is imported

import numpy as np
import psutil
from large_batches import trainer


def main(kind, way):
    model, data = trainer(kind, way, updates=2)
    for _ in range(2):  # compiles, and makes what is made once
        model.fit(data, verbose=0, shuffle=False)
    before = psutil.Process().memory_info().rss
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # forget the highest resident set so far
    model.fit(data, verbose=0, shuffle=False)
    with open("/proc/self/status") as file:
        highest = next(int(x.split()[1]) * 1024 for x in file if x.startswith("VmHWM"))
    state = sum(
        int(np.prod(v.shape)) * np.dtype(v.dtype).itemsize for v in model.optimizer.variables
    )
    print(json.dumps({"peak": highest - before, "state": state}))


if __name__ == "__main__":
    main(*sys.argv[1:])

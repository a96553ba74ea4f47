"""One update from 16,384 examples: at once, in eight soft batches of ours, in eight of Keras's.  Memory and time."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from harness import side_by_side
from large_batches import STEPS, trainer

NAMES = {"soft": "ours", "keras": "Keras's accumulation"}
CASE = "8 x 2,048, {}"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("way", ["graph", "jit"])
def test_memory(results, way):
    """At the peak of an update, the state that accumulation adds counted in."""
    held = {kind: measured(kind, way) for kind in ("large", *NAMES)}
    kept = {kind: m["peak"] + m["state"] - held["large"]["state"] for kind, m in held.items()}
    for kind in ("keras", "soft"):
        ratio = kept[kind] / kept["large"]
        row = dict(ratio=float(f"{ratio:.3g}"), bytes=kept[kind], bytes_at_once=kept["large"])
        target = (0, 0.2) if kind == "soft" else None
        results.keep(
            "soft batch, memory", CASE.format(way), NAMES[kind], "at once", row, ratio, target
        )


def measured(kind, way):
    program = Path(__file__).with_name("memory.py")
    malloc = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, program, kind, way],
        capture_output=True,
        text=True,
        env={**os.environ, **malloc},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("way", ["graph", "jit"])
def test_time(results, way):
    """Ours also as `fit` does it unless told otherwise, a call a micro-batch; and beside plain steps on micro-batches."""
    kinds = {
        "at once": dict(kind="large"),
        "ours": dict(kind="soft"),
        "Keras's accumulation": dict(kind="keras"),
        "ours, a call a micro-batch": dict(kind="soft", calls=STEPS),
        "gradient descent, a call a micro-batch": dict(kind="small", calls=STEPS),
    }
    candidates = {}
    for name, arguments in kinds.items():
        model, data = trainer(way=way, updates=2, **arguments)
        candidates[name] = partial(model.fit, data, verbose=0, shuffle=False)
    times = side_by_side(candidates, rounds=15)
    for name in list(candidates)[:0:-1]:
        target = (0, 1.05) if name == "ours" else None
        results.ratio("soft batch, time", CASE.format(way), name, times, "at once", target)

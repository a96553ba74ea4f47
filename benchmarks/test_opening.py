"""What it costs to run a lesson as the suite does: CPU seconds of a fresh pytest with nbval, its kernel included."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
ROUNDS = 3
NBVAL = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider"]
PROGRAMS = {
    "import tensorflow": [sys.executable, "-c", "import course_lib.quiet, tensorflow"],
    "a NumPy lesson (02)": [*NBVAL, "notebooks/02_gradient_descent_by_hand.ipynb"],
    "a Keras lesson (04)": [*NBVAL, "notebooks/04_anatomy_of_a_keras_optimizer.ipynb"],
}


def seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_opening_a_lesson(results):
    times = {name: [] for name in PROGRAMS}
    for command in PROGRAMS.values():
        seconds(command)  # once for the disk
    for _ in range(ROUNDS):
        for name, command in PROGRAMS.items():
            times[name].append(seconds(command))
    times = {name: np.array(samples) for name, samples in times.items()}
    for name in list(PROGRAMS)[1:]:
        row = {"CPU_seconds": float(f"{np.median(times[name]):.3g}")}
        target = (0, 7) if "NumPy" in name else None
        results.ratio("opening", "under nbval", name, times, "import tensorflow")
        results.keep("opening", "under nbval", name, "seconds", row, np.median(times[name]), target)

"""A whole sweep, 8 learning rates x 8 seeds of one network, over one `fit` of it: each from nothing, compilation included.

Both report the accuracy as they go: the sweep that of 389 digits held out, `fit` that of its batches, which costs less.
"""

import importlib.util

from course_lib.optimizers import RULES
from course_lib.problems import small_network
from course_lib.sweeps import digits, sweep
from course_lib.sweeps.program import forget_programs

import numpy as np
import pytest
from harness import side_by_side

ENGINES = ["numpy", "tensorflow", *(["jax"] if importlib.util.find_spec("jax") else [])]
AT_MOST = {"numpy": 64 / 60, "tensorflow": 0.8}  # of one fit, where 64 trials would take 64


@pytest.mark.parametrize("engine", ENGINES)
def test_sixty_four_trials_cost_about_one_fit(results, engine):
    problem = digits()

    def one_fit():
        model = small_network()
        loss = "sparse_categorical_crossentropy"
        model.compile(RULES["adam"].builtin(0.01), loss=loss, metrics=["accuracy"])
        model.fit(problem.x, problem.y, batch_size=32, epochs=20, verbose=0)

    def all_trials():
        forget_programs()
        table = sweep(problem, ["adam"], np.logspace(-4, -1, 8), range(8), engine=engine)
        assert len(table.finished(880)) == 64

    times = side_by_side(
        {"64 trials": all_trials, "one fit": one_fit}, rounds=11, before=lambda: None
    )
    target = (0, AT_MOST[engine]) if engine in AT_MOST else None
    results.ratio("sweep", engine, "64 trials", times, "one fit", target)

"""Many trainings at once: every learning rate and seed of a comparison, in the time of a few.

A rule's NumPy `step` is a pure function. An array may hold the weights of one network, or those of
sixty-four. So sixty-four trials are one computation with one more axis. What is saved is not
arithmetic, but everything around it: Python, dispatch, the start of each small operation.

    table = sweep(digits(), ["sgd", "adam"], learning_rates=[0.001, 0.01, 0.1], seeds=range(8))
    table.to_csv("race.csv")

Nothing of a rule is written a second time. NumPy runs its `step`. TensorFlow (under XLA) and JAX
compile that same function.

problem         what is trained: rows, labels, a network of dense layers
racer           what trains it: a rule, its settings, how its gradients are taken
network         the network for many trials at once: forward, its gradient, its loss
tracing         a NumPy function, translated for TensorFlow or JAX
engines         who computes: NumPy, TensorFlow, JAX
program         a rule's steps on an engine
plan            how long each trial trains, and how it is named
training        some trials of one rule as one batch: `train`
schedule        the batches of a sweep, here or on an executor
table           the result, and its file
sweep           all of it together: `sweep`

verified_csv, sources and fingerprints find what was changed: a row of a file, a file of code, a
trial that is not the one that was trained.
"""

from .problem import Problem, digits
from .racer import Racer
from .sweep import sweep
from .table import Table
from .training import train

__all__ = ["Problem", "Racer", "Table", "digits", "sweep", "train"]

"""What goes around an optimizer: soft batches, averages of the weights, Lookahead.

base          Wrapper, what all of them share; chain, the walk along wrapped optimizers
soft_batch    k micro-batches make one step
averaging     the mean of the iterates, beside training
evaluation    a model at its average, and back
lookahead     slow weights that follow fast ones

Each is there twice: in lower case for a NumPy rule, as a class for a Keras optimizer.
"""

from .averaging import Averaging, averaging
from .base import Wrapper, chain
from .evaluation import EvaluateAtAverage, at_average
from .lookahead import Lookahead, lookahead
from .soft_batch import FireAtEpochEnd, SoftBatch, soft_batch

__all__ = [
    "Averaging",
    "EvaluateAtAverage",
    "FireAtEpochEnd",
    "Lookahead",
    "SoftBatch",
    "Wrapper",
    "at_average",
    "averaging",
    "chain",
    "lookahead",
    "soft_batch",
]

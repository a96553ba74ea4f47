"""Batches whose order is a function of a seed, so that any process finds its place again."""

from typing import Any

import keras
import numpy as np

from ..arguments import whole_number


class SeededBatches(keras.utils.PyDataset):
    """Batches in an order that depends on (seed, epoch) alone, and that can begin at any step.

    Give it to `fit` with `shuffle=False`: fit's own shuffling depends on Python's random state.

    Args:
        x: The inputs: an array, or what NumPy makes an array of. The first axis counts examples.
        y: The targets, as many as inputs.
        batch_size: Examples per batch. The last batch of an epoch may be smaller.
        seed: A whole number, 0 or more. Epoch `e` has the order
            `np.random.default_rng((seed, e)).permutation(len(x))`.

    Raises:
        ValueError: If `x` and `y` differ in length or are empty, or if `batch_size` or `seed` is
            not such a number.

    Example:
        >>> data = SeededBatches(np.arange(5.0), np.zeros(5), batch_size=2, seed=0)
        >>> len(data), data.order(epoch=3)
        (3, array([3, 0, 2, 1, 4]))
    """

    def __init__(self, x: Any, y: Any, batch_size: int, seed: int):
        super().__init__()
        self.x, self.y = np.asarray(x), np.asarray(y)
        lengths = [len(one) if one.ndim else None for one in (self.x, self.y)]
        if lengths[0] != lengths[1] or not lengths[0]:
            raise ValueError(
                "`x` and `y` must be arrays of the same length, above 0. "
                f"Received the lengths: {lengths[0]} and {lengths[1]}."
            )
        self.batch_size = whole_number("batch_size", batch_size)
        self.seed = whole_number("seed", seed, least=0)
        self.epoch = self.start = 0  # the epoch that is served, and its first step that is
        self.next = (0, 0)
        self.served = 0  # steps of this epoch that were read, one after the other

    @property
    def steps(self) -> int:
        """The number of batches in a whole epoch."""
        whole, rest = divmod(len(self.x), self.batch_size)
        return whole + (rest > 0)

    def __len__(self):
        return self.steps - self.start

    def __getitem__(self, index):
        if index == self.served:
            self.served += 1
        i = (self.start + index) * self.batch_size
        rows = self.order(self.epoch)[i : i + self.batch_size]
        return self.x[rows], self.y[rows]

    def order(self, epoch: int) -> np.ndarray:
        """The order of the examples in an epoch.

        Args:
            epoch: The number of the epoch, from 0.

        Returns:
            A permutation of the numbers from 0 to `len(x) - 1`, shape `(len(x),)`, int64.
        """
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.x))

    def seek(self, epoch: int, step: int = 0) -> None:
        """Choose where the next epoch that is served begins.

        Args:
            epoch: The number of that epoch, from 0.
            step: The first batch that is served, from 0.

        Raises:
            ValueError: If an epoch has no such step.
        """
        if not 0 <= step < self.steps:
            raise ValueError(f"`step` must be from 0 to {self.steps - 1}. Received: step={step!r}.")
        self.next = (epoch, step)

    def on_epoch_begin(self) -> None:
        """Go to the epoch that `seek` chose, or to the next one. `fit` calls this."""
        self.epoch, self.start = self.next
        self.next = (self.epoch + 1, 0)
        self.served = 0

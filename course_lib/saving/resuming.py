"""A fit that is killed at any moment continues where it was."""

import contextlib
import os
import time
import warnings
from pathlib import Path

import keras

from ..arguments import needs_backend, whole_number
from .batches import SeededBatches
from .container import GROUP, datasets, opened, owner_of
from .files import about, fill, write
from .losses import optimizers_of, state_outside_variables
from .neighbours import Neighbours
from .training import changes, description

STALE = 3600  # seconds: what nobody has written to for so long belongs to a process that is dead


class ResumableTraining(keras.callbacks.Callback):
    """Make a fit that was killed continue when the same script runs again.

        data = SeededBatches(x, y, batch_size=32, seed=0)
        model.fit(data, shuffle=False, epochs=20, callbacks=[ResumableTraining(folder, data)])

    On the CPU the result equals that of an uninterrupted run to the last bit. Restored are weights,
    the optimizer's variables, seed generators, metrics, epoch, step and the order of the data.
    `history` holds the logs of all epochs, those of earlier processes too. Of other callbacks plain
    attributes are restored, such as EarlyStopping's patience and ModelCheckpoint's best value.

    In the epoch that is continued, fit counts the steps that are left from 0, and so do other
    callbacks. Not restored are arrays in other callbacks (a warning names them), the random states
    of Python and NumPy, and `keras.random` without a SeedGenerator. TensorFlow, one device.

    Keras's BackupAndRestore restores weights, optimizer and epoch. It restores neither the step nor
    seed generators, metrics and the order of the data. A kill while it writes can damage its file.

    Args:
        folder: Where the states of this training are kept, and of no other. The newest two files
            stay, the older as a reserve. Each is a .weights.h5 file that also knows its place.
        data: The SeededBatches that fit is given.
        every: Write after this many steps, counted over the whole training, and after each epoch.
            "epoch" writes after each epoch only.

    Raises:
        TypeError: If `folder` is not a path, or `data` not a SeededBatches.
        ValueError: If `every` is neither. When training begins: if the folder belongs to another
            model, optimizer, loss or data, if none of its files can be read, or if fit is given
            other data or shuffles.
        RuntimeError: If Keras does not run on TensorFlow.

    Warns:
        UserWarning: If the newest file is damaged and the reserve is used.
    """

    def __init__(
        self, folder: str | os.PathLike, data: SeededBatches, every: int | str = "epoch"
    ) -> None:
        super().__init__()
        needs_backend("ResumableTraining", "tensorflow")
        if not isinstance(folder, str | os.PathLike):
            raise TypeError(f"`folder` must be a path. Received: folder={folder!r}.")
        if not isinstance(data, SeededBatches):
            raise TypeError(f"`data` must be a SeededBatches. Received: data={data!r}.")
        if every != "epoch":
            every = whole_number("every", every, because="Or 'epoch'.")
        self.folder, self.data, self.every = Path(folder), data, every
        self._begin()

    def _begin(self):
        self.place = (0, 0)  # epoch and step
        self.history = {}
        self.neighbours = None
        self._metrics = self._quiet = self._description = None

    def on_train_begin(self, logs=None):
        if self.params["steps"] != self.data.steps:
            raise ValueError(
                f"fit counts {self.params['steps']} steps an epoch, and `data` has "
                f"{self.data.steps}: give both the same, freshly made SeededBatches, and no "
                "steps_per_epoch."
            )
        if getattr(self.model, "steps_per_execution", 1) != 1:
            raise ValueError("compile with steps_per_execution=1: a step is what can be continued.")
        lost = [one for o in optimizers_of(self.model) for one in state_outside_variables(o)]
        if lost:
            raise ValueError("This training cannot be continued. " + ". ".join(lost) + ".")
        self._begin()
        self._build()
        self._description = description(self.model, self.data)
        neighbours = Neighbours(self)
        if neighbours.join():
            self.neighbours = neighbours
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_litter()
        self._restore()
        # NB: a private name, but the very mechanism of Keras's BackupAndRestore: fit reads it after
        # this hook.
        self.model._initial_epoch = self.place[0] or None

    def on_epoch_begin(self, epoch, logs=None):
        self.model._initial_epoch = None
        step = self.place[1] if epoch == self.place[0] else 0
        self.place = (epoch, step)
        self.data.seek(epoch, step)
        if self._metrics is not None:  # fit has just reset them
            for variable, value in zip(self.model.metrics_variables, self._metrics, strict=True):
                variable.assign(value)
            self._metrics = None

    def on_train_batch_begin(self, batch, logs=None):
        if batch == len(self.data) and self.data.start:
            # fit planned a whole epoch and goes for a step too many. StopIteration is how data says
            # that it has run out: fit warns and ends the epoch. (Had it tried the step, it would
            # have drawn a dropout mask.)
            self._quiet = warnings.catch_warnings()
            self._quiet.__enter__()
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            raise StopIteration

    def on_train_batch_end(self, batch, logs=None):
        if self.data.served <= batch:
            raise ValueError(
                "fit does not take the batches of `data` in their order: give fit and "
                "ResumableTraining the same SeededBatches, and fit shuffle=False."
            )
        step = self.data.start + batch + 1
        whole = self.place[0] * self.data.steps + step
        if self.every != "epoch" and whole % self.every == 0 and step < self.data.steps:
            self._write(self.place[0], step)

    def on_epoch_end(self, epoch, logs=None):
        if self._quiet is not None:
            self._quiet.__exit__(None, None, None)
            self._quiet = None
        if self.neighbours is None:  # a loop that calls the hooks itself
            self.end_epoch(epoch, logs)

    def end_epoch(self, epoch: int, logs: dict[str, float] | None) -> None:
        """Write the state after an epoch, when all other callbacks have seen its end.

        Args:
            epoch: The epoch that ended, from 0.
            logs: Its metrics by name.
        """
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        self._write(epoch + 1, 0)

    def _first_batch(self):
        return self.data.x[: self.data.batch_size], self.data.y[: self.data.batch_size]

    def _build(self):
        """Make the weights that fit would make with its first step, so that they can be filled."""
        if not all(layer.built for layer in [self.model, *self.model.layers]):
            self.model(self._first_batch()[0], training=False)

    def _write(self, epoch, step):
        name = f"step-{epoch * self.data.steps + step:09}.weights.h5"
        known, lost = ({}, []) if self.neighbours is None else self.neighbours.now()
        write(
            self.model,
            self.folder / name,
            epoch=epoch,
            step=step,
            history=self.history,
            training=self._description,
            callbacks=known,
            not_held=lost,
        )
        for old in [path for path in self._files() if path.is_file()][2:]:
            old.unlink()

    def _files(self):
        return sorted(self.folder.glob("step-*.weights.h5"), reverse=True)

    def _remove_litter(self):
        for path in self.folder.glob(".partial-*"):
            try:
                if time.time() - path.stat().st_mtime > STALE:
                    path.unlink()
            except FileNotFoundError:  # another process was faster, or has just finished it
                pass

    def _restore(self):
        damaged = {}
        for path in self._files():
            with contextlib.ExitStack() as stack:
                try:
                    saved = stack.enter_context(opened(path))
                    if "training" not in (about(saved) or {}):
                        raise ValueError(f"{saved.name!r} is not the state of a training.")
                except (ValueError, OSError) as error:
                    damaged[path] = str(error)
                    continue
                self._continue_from(saved)
                break
        else:
            if damaged:
                raise ValueError(
                    f"No state in the folder can be read: {' '.join(damaged.values())} "
                    "Empty it to begin anew."
                )
        for path, sentence in damaged.items():
            warnings.warn(f"{sentence} Continuing from the one before.", stacklevel=2)
            if path.is_file():
                path.unlink()

    def _continue_from(self, saved):
        told = about(saved)
        changed = list(changes(told["training"], self._description))
        if changed:
            more = f"; and {len(changed) - 5} more" if len(changed) > 5 else ""
            raise ValueError(f"The folder holds another training: {'; '.join(changed[:5])}{more}.")
        metrics = [
            item[()]
            for _, item in datasets(saved.file[GROUP])
            if owner_of(item).startswith("metric")
        ]
        if told["step"]:  # the metrics are in the middle of an epoch: make them, to be filled
            x, y = self._first_batch()
            self.model.compute_metrics(x, y, self.model(x, training=False))
            if len(metrics) != len(self.model.metrics_variables):
                raise ValueError("The folder holds another training: its metrics were others.")
            self._metrics = metrics
        fill(self.model, saved)
        self.place, self.history = (told["epoch"], told["step"]), told["history"]
        if self.neighbours is not None:
            self.neighbours.known = told["callbacks"]
            if told["not_held"]:
                warnings.warn(
                    f"{', '.join(told['not_held'])} had changed when the training stopped. "
                    "Such data of other callbacks is in no state: it begins anew.",
                    stacklevel=2,
                )

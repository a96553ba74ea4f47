"""The exercises of notebook 11, saving and resuming."""

import tempfile

import numpy as np

from .grading import NotYet, ask, exercise, numbers, same, short


@exercise("11.1")
def load_with_another_learning_rate(answer):
    import keras

    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.125), loss="mse")
    model.fit(x, x[:, :1], batch_size=2, epochs=3, shuffle=False, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        loaded = ask(answer, f"{folder}/model.keras", 0.0625)
    if not isinstance(loaded, keras.Model):
        raise NotYet(f"it should return the loaded model; it returned {short(loaded)}")
    if getattr(loaded, "optimizer", None) is None:
        raise NotYet(
            "that model has no optimizer: what was compiled is in the file, so load it too"
        )
    if not all(map(np.array_equal, loaded.get_weights(), model.get_weights())):
        raise NotYet("its weights are not those of the file")
    if int(loaded.optimizer.iterations) != 12:
        raise NotYet(
            f"its optimizer is at step {int(loaded.optimizer.iterations)}, and the saved one was "
            "at 12: a new "
            "optimizer has forgotten its slots"
        )
    rate = float(loaded.optimizer.learning_rate)
    if rate == 0.125:
        raise NotYet("the learning rate is still the file's 0.125")
    if rate != 0.0625:
        raise NotYet(f"the learning rate is {rate:g}; 0.0625 was asked for")
    for ours, theirs in zip(
        loaded.optimizer.variables[2:], model.optimizer.variables[2:], strict=True
    ):
        if not np.array_equal(*map(keras.ops.convert_to_numpy, (ours, theirs))):
            raise NotYet("the step counter is right, and the slots are not those of the file")


@exercise("11.2")
def rows_of_a_step(answer):
    def rows(step, epoch, seed=7, examples=10, batch_size=4):
        where = dict(seed=seed, epoch=epoch, step=step, examples=examples, batch_size=batch_size)
        seen = np.asarray(ask(answer, **where))
        size = min(batch_size, examples - step * batch_size)
        return numbers(seen, (size,), f"the rows of step {step}, for 10 examples and batches of 4,")

    late = rows(2, epoch=3)  # asked first, as after a restart
    epoch_3 = np.concatenate([rows(step, epoch=3) for step in range(3)])
    same(
        epoch_3[8:],
        late,
        "asked again, it answered differently: it remembers what it was asked before",
    )
    if sorted(epoch_3) != list(range(10)):
        raise NotYet("the steps of an epoch should together be every row once")
    if list(epoch_3) == list(range(10)):
        raise NotYet("the rows come in the order of the file: shuffle them")
    if np.array_equal(np.concatenate([rows(step, epoch=4) for step in range(3)]), epoch_3):
        raise NotYet("two epochs have the same order: let it depend on the epoch")
    if np.array_equal(np.concatenate([rows(step, epoch=3, seed=8) for step in range(3)]), epoch_3):
        raise NotYet("two seeds give the same order: let it depend on the seed")
    swapped = np.concatenate([rows(step, epoch=7, seed=3) for step in range(3)])
    if np.array_equal(swapped, epoch_3):
        raise NotYet(
            "(seed 7, epoch 3) and (seed 3, epoch 7) have the same order: keep the two apart"
        )

"""Real handwritten digits that come with the course, and the networks that are trained on them."""

import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # importing this file does not load Keras
    import keras


def load_digits(
    side: int = 28, source: str = "digits", path: str | os.PathLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits in a fixed, shuffled order.

    The 1,797 images of "digits" have 8 x 8 pixels, by 13 writers, and come with this package:
    Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, as distributed with
    scikit-learn. With side=28 each pixel becomes 3 x 3, with a border of 2. These are the 784
    inputs of MNIST, at the digits' own resolution.

    Args:
        side: Pixels in a row of an image: 28, or 8 for the digits as they are.
        source: "digits", or "mnist" for the 60,000 training images of MNIST.
        path: With "mnist", an mnist.npz file as Keras keeps it. Without it, Keras downloads
            11 MB once. Nothing is downloaded for "digits".

    Returns:
        The images, of shape (examples, side · side), float32 in [0, 1]; and the digits 0 to 9,
        of shape (examples,), int64.

    Raises:
        ValueError: If there is no such side or source, or `path` is given without "mnist".
        FileNotFoundError: If there is no file at `path`.

    Example:
        >>> x, y = load_digits(side=8)
        >>> x.shape, y.shape
        ((1797, 64), (1797,))
    """
    if source == "mnist":
        return _load_mnist(side, path)
    if source != "digits":
        raise ValueError(f"`source` must be 'digits' or 'mnist'. Received: source={source!r}.")
    if path is not None:
        raise ValueError(f"`path` goes with source='mnist'. Received: path={path!r}.")
    if side not in (8, 28):
        raise ValueError(f"`side` must be 8 or 28. Received: side={side!r}.")
    with np.load(str(files("course_lib") / "data" / "digits.npz")) as data:
        x, y = data["x"], data["y"]
    order = np.random.default_rng(0).permutation(len(x))  # the file is ordered by writer
    x = x[order].reshape(-1, 8, 8).astype("float32") / 16
    if side == 28:
        x = np.pad(np.kron(x, np.ones((1, 3, 3), "float32")), ((0, 0), (2, 2), (2, 2)))
    return x.reshape(len(x), side * side), y[order].astype("int64")


def _load_mnist(side, path):
    if side != 28:
        raise ValueError(f"MNIST's images are 28 x 28. Received: side={side!r}.")
    if path is None:
        import keras

        (x, y), _ = keras.datasets.mnist.load_data()
    else:
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"`path`: there is no file {path}. Leave it out to let Keras download MNIST."
            )
        with np.load(path) as data:
            x, y = data["x_train"], data["y_train"]
    return x.reshape(len(x), 784).astype("float32") / 255, y.astype("int64")


def dropout_network() -> "keras.Sequential":
    """784-256-128-10 with dropout of 0.4 and 0.3, which notebook 01 trains twice by mistake.

    Returns:
        A new model, not compiled. It takes images of 784 numbers and returns 10 probabilities.
    """
    import keras

    return keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def small_network() -> "keras.Sequential":
    """64-32-10: enough for the digits at their own 8 x 8 pixels, and trained in seconds.

    Returns:
        A new model, not compiled. It takes images of 64 numbers and returns 10 probabilities.
    """
    import keras

    return keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )

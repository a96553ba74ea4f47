"""The digits, in one order for ever; nothing is downloaded unless it is asked for by name."""

from collections import Counter
from importlib.resources import files

from course_lib.models import who_shares
from course_lib.problems import dropout_network, load_digits, small_network

import keras
import numpy as np
import pytest

DATA = np.load(files("course_lib") / "data" / "digits.npz")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def download(*arguments, **named):
        raise AssertionError("it went to the network")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", download)


@pytest.mark.parametrize("side", [8, 28])
def test_shapes_types_and_ranges(side):
    x, y = load_digits(side)
    assert (x.shape, x.dtype) == ((1797, side * side), "float32")
    assert (y.shape, y.dtype) == ((1797,), "int64")
    assert (x.min(), x.max()) == (0, 1)
    assert set(y) == set(range(10))


def test_every_image_of_the_file_is_there_once_with_its_label():
    x, y = load_digits(8)
    ours = Counter((image.tobytes(), label) for image, label in zip(x, y.tolist(), strict=True))
    images = DATA["x"].reshape(1797, 64).astype("float32") / 16  # grey levels 0 to 16
    assert ours == Counter(
        (image.tobytes(), label) for image, label in zip(images, DATA["y"].tolist(), strict=True)
    )


def test_the_order_is_shuffled_and_always_the_same():
    x, y = load_digits()
    again, labels = load_digits()
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, labels)
    assert y.tolist() != DATA["y"].tolist()
    # the outputs of the notebooks rest on this order: as NumPy's default_rng(0) shuffled the file
    assert y[:12].tolist() == DATA["y"][np.random.default_rng(0).permutation(1797)[:12]].tolist()


def test_the_order_owes_nothing_to_the_global_seed():
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    _, y = load_digits(8)
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(load_digits(8)[1], y)
    np.random.seed(1)  # noqa: NPY002
    load_digits(8)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_each_pixel_becomes_three_by_three_inside_a_border_of_two():
    small, large = load_digits(8)[0].reshape(-1, 8, 8), load_digits(28)[0].reshape(-1, 28, 28)
    inside = large[:, 2:26, 2:26]
    for i, j in np.ndindex(3, 3):
        np.testing.assert_array_equal(inside[:, i::3, j::3], small)
    assert large.sum(dtype=float) == inside.sum(dtype=float)  # the border is empty


# ---- MNIST, when it is asked for by name ----

IMAGES = np.arange(2 * 784, dtype="uint8").reshape(2, 28, 28)


def test_mnist_is_read_from_a_file(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=IMAGES, y_train=np.array([3, 9], "uint8"), x_test=0, y_test=0)
    for given in (path, str(path)):
        x, y = load_digits(source="mnist", path=given)
        assert (x.dtype, y.dtype, y.tolist()) == ("float32", "int64", [3, 9])
        np.testing.assert_array_equal(x, IMAGES.reshape(2, 784).astype("float32") / 255)


def test_mnist_without_a_file_is_kerass_affair(monkeypatch):
    both = (IMAGES, np.array([3, 9])), (None, None)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: both)
    x, y = load_digits(source="mnist")
    assert x.shape == (2, 784) and y.tolist() == [3, 9]


def test_mnist_where_no_file_is_names_the_path_and_the_way_out(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path`.*nowhere.npz.*Keras download"):
        load_digits(source="mnist", path=tmp_path / "nowhere.npz")
    with pytest.raises(FileNotFoundError, match="`path`"):
        load_digits(source="mnist", path=tmp_path)


@pytest.mark.parametrize(
    "named, message",
    [
        (dict(side=16), "`side` must be 8 or 28.*side=16"),
        (dict(side="28"), "`side` must be 8 or 28.*side='28'"),
        (dict(side=8, source="mnist"), "28 x 28.*side=8"),
        (dict(source="cifar"), "`source` must be 'digits' or 'mnist'.*source='cifar'"),
        (dict(source=None), "`source` must be 'digits' or 'mnist'.*source=None"),
        (dict(path="mnist.npz"), "`path` goes with source='mnist'.*path='mnist.npz'"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name(named, message):
    with pytest.raises(ValueError, match=message):
        load_digits(**named)


# ---- Networks ----


@pytest.mark.parametrize(
    "network, inputs, weights, dropout",
    [
        (dropout_network, 784, 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10, [0.4, 0.3]),
        (small_network, 64, 64 * 32 + 32 + 32 * 10 + 10, []),
    ],
)
def test_networks_are_as_described_new_each_time_and_not_compiled(
    network, inputs, weights, dropout
):
    model = network()
    assert (model.input_shape, model.output_shape) == ((None, inputs), (None, 10))
    assert model.count_params() == weights
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == dropout
    assert not model.compiled
    assert not who_shares(model, network())
    np.testing.assert_allclose(np.sum(model(np.ones((2, inputs)))), 2, rtol=1e-5)  # probabilities

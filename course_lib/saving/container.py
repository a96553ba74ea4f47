"""One file, read once: it is whole, or one sentence says what is wrong with it."""

import contextlib
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arguments import needs_package

GROUP = "course_lib"  # our group within the HDF5 file
INNER = "model.weights.h5"  # Keras's name for the HDF5 file within a .keras file
CONFIG = "config.json"
KINDS = (".keras", ".weights.h5")
MARK = b"\ncourse_lib blake2b "  # HDF5 ignores what follows its end


class Saved(NamedTuple):
    """A file that was read and verified.

    Attributes:
        name: The path, as the caller wrote it.
        file: The open HDF5 file, which lies in memory.
        config: The configuration of a .keras file. None for a .weights.h5 file.
        hdf5: The bytes of the HDF5 file.
        whole: The bytes of the whole file.
    """

    name: str
    file: Any
    config: dict | None
    hdf5: bytes
    whole: bytes


class InMemory(io.BytesIO):
    """Bytes that Keras reads and writes like a file. It looks only at the ending of the name."""

    # NB: no attribute `name`. Where memory is short, Keras would write to the disk beside it.
    def __init__(self, kind, content=b""):
        super().__init__(content)
        self.kind = kind

    def __str__(self):
        return f"model{self.kind}"


def checked_path(path, argument):
    """The path, if it is one and has the ending of a file that can be saved."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"`{argument}` must be a path. Received: {argument}={path!r}.")
    if not str(path).endswith(KINDS):
        raise ValueError(
            f"`{argument}` must end in {' or '.join(KINDS)}. Received: {argument}={str(path)!r}."
        )
    return Path(path)


@contextlib.contextmanager
def opened(path):
    """Read a file once and verify it: a Saved, or a ValueError for a file that cannot be trusted.

    Everything that is loaded afterwards comes from these bytes. A file that is replaced meanwhile
    is therefore the old one or the new one, and no mixture.
    """
    name, whole = str(path), _bytes_of(path)
    if not _unchanged(whole):
        raise ValueError(
            f"{name!r} is damaged: its bytes are not those that were written. Load an earlier one."
        )
    config, hdf5 = _members(name, whole) if path.suffix == ".keras" else (None, whole)
    try:
        file = hdf5_file(io.BytesIO(hdf5), "r")
    except ImportError:
        raise
    except Exception:  # OSError as a rule, and for a flipped bit whatever HDF5 stumbles over
        raise ValueError(
            f"{name!r} is truncated or damaged, or no HDF5 file: load an earlier one."
        ) from None
    try:
        complaint = _complaint(file, config)
        if complaint:
            raise ValueError(f"{name!r} {complaint}")
        yield Saved(name, file, None if config is None else json.loads(config), hdf5, whole)
    finally:
        with contextlib.suppress(Exception):  # a damaged one may refuse even that
            file.close()


def _bytes_of(path):
    name = str(path)
    if path.is_dir():
        raise ValueError(f"{name!r} is a folder, and no file that could be loaded.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {name!r}.")
    whole = path.read_bytes()
    if not whole:
        raise ValueError(
            f"{name!r} is empty. Whoever wrote it was stopped; load an earlier one, and save "
            "atomically."
        )
    return whole


def with_digest(content):
    """The bytes of an HDF5 file, and their digest behind them.

    One flipped bit can send HDF5 around in a circle for ever (measured), so it does not read
    bytes that changed. An archive has such a checksum for each member.
    """
    return content + MARK + _digest_of_bytes(content)


def _unchanged(whole):
    length = len(MARK) + len(_digest_of_bytes(b""))
    content, end = whole[:-length], whole[-length:]
    return not end.startswith(MARK) or end == MARK + _digest_of_bytes(content)


def _digest_of_bytes(content):
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()


def _members(name, whole):
    """The configuration and the HDF5 file of a .keras archive, as bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            foreign = not {CONFIG, INNER} <= set(archive.namelist())
            config, hdf5 = (b"", b"") if foreign else map(archive.read, (CONFIG, INNER))
            json.loads(config or "{}")
    except Exception:  # BadZipFile, zlib.error, EOFError, NotImplementedError, RecursionError, ...
        raise ValueError(
            f"{name!r} is truncated or damaged, or no .keras file: load an earlier one."
        ) from None
    if foreign:
        raise ValueError(
            f"{name!r} is an archive, but not Keras's: {CONFIG} or {INNER} is missing."
        )
    return config, hdf5


def _complaint(file, config):
    """What is wrong with an HDF5 file, the end of a sentence; None if it can be trusted."""
    try:
        if "vars" not in file:
            return "is an HDF5 file, but not one of Keras 3: the group 'vars' is missing."
        written = file[GROUP].attrs.get("digest") if GROUP in file else None
        # A file of ours is marked twice: a damaged name does not turn it into one of Keras's.
        ours = GROUP in file or GROUP in file.attrs
        seen = digest(file, config)  # of Keras's own too: all of it can be read
    except Exception:  # RuntimeError, OSError, KeyError, TypeError: one for each kind of block
        return "is damaged: parts of it cannot be read. Load an earlier one."
    if ours and written != seen:
        return "is damaged: its numbers are not those that were written. Load an earlier one."
    return None


def seal(file, config=None):
    """Mark a file as ours, with the digest of all that it holds."""
    file.attrs[GROUP] = True
    file[GROUP].attrs["digest"] = digest(file, config)


def digest(file, config=None):
    """Sixteen bytes in hexadecimal digits, which depend on all that a file holds.

    That is each number with its dtype and shape, each name and attribute, and the configuration.
    """
    found = hashlib.blake2b(digest_size=16)
    _update(found, config or b"")
    for place, item in [("", file), *sorted(_items(file), key=lambda one: one[0])]:
        _update(found, place)
        for name in sorted(item.attrs):
            if (place, name) != (GROUP, "digest"):
                _update(found, name)
                _update(found, item.attrs[name])
        if is_data(item):
            _update(found, item[()])
    return found.hexdigest()


def _update(found, value):
    if isinstance(value, str | bytes):
        content = value.encode() if isinstance(value, str) else value
    else:
        array = np.ascontiguousarray(value)
        content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
        found.update(f"{array.dtype.str} {array.shape} ".encode())
    found.update(f"{len(content)} ".encode())
    found.update(content)


def datasets(group):
    """(place, dataset) for every dataset of a group, in the order of the places."""
    return sorted((one for one in _items(group) if is_data(one[1])), key=_natural)


def is_data(item):
    """Whether an item of a file holds numbers."""
    return hasattr(item, "shape")  # groups and named types of h5py have none


def owner_of(dataset):
    """Whose variable a dataset of our group is; "" if there is no owner."""
    return dataset.attrs.get("owner", "")


def _items(group):
    found = []
    group.visititems(lambda place, item: found.append((place, item)))
    return found


def _natural(place_and_dataset):
    """Sorts vars/10 after vars/9."""
    return [(x.isdigit(), int(x) if x.isdigit() else x) for x in place_and_dataset[0].split("/")]


def hdf5_file(memory, mode):
    """An HDF5 file in memory."""
    h5py = needs_package("A saved file", "h5py", "saving")
    return h5py.File(memory, mode)


def archive_of(members):
    """The bytes of a zip archive with these members, {name: bytes}."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return memory.getvalue()

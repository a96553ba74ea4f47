"""What must be installed before Keras is imported, each with one sentence where it is not."""

import importlib.util
import json
import os
import re
from importlib import metadata
from pathlib import Path

KERAS = "3.12"
BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}


def needs_keras() -> str:
    """Check that Keras and its backend are there, and new enough. Imports neither.

    Returns:
        The backend that Keras will take: "tensorflow", "jax" or "torch".

    Raises:
        ImportError: With both versions and the command that mends it.
    """
    try:
        found = metadata.version("keras")
    except metadata.PackageNotFoundError:
        raise ImportError(
            f"course_lib needs Keras {KERAS} or newer, and none is installed. "
            'Run: pip install "keras>=' + KERAS + '"'
        ) from None
    if _numbers(found) < _numbers(KERAS):
        raise ImportError(
            f"course_lib needs Keras {KERAS} or newer. Installed: Keras {found}. "
            f'Run: pip install --upgrade "keras>={KERAS}"'
        )
    backend = _backend()
    package = BACKENDS.get(backend)
    if package and importlib.util.find_spec(package) is None:
        there = [name for name, one in BACKENDS.items() if importlib.util.find_spec(one)]
        other = f"Set KERAS_BACKEND={there[0]}, which is installed, or run" if there else "Run"
        raise ImportError(
            f"Keras {found} is set to the backend {backend}, which is not installed. "
            f'{other}: pip install "course-lib[{backend}]"'
        )
    return backend


def _numbers(version):
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _backend():
    """The backend that Keras would choose, read where Keras reads it."""
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        return json.loads((Path(home) / "keras.json").read_text())["backend"]
    except (OSError, ValueError, KeyError):
        return "tensorflow"

"""TensorFlow starts without log lines on the page, and sooner, where a page asks for it:

    import course_lib.quiet  # noqa: F401

A notebook and a command ask; the library never does, so who imports it keeps his process as it is.

While it is imported, and when it first lists its devices, TensorFlow's C++ code writes a handful
of lines about processors and drivers straight to file descriptor 2. JupyterLab shows them in the
reader's first cell, no environment variable stops them all, and they differ on every machine. So
descriptor 2 points elsewhere for just these moments. What fails still fails aloud: errors are
Python exceptions, and those do not travel through descriptor 2.

And all starts sooner. What TensorFlow makes while it is imported, half a million objects, stays for
good, so the garbage collector need not go through it again and again. Nor need it come as often:
every 700 new objects, Python's own setting, is dozens of times while one `fit` is traced, and a
tenth of its time.
"""

import contextlib
import gc
import importlib.abc
import importlib.util
import os
import sys


def hold_back_start_up_lines() -> None:
    """Arrange that `import tensorflow`, here or inside Keras, prints nothing.

    Imports nothing itself; once is enough, and importing this module does it.
    """
    if "tensorflow" in sys.modules or any(isinstance(f, _QuietTensorFlow) for f in sys.meta_path):
        return
    # The INFO and WARNING lines of later, such as XLA's.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.meta_path.insert(0, _QuietTensorFlow())


class _QuietTensorFlow(importlib.abc.MetaPathFinder):
    """Finds TensorFlow where it is, and loads it with descriptor 2 held back."""

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            load = spec.loader.exec_module

            def load_quietly(module):
                with _descriptor_2_held_back(), _collector_at_rest():
                    load(module)
                    module.config.list_physical_devices()

            spec.loader.exec_module = load_quietly
        return spec


@contextlib.contextmanager
def _descriptor_2_held_back():
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _collector_at_rest():
    """No garbage collection. Later ones are fewer, and pass over what is there at the end.

    `gc.unfreeze` undoes the latter.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        threshold, *others = gc.get_threshold()
        if threshold:  # 0 is somebody's wish that there be none at all
            gc.set_threshold(max(threshold, 50_000), *others)
        if was_enabled:
            gc.enable()


hold_back_start_up_lines()

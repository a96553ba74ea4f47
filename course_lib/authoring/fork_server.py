"""The process that children are forked from: it has loaded Keras, and does nothing else.

See course_lib.authoring.forked_kernels, which starts it and asks it.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
from pathlib import Path

# Not pyplot, which looks for IPython while it is imported.
LOADED = (
    "keras",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "matplotlib.axes",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
)
INLINE = "module://matplotlib_inline.backend_inline"  # as a kernel has it
# What a library does not read while it is imported.
FREE = ("COURSE_", "JPY_", "PYTEST_", "PYTHONPATH", "TF_CONFIG", "MPLBACKEND", "COLUMNS", "LINES")


def serve(descriptor):
    """Fork children for those that connect, until standard input is closed. A child returns too."""
    listener = socket.socket(fileno=descriptor)
    children, ready, environment, added = {}, None, dict(os.environ), {}
    woken, wake = socket.socketpair()
    for end in (listener, woken, wake):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C the tests hear, and then close us
    signal.set_wakeup_fd(wake.fileno())
    with selectors.DefaultSelector() as selector:
        for end in (0, listener, woken):
            selector.register(end, selectors.EVENT_READ)
        while True:
            events = [key.fileobj for key, _ in selector.select()]
            if woken in events:
                woken.recv(4096)
                _tell_who_ended(children)
            if 0 in events:
                break
            if listener in events:
                link, _ = listener.accept()
                descriptors, pid = [], -1
                with contextlib.suppress(OSError, EOFError, ValueError):
                    order, descriptors = _received(link)
                    if ready is None:
                        ready = _load()
                        # Libraries set variables of their own while they are imported: a process
                        # that has imported them has these, and loads the same without them.
                        added = {n: v for n, v in os.environ.items() if n not in environment}
                    if ready and _alike(order["env"], environment, added) and _one_thread():
                        pid = os.fork()
                        if not pid:
                            break
                    else:
                        link.sendall(struct.pack("i", 0))
                for each in descriptors:
                    os.close(each)
                if pid > 0:
                    children[pid] = link
                else:
                    link.close()
    if 0 in events:
        for pid in children:
            with contextlib.suppress(OSError):
                (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, signal.SIGKILL)
        return
    _become(order, descriptors, link, [listener, woken, wake, *children.values()])


def _received(link):
    head, descriptors, *_ = socket.recv_fds(link, 4, 3)
    rest, message = struct.unpack("i", head)[0], b""
    while len(message) < rest:
        part = link.recv(rest - len(message))
        if not part:
            raise EOFError
        message += part
    return json.loads(message), descriptors


def _tell_who_ended(children):
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        link = children.pop(pid)
        with contextlib.suppress(OSError):
            link.sendall(struct.pack("i", status))
        link.close()


def _load():
    """Import what takes long, and nothing of this library; whether that worked.

    TensorFlow's first lines go nowhere. What is made here stays: no collector needs to look at it,
    and none needs to come as often as while there is little.
    """
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # whom a kernel will not outlive
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    gc.disable()
    try:
        for name in LOADED:
            importlib.import_module(name)
        if "tensorflow" in sys.modules:
            sys.modules["tensorflow"].config.list_physical_devices()
    except ImportError:
        return False
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        gc.freeze()
        gc.set_threshold(50_000, *gc.get_threshold()[1:])
        gc.enable()
    return True


def _alike(wanted, ours, set_by_libraries):
    """Whether a process with this environment would have loaded the same."""
    free = list(FREE)
    if "jax" not in sys.modules:
        free += ["JAX_"]
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow and not tensorflow.config.list_physical_devices("GPU"):
        free += ["CUDA_"]

    def read(environment):
        default = {"KERAS_BACKEND": sys.modules["keras"].backend.backend()}
        full = set_by_libraries | default | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment
        return {name: value for name, value in full.items() if not name.startswith(tuple(free))}

    return read(wanted) == read(ours)


def _one_thread():
    return len(os.listdir("/proc/self/task")) == 1


def _become(order, descriptors, link, others):
    """In the child: be the process that was asked for, up to its end."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for end in others:
        end.close()
    for standard, each in enumerate(descriptors):
        os.dup2(each, standard)
    for each in descriptors:
        if each > 2:
            os.close(each)
    if order["session"]:
        os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3"} | order["env"])
    if "JPY_PARENT_PID" in os.environ:
        os.environ["JPY_PARENT_PID"] = str(os.getppid())
    for name in [name for name in sys.modules if name.split(".")[0] == "course_lib"]:
        del sys.modules[name]
    link.sendall(struct.pack("i", os.getpid()))
    link.close()
    kind, what = order["kind"], order["what"]
    _as_if_just_imported(is_kernel=(kind, what) == ("-m", "ipykernel_launcher"))
    first = {"-m": os.getcwd(), "-c": "", "file": str(Path(what).resolve().parent)}[kind]
    extra = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [first, *extra, *(path for path in sys.path[1:] if path not in extra)]
    sys.argv[:] = ["-c" if kind == "-c" else what, *order["argv"]]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    elif kind == "file":
        runpy.run_path(what, run_name="__main__")
    else:
        names = sys.modules["__main__"].__dict__
        names.pop("serve")
        exec(compile(what, "<string>", "exec"), names)


def _as_if_just_imported(is_kernel):
    """What libraries read from the environment or the clock while they are imported."""
    import matplotlib
    import numpy as np

    np.random.seed()  # noqa: NPY002  (a fork begins with its parent's numbers)
    backend = os.environ.get("MPLBACKEND") or (INLINE if is_kernel else None)
    if backend:
        matplotlib.rcParams["backend"] = backend

"""Python processes that begin with Keras loaded: forked from one that has imported it once.

Importing Keras and TensorFlow takes 4 seconds of a processor. A run of the tests starts some forty
kernels and other children, and each needs them. So one process, the server, imports them once;
a child is a fork of it that runs the same command line with the same environment, folder and
descriptors as a new process would. It shares no state with another child.

The server has one thread and has run no TensorFlow operation: nothing that a fork would lose.
Where that is not so, or the environment differs in what Keras reads, or the system is not Linux,
the process is started in the ordinary way.

    with serving():                             # in the process that all others descend from
        Popen([sys.executable, "-m", ...])      # in it or its children: as subprocess.Popen
"""

import contextlib
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from jupyter_client.provisioning import LocalProvisioner

ADDRESS = "COURSE_FORK_SERVER"  # the environment variable that holds the server's address
INLINE = "module://matplotlib_inline.backend_inline"
# What a library does not read while it is imported.
FREE = ("COURSE_", "JPY_", "PYTEST_", "PYTHONPATH", "TF_CONFIG", "MPLBACKEND", "COLUMNS", "LINES")


@contextlib.contextmanager
def serving():
    """Keep a server as long as the block runs: for this process and those that it starts."""
    # Elsewhere than on Linux, system libraries do not bear a fork without an exec.
    if sys.platform != "linux" or ADDRESS in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="forks-") as folder:
        address = f"{folder}/server"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(64)
            os.environ[ADDRESS] = address
            server = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve({listener.fileno()})"],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env={"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ,
            )
        try:
            yield
        finally:
            del os.environ[ADDRESS]
            server.stdin.close()  # tells it to end
            server.wait()


class Popen(subprocess.Popen):
    """subprocess.Popen; where it can, a Python process begins with Keras loaded."""

    _link = None  # the connection on which the server tells how the child ended

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest):
        *_, shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = rest[:9]
        plain = not (shell or preexec_fn or pass_fds or executable)
        task = task_of(args) if plain and ADDRESS in os.environ else None
        if task is not None:
            environment = dict(os.environ if env is None else env)
            order = task | {
                "env": {os.fsdecode(k): os.fsdecode(v) for k, v in environment.items()},
                "cwd": os.fsdecode(cwd or os.getcwd()),
                "session": bool(rest[-2]),
            }
            inherited = zip((p2cread, c2pwrite, errwrite), (0, 1, 2), strict=True)
            found = fork(order, [own if own != -1 else ours for own, ours in inherited])
            if found:
                self.pid, self._link = found
                self._child_created = True
                self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)
                return
        super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)

    def _try_wait(self, wait_flags):
        if self._link is None:
            return super()._try_wait(wait_flags)
        self._link.setblocking(wait_flags != os.WNOHANG)
        try:
            answer = self._link.recv(4)
        except BlockingIOError:
            return 0, 0
        except ConnectionError:
            answer = b""
        self._link.close()
        # Without an answer the server is gone, and has taken its children along.
        return self.pid, struct.unpack("i", answer)[0] if answer else signal.SIGKILL

    def _internal_poll(self, *arguments, **keywords):
        if self._link is None:
            return super()._internal_poll(*arguments, **keywords)
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


def task_of(args):
    """What a command line asks of Python: {"kind", "what", "argv"}; None if it is another program's."""
    if isinstance(args, str | bytes | os.PathLike):
        return None
    program, *args = map(os.fsdecode, args)
    if program != sys.executable:
        return None
    while args and args[0].startswith("-X"):
        args = args[1 if len(args[0]) > 2 else 2 :]
    match args:
        case ["-m" | "-c" as kind, what, *argv]:
            return {"kind": kind, "what": what, "argv": argv}
        case [what, *argv] if not what.startswith("-"):
            return {"kind": "file", "what": what, "argv": argv}
    return None


def fork(order, descriptors):
    """(process id, connection) of a new child of the server's; None if it must be started otherwise."""
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(os.environ[ADDRESS])
        message = json.dumps(order).encode()
        socket.send_fds(link, [struct.pack("i", len(message))], descriptors)
        link.sendall(message)
        answer = link.recv(4)
    except OSError:
        answer = b""
    pid = struct.unpack("i", answer)[0] if answer else 0
    if not pid:
        link.close()
        return None
    return pid, link


class ForkedProvisioner(LocalProvisioner):
    """Jupyter's kernels, each forked from the server."""

    async def launch_kernel(self, cmd, **kwargs):
        launcher = sys.modules["jupyter_client.launcher"]
        before, launcher.Popen = launcher.Popen, Popen
        try:
            return await super().launch_kernel(cmd, **kwargs)
        finally:
            launcher.Popen = before


# ---- The server ----


def serve(descriptor):
    """Fork children for those that connect, until standard input is closed. A child returns too."""
    listener = socket.socket(fileno=descriptor)
    children, ready, environment = {}, None, dict(os.environ)
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
                    if ready and _alike(order["env"], environment) and _one_thread():
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
        import ipykernel.ipkernel
        import ipykernel.kernelapp
        import keras
        import matplotlib.axes
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # not pyplot, which looks for IPython while it is imported

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_physical_devices()
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


def _alike(wanted, ours):
    """Whether a process with this environment would have loaded the same."""
    free = list(FREE)
    if "jax" not in sys.modules:
        free += ["JAX_"]
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow and not tensorflow.config.list_physical_devices("GPU"):
        free += ["CUDA_"]

    def read(environment):
        default = {"KERAS_BACKEND": sys.modules["keras"].backend.backend()}
        full = default | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment
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

    np.random.seed()
    backend = os.environ.get("MPLBACKEND") or (INLINE if is_kernel else None)
    if backend:
        matplotlib.rcParams["backend"] = backend

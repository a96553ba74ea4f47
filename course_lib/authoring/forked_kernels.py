"""Python processes that begin with Keras loaded: forked from one that has imported it once.

Importing Keras and TensorFlow takes 4 seconds of a processor. A run of the tests starts some forty
kernels and other children, and each needs them. So one process, the server, imports them once.
A child is a fork of it. It runs the same command line with the same environment, folder and
descriptors as a new process would. It shares no state with another child.

The server has one thread and has run no TensorFlow operation: nothing that a fork would lose.
Where that is not so, or the environment differs in what Keras reads, or the system is not Linux,
the process is started in the ordinary way.

    with serving():                             # in the process that all others descend from
        Popen([sys.executable, "-m", ...])      # in it or its children: as subprocess.Popen
"""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile

from jupyter_client.provisioning import LocalProvisioner

ADDRESS = "COURSE_FORK_SERVER"  # the environment variable that holds the server's address
SERVER = "from course_lib.authoring.fork_server import serve"


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
                [sys.executable, "-c", f"{SERVER}; serve({listener.fileno()})"],
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

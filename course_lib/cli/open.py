"""Open the course in JupyterLab, at chapter 00.

    course-lib open
    course-lib open --no-browser --port 9000

Where there is no display, the address is printed for a browser elsewhere.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from course_lib.arguments import needs_package
from course_lib.checkout import chapter, checkout


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `course-lib open`. It returns when the server is stopped.

    Args:
        arguments: What stands behind the command's name; `sys.argv` if None.

    Returns:
        The exit status: 0.
    """
    parser = argparse.ArgumentParser(
        prog="course-lib open",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8888, help="the first to try (8888)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    given = parser.parse_args(arguments)
    if not 1 <= given.port <= 65535:
        parser.error(f"`--port` must be a number from 1 to 65535. Received: {given.port}.")
    course = checkout("`course-lib open`")
    labapp = needs_package("`course-lib open`", "jupyterlab.labapp", "course")
    needs_package("`course-lib open`", "ipykernel", "course")
    port = free_port(given.port)
    no_browser = given.no_browser or not has_display()
    print("The course opens in JupyterLab. Ctrl+C here stops it.")
    if port != given.port:
        print(f"Port {given.port} is busy: {port} is taken.")
    if no_browser:
        print("Open the last address below in a browser. For one on another machine, first:")
        print(f"    ssh -L {port}:127.0.0.1:{port} this-machine", flush=True)
    labapp.LabApp.launch_instance(server_options(course, port, no_browser))
    return 0


def server_options(course: os.PathLike, port: int, no_browser: bool) -> list[str]:
    """The options with which JupyterLab's server starts.

    Args:
        course: The course's folder, where the file browser begins.
        port: A free port.
        no_browser: Whether the address is only printed.

    Returns:
        Options for `jupyter lab`.
    """
    first = f"notebooks/{chapter('00', '`course-lib open`').name}"
    options = [
        f"--ServerApp.root_dir={course}",
        f"--LabApp.default_url=/lab/tree/{first}",
        f"--ServerApp.port={port}",
        "--ServerApp.log_level=WARN",
        "--LabApp.log_level=WARN",
        "--LabApp.news_url=None",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # a container, a cloud machine: nobody else is there
    if no_browser:
        options.append("--no-browser")
    return options


def free_port(first: int) -> int:
    """The first port of this machine from `first` on that nothing listens on.

    Args:
        first: The first to try.

    Returns:
        A port.

    Raises:
        OSError: If fifty in a row are busy.
    """
    for port in range(first, min(first + 50, 65536)):
        with socket.socket() as one:
            if os.name == "posix":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"`--port`: all ports from {first} on are busy. Choose another.")


def has_display() -> bool:
    """Whether a browser can open here."""
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))

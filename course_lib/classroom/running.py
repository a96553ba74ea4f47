"""One submission, graded in a process of its own, with limits on time and memory."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from course_lib.arguments import needs_package, number

OUTCOMES = ("correct", "not yet", "missing")
LINE = 1_000_000  # bytes of one report; a longer one is no hint


class Row(NamedTuple):
    """What one exercise of one submission came to."""

    exercise: str
    "Its number, such as 06.1; empty where a submission answers none."
    outcome: str
    '"correct", "not yet", "missing", or "stopped" for an exercise that ended its process.'
    hint: str
    "What is missing, as a sentence."
    seconds: float
    "How long it took."


def grade_one(
    path: str | os.PathLike,
    exercises: Mapping[str, str],
    seconds: float = 60,
    megabytes: float = 4096,
) -> list[Row]:
    """Grade one submission in a process and a folder of its own.

    An exercise at which the process was stopped has the outcome "stopped"; the process is started
    again for those that follow.

    Args:
        path: The submission: a notebook or a Python file.
        exercises: {number: name of the answer}.
        seconds: For the whole process, its start (some 5 seconds) included.
        megabytes: Of memory, for the process and those that it starts. It is looked at every
            twentieth of a second.

    Returns:
        A row for each exercise, in their order.

    Raises:
        OSError: If the file cannot be copied.
        ValueError: If a limit is not a number above 0.
    """
    seconds = number("seconds", seconds, "a number above 0", lambda x: x > 0)
    megabytes = number("megabytes", megabytes, "a number above 0", lambda x: x > 0)
    rows: list[Row] = []
    left = dict(exercises)
    while left:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            done = _in_a_process(Path(path), left, Path(folder), seconds, megabytes)
        rows += done
        left = dict(list(left.items())[len(done) :])
    return rows


def _in_a_process(path, exercises, folder, seconds, megabytes):
    """Rows as far as the process came, the one at which it was stopped included."""
    copy = folder / f"submission{path.suffix}"
    shutil.copyfile(path, copy)
    started, why = time.monotonic(), ""
    process = _start(json.dumps([copy.name, dict(exercises)]), folder)
    reports, reader = _reports_of(process, len(exercises))
    rows: list[Row] = []
    while not why and len(rows) < len(exercises):
        if line := _next(reports):
            row = _row(line, list(exercises)[len(rows)])
            why = "" if row else "what its process reported is not a report on this exercise"
            rows += [row] if row else []
        elif time.monotonic() - started > seconds:
            why = f"it was not done after {seconds:g} seconds"
        elif _megabytes_of(process) > megabytes:
            why = f"it used more than {megabytes:g} megabytes of memory"
        elif process.poll() is not None:
            reader.join(timeout=1)  # the last lines may be on their way
            if reports.empty():
                why = f"its process ended by itself (exit status {process.returncode})"
    _kill(process)
    if len(rows) < len(exercises):
        stopped_at = list(exercises)[len(rows)]
        rows.append(Row(stopped_at, "stopped", why, round(time.monotonic() - started, 1)))
    return rows


def _start(order, folder):
    psutil = needs_package("Grading", "psutil", "classroom")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return psutil.Popen(
        [sys.executable, "-m", "course_lib.classroom.answers", order],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=os.name == "posix",  # a signal to its group does not reach the grader
    )


def _reports_of(process, count):
    """The lines that come back, as they come, and the thread that reads them.

    The grader never waits for a line: whoever keeps this end open holds up the thread alone.
    """
    reports: queue.Queue[bytes] = queue.Queue()

    def read():
        with suppress(OSError, ValueError):
            for _ in range(count):
                if line := process.stdout.readline(LINE):
                    reports.put(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return reports, reader


def _next(reports):
    try:
        return reports.get(timeout=0.05)
    except queue.Empty:
        return b""


def _row(line: bytes, exercise: str) -> Row | None:
    """A reported line as a row; None for what no answer to this exercise can have reported."""
    try:
        told: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match told:
        case [str(of), str(outcome), str(hint), int() | float() as seconds]:
            if of == exercise and outcome in OUTCOMES:
                return Row(of, outcome, hint, seconds)
    return None


def _family(process):
    psutil = needs_package("Grading", "psutil", "classroom")
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def _megabytes_of(process):
    psutil = needs_package("Grading", "psutil", "classroom")
    total = 0
    for one in _family(process):
        with suppress(psutil.Error):
            total += one.memory_info().rss
    return total / 2**20


def _kill(process):
    psutil = needs_package("Grading", "psutil", "classroom")
    for one in _family(process):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its session, also what has no parent left
    process.wait()

"""What the process of one submission does: it grades each answer, and reports it at once."""

import ast
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from .submissions import needed_for, statements_of


def answers_in(
    path: str | os.PathLike, exercises: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Grade one submission, in this process.

    Args:
        path: The submission.
        exercises: {number: name of the answer}.

    Yields:
        (number, outcome, hint) for each exercise. The outcome is "correct", "not yet" or
        "missing".
    """
    from course_lib.exercises.grading import verdict

    try:
        statements, unread = statements_of(path)
    except Exception as error:
        statements, unread = [], [f"the file cannot be read, {type(error).__name__}: {error}"]
    for number, name in exercises.items():
        needed = needed_for(name, statements)
        if not needed:
            yield number, "missing", "; ".join([f"there is no {name}", *unread])
            continue
        namespace: dict[str, object] = {"__name__": "submission"}
        try:
            for statement in needed:
                code = compile(ast.Module([statement], []), str(Path(path).name), "exec")
                exec(code, namespace)
            yield number, *verdict(number, namespace[name])
        except BaseException as error:  # sys.exit() too
            yield number, "not yet", f"it raised {type(error).__name__}: {error}"


def report(order: str) -> None:
    """Grade the submission of an order, and write a line of JSON for each exercise at once.

    Standard output is the way back to the grader. It is taken away before the submission runs, so
    what that prints does not come between.

    Args:
        order: JSON: the submission's name in this folder, and its exercises.
    """
    name, exercises = json.loads(order)
    back = os.fdopen(os.dup(1), "w", encoding="utf-8")  # not inherited by what it starts
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if hasattr(os, "fork"):
        _wait_for_a_child()
    import course_lib.quiet  # noqa: F401

    at = time.monotonic()
    for number, outcome, hint in answers_in(name, exercises):
        back.write(json.dumps((number, outcome, hint, round(time.monotonic() - at, 1))) + "\n")
        back.flush()
        at = time.monotonic()
    os._exit(0)  # threads that a submission left behind do not hold it up


def _wait_for_a_child():
    """Goes on in a child; the parent only waits.  So a submission's parent is not the grader."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    report(sys.argv[1])

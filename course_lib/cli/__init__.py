"""The console command `course-lib`: one name, and a sub-command for each thing to do.

    course-lib open           the course in JupyterLab, at chapter 00
    course-lib run 06         a chapter without a browser: its checkpoints, and a page to read
    course-lib check F.py:C   is this Keras optimizer right?
    course-lib race           rules trained side by side: learning rates, seeds, a table
    course-lib grade          a class's answers: a folder of submissions in, a gradebook out
    course-lib refresh        re-run the notebooks that changed, and save them canonically
    course-lib student        the course without its solutions, as a folder for a class

`course-lib COMMAND --help` says the rest.  Exit status 0: yes.  1: no.  2: bad input.
"""

import importlib
import os
import sys
from collections.abc import Sequence

COMMANDS = {
    "open": "course_lib.cli.open",
    "run": "course_lib.authoring.pages",
    "check": "course_lib.checks.__main__",
    "race": "course_lib.cli.race",
    "grade": "course_lib.classroom.__main__",
    "refresh": "course_lib.authoring.refresh",
    "student": "course_lib.authoring.student",
}
NEED_KERAS = ("check", "race")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command.

    Args:
        arguments: The words behind `course-lib`; `sys.argv` if None.

    Returns:
        The exit status: 0 for yes, 1 for no, 2 for bad input, or for what is not installed.
    """
    from course_lib.checkout import NoCheckout

    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    if words[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"course-lib {version('course-lib')}")
        return 0
    command, *rest = words
    if command not in COMMANDS:
        from course_lib.arguments import unknown

        return _refused(unknown("command", command, COMMANDS))
    try:
        if command in NEED_KERAS and not {"-h", "--help"} & set(rest):
            _prepare_keras()
        return importlib.import_module(COMMANDS[command]).main(rest) or 0
    except (NoCheckout, ImportError) as error:
        return _refused(str(error))
    except KeyboardInterrupt:
        return _refused("stopped", 130)


def _prepare_keras():
    from course_lib.versions import needs_keras

    if needs_keras() == "jax":
        os.environ.setdefault("JAX_ENABLE_X64", "1")  # the checks compare in float64
    import course_lib.quiet  # noqa: F401


def _refused(sentence, status=2):
    print(f"course-lib: {sentence}", file=sys.stderr)
    return status

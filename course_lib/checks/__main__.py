"""python -m course_lib.checks path/to/file.py:ClassName [--json]

Exit status 0: every check passed.  1: some failed.  2: bad input, said in one line.
"""

import argparse
import contextlib
import importlib
import inspect
import json
import os
import sys
import threading

import course_lib  # noqa: F401
from course_lib.arguments import unknown

TIME = 900  # seconds for everything; what C never returns from ends here


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.checks",
        description="Is this Keras optimizer right? Exit status 0: yes, 1: no, 2: bad input.",
    )
    parser.add_argument(
        "optimizer",
        metavar="path/to/file.py:ClassName",
        help="a class that can be made without arguments, or a function that makes one; "
        "also package.module:ClassName",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--reference",
        metavar="RULE",
        help="what it should equal: the name of a rule of this course (adam), or file.py:name",
    )
    options = parser.parse_args(arguments)

    # what the file prints does not belong into the report
    with contextlib.redirect_stdout(sys.stderr):
        optimizer = _found(options.optimizer)
        reference = _reference(options.reference)
        from .check_optimizer import check_optimizer

        watch = threading.Timer(TIME, _give_up)
        watch.daemon = True
        watch.start()
        try:
            _must_make_an_optimizer(optimizer, options.optimizer)
            report = check_optimizer(optimizer, reference=reference)
        except TypeError as error:
            _refuse(str(error))
        finally:
            watch.cancel()
    print(json.dumps(report.to_dict(), indent=1) if options.json else report)
    return 0 if report.passed else 1


def _found(where):
    """What stands at file.py:name or module:name; exit status 2 if there is nothing."""
    place, colon, name = where.rpartition(":")
    if not colon or not place or not name:
        _refuse(f"write path/to/file.py:ClassName. Received: {where}")
    is_file = place.endswith(".py") or os.sep in place
    if is_file and not os.path.isfile(place):
        _refuse(f"no such file: {place}")
    from .engine.subprocess import load_file

    try:
        if is_file:
            sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
            module = load_file(place)
        else:
            sys.path.insert(0, os.getcwd())
            module = importlib.import_module(place)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit: a file that ends the program is no answer
        if not is_file and isinstance(error, ModuleNotFoundError) and place.startswith(error.name):
            _refuse(f"no such file or module: {place}")
        message = (str(error).strip().splitlines() or [""])[0]
        _refuse(f"{place} fails at import: {type(error).__name__}: {message}")
    if not hasattr(module, name):
        there = ", ".join(n for n in vars(module) if inspect.isclass(vars(module)[n])) or "none"
        _refuse(f"no {name} in {place}; its classes: {there}")
    return getattr(module, name)


def _reference(name):
    if name is None:
        return None
    from course_lib.optimizers import RULES

    if name in RULES:
        return RULES[name]
    if ":" in name:
        return _found(name)
    _refuse(unknown("rule", name, RULES))


def _must_make_an_optimizer(thing, where):
    import keras

    if isinstance(thing, type) and not issubclass(thing, keras.Optimizer):
        _refuse(f"{where} is not an optimizer: a class of type {thing.__mro__[1].__name__}")
    if isinstance(thing, keras.Optimizer) or not callable(thing):
        _refuse(f"{where} is not an optimizer class, but a {type(thing).__name__}: {thing!r}"[:300])
    if not isinstance(thing, type):
        try:
            made = thing()
        except (Exception, SystemExit) as error:
            _refuse(f"{where} makes no optimizer: {type(error).__name__}: {error}".splitlines()[0])
        if not isinstance(made, keras.Optimizer):
            _refuse(f"{where} is not an optimizer: it makes a {type(made).__name__}")


def _refuse(sentence):
    print(" ".join(sentence.split()), file=sys.__stderr__)
    raise SystemExit(2)


def _give_up():
    print(f"stopped: not done after {TIME} seconds", file=sys.__stderr__, flush=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())

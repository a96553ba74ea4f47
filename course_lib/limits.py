"""A time limit around a piece of code, without Keras: of checks, and of the exercises' answers."""

import contextlib
import ctypes
import signal
import threading
from collections.abc import Iterator


class TookTooLong(BaseException):
    """Raised inside code that does not come to an end; no `except Exception` stops it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop what runs longer, again and again until it stops.

    In the main thread a signal interrupts it; elsewhere, and on Windows, an exception is set from
    another thread. Code that never returns from C cannot be stopped.

    Args:
        seconds: The limit.

    Returns:
        A context manager.

    Raises:
        TimeoutError: If the limit was exceeded.
    """
    ticks = threading.Event()
    in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGALRM")
    target = threading.get_ident()

    def interrupt(*_):
        raise TookTooLong

    def watch():
        while not ticks.wait(seconds):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(target), ctypes.py_object(TookTooLong)
            )

    if in_main:
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    else:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except TookTooLong:
        raise TimeoutError(f"it had not come to an end after {seconds:.0f} seconds") from None
    finally:
        ticks.set()
        if in_main:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

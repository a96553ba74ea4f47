"""A progress bar, drawn where somebody watches."""

import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any


def somebody_is_there() -> bool:
    """Find out whether a person sits at the notebook that runs this.

    Returns:
        True if the front end that sent this cell could ask its user a question. False in a script,
        and in a notebook that a program runs.
    """
    try:
        from IPython import get_ipython

        return bool(get_ipython().kernel._allow_stdin)
    except (ImportError, AttributeError):
        return False


def progress_bar(total: int, done: int = 0, unit: str = "it", shown: bool | None = None) -> Any:
    """Open a progress bar.

    Args:
        total: The number of units of the whole work.
        done: The number of units that are finished already.
        unit: What is counted, in the singular.
        shown: Whether to draw it. None draws it where somebody watches, if tqdm is installed.

    Returns:
        A context manager. Its value has `update(n)`, for n more finished units.

    Raises:
        ImportError: If `shown` is True and tqdm is not installed.

    Example:
        >>> with progress_bar(10, shown=False) as bar:
        ...     bar.update(4)
    """
    wanted = shown
    if wanted is None:
        wanted = somebody_is_there() or (sys.stderr is not None and sys.stderr.isatty())
    if wanted:
        try:
            from tqdm.auto import tqdm

            return tqdm(total=total, initial=done, unit=unit)
        except ModuleNotFoundError as error:
            if shown:
                raise ImportError(
                    "A progress bar needs tqdm, which is not installed. Run: pip install tqdm"
                ) from error
    return nullcontext(SimpleNamespace(update=lambda n: None))

"""Where the course's folder is: the one with the notebooks, of which an installed wheel has none."""

from pathlib import Path


class NoCheckout(FileNotFoundError):
    """The course's folder is needed, and only the library is installed."""


def checkout(what: str) -> Path:
    """The course's folder, with notebooks/ in it.

    Args:
        what: What needs it: "Grading".

    Returns:
        The folder that holds both `course_lib` and `notebooks`.

    Raises:
        NoCheckout: If this `course_lib` was installed without the notebooks.
    """
    folder = Path(__file__).resolve().parents[1]
    if not any((folder / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        raise NoCheckout(
            f"{what} needs the course's notebooks, and only course_lib is installed here. "
            "Run it inside the course's folder: uv run course-lib ..."
        )
    return folder


def lessons(what: str) -> list[Path]:
    """The course's lessons, in their order.

    Args:
        what: What needs them: "Grading".

    Returns:
        The paths of their notebooks.

    Raises:
        NoCheckout: If there are none.
    """
    return sorted((checkout(what) / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def chapter(number: str, what: str = "A chapter") -> Path:
    """The lesson of a chapter.

    Args:
        number: Its number as it is written: "6" or "06".
        what: What needs it, for the error where there is no checkout.

    Returns:
        The path of its notebook.

    Raises:
        NoCheckout: If there are no notebooks.
        ValueError: If there is no such chapter.
    """
    from .arguments import unknown

    there = {path.name[:2]: path for path in lessons(what)}
    if number.zfill(2) not in there:
        raise ValueError(f"`chapter`: {unknown('chapter', number, there)}")
    return there[number.zfill(2)]

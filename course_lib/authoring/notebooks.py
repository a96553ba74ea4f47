"""Notebooks as files: what belongs together, one form to keep them in, and running one."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from course_lib.arguments import needs_package
from course_lib.checkout import checkout
from course_lib.files import write_text_atomically


def digests(notebook: Any) -> dict[str, str]:
    """Fingerprints of a notebook's code and of its outputs, pictures included.

    They are kept in the notebook: outputs belong to this code, and nobody has touched them since.

    Args:
        notebook: A notebook as nbformat reads it.

    Returns:
        {"code": ..., "outputs": ...}, 16 hexadecimal digits each.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    kept = {"code": [cell.source for cell in code], "outputs": [cell.outputs for cell in code]}
    return {
        name: hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=8).hexdigest()
        for name, what in kept.items()
    }


def is_stale(notebook: Any) -> bool:
    """Whether code or outputs changed since the notebook was run by `course-lib refresh`.

    Args:
        notebook: A notebook as nbformat reads it.

    Returns:
        True if its digests are missing or others.
    """
    return notebook.metadata.get("digests") != digests(notebook)


def canonical(notebook: Any) -> Any:
    """The one form in which a notebook is kept.

    No timings, no traces of a machine, counts 1..n, each stream in one piece.

    Args:
        notebook: A notebook as nbformat reads it. It is changed.

    Returns:
        The same notebook.
    """
    nbformat = needs_package("A notebook", "nbformat", "classroom")
    notebook.metadata = nbformat.from_dict(
        {
            "digests": notebook.metadata.get("digests", {}),
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        cell.pop("attachments", None)
        if cell.cell_type != "code":
            continue
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        outputs: list[Any] = []
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if outputs and output.get("name") == outputs[-1].get("name", object()):
                outputs[-1].text += output.text
            else:
                outputs.append(output)
        cell.outputs = outputs
    return notebook


def text_of(notebook: Any) -> str:
    """A notebook as the text of its file.

    Args:
        notebook: A notebook as nbformat reads it.

    Returns:
        The text, with one line end at its end.
    """
    nbformat = needs_package("A notebook", "nbformat", "classroom")
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def client_of(notebook: Any, folder: str | os.PathLike, **options: Any) -> Any:
    """A client that runs the notebook's cells in a fresh kernel.

    Args:
        notebook: A notebook as nbformat reads it. Its outputs are replaced when it runs.
        folder: Where the cells run.
        **options: Further options of the client.

    Returns:
        An nbclient.NotebookClient.

    Raises:
        ImportError: If the packages of the extra `course` are not installed.
    """
    nbclient = needs_package("Running a notebook", "nbclient", "course")
    needs_package("Running a notebook", "ipykernel", "course")
    options = {"timeout": 300, "kernel_name": "python3", "record_timing": False, **options}
    return nbclient.NotebookClient(
        notebook,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
        **options,
    )


def rerun(path: str | os.PathLike) -> bool:
    """Run a notebook from a fresh kernel, top to bottom, and save it canonically.

    Args:
        path: The notebook's file. Its folder is where the cells run.

    Returns:
        Whether the file changed.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails. The file is left alone then.
        ImportError: If the packages of the extra `course` are not installed.
    """
    nbformat = needs_package("A notebook", "nbformat", "classroom")
    path = Path(path)
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    client_of(notebook, path.parent).execute()
    notebook = nbformat.reads(text_of(canonical(notebook)), as_version=4)  # as it will be read
    notebook.metadata["digests"] = digests(notebook)
    after = text_of(notebook)
    if after != before:
        write_text_atomically(path, after)
    return after != before


def all_notebooks() -> list[Path]:
    """Every notebook of the course: lessons, then solutions.

    Raises:
        course_lib.checkout.NoCheckout: If only the library is installed.
    """
    folder = checkout("A list of all notebooks") / "notebooks"
    return sorted(folder.glob("*.ipynb")) + sorted(folder.glob("solutions/*.ipynb"))

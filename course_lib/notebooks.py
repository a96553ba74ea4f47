"""Notebooks as files: re-run, saved canonically, compared with a stated tolerance.

    uv run refresh                    re-runs the notebooks whose code changed since they were run last
    uv run refresh --all              re-runs them all (after a change of the library)
    uv run refresh notebooks/06*      re-runs those
    uv run refresh --check            runs nothing; names those that are stale or not in canonical form

A second run is byte for byte the same.  A notebook that fails is left as it was.
"""

import argparse
import hashlib
import json
import re
import sys
import time
from pathlib import Path

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+(?=e))(?:e[-+]?\d+)?", re.IGNORECASE)


def digests(notebook):
    """Fingerprints of a notebook's code and of its outputs, pictures included.

    They are kept in the notebook: outputs belong to this code, and nobody has touched them since.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    kept = {"code": [cell.source for cell in code], "outputs": [cell.outputs for cell in code]}
    return {
        name: hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=8).hexdigest()
        for name, what in kept.items()
    }


def is_stale(notebook):
    """Whether code or outputs changed since the notebook was run by `refresh`."""
    return notebook.metadata.get("digests") != digests(notebook)


def canonical(notebook):
    """The one form in which a notebook is kept: no timings, no machine, counts 1..n, each stream in one piece."""
    import nbformat

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
        outputs = []
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if outputs and output.get("name") == outputs[-1].get("name", object()):
                outputs[-1].text += output.text
            else:
                outputs.append(output)
        cell.outputs = outputs
    return notebook


def text_of(notebook):
    """A notebook as the text of its file."""
    import nbformat

    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def rerun(path):
    """Run a notebook from a fresh kernel, top to bottom, and save it canonically.  Returns whether the file changed.

    Raises nbclient's CellExecutionError, and leaves the file alone, where a cell fails.
    """
    import nbclient
    import nbformat

    path = Path(path)
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    notebook = nbformat.reads(text_of(canonical(notebook)), as_version=4)  # as it will be read
    notebook.metadata["digests"] = digests(notebook)
    after = text_of(notebook)
    if after != before:
        beside = path.with_suffix(".ipynb.new")
        beside.write_text(after, encoding="utf-8", newline="\n")
        beside.replace(path)
    return after != before


def with_stored_numbers(new: str, stored: str, rtol: float = 0.0, atol: float = 0.0) -> str:
    """The new text with each number within the tolerance written as the stored one.

    Only decimal numbers (0.25, 1e-3) have a tolerance. Whole numbers and words stay as they are,
    and are then compared to the letter. Blanks follow the numbers: NumPy pads the columns of an
    array to the longest number, and breaks its rows elsewhere. So where nothing but the width of
    blanks is left, the stored text is returned: runs of blanks, blanks beside brackets and commas,
    and line ends within an array.

    Args:
        new: What a cell printed.
        stored: What it printed when the notebook was saved.
        rtol: The tolerance relative to the stored number.
        atol: The absolute tolerance.

    Returns:
        The new text, equal to `stored` if all differences lie within the tolerance. Where the two
        texts hold different counts of numbers, it is `new`.

    Example:
        >>> with_stored_numbers("[0.1001 0.25  ]", "[0.1  0.25]", rtol=0.01)
        '[0.1  0.25]'
    """
    news, storeds = NUMBER.findall(new), NUMBER.findall(stored)
    if len(news) != len(storeds):
        return new

    def fits(one, other):
        return abs(float(one) - float(other)) <= atol + rtol * abs(float(other))

    pairs = zip(news, storeds, strict=True)
    chosen = iter([other if fits(one, other) else one for one, other in pairs])
    text = NUMBER.sub(lambda match: next(chosen), new)
    return stored if _without_widths(text) == _without_widths(stored) else text


def _without_widths(text):
    """The text with one blank for each run of blanks, and none beside brackets or before commas."""
    text = re.sub(
        r"\[[^\[\]]*\]", lambda row: " ".join(row[0].split()), text
    )  # one row of an array
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r"(?<=[\[(]) | (?=[\]),])", "", text)


def tolerance(tags):
    """{"rtol": ..., "atol": ...} as a cell's tags state them, such as nbval-rtol=1e-3; empty where they do not."""
    found = [re.fullmatch(r"nbval-(rtol|atol)=(\S+)", tag) for tag in tags]
    return {match[1]: float(match[2]) for match in found if match}


def all_notebooks():
    """Every notebook of the course: lessons, then solutions."""
    folder = Path(__file__).parents[1] / "notebooks"
    return sorted(folder.glob("*.ipynb")) + sorted(folder.glob("solutions/*.ipynb"))


def main():
    import nbformat

    parser = argparse.ArgumentParser(
        "refresh", description="Re-run notebooks and save them canonically."
    )
    parser.add_argument("paths", nargs="*", type=Path, help="these notebooks, changed or not")
    parser.add_argument("--all", action="store_true", help="every notebook, changed or not")
    parser.add_argument("--check", action="store_true", help="run nothing, name what is stale")
    asked = parser.parse_args()
    missing = [str(path) for path in asked.paths if not path.is_file()]
    if missing:
        parser.error(f"no such notebook: {', '.join(missing)}")
    paths = asked.paths or all_notebooks()
    failed = 0
    for path in paths:
        text = path.read_text(encoding="utf-8")
        try:
            notebook = nbformat.reads(text, as_version=4)
        except (nbformat.reader.NotJSONError, json.JSONDecodeError):
            print(f"{path.name:<44} is not a notebook")
            failed += 1
            continue
        stale = is_stale(notebook)
        if asked.check:
            if stale or text_of(canonical(notebook)) != text:
                print(f"{path.name:<44} {'stale' if stale else 'not in canonical form'}")
                failed += 1
        elif asked.paths or asked.all or stale:
            print(f"{path.name:<44} ", end="", flush=True)
            began = time.monotonic()
            try:
                changed = rerun(path)
            except Exception as error:
                plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
                print(f"FAILED, left as it was\n{plain}")
                failed += 1
            else:
                took = f"{time.monotonic() - began:.0f} s"
                print(f"{'changed' if changed else 'the same'}, {took}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""Build the book: python docs/build.py [html] [epub] [pdf] [--open].

The pages of the course are copied to docs/_build/source, each notebook with three things added that a page needs
and a notebook does not: closed answers after a prediction, alternative texts for figures, closed solutions. Then
Sphinx makes the book from the committed outputs. Nothing is run and no request leaves the machine.
"""

import argparse
import re
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BUILD = DOCS / "_build"
SOURCE = BUILD / "source"
PREDICT = "**Predict.**"
TITLE = re.compile(
    r"""(?:set_title|suptitle)\(\s*f?["'](.+?)["']|\btitle=f?["'](.+?)["']""", re.DOTALL
)


def stage():
    """Copy the course's pages to docs/_build/source, ready for Sphinx."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    for page in sorted(ROOT.glob("*.md")):
        if page.name != "README.md":
            shutil.copy(page, SOURCE)
    for page in sorted(DOCS.glob("*.md")):
        shutil.copy(page, SOURCE)
    for page in (ROOT / "notebooks").rglob("*.md"):
        place = SOURCE / page.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, place)
    for path in sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        prepare(notebook, is_solution=path.parent.name == "solutions")
        place = SOURCE / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, place)
    for name in ("course_lib", "tests", "benchmarks", "LICENSE", "LICENSE-TEXT", "CITATION.cff"):
        (SOURCE / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "picture.png", SOURCE)


def prepare(notebook, is_solution=False):
    """Add to a notebook, in place, what its page needs: closed cells and alternative texts."""
    closed = answers(notebook)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        page = {}
        if cell.id in closed or is_solution and cell.source.startswith(("def ", "class ")):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-cell"]
            page["code_prompt_show"] = "Show the solution" if is_solution else "Show the answer"
        text = alternative_text(cell)
        if text:
            page["image"] = {"alt": text}
        if page:
            cell.metadata["mystnb"] = page


def answers(notebook):
    """The ids of the code cells that follow a prediction, up to the next paragraph."""
    found, after_prediction = set(), False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            after_prediction = PREDICT in cell.source
        elif after_prediction:
            found.add(cell.id)
    return found


def alternative_text(cell):
    """A figure in words: the titles in its cell, and the numbers that are printed beside it."""
    if not any("image/png" in output.get("data", {}) for output in cell.outputs):
        return ""
    titles = [one or other for one, other in TITLE.findall(cell.source)]
    printed = " ".join(" ".join(o.text.split()) for o in cell.outputs if o.get("name") == "stdout")
    text = ". ".join([*dict.fromkeys(titles), printed[:400]])
    return " ".join(text.replace('"', "'").split()) or "Figure"


def sphinx(builder):
    """Run one of Sphinx's builders; a warning is an error."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", builder]
    return subprocess.run([*command, "-c", DOCS, SOURCE, BUILD / builder]).returncode


def pdf():
    """Print the whole book as one PDF, by a browser without a window."""
    browser = next(
        filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None
    )
    if browser is None:
        print("A PDF needs Chromium or Chrome, and neither is installed.", file=sys.stderr)
        return 2
    if sphinx("singlehtml"):
        return 1
    page = (BUILD / "singlehtml" / "index.html").as_uri()
    printed = BUILD / "optimizers.pdf"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    return subprocess.run([browser, *options, f"--print-to-pdf={printed}", page]).returncode


def main():
    """Build what was asked for, and say where it is."""
    parser = argparse.ArgumentParser("docs/build.py", description="Build the book.")
    parser.add_argument("what", nargs="*", choices=["html", "epub", "pdf"], default="html")
    parser.add_argument("--open", action="store_true", help="show the book in a browser")
    asked = parser.parse_args()
    stage()
    wanted = [asked.what] if isinstance(asked.what, str) else asked.what
    for what in wanted:
        failed = pdf() if what == "pdf" else sphinx(what)
        if failed:
            sys.exit(failed)
    print(f"The book: {BUILD / 'html' / 'index.html'}")
    if asked.open:
        webbrowser.open((BUILD / "html" / "index.html").as_uri())


if __name__ == "__main__":
    main()

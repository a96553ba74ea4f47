"""The glossary: every word in four languages, and explained where it says."""

import re
import unicodedata
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (NOTEBOOKS / "glossary.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("|")
][2:]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])


def test_words_stand_in_alphabetical_order_and_once():
    words = [row[0].lower() for row in ROWS]
    assert words == sorted(set(words)) and len(words) > 50


@each_row
def test_a_row_has_its_six_cells_each_in_its_own_script(row):
    assert len(row) == 6 and all(row)
    english, spanish, chinese, russian, meaning, _ = row
    assert not re.search(r"[^\x00-\x7F’−ᵗ]", english + meaning)
    assert all("LATIN" in unicodedata.name(c) for c in spanish if c.isalpha())
    assert "CJK" in unicodedata.name(chinese[0]) or chinese.startswith("ε")
    assert "CYRILLIC" in unicodedata.name(russian[0])


@each_row
def test_the_chapter_that_a_row_names_uses_the_word(row):
    number, target = re.fullmatch(r"\[(\d\d)\]\((.+)\)", row[5]).groups()
    assert target.startswith(number)
    notebook = nbformat.read(NOTEBOOKS / target, as_version=4)
    text = " ".join(cell.source for cell in notebook.cells).lower()
    for word in re.findall("[a-z]{4,}", row[0].lower()):
        assert word[: max(4, len(word) - 3)] in text, f"{target} never says {word!r}"


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_lesson_links_to_the_glossary(path):
    first = nbformat.read(path, as_version=4).cells[0].source
    assert "](glossary.md)" in first

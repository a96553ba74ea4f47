"""A CSV file that can be verified, row by row and as a whole.

The last column, `check`, holds sixteen hexadecimal digits: a digest of the row's texts, of the
check of the row before it, and of whether it is the last row. So a row that was changed, moved,
doubled or cut is found, and its line. A missing row is found at the row behind it, or at the end.
A spreadsheet may change line ends and quotes: the texts are still the same.

This finds accidents and edits. It is not a signature: anybody who has this file can compute it.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

CHECK = "check"
EMPTY = "no_rows"  # the name of the last column of a table without rows: else it could be a cut one


def written(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write rows as CSV, with a check in each.

    Args:
        columns: The names of the columns.
        rows: Values; numbers are written to the last digit.

    Returns:
        The text of the file.

    Example:
        >>> print(written(["rule", "loss"], [("sgd", 0.5)]), end="")
        rule,loss,check
        sgd,0.5,25097be1019d942a
    """
    texts = [[str(value) for value in row] for row in rows]
    name = CHECK if texts else EMPTY
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write([*columns, name])
    for i, row in enumerate(texts):
        name = _check(name, row, is_last=i + 1 == len(texts))
        write([*row, name])
    return out.getvalue()


def verified(
    columns: Sequence[str], text: str
) -> tuple[list[tuple[int, list[str]]], list[tuple[int, str]]]:
    """Read what `written` wrote, and verify it.

    Args:
        columns: The names that the columns must have.
        text: The text of the file.

    Returns:
        The sound rows as (line, texts), and the faults as (line, sentence). A damaged row is left
        out, and the rows after it are read.

    Raises:
        ValueError: If the first line does not hold these names and `check`.

    Example:
        >>> text = written(["rule", "loss"], [("sgd", 0.5), ("adam", 0.25)])
        >>> verified(["rule", "loss"], text.replace("0.5", "0.4"))[1][0][0]
        2
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    before = _check_column(columns, lines)
    rows, faults, i, is_last = [], [], 1, before == EMPTY
    while i < len(lines):
        end, row = _record(lines, i)
        *texts, check = row or [""]
        if len(texts) == len(columns) and check in _checks(before, texts):
            rows.append((i + 1, texts))
            is_last = check == _check(before, texts, is_last=True)
            before, i = check, end
        else:
            faults.append((i + 1, _fault(columns, texts)))
            is_last = True  # or not: it can no longer be read
            before, i = lines[i].rstrip("\r").rsplit(",", 1)[-1], i + 1
    if not is_last:
        faults.append((len(lines), "the file ends here, and rows behind this one are missing"))
    return rows, faults


def _check_column(columns, lines):
    _, header = _record(lines, 0) if lines else (0, None)
    if not header or header[:-1] != [*columns] or header[-1] not in (CHECK, EMPTY):
        raise ValueError(f"its columns should be {', '.join(columns)}, {CHECK}")
    return header[-1]


def _record(lines, i):
    """The record that begins at line i: the line behind it, and its texts (None if unreadable)."""
    end, quotes = i + 1, lines[i].count('"')
    while quotes % 2 and end < len(lines):  # a text of several lines
        quotes, end = quotes + lines[end].count('"'), end + 1
    try:
        (row,) = csv.reader(io.StringIO("\n".join(lines[i:end]), newline=""), strict=True)
    except (csv.Error, ValueError):
        return i + 1, None
    return end, row


def _check(before, texts, *, is_last):
    contents = json.dumps([before, *texts, is_last]).encode()
    return hashlib.blake2b(contents, digest_size=8).hexdigest()


def _checks(before, texts):
    return [_check(before, texts, is_last=is_last) for is_last in (False, True)]


def _fault(columns, texts):
    if len(texts) != len(columns):
        return f"this row has not the {len(columns) + 1} columns of the others"
    return "this row is not as it was written, or the row before it is missing"

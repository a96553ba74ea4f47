"""Two runs of a cell compared: to the letter, but for decimals within a stated tolerance."""

import re
from collections.abc import Iterable

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+(?=e))(?:e[-+]?\d+)?", re.IGNORECASE)


def with_stored_numbers(new: str, stored: str, rtol: float = 0.0, atol: float = 0.0) -> str:
    """The new text, with each decimal within the tolerance written as the stored text has it.

    Only decimal numbers (0.25, 1e-3) have a tolerance. Whole numbers and words stay as they are,
    and are then compared to the letter.

    Args:
        new: What a cell printed now.
        stored: What the notebook's file holds.
        rtol: The largest difference allowed, as a part of the stored number.
        atol: What is allowed on top of that.

    Returns:
        The new text. It is unchanged where the texts hold different counts of numbers.

    Example:
        >>> with_stored_numbers("step 7: loss 0.501", "step 7: loss 0.500", rtol=0.01)
        'step 7: loss 0.500'
    """
    news, storeds = NUMBER.findall(new), NUMBER.findall(stored)
    if len(news) != len(storeds):
        return new

    def fits(one: str, other: str) -> bool:
        return abs(float(one) - float(other)) <= atol + rtol * abs(float(other))

    pairs = zip(news, storeds, strict=True)
    chosen = iter([other if fits(one, other) else one for one, other in pairs])
    text = NUMBER.sub(lambda match: next(chosen), new)
    return stored if _without_widths(text) == _without_widths(stored) else text


def _without_widths(text):
    """The text with one blank for each run of blanks, and none beside brackets or commas.

    NumPy pads the columns of an array to the widest number, and breaks long rows there.
    """
    text = re.sub(r"\[[^\[\]]*\]", lambda row: " ".join(row[0].split()), text)
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r"(?<=[\[(]) | (?=[\]),])", "", text)


def tolerance(tags: Iterable[str]) -> dict[str, float]:
    """The tolerance that a cell's tags state.

    Args:
        tags: The tags of a cell, such as "nbval-rtol=1e-3".

    Returns:
        {"rtol": ..., "atol": ...}, without what no tag states.

    Example:
        >>> tolerance(["nbval-rtol=1e-3", "raises-exception"])
        {'rtol': 0.001}
    """
    found = [re.fullmatch(r"nbval-(rtol|atol)=(\S+)", tag) for tag in tags]
    return {match[1]: float(match[2]) for match in found if match}

"""Anchors as JupyterLab makes them, so that one link works in both."""


def slug(title: str) -> str:
    """The anchor of a heading: its text, with hyphens for blanks."""
    return title.strip().replace(" ", "-")

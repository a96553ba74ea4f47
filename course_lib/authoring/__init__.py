"""Notebooks as files, for authors: re-run, saved canonically, compared, given to students.

notebooks    digests, the canonical form, running one and saving it
tolerance    comparing outputs whose decimals may differ a little
refresh      the command that re-runs what changed
student      the course without its solutions, as a folder of its own
"""

from .notebooks import all_notebooks, canonical, digests, is_stale, rerun, text_of
from .tolerance import tolerance, with_stored_numbers

__all__ = [
    "all_notebooks",
    "canonical",
    "digests",
    "is_stale",
    "rerun",
    "text_of",
    "tolerance",
    "with_stored_numbers",
]

"""What an author of the course runs, from a checkout: notebooks as files.

notebooks         digests, the canonical form, running one and saving it
tolerance         comparing outputs whose decimals may differ a little
comparing         comparing a page that was run with the one that is stored
forked_kernels    kernels that start from a process that has loaded Keras
refresh           course-lib refresh: re-runs what changed
pages             course-lib run: a chapter without a browser
student           course-lib student: the course without its solutions
picture           README's picture
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

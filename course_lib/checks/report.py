"""What a check says when it is done: passed, failed, or does not apply; and the table of many."""

import textwrap
from dataclasses import dataclass, field

PAGE = 112  # characters: what a notebook shows in one row on a laptop


class CheckFailed(AssertionError):
    """A property does not hold: what was seen, what was expected, what it does to a training run, where to read on."""

    def __init__(self, seen, expected, consequence, notebook):
        super().__init__(
            f"{seen}, expected {expected}. In a training run: {consequence}. See {notebook}."
        )


class DoesNotApply(Exception):
    """The check has nothing to say about this optimizer; the message says why."""


@dataclass
class Report:
    """The outcome of several checks of one thing, in the order in which they ran.

    passed    True if no check failed
    failed    the checks that failed: a dict from name to what was said
    rows      (name, "passed" | "FAILED" | "n/a", what was said) each
    """

    subject: str
    rows: list = field(default_factory=list)

    @property
    def passed(self):
        return not self.failed

    @property
    def failed(self):
        return {name: said for name, outcome, said in self.rows if outcome == "FAILED"}

    def run(self, check, *arguments):
        """Run one check and keep what it says.  An exception is a failure, never hidden and never raised."""
        try:
            outcome, said = "passed", check(*arguments)
        except DoesNotApply as reason:
            outcome, said = "n/a", str(reason)
        except CheckFailed as failure:
            outcome, said = "FAILED", str(failure)
        except Exception as error:
            outcome, said = "FAILED", f"it raised {type(error).__name__}: {error}"
        self.rows.append((check.__name__, outcome, said))

    def __str__(self):
        width = max((len(name) for name, _, _ in self.rows), default=0)
        lines = []
        for name, outcome, said in self.rows:
            first, *more = textwrap.wrap(said, max(40, PAGE - width - 10)) or [""]
            lines.append(f"{outcome:<6}  {name.replace('_', ' '):<{width}}  {first}".rstrip())
            lines += [" " * (width + 10) + rest for rest in more]
        verdict = f"{len(self.failed)} FAILED" if self.failed else "all is well"
        return "\n".join([self.subject, *lines, f"{len(self.rows)} checks: {verdict}"])

    __repr__ = __str__

"""The outcome of a check: passed, failed, does not apply, or Keras's own; and the table of many."""

import html
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PAGE = 112  # characters: what a notebook shows in one row on a laptop
COLOURS = {"passed": "#2E7D32", "FAILED": "#B71C1C", "n/a": "#757575", "Keras": "#8A5A00"}


class CheckFailed(AssertionError):
    """A property does not hold.

    A check raises it with what was seen and what was expected. The consequence for a training run
    and the chapter to read stand at the check, in its decorator, which adds them.

    Args:
        seen: What was seen.
        expected: What was expected.
        consequence: What it does to a training run.
        chapter: Where the course explains it.
    """

    def __init__(self, seen: str, expected: str, consequence: str = "", chapter: str = ""):
        super().__init__(seen, expected, consequence, chapter)
        self.seen = seen
        self.expected = expected
        self.consequence = consequence
        self.chapter = chapter

    def __str__(self) -> str:
        message = f"{self.seen}, expected {self.expected}."
        if self.consequence:
            message += f" In a training run: {self.consequence}."
        if self.chapter:
            message += f" See {self.chapter}."
        return message


class DoesNotApply(Exception):
    """The check has nothing to say about this optimizer; the message says why."""


class KerasFault(Exception):
    """The property does not hold because of Keras itself: it is not held against the optimizer."""


@dataclass
class Report:
    """The outcomes of several checks of one thing, in the order in which they ran.

    Attributes:
        subject: What was checked, for the first line.
        rows: `(name, outcome, message)` each; the outcome is "passed", "FAILED", "n/a" or "Keras".
    """

    subject: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """True if no check failed."""
        return not self.failed

    @property
    def failed(self) -> dict[str, str]:
        """The checks that failed: a dict from name to message."""
        return self._messages("FAILED")

    @property
    def of_keras(self) -> dict[str, str]:
        """What fails because of Keras itself: a dict from name to message."""
        return self._messages("Keras")

    def _messages(self, wanted):
        return {name: message for name, outcome, message in self.rows if outcome == wanted}

    def run(self, check: Callable[..., str], *arguments: Any) -> None:
        """Run one check and keep its message. An exception is a failure, and is not raised.

        Args:
            check: The check.
            *arguments: What it is called with.
        """
        try:
            outcome, message = "passed", check(*arguments)
        except DoesNotApply as reason:
            outcome, message = "n/a", str(reason)
        except KerasFault as fault:
            outcome, message = "Keras", f"Keras: {fault}"
        except CheckFailed as failure:
            outcome, message = "FAILED", str(failure)
        except (Exception, SystemExit) as error:
            outcome, message = "FAILED", f"it raised {type(error).__name__}: {error}"
        self.rows.append((check.__name__, outcome, message))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for `json.dumps`."""
        keys = ("name", "outcome", "message")
        return {
            "subject": self.subject,
            "passed": self.passed,
            "failed": list(self.failed),
            "checks": [dict(zip(keys, row, strict=True)) for row in self.rows],
        }

    def __str__(self) -> str:
        width = max((len(name) for name, _, _ in self.rows), default=0)
        lines = []
        for name, outcome, message in self.rows:
            first, *more = textwrap.wrap(str(message), max(40, PAGE - width - 10)) or [""]
            lines.append(f"{outcome:<6}  {name.replace('_', ' '):<{width}}  {first}".rstrip())
            lines += [" " * (width + 10) + rest for rest in more]
        return "\n".join([self.subject, *lines, self._verdict()])

    __repr__ = __str__

    def _verdict(self):
        if all(outcome == "n/a" for _, outcome, _ in self.rows):
            return f"{len(self.rows)} checks: none of them applies, so nothing is known"
        verdict = f"{len(self.failed)} FAILED" if self.failed else "all is well"
        of_keras = f"; {len(self.of_keras)} about Keras itself" if self.of_keras else ""
        return f"{len(self.rows)} checks: {verdict}{of_keras}"

    def _repr_html_(self):
        cells = "".join(
            f'<tr><td style="color:{COLOURS[outcome]};font-weight:bold">{outcome}</td>'
            '<td style="text-align:left;white-space:nowrap">'
            f"{html.escape(name.replace('_', ' '))}</td>"
            f'<td style="text-align:left">{html.escape(str(message))}</td></tr>'
            for name, outcome, message in self.rows
        )
        title = f"<caption>{html.escape(self.subject)}: {html.escape(self._verdict())}</caption>"
        head = "<tr><th></th><th>property</th><th>what was seen</th></tr>"
        return f"<table>{title}<thead>{head}</thead><tbody>{cells}</tbody></table>"

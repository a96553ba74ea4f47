"""What a check says when it is done: passed, failed, does not apply, or Keras's own; and the table of many."""

import html
import textwrap
from dataclasses import dataclass, field

PAGE = 112  # characters: what a notebook shows in one row on a laptop
COLOURS = {"passed": "#2E7D32", "FAILED": "#B71C1C", "n/a": "#757575", "Keras": "#8A5A00"}


class CheckFailed(AssertionError):
    """A property does not hold: what was seen, what was expected, what it does to a training run, where to read on."""

    def __init__(self, seen, expected, consequence, notebook):
        super().__init__(
            f"{seen}, expected {expected}. In a training run: {consequence}. See {notebook}."
        )


class DoesNotApply(Exception):
    """The check has nothing to say about this optimizer; the message says why."""


class KerasFault(Exception):
    """The property does not hold because of Keras itself: worth knowing, and not held against the optimizer."""


@dataclass
class Report:
    """The outcome of several checks of one thing, in the order in which they ran.

    passed    True if no check failed
    failed    the checks that failed: a dict from name to what was said
    rows      (name, "passed" | "FAILED" | "n/a" | "Keras", what was said) each
    """

    subject: str
    rows: list = field(default_factory=list)

    @property
    def passed(self):
        return not self.failed

    @property
    def failed(self):
        return self._said("FAILED")

    @property
    def of_keras(self):
        """What fails because of Keras itself, and is not held against the optimizer: a dict like `failed`."""
        return self._said("Keras")

    def _said(self, wanted):
        return {name: said for name, outcome, said in self.rows if outcome == wanted}

    def run(self, check, *arguments):
        """Run one check and keep what it says.  An exception is a failure, never hidden and never raised."""
        try:
            outcome, said = "passed", check(*arguments)
        except DoesNotApply as reason:
            outcome, said = "n/a", str(reason)
        except KerasFault as fault:
            outcome, said = "Keras", f"Keras: {fault}"
        except CheckFailed as failure:
            outcome, said = "FAILED", str(failure)
        except (Exception, SystemExit) as error:
            outcome, said = "FAILED", f"it raised {type(error).__name__}: {error}"
        self.rows.append((check.__name__, outcome, said))

    def to_dict(self):
        """The report as plain data, for `json.dumps`."""
        keys = ("name", "outcome", "said")
        return {
            "subject": self.subject,
            "passed": self.passed,
            "failed": list(self.failed),
            "checks": [dict(zip(keys, row, strict=True)) for row in self.rows],
        }

    def __str__(self):
        width = max((len(name) for name, _, _ in self.rows), default=0)
        lines = []
        for name, outcome, said in self.rows:
            first, *more = textwrap.wrap(str(said), max(40, PAGE - width - 10)) or [""]
            lines.append(f"{outcome:<6}  {name.replace('_', ' '):<{width}}  {first}".rstrip())
            lines += [" " * (width + 10) + rest for rest in more]
        return "\n".join([self.subject, *lines, self._verdict()])

    __repr__ = __str__

    def _verdict(self):
        verdict = f"{len(self.failed)} FAILED" if self.failed else "all is well"
        of_keras = f"; {len(self.of_keras)} about Keras itself" if self.of_keras else ""
        return f"{len(self.rows)} checks: {verdict}{of_keras}"

    def _repr_html_(self):
        cells = "".join(
            f'<tr><td style="color:{COLOURS[outcome]};font-weight:bold">{outcome}</td>'
            f'<td style="text-align:left;white-space:nowrap">{html.escape(name.replace("_", " "))}</td>'
            f'<td style="text-align:left">{html.escape(str(said))}</td></tr>'
            for name, outcome, said in self.rows
        )
        title = f"<caption>{html.escape(self.subject)}: {html.escape(self._verdict())}</caption>"
        head = "<tr><th></th><th>property</th><th>what was seen</th></tr>"
        return f"<table>{title}<thead>{head}</thead><tbody>{cells}</tbody></table>"

"""One row of the table of wrong optimizers."""

from dataclasses import dataclass

from course_lib.optimizers import RULES

import keras

from ..engine.report import Report

# Some changes leave a sound rule that is only another one, such as a frozen step count. No property
# of all sound rules tells them: a reference does, or the name that the class bears.
REFERENCE = "it_follows_the_reference"
NAME = "it_is_what_its_name_says"

registered = keras.saving.register_keras_serializable("wrong")


@dataclass(frozen=True)
class Wrong:
    """One wrong optimizer.

    Attributes:
        what: What is wrong with it.
        rule: The name of the rule that it was made from.
        optimizer: The class.
        check: The name of the check that names the mistake.
    """

    what: str
    rule: str
    optimizer: type[keras.Optimizer]
    check: str

    def examine(self, checks: list[str] | None = None) -> Report:
        """Run `check_optimizer` on it, with the rule as its reference where that is needed.

        Args:
            checks: The names of the checks to run; the one that names the mistake if None.

        Returns:
            The Report.
        """
        from ..check_optimizer import check_optimizer

        reference = RULES[self.rule] if self.check == REFERENCE else None
        checks = [self.check] if checks is None else checks
        return check_optimizer(self.optimizer, reference=reference, checks=checks)

    @property
    def is_caught(self) -> bool:
        """Whether the check that names the mistake fails."""
        return self.check in self.examine().failed

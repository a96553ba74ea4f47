"""check_rule: everything that this course proves of a rule, proved of yours."""

from collections.abc import Iterable

from course_lib.optimizers import Rule

from .check_optimizer import OPTIMIZER_CHECKS, chosen, run_checks
from .engine.candidate import Candidate
from .engine.report import Report
from .properties.files import (
    it_is_registered,
    the_configuration_holds_every_argument,
    training_resumes_from_a_keras_file,
)
from .properties.tellings import TELLINGS

# In the order in which they are read; the first failure is usually the cause of the later ones.
# The last three are checks of check_optimizer: a rule's class must be saved and loaded. All others
# of check_optimizer run too with `everything=True`; they take ten times as long.
RULE_CHECKS = (
    *TELLINGS,
    it_is_registered,
    the_configuration_holds_every_argument,
    training_resumes_from_a_keras_file,
)
EVERYTHING = (*TELLINGS, *OPTIMIZER_CHECKS)


def check_rule(
    rule: Rule, *, checks: Iterable[str] | None = None, everything: bool = False
) -> Report:
    """Check a rule that is written twice: its equation, its NumPy step and its Keras class.

    The Keras class is run with the rule's settings, and the rule is its reference.

    Args:
        rule: A Rule: one of RULES, or made of your own two tellings.
        checks: The names of the checks to run, of this function's and of `check_optimizer`'s.
        everything: Whether to run all checks of `check_optimizer` as well. That takes some twenty
            seconds.

    Returns:
        A Report. Print it, or read `.passed` and `.failed`.

    Raises:
        TypeError: If `rule` is not a Rule.
        ValueError: If a check does not exist, or none is named.

    Example:
        >>> from course_lib.optimizers import RULES
        >>> check_rule(RULES["sgd"], checks=["the_equation_is_the_numpy_step"]).passed
        True
    """
    if not isinstance(rule, Rule):
        raise TypeError(
            f"`rule` must be a Rule. Received: {rule!r}. Take one of RULES, say RULES['adagrad'], "
            "or make one: Rule(numpy=..., keras_class=..., settings={'learning_rate': 0.125})."
        )
    known = EVERYTHING if everything or checks is not None else RULE_CHECKS
    report = Report(f"check_rule({rule.name})")
    run_checks(chosen(checks, "checks", known), Candidate.of_rule(rule), report)
    return report

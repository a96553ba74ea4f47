"""What must hold for every rule and every optimizer, and the checkers of the exercises: CI runs it on ours, readers on theirs."""

from .optimizers import OPTIMIZER_CHECKS, check_optimizer, parametrize_with_checks
from .report import CheckFailed, DoesNotApply, KerasFault, Report
from .rules import RULE_CHECKS, check_rule

__all__ = [
    "OPTIMIZER_CHECKS",
    "RULE_CHECKS",
    "CheckFailed",
    "DoesNotApply",
    "KerasFault",
    "Report",
    "check_optimizer",
    "check_rule",
    "parametrize_with_checks",
]

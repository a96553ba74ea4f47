"""What must hold for every rule, and the checkers of the exercises: CI runs it on ours, readers on theirs."""

from .report import CheckFailed, DoesNotApply, Report
from .rules import RULE_CHECKS, check_rule

__all__ = ["RULE_CHECKS", "CheckFailed", "DoesNotApply", "Report", "check_rule"]

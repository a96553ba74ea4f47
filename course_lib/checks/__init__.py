"""What must hold for every rule and for every Keras optimizer: check ours, and check yours."""

from .check_optimizer import OPTIMIZER_CHECKS, check_optimizer, parametrize_with_checks
from .check_rule import RULE_CHECKS, check_rule
from .engine.report import CheckFailed, DoesNotApply, KerasFault, Report

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

"""Train rules side by side on the digits: every learning rate, every seed, the same budget.

    course-lib race adam momentum --learning-rates 0.001 0.01 0.1 --seeds 8 --file race.csv

With --file, a race that was stopped goes on where it was.
"""

import argparse
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `course-lib race`.

    Args:
        arguments: What stands behind the command's name; `sys.argv` if None.

    Returns:
        The exit status: 0, and 2 for bad input.
    """
    parser = argparse.ArgumentParser(
        prog="course-lib race",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rules", nargs="+", metavar="RULE", help="adam, sgd, ...: names of RULES")
    parser.add_argument("--problem", default="digits", help="digits: 1,797 of 8 x 8 pixels")
    parser.add_argument(
        "--learning-rates", nargs="+", type=float, default=[0.001, 0.01, 0.1], metavar="RATE"
    )
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="seeds 0 to N - 1 (8)")
    parser.add_argument("--gradients", type=int, default=880, help="the budget of a trial (880)")
    parser.add_argument("--engine", default="numpy", help="numpy, tensorflow or jax")
    parser.add_argument("--file", help="a CSV file that keeps the trials")
    given = parser.parse_args(arguments)

    from course_lib.arguments import one_of, whole_number
    from course_lib.optimizers import RULES
    from course_lib.sweeps import digits, sweep

    try:
        one_of("--problem", given.problem, ["digits"], "problem")
        for rule in given.rules:
            one_of("rule", rule, RULES, "rule")
        seeds = range(whole_number("--seeds", given.seeds))
        table = sweep(
            digits(),
            given.rules,
            given.learning_rates,
            seeds,
            gradients=given.gradients,
            engine=given.engine,
            file=given.file,
        )
    except (ValueError, TypeError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt as stop:
        print(*getattr(stop, "__notes__", ["stopped"]), sep="\n", file=sys.stderr)
        return 130
    print(f"{'rule':<18} {'learning rate':>13} {'loss':>9} {'accuracy':>9} {'diverged':>9}")
    for row in summary(table, given.gradients):
        print(row)
    print(f"medians over {given.seeds} seeds after {given.gradients} gradients; * is a rule's best")
    return 0


def summary(table: Any, gradients: int) -> list[str]:
    """A row for each rule and learning rate, the best of each rule with a star.

    Args:
        table: A Table, as `sweep` returns it.
        gradients: The budget of a trial, at whose end it is judged.

    Returns:
        Aligned lines of text.
    """
    cells: dict[tuple[str, float], list[tuple[float, float, bool]]] = {}
    columns = ("rule", "learning_rate", "gradients", "loss", "accuracy", "diverged")
    for rule, rate, spent, *seen in zip(*(table[one] for one in columns), strict=True):
        if spent == gradients:
            cells.setdefault((str(rule), float(rate)), []).append(tuple(seen))
    losses = {
        key: median(float("inf") if broken else float(loss) for loss, _, broken in trials)
        for key, trials in cells.items()
    }
    lines = []
    for (rule, rate), trials in cells.items():
        loss = losses[rule, rate]
        star = "*" if loss == min(l for (name, _), l in losses.items() if name == rule) else " "
        accuracy = median(float(one) for _, one, _ in trials)
        broken = f"{sum(bool(one) for *_, one in trials)} of {len(trials)}"
        lines.append(f"{rule:<18} {rate:>12g}{star} {loss:>9.4f} {accuracy:>9.3f} {broken:>9}")
    return lines

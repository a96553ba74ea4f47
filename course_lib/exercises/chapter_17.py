"""The exercises of notebook 17, fair races: a budget, a choice, and how sure first place is."""

import numpy as np

from .grading import NotYet, ask, exercise, numbers, pair, same, short, unchanged


@exercise("17.1")
def steps_within(answer):
    for budget, looks, micro_batches in [(100, 2, 3), (400, 1, 1), (400, 2, 1), (400, 1, 8)]:
        seen = float(numbers(ask(answer, budget, looks, micro_batches), (), "the number of steps"))
        right = budget // (looks * micro_batches)
        if seen == right:
            continue
        hints = {
            "that would be as many steps as gradients: what does one step cost?": budget,
            "each look costs a whole gradient for every micro-batch: multiply": (
                budget // (looks + micro_batches)
            ),
            "one look more is one gradient more for every micro-batch: multiply": (
                budget // (looks + micro_batches - 1)
            ),
            "the micro-batches cost nothing in yours": budget // looks,
            "the looks cost nothing in yours": budget // micro_batches,
            "whole steps: a step that the budget does not cover is not made": (
                budget / (looks * micro_batches)
            ),
            "the last step goes over the budget: round down": right + 1,
            "dearer steps are fewer steps: divide": budget * looks * micro_batches,
        }
        for hint, wrong in hints.items():
            if np.isclose(seen, wrong):
                raise NotYet(hint)
        raise NotYet(
            f"with {budget} gradients, {looks} look(s) and {micro_batches} micro-batch(es) "
            f"it returned {seen:g}"
        )


@exercise("17.2")
def pick_and_report(answer):
    nan = np.nan
    losses = np.array(
        [
            # tuning        reporting
            [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
            [0.25, 0.25, 0.5, 1.0, 0.5, 0.25],  # the right choice
            [0.0, 0.875, 0.875, 0.75, 0.75, 0.75],  # the best single trial
            [0.125, nan, 0.125, 1.0, 1.0, 1.0],  # the best of those that survive
            [0.5, 0.5, 0.5, 0.125, 0.125, 0.125],  # the best on the other seeds, and on all
        ]
    )
    kept = losses.copy()
    tuning, reporting = [0, 1, 2], [3, 4, 5]
    row, reported = _choice(answer, losses, tuning, reporting)
    unchanged(losses, kept, "losses", "work on a copy")
    if row == 3:
        raise NotYet("that row has a trial that diverged: a failure is an infinite loss")
    if row == 2:
        raise NotYet("the best single trial is a lucky seed: compare the means of the rows")
    if row == 0:
        raise NotYet("that row has the highest mean loss of all that never failed")
    if row == 4:
        raise NotYet("the reporting seeds had a vote: choose by the tuning seeds alone")
    if row != 1:
        raise NotYet(f"return the number of a row, 0 to 4; it returned {short(row)}")
    if np.isclose(reported, losses[1, tuning].mean()):
        raise NotYet("the seeds that chose are flattered: report on the others")
    if np.isclose(reported, losses[1].mean()):
        raise NotYet("half of these seeds have chosen: report on the others alone")
    if np.isclose(reported, losses[1, reporting].min()):
        raise NotYet("that is the best of the reporting seeds: their mean is asked for")
    if np.isclose(reported, np.median(losses[1, reporting])):
        raise NotYet("that is the median of the reporting seeds: their mean is asked for")
    same(reported, 1.75 / 3, "the second thing should be the mean loss over the reporting seeds")

    others = np.array([[0.25, 0.5, 0.875, 1.0], [0.5, 0.5, 0.125, 0.125]])
    for columns in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        mixed = np.empty_like(others)
        mixed[:, columns] = others
        choice = _choice(answer, mixed, columns[:2], columns[2:])
        same(choice, [0, 0.9375], "the columns are those that `tuning` and `reporting` name")

    failed = np.array([[0.25, 0.25, 0.5, nan], [0.5, 0.5, 0.25, 0.25]])
    row, reported = _choice(answer, failed, [0, 1], [2, 3])
    if not np.isinf(reported):
        raise NotYet("a reporting seed diverged, and the report does not say so: infinity, please")
    same(row, 0, "a failure that only the reporting seeds know must not change the choice")


def _choice(answer, losses, tuning, reporting):
    row, reported = pair(ask(answer, losses, tuning, reporting), "the row and the mean loss")
    row = float(numbers(row, (), "the row"))
    return row, float(numbers(reported, (), "the reported loss"))


@exercise("17.3")
def chance_of_first(answer):
    losses = np.array([[1.0, 1.0, 4.0, 4.0], [2.0, 2.0, 2.0, 2.0], [0.0, 5.0, 5.0, 5.0]])
    draws = np.array([[0, 0, 0, 1], [1, 1, 1, 1], [2, 2, 3, 3], [0, 1, 1, 1], [0, 1, 2, 3]])
    draws = np.concatenate([draws, draws[2:3], draws[2:3], draws[1:2]])
    seen = numbers(ask(answer, losses, draws), (3,), "the parts")
    means = losses[:, draws].mean(axis=2)
    winners = [np.mean(means.argmin(axis=0) == i) for i in range(3)]
    hints = {
        "that is how often each is last: the lowest mean loss wins": np.bincount(
            means.argmax(axis=0), minlength=3
        )
        / len(draws),
        "count resamplings, not seeds": np.bincount(losses.argmin(axis=0), minlength=3) / 4,
        "the lowest single loss is luck: compare means": np.bincount(
            losses[:, draws].min(axis=2).argmin(axis=0), minlength=3
        )
        / len(draws),
        "compare means: the median forgets the bad seeds": np.bincount(
            np.median(losses[:, draws], axis=2).argmin(axis=0), minlength=3
        )
        / len(draws),
        "divide by the number of resamplings": np.array(winners) * len(draws),
        "these are means of losses: in which part of the resamplings is each the lowest?": (
            means.mean(axis=1)
        ),
    }
    if np.allclose(seen, np.eye(3)[losses.mean(axis=1).argmin()]):
        raise NotYet("one racer gets it all: take the means anew for each resampling")
    for hint, wrong in hints.items():
        if np.allclose(seen, wrong) and not np.allclose(seen, winners):
            raise NotYet(hint)
    if not np.isclose(np.sum(seen), 1):
        raise NotYet("somebody is first in every resampling: the parts should sum to 1")
    same(seen, winners, "all racers are compared on the same drawn seeds, resampling by resampling")

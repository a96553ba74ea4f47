"""Answers to the exercises of notebook 17: RIGHT, and WRONG with words of its hint."""

import course_lib.quiet  # noqa: F401

import numpy as np


def steps_within(budget, looks, micro_batches):
    return budget // (looks * micro_batches)


def finite(losses):
    return np.where(np.isnan(losses), np.inf, losses)


def chooser(vote, report=np.mean, clean=finite, reported="reporting"):
    """pick_and_report by parts: the row that `vote` takes, and what is reported of it."""

    def pick_and_report(losses, tuning, reporting):
        losses = clean(losses)
        row = int(np.argmin(vote(losses, tuning, reporting)))
        columns = {"tuning": tuning, "reporting": reporting, "all": [*tuning, *reporting]}[reported]
        return row, report(losses[row, columns])

    return pick_and_report


def by_tuning(losses, tuning, reporting):
    return losses[:, tuning].mean(axis=1)


def by_all(losses, tuning, reporting):
    return losses.mean(axis=1)


def by_reporting(losses, tuning, reporting):
    return losses[:, reporting].mean(axis=1)


def by_best_seed(losses, tuning, reporting):
    return losses[:, tuning].min(axis=1)


def by_survivors(losses, tuning, reporting):
    return np.nanmean(losses[:, tuning], axis=1)


def step_by_step(losses, tuning, reporting):
    def mean(row, columns):
        seen = [losses[row][column] for column in columns]
        return float("inf") if any(np.isnan(seen)) else sum(seen) / len(seen)

    row = min(range(len(losses)), key=lambda row: mean(row, tuning))
    return row, mean(row, reporting)


def worst_first(losses, tuning, reporting):
    return -by_tuning(np.nan_to_num(losses, posinf=-1), tuning, reporting)


def in_place(losses, tuning, reporting):
    losses[np.isnan(losses)] = np.inf
    return step_by_step(losses, tuning, reporting)


def survivors_of_the_report(losses, tuning, reporting):
    row = int(np.argmin(by_tuning(finite(losses), tuning, reporting)))
    return row, np.nanmean(losses[row, reporting])


def halves(losses, tuning, reporting):
    """The columns from 0 up, whatever `tuning` says."""
    half = losses.shape[1] // 2
    return step_by_step(losses, range(half), range(half, 2 * half))


def chance_of_first(losses, draws):
    first = losses[:, draws].mean(axis=2).argmin(axis=0)
    return [np.mean(first == racer) for racer in range(len(losses))]


def chance_in_a_loop(losses, draws):
    wins = np.zeros(len(losses))
    for drawn in draws:
        wins[np.argmin([np.mean(row[drawn]) for row in losses])] += 1
    return wins / len(draws)


def chance_by(statistic, winner=np.argmin):
    def chance(losses, draws):
        first = winner(statistic(losses[:, draws], axis=2), axis=0)
        return [np.mean(first == racer) for racer in range(len(losses))]

    return chance


def each_resampled_for_itself(losses, draws):
    means = [row[np.roll(draws, i, axis=0)].mean(axis=1) for i, row in enumerate(losses)]
    first = np.argmin(means, axis=0)
    return [np.mean(first == racer) for racer in range(len(losses))]


def part_of_seeds(losses, draws):
    return np.bincount(losses.argmin(axis=0), minlength=len(losses)) / losses.shape[1]


def counts(losses, draws):
    return np.array(chance_of_first(losses, draws)) * len(draws)


def winner_takes_all(losses, draws):
    return np.eye(len(losses))[losses.mean(axis=1).argmin()]


def better_than_the_mean_of_all(losses, draws):
    means = losses[:, draws].mean(axis=2)
    return (means < means.mean(axis=0)).mean(axis=1)


RIGHT = [
    ("17.1", steps_within),
    ("17.1", lambda budget, looks, micro_batches: int(budget / looks / micro_batches + 1e-9)),
    ("17.2", chooser(by_tuning)),
    ("17.2", step_by_step),
    ("17.3", chance_of_first),
    ("17.3", chance_in_a_loop),
]
WRONG = [
    ("17.1", lambda budget, looks, micro_batches: budget, "what does one step cost"),
    ("17.1", lambda budget, looks, micro_batches: budget // looks, "micro-batches cost nothing"),
    ("17.1", lambda budget, looks, micro_batches: budget // micro_batches, "looks cost nothing"),
    ("17.1", lambda budget, looks, micro_batches: budget // (looks + micro_batches), "multiply"),
    ("17.1", lambda budget, looks, k: budget // (looks + k - 1), "multiply"),
    ("17.1", lambda budget, looks, micro_batches: budget / (looks * micro_batches), "whole steps"),
    ("17.1", lambda budget, looks, micro_batches: -(-budget // (looks * micro_batches)), "over"),
    ("17.1", lambda budget, looks, micro_batches: budget * looks * micro_batches, "divide"),
    ("17.1", lambda budget, looks, micro_batches: budget // 7, "it returned 14"),
    ("17.1", lambda budget, looks, micro_batches: None, "returned None"),
    ("17.2", chooser(by_tuning, clean=np.copy), "a failure is an infinite loss"),
    ("17.2", chooser(by_survivors, clean=np.copy), "a failure is an infinite loss"),
    ("17.2", chooser(by_best_seed), "a lucky seed"),
    ("17.2", chooser(worst_first), "highest mean loss"),
    ("17.2", chooser(by_all), "had a vote"),
    ("17.2", chooser(by_reporting), "had a vote"),
    ("17.2", chooser(by_tuning, reported="tuning"), "report on the others"),
    ("17.2", chooser(by_tuning, reported="all"), "report on the others alone"),
    ("17.2", chooser(by_tuning, report=np.min), "best of the reporting seeds"),
    ("17.2", chooser(by_tuning, report=np.median), "median of the reporting seeds"),
    ("17.2", chooser(by_tuning, report=np.max), "mean loss over the reporting seeds"),
    ("17.2", survivors_of_the_report, "the report does not say so"),
    ("17.2", in_place, "work on a copy"),
    ("17.2", halves, "`tuning` and `reporting` name"),
    ("17.2", lambda losses, tuning, reporting: (7, 0.5), "number of a row"),
    ("17.2", lambda losses, tuning, reporting: 1, "return two things"),
    ("17.2", lambda losses, tuning, reporting: None, "returned None"),
    ("17.3", chance_by(np.mean, np.argmax), "each is last"),
    ("17.3", chance_by(np.min), "lowest single loss"),
    ("17.3", chance_by(np.median), "the median forgets"),
    ("17.3", part_of_seeds, "not seeds"),
    ("17.3", counts, "divide by the number"),
    ("17.3", winner_takes_all, "one racer gets it all"),
    ("17.3", lambda losses, draws: losses[:, draws].mean(axis=(1, 2)), "means of losses"),
    ("17.3", better_than_the_mean_of_all, "sum to 1"),
    ("17.3", each_resampled_for_itself, "the same drawn seeds"),
    ("17.3", lambda losses, draws: 0.5, "shape (3,)"),
    ("17.3", lambda losses, draws: None, "returned None"),
]

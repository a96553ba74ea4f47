"""Museum cards: the rows of an old recipe beside the rows of today's source that took over.

CARDS    recipe -> where its source stands, where today's stands, and how their rows are found
"""

import importlib
import inspect
from dataclasses import dataclass
from operator import attrgetter

from course_lib.arguments import unknown

from .names import aligned


@dataclass(frozen=True)
class Card:
    """How a recipe and its successor are laid side by side.

    A row is found by some words of it, and shown as it stands in the source today. So a row that
    changes cannot leave a stale card.

    Args:
        old: Where the recipe stands: "module:name".
        today: Where its successor stands: one or several of these.
        rows: Words of an old row, and words of the row that took over; "" where Keras's base
            class did.
    """

    old: str
    today: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]


CARDS = {
    "sgd": Card(
        old="course_lib.museum.sgd:SGD",
        today=("course_lib.optimizers.sgd:SGD",),
        rows=(
            ("grads = self.get_gradients(", ""),
            ("self.updates = [", ""),
            ("self.weights = [", ""),
            ("for p, g in zip(", "def update_step("),
            ("new_p = p - self.lr", "self.assign(w,"),
            ("new_p = p.constraint(", ""),
            ("self.updates.append(K.update(p,", "self.assign(w,"),
            ("return self.updates", ""),
        ),
    ),
    "adagrad": Card(
        old="course_lib.museum.adagrad:Adagrad",
        today=("course_lib.optimizers.adagrad:Adagrad",),
        rows=(
            ("grads = self.get_gradients(", ""),
            ("accumulators = [K.zeros(", "self.s = "),
            ("self.weights = accumulators", ""),
            ("lr = lr *", ""),
            ("self.updates.append(K.update_add(", ""),
            ("for p, g, a in zip(", "def update_step("),
            ("new_a = a +", "self.assign(s,"),
            ("self.updates.append(K.update(a,", "self.assign(s,"),
            ("new_p = p - lr *", "self.assign(w,"),
            ("new_p = constraints[p](", ""),
            ("self.updates.append(K.update(p,", "self.assign(w,"),
            ("return self.updates", ""),
        ),
    ),
    "soft_batch": Card(
        old="course_lib.museum.soft_batch:SoftBatchAsPrinted",
        today=("course_lib.wrappers.soft_batch:SoftBatch",),
        rows=(
            ("sum_grads = [K.zeros(", "self.sums = self.add_shares("),
            ("self.updates = [K.update_add(", "self.assign(self.count, self.count + 1)"),
            ("self.weights = [", ""),
            ("K.switch(cond, K.update(sg,", "self.assign(total, total +"),
            ("cond = K.equal(", "self.perform_if(self.count >="),
            ("K.switch(cond, K.update(p,", "self.perform_if(self.count >="),
            ("new_p = p - self.lr * sg", "self.inner_optimizer.apply("),
        ),
    ),
    "heun": Card(
        old="course_lib.museum.heun:HeunOptimizer",
        today=(
            "course_lib.two_gradients:two_gradient_step",
            "course_lib.two_gradients:TwoGradientModel.train_step",
        ),
        rows=(
            ("old_grads = [K.zeros(", "start, gs = "),
            ("for i, step in enumerate(", "while len(gs) < method.looks"),
            ("updates = model.updates +", "_put(the_rest, before)"),
            ("ops.append(K.update(p, p - self.lr", "method.probe("),
            ("ops.append(K.update(p, p - 0.5", "optimizer.apply(_"),
            ("model.train_function = ", "return two_gradient_step(self, self."),
        ),
    ),
}


def card(recipe: str) -> str:
    """The rows of a recipe beside those of the Keras 3 class that took over, as a text.

    Args:
        recipe: "sgd", "adagrad", "soft_batch" or "heun".

    Returns:
        Two columns, read from the sources. "(the base class)" stands where Keras's class did it.

    Raises:
        KeyError: If there is no such card.
        LookupError: If the words of a row are not found in exactly one row of the source.
    """
    if recipe not in CARDS:
        raise KeyError(f"`recipe`: {unknown('card', recipe, CARDS)}")
    rows = [(old, new or "(the base class)") for old, new in card_rows(CARDS[recipe])]
    return aligned([("Keras 1 and 2", "today"), *rows], (54, 54))


def card_rows(card: Card) -> list[tuple[str, str]]:
    """The rows of a card as they stand in the sources.

    Args:
        card: One of CARDS.

    Returns:
        Pairs of an old row and the row that took over; "" where Keras's base class did.

    Raises:
        LookupError: If the words of a row are not found in exactly one row of the source.
    """
    old, today = _source((card.old,)), _source(card.today)
    return [
        (_row(old, words, card.old), _row(today, others, *card.today) if others else "")
        for words, others in card.rows
    ]


def _source(places):
    """The rows of some classes and functions, given as "module:name"."""
    rows = []
    for place in places:
        module, name = place.split(":")
        rows += inspect.getsource(attrgetter(name)(importlib.import_module(module))).splitlines()
    return [row.strip().rstrip(",") for row in rows]


def _row(rows, words, *places):
    found = {row for row in rows if words in row}
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows of {' and '.join(places)} have the words {words!r}.")
    return found.pop()

"""What trains: a rule, its settings, and how its gradients are taken."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..arguments import number, one_of, whole_number
from ..optimizers import RULES, Rule
from ..two_gradients import Tableau
from .fingerprints import code_of, digest


@dataclass(frozen=True)
class Racer:
    """One entry of a race: a rule, its settings, and how its gradients are taken.

    Args:
        rule: A name of RULES, or a Rule of your own.
        settings: Hyper-parameters other than the learning rate. For the others, the defaults of
            the Keras class are taken.
        tableau: Where the gradients of one step are taken: `two_gradients.HEUN` and its kin. None
            takes one gradient, at the weights.
        micro_batches: How many batches make one step, with their mean gradient: a soft batch.
        name: How the table calls it. By default, the rule's name and what is special.

    Raises:
        ValueError: For a name that is not a rule's, or a number out of its range.
        TypeError: For an argument of another kind.

    Example:
        >>> Racer("momentum", {"momentum": 0.9}, micro_batches=4).name
        'momentum, momentum 0.9, 4 micro-batches'
    """

    rule: str | Rule
    settings: Mapping[str, Any] = field(default_factory=dict)
    tableau: Tableau | None = None
    micro_batches: int = 1
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.rule, str | Rule):
            raise TypeError(
                f"`rule` must be a name of RULES or a Rule. Received: rule={self.rule!r}."
            )
        if isinstance(self.rule, str):
            one_of("rule", self.rule, RULES, "rule")
        object.__setattr__(self, "settings", self._checked_settings())
        micro_batches = whole_number("micro_batches", self.micro_batches)
        object.__setattr__(self, "micro_batches", micro_batches)
        if not isinstance(self.tableau, Tableau | None):
            raise TypeError(
                f"`tableau` must be a Tableau, or None. Received: tableau={self.tableau!r}."
            )
        self.the_rule.arguments("step", {**self.settings, "learning_rate": 1.0})
        if not isinstance(self.name, str):
            raise TypeError(f"`name` must be a string. Received: name={self.name!r}.")
        if not self.name:
            object.__setattr__(self, "name", self._own_name())
        self._check_name()

    def _checked_settings(self):
        if not isinstance(self.settings, Mapping) or not all(
            isinstance(key, str) for key in self.settings
        ):
            raise TypeError(
                "`settings` must be hyper-parameters by name, such as {'beta_1': 0.9}. "
                f"Received: settings={self.settings!r}."
            )
        if "learning_rate" in self.settings:
            raise ValueError(
                "`settings` has a learning_rate: that is what a sweep varies. "
                "Give it as learning_rates=[...]."
            )
        for key, value in self.settings.items():
            if not isinstance(value, bool | np.bool_):
                number(key, value, "a number", lambda x: True, f"It stands in {self.settings!r}.")
        return dict(self.settings)

    def _check_name(self):
        try:
            self.name.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"`name` must be text that UTF-8 can hold. Received: name={self.name!r}."
            ) from None

    @property
    def the_rule(self) -> Rule:
        """The Rule, also where `rule` is a name."""
        return RULES[self.rule] if isinstance(self.rule, str) else self.rule

    @property
    def looks(self) -> int:
        """How many gradients it takes at different points for one step."""
        return self.tableau.looks if self.tableau else 1

    @property
    def gradients(self) -> int:
        """How many gradients of `batch_size` rows one step costs."""
        return self.looks * self.micro_batches

    def _own_name(self):
        name = self.rule if isinstance(self.rule, str) else self.rule.name
        name += "".join(f", {key} {value:g}" for key, value in self.settings.items())
        if self.looks > 1:
            name += f", {self.looks} looks"
        if self.micro_batches > 1:
            name += f", {self.micro_batches} micro-batches"
        return name

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits: equal if the rule's code, its settings and all else is."""
        rule = self.the_rule
        code = code_of(rule.numpy.init), code_of(rule.numpy.step)
        settings = {**rule.hyperparameters, **self.settings, "learning_rate": None}
        return digest(code, sorted(settings.items()), self.tableau, self.micro_batches)


def racers(rules: str | Rule | Racer | Iterable[str | Rule | Racer]) -> list[Racer]:
    """Make racers of rules; one rule is a list of one.

    Args:
        rules: A name of RULES, a Rule or a Racer; or several of them.

    Returns:
        The racers, at least one. Their names differ.

    Raises:
        ValueError: If there is none, if two have one name, or if a name is not a rule's.
        TypeError: If something else is among them.

    Example:
        >>> [racer.name for racer in racers("adam")]
        ['adam']
    """
    listed: list[Any]
    try:
        listed = [rules] if isinstance(rules, str | Rule | Racer) else list(rules)
    except TypeError:
        listed = [rules]  # refused below, with its name
    for rule in listed:
        if not isinstance(rule, str | Rule | Racer):
            raise TypeError(
                "`rules` must be a name of RULES, a Rule or a Racer, or a list of them. "
                f"Received: rules={rules!r}."
            )
        if isinstance(rule, str):
            one_of("rules", rule, RULES, "rule")
    made = [rule if isinstance(rule, Racer) else Racer(rule) for rule in listed]
    names = [racer.name for racer in made]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"`rules` must be one or more, of different names. Received: {names}.")
    return made

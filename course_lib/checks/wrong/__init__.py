"""Wrong optimizers: the course's rules with one change each, and the check that names the mistake.

They are published bugs, the mistakes of old recipes, and systematic ones. A check that never failed
proves nothing; each of these fails one.

A mistake in one row of `update_step` is written with `edit`. A mistake in a method is a subclass.
"""

from .edit import edit
from .execution import EXECUTION
from .files import FILES
from .gradients import GRADIENTS
from .learning_rates import LEARNING_RATES
from .options import OPTIONS
from .state import STATE
from .table import NAME, REFERENCE, Wrong
from .updates import UPDATES

WRONG = [*UPDATES, *STATE, *GRADIENTS, *LEARNING_RATES, *EXECUTION, *FILES, *OPTIONS]

__all__ = ["NAME", "REFERENCE", "WRONG", "Wrong", "edit"]

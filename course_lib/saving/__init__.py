"""Stop, save, load, continue: nobody notices.

    inspect_saved       what lies in a .keras or .weights.h5 file, in an optimizer, in a model
    lost_when_saved     what a saved file would silently lack
    save                refuses to lose anything, and never leaves half a file
    load, load_weights  load all of it, or say why not
    SeededBatches       batches whose order is a function of (seed, epoch), from any step on
    ResumableTraining   the callback that makes a fit continue where it was killed

Files are Keras's own: `keras.saving.load_model` and `model.load_weights` read them too. What Keras
leaves out lies in one more group, "course_lib": the seed generators of dropout, and a fit's place.

Each file imports only from those above it:

    container     one file, read once and verified
    inventory     what lies in it
    losses        what would be lost
    files         save and load
    batches       an order of the data that is a function of a seed
    training      what must stay the same
    neighbours    the other callbacks
    resuming      the callback
"""

from .batches import SeededBatches
from .files import load, load_weights, save
from .inventory import Inventory, SavedVariable, inspect_saved
from .losses import lost_when_saved
from .resuming import ResumableTraining

__all__ = [
    "Inventory",
    "ResumableTraining",
    "SavedVariable",
    "SeededBatches",
    "inspect_saved",
    "load",
    "load_weights",
    "lost_when_saved",
    "save",
]

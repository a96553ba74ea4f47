"""One colour per rule for the whole course, and a few plots that draw on the axes you give them.

Nothing here trains, seeds, prints or shows. Kin share a hue. The colours that most pages need are
Okabe and Ito's (2008, Color Universal Design). The other 16 were searched for: any two colours of
the table differ by 18 or more in CIEDE2000, where 1 is the smallest difference that an eye sees.
So many colours cannot all be safe for colour-blind readers: curves also differ in their dashes,
and have their names at their ends.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_lib.arguments import needs_package

import numpy as np

if TYPE_CHECKING:  # importing this file does not load Matplotlib
    from course_lib.landscapes import Landscape

    from matplotlib.axes import Axes

COLOURS = {
    "sgd": "#000000",  # Okabe and Ito
    "momentum": "#56B4E9",  # Okabe and Ito
    "nesterov": "#0072B2",  # Okabe and Ito
    "adagrad": "#009E73",  # Okabe and Ito
    "rmsprop": "#E69F00",  # Okabe and Ito
    "centered_rmsprop": "#AB8B6C",
    "adadelta": "#8B6300",
    "adam": "#D55E00",  # Okabe and Ito
    "amsgrad": "#A81F03",
    "adamax": "#F08170",
    "nadam": "#573A23",
    "yogi": "#791B32",
    "adabelief": "#DC215C",
    "adamw": "#990182",
    "ftrl": "#09614C",
    "radam": "#CC79A7",  # Okabe and Ito
    "schedule_free": "#3F4B00",
    "adafactor": "#2C8B95",
    "lars": "#043EA9",
    "lamb": "#888AA4",
    "lion": "#93AB06",
    "shampoo": "#48395A",
    "muon": "#8E5FDA",
}
SPARE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def colour(name: str, i: int = 0) -> str:
    """The colour of a rule, or a spare one for a name that is not a rule's.

    Args:
        name: A rule's name, or a label that begins with it: "sgd", "sgd at 0.4".
        i: Which spare colour another name takes. They come round again after the seventh.

    Returns:
        A colour such as "#D55E00".

    Example:
        >>> colour("adam at 0.01") == colour("adam")
        True
    """
    return COLOURS.get(name.split(" ")[0], SPARE_COLOURS[i % len(SPARE_COLOURS)])


def plot_landscape(ax: "Axes", landscape: "Landscape") -> "Axes":
    """Contours in light grey, the minimum as a star, the start as an open circle.

    Args:
        ax: The axes to draw on.
        landscape: What to draw; its `window` is what is shown.

    Returns:
        The axes.
    """
    (left, right), (bottom, top) = landscape.window
    grid = np.stack(np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200)))
    height = landscape.value(grid)
    ax.contour(*grid, height, levels=height.max() * np.linspace(0.05, 1, 12) ** 2, colors="0.85")
    ax.plot(*landscape.minimum, "*", color="0.3", markersize=12)
    ax.plot(*landscape.start, "o", color="0.3", markersize=9, fillstyle="none")
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="w[0]", ylabel="w[1]")
    return ax


def plot_path(ax: "Axes", path: Any, name: str, label: str | None = None, i: int = 0) -> "Axes":
    """A walk as a line with a dot for each step.

    Args:
        ax: The axes to draw on.
        path: The points, of shape (steps + 1, 2).
        name: A rule's name, which gives the colour.
        label: The line's label in a legend; `name` if None.
        i: Which spare colour a name takes that is not a rule's.

    Returns:
        The axes.
    """
    path = np.asarray(path)
    ax.plot(*path.T, ".-", color=colour(name, i), markersize=5, linewidth=1.2, label=label or name)
    return ax


def plot_curves(
    ax: "Axes", curves: Mapping[str, Sequence[float]], log: bool = True, first: int = 1
) -> "Axes":
    """Curves by name, one value per step or epoch, each named at its end.

    Up to four curves have a different dash each, so that they are distinct without colour.

    Args:
        ax: The axes to draw on.
        curves: The values of each curve by its name. A rule's name gives its colour.
        log: Whether the values stand on a logarithmic axis.
        first: The number of the first step or epoch.

    Returns:
        The axes.

    Raises:
        ValueError: If there is no curve, or a curve has no values.
    """
    if not curves:
        raise ValueError("`curves` is empty. Give at least one: {'adam': [0.9, 0.5, 0.3]}.")
    for name, values in curves.items():
        if not len(values):
            raise ValueError(f"`curves`: {name!r} has no values. Give at least one.")
    dashes = ("-", "--", "-.", ":")
    for i, (name, values) in enumerate(curves.items()):
        at = np.arange(first, first + len(values))
        ax.plot(at, values, dashes[i % 4], color=colour(name, i), linewidth=1.8, label=name)
    if log:
        ax.set_yscale("log")
    ax.margins(x=0.02)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.spines[["top", "right"]].set_visible(False)
    _label_ends(ax, {name: np.asarray(v, float) for name, v in curves.items()}, first, log)
    return ax


def explore(draw: Callable[..., Any], **sliders: tuple[float, float, float]) -> None:
    """Call `draw` with the start of each slider, and again whenever a reader moves one.

    A program that runs the notebook (a check, a conversion) moves nothing. Then the picture is
    drawn once.

    Args:
        draw: Draws one figure, shows it, and prints the numbers that it rests on.
        **sliders: For each argument of `draw`: (lowest, highest, start).

    Raises:
        ValueError: If a slider's start does not lie between its ends.
    """
    for name, (lowest, highest, start) in sliders.items():
        if not lowest <= start <= highest or lowest == highest:
            raise ValueError(
                f"`{name}` must be (lowest, highest, start), the start between the two. "
                f"Received: {name}={sliders[name]!r}."
            )
    if not somebody_is_there():
        draw(**{name: start for name, (_, _, start) in sliders.items()})
        return
    ipywidgets = needs_package("A slider", "ipywidgets", "course")
    moved = {
        name: ipywidgets.FloatSlider(
            start,
            min=lowest,
            max=highest,
            step=_step(lowest, highest, start),
            readout_format=".4g",
            style={"description_width": "initial"},  # else "learning_r..."
        )
        for name, (lowest, highest, start) in sliders.items()
    }
    ipywidgets.interact(draw, **moved)


def _step(lowest, highest, start):
    """About a hundredth of the way. Whole steps lead to `start`: browsers round to steps."""
    hundredth = (highest - lowest) / 100
    return (start - lowest) / max(1, round((start - lowest) / hundredth)) or hundredth


def somebody_is_there() -> bool:
    """Whether this cell was sent by a front end that could ask its user a question."""
    try:
        from IPython import get_ipython

        return bool(get_ipython().kernel._allow_stdin)
    except (ImportError, AttributeError):
        return False


def _label_ends(ax, curves, first, log):
    """Write each curve's name where it is last seen. Names that would overlap move up a line."""
    ax.autoscale_view()
    points = 72 / ax.figure.dpi
    ends = {}
    for name, values in curves.items():
        seen = np.flatnonzero(np.isfinite(values) & ((values > 0) | (not log)))
        if len(seen):
            ends[name] = first + seen[-1], values[seen[-1]]
    heights = {name: ax.transData.transform(end)[1] * points for name, end in ends.items()}
    lowest = -np.inf
    for name in sorted(heights, key=heights.get):
        at = max(heights[name], lowest)
        lowest = at + 12
        ax.annotate(
            name,
            ends[name],
            xytext=(5, at - heights[name]),
            textcoords="offset points",
            color=colour(name, list(curves).index(name)),
            va="center",
        )

"""One colour a rule for the whole course, and a few plots that draw on the axes you give them.

Nothing here trains, seeds, prints or shows.  The palette is Okabe and Ito's (2008), safe for colour-blind readers; kin
share a hue.
"""

import numpy as np

COLOURS = {
    "sgd": "#000000",
    "momentum": "#56B4E9",
    "nesterov": "#0072B2",
    "adagrad": "#009E73",
    "rmsprop": "#E69F00",
    "centered_rmsprop": "#B87700",
    "adadelta": "#CC9A00",
    "adam": "#D55E00",
    "amsgrad": "#8F3F00",
    "adamax": "#FF8C5A",
    "nadam": "#A83200",
    "yogi": "#E07B9A",
    "adabelief": "#C2185B",
    "adamw": "#7B2D8B",
    "ftrl": "#2E8B57",
    "radam": "#CC79A7",
    "schedule_free": "#8A8A00",
    "adafactor": "#00797D",
    "lars": "#3D5A80",
    "lamb": "#6A8CC7",
    "lion": "#B8860B",
    "shampoo": "#5E35B1",
    "muon": "#9C7AE0",
}
SPARE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def colour(name, i=0):
    """The colour of a rule, by its name or a label that begins with it ("sgd at 0.4"); else the i-th spare one."""
    return COLOURS.get(name.split(" ")[0], SPARE_COLOURS[i % len(SPARE_COLOURS)])


def plot_landscape(ax, landscape):
    """Contours in light grey, the minimum a star, the start an open circle.  Returns ax."""
    (left, right), (bottom, top) = landscape.window
    grid = np.stack(np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200)))
    height = landscape.value(grid)
    ax.contour(*grid, height, levels=height.max() * np.linspace(0.05, 1, 12) ** 2, colors="0.85")
    ax.plot(*landscape.minimum, "*", color="0.3", markersize=12)
    ax.plot(*landscape.start, "o", color="0.3", markersize=9, fillstyle="none")
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel="w[0]", ylabel="w[1]")
    return ax


def plot_path(ax, path, name, label=None, i=0):
    """A walk as a line with a dot a step, labelled where it leaves the window or ends.  Returns ax."""
    path = np.asarray(path)
    ax.plot(*path.T, ".-", color=colour(name, i), markersize=5, linewidth=1.2, label=label or name)
    return ax


def plot_curves(ax, curves, log=True, first=1):
    """Curves by name, one value a step or an epoch, each labelled at its end.  Returns ax.

    curves    {name: values}; a rule's name gives its colour
    log       draw the values on a logarithmic axis
    first     the number of the first step or epoch
    Raises ValueError for a dict with no curve, and for a curve with no values.
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


def explore(draw, **sliders):
    """Call `draw` with the start of each slider; where somebody sits at the notebook, again whenever one is moved.

    draw       draws one figure, shows it, and prints the numbers that it rests on
    sliders    by argument of draw: (lowest, highest, start)
    When the notebook is run by a program (a check, a conversion) there is nobody to move anything: the picture stands still.
    Raises ValueError for a slider whose start does not lie between its ends.
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
    import ipywidgets

    moved = {
        name: ipywidgets.FloatSlider(
            start, min=lowest, max=highest, step=(highest - lowest) / 100, readout_format=".4g"
        )
        for name, (lowest, highest, start) in sliders.items()
    }
    ipywidgets.interact(draw, **moved)


def somebody_is_there():
    """Whether this cell was sent by a front end that could ask its user a question."""
    try:
        from IPython import get_ipython

        return bool(get_ipython().kernel._allow_stdin)
    except (ImportError, AttributeError):
        return False


def _label_ends(ax, curves, first, log):
    """Write each curve's name where it is last seen; names that would overlap are moved apart, a line's height each."""
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


def main(path):
    """Draw README's picture: four rules on their way through the ravine."""
    from course_lib.landscapes import RAVINE, walk
    from course_lib.optimizers import RULES

    import matplotlib.pyplot as plt

    rates = {"sgd": 0.12, "momentum": 0.03, "adagrad": 1.0, "adam": 0.5}
    fig, axes = plt.subplots(2, 2, figsize=(9, 4.6), layout="constrained", sharex=True, sharey=True)
    for ax, (name, learning_rate) in zip(axes.flat, rates.items(), strict=True):
        more = {"momentum": 0.75} if name == "momentum" else {}
        path_walked = walk(RULES[name], RAVINE, steps=40, learning_rate=learning_rate, **more)
        plot_path(plot_landscape(ax, RAVINE), path_walked, name)
        ax.set(xlabel="", ylabel="")
        ax.set_title(RULES[name].name, loc="left", color=colour(name))
    fig.savefig(path, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    import sys

    main(sys.argv[1])

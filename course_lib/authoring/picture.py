"""README's picture: four rules on their way through the ravine.

python -m course_lib.authoring.picture picture.png
"""

import os
import sys

from course_lib.figures import colour, plot_landscape, plot_path
from course_lib.landscapes import RAVINE, walk
from course_lib.optimizers import RULES


def draw_picture(path: str | os.PathLike) -> None:
    """Draw README's picture.

    Args:
        path: The file to write: 1080 x 552 pixels in the format that its ending names.
    """
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
    draw_picture(sys.argv[1])

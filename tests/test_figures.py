"""Every rule has its colour, and plots draw on the axes that they are given, and nowhere else."""

import re

from course_lib import figures
from course_lib.figures import (
    COLOURS,
    SPARE_COLOURS,
    colour,
    explore,
    plot_curves,
    plot_landscape,
    plot_path,
)
from course_lib.landscapes import LANDSCAPES, RAVINE
from course_lib.optimizers import RULES

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt


@pytest.fixture
def ax(capsys):
    """Axes to draw on; afterwards nothing was printed, no other figure was made, and the page can be drawn."""
    fig, ax = plt.subplots()
    yield ax
    assert plt.get_fignums() == [fig.number]
    fig.canvas.draw()
    plt.close(fig)
    assert capsys.readouterr() == ("", "")


# ---- Colours ----


def test_every_rule_has_a_colour_and_nothing_else_has():
    assert list(COLOURS) == list(RULES)


def test_colours_differ_and_are_colours():
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert len(set(SPARE_COLOURS)) == len(SPARE_COLOURS)
    assert all(re.fullmatch("#[0-9A-F]{6}", one) for one in (*COLOURS.values(), *SPARE_COLOURS))


def test_a_rules_colour_is_found_by_name_and_by_a_label_that_begins_with_it():
    assert colour("adam") == colour("adam at 0.01", 5) == COLOURS["adam"]


def test_other_names_take_the_spare_colours_in_turn():
    turns = [colour("mine", i) for i in range(len(SPARE_COLOURS) + 1)]
    assert turns == [*SPARE_COLOURS, SPARE_COLOURS[0]]


# ---- Plots ----


@pytest.mark.parametrize("land", LANDSCAPES, ids=lambda land: land.name)
def test_a_landscape_shows_its_window_its_minimum_and_its_start(ax, land):
    assert plot_landscape(ax, land) is ax
    assert (ax.get_xlim(), ax.get_ylim()) == land.window
    star, circle = ax.lines
    assert (star.get_marker(), *star.get_xydata()[0]) == ("*", *land.minimum)
    assert (circle.get_marker(), *circle.get_xydata()[0]) == ("o", *land.start)
    assert circle.get_fillstyle() == "none"
    (contours,) = ax.collections
    assert len(contours.get_paths()) == 12


def test_a_path_shows_every_step_in_the_rules_colour(ax):
    path = [(-4.0, 2.0), (-2.0, 1.0), (-1.0, 0.5)]
    assert plot_path(ax, path, "adagrad") is ax
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), path)
    assert (line.get_color(), line.get_label()) == (COLOURS["adagrad"], "adagrad")


def test_a_path_takes_a_label_and_a_spare_colour(ax):
    plot_path(ax, np.zeros((2, 2)), "mine", label="my rule", i=1)
    assert (ax.lines[0].get_color(), ax.lines[0].get_label()) == (SPARE_COLOURS[1], "my rule")


def test_curves_are_labelled_at_their_ends_in_their_colours(ax):
    curves = {"adam": [1.0, 0.5, 0.25], "mine": [1.0, 0.1]}
    assert plot_curves(ax, curves) is ax
    for (name, values), line in zip(curves.items(), ax.lines, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), list(enumerate(values, 1)))
        assert line.get_label() == name
    labels = {text.get_text(): (text.xy, text.get_color()) for text in ax.texts}
    assert labels == {
        "adam": ((3, 0.25), COLOURS["adam"]),
        "mine": ((2, 0.1), SPARE_COLOURS[1]),
    }
    assert ax.get_yscale() == "log"


def test_curves_can_be_counted_from_another_number_on_a_linear_axis(ax):
    plot_curves(ax, {"sgd": [3.0, -1.0]}, log=False, first=0)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [(0, 3), (1, -1)])
    assert ax.get_yscale() == "linear"


def test_curves_can_be_told_apart_without_colour(ax):
    plot_curves(ax, dict.fromkeys("abcd", [1.0, 2.0]))
    assert len({line.get_linestyle() for line in ax.lines}) == 4


def test_names_of_curves_that_end_together_do_not_overlap(ax):
    plot_curves(ax, {"sgd": [1.0, 0.5], "adam": [2.0, 0.5], "mine": [3.0, 0.5001]}, log=False)
    ax.figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    middles = [(box.y0 + box.y1) / 2 for box in boxes]
    points = 72 / ax.figure.dpi
    assert np.all(np.diff(middles) * points > 11)  # 12 points a line, less what the axis is rounded


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("log", [True, False], ids=["log", "linear"])
@pytest.mark.parametrize("end", [np.inf, np.nan, 0.0])
def test_a_curve_that_leaves_the_page_keeps_its_name_where_it_was_last_seen(ax, end, log):
    plot_curves(ax, {"sgd": [1.0, 2.0, end], "adam": [1.0, 0.5, 0.25]}, log=log)
    at = {text.get_text(): text.xy for text in ax.texts}
    assert at == {"sgd": (3, 0) if end == 0 and not log else (2, 2), "adam": (3, 0.25)}
    for text in ax.texts:
        assert np.all(np.isfinite(text.get_window_extent().extents))


def test_a_path_that_diverges_is_drawn(ax):
    path = [(1.0, 1.0), (1e200, -1e200), (np.inf, np.nan)]
    assert plot_path(plot_landscape(ax, RAVINE), path, "sgd").get_xlim() == RAVINE.window[0]


def test_no_curve_at_all_is_refused():
    with pytest.raises(ValueError, match="`curves` is empty"):
        plot_curves(None, {})


def test_a_curve_without_values_is_refused_by_name(ax):
    with pytest.raises(ValueError, match="adam"):
        plot_curves(ax, {"sgd": [1.0], "adam": []})


def test_the_picture_of_the_readme_can_be_drawn(tmp_path):
    figures.main(tmp_path / "picture.png")
    plt.close("all")
    assert plt.imread(tmp_path / "picture.png").shape == (
        552,
        1080,
        4,
    )  # 4.6 x 9 inches of 120 dots


# ---- Sliders ----


def test_with_nobody_there_the_picture_stands_at_the_start(monkeypatch):
    import ipywidgets

    monkeypatch.setattr(ipywidgets, "interact", None)  # not even asked
    drawn = []
    explore(lambda beta, rate: drawn.append((beta, rate)), beta=(0.0, 1.0, 0.9), rate=(0, 2, 0.5))
    assert drawn == [(0.9, 0.5)]


def test_with_somebody_there_each_slider_draws_again(monkeypatch):
    import ipywidgets

    monkeypatch.setattr(figures, "somebody_is_there", lambda: True)
    made, drawn = [], []
    monkeypatch.setattr(
        ipywidgets, "interact", lambda draw, **sliders: made.append((draw, sliders))
    )
    explore(drawn.append, beta=(0.0, 0.99, 0.9))
    ((draw, sliders),) = made
    assert draw == drawn.append
    slider = sliders["beta"]
    assert (slider.min, slider.max, slider.value) == (0.0, 0.99, 0.9)


@pytest.mark.parametrize("slider", [(0.0, 1.0, 2.0), (1.0, 0.0, 0.5), (1.0, 1.0, 1.0)])
def test_a_slider_that_cannot_start_is_refused_by_name(slider):
    with pytest.raises(ValueError, match="`beta` must be") as refusal:
        explore(print, beta=slider)
    assert f"Received: beta={slider!r}" in str(refusal.value)

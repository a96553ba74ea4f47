"""Every rule has its colour, and plots draw on the axes that they are given, and nowhere else."""

import itertools
import re

from course_lib import figures
from course_lib.authoring.picture import draw_picture
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
    """Axes to draw on; afterwards nothing was printed, no other figure made, and it can be drawn."""
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


def lightness_and_hue(colour):
    """CIE L*a*b* of a colour such as "#D55E00", for the white of a screen (D65)."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750]]
    to_xyz += [[0.0193339, 0.1191920, 0.9503041]]
    part = np.array(to_xyz) @ linear / [0.95047, 1, 1.08883]
    x, y, z = np.where(part > 216 / 24389, np.cbrt(part), (24389 / 27 * part + 16) / 116)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one, other):
    """The difference that an eye sees between two colours of CIE L*a*b*; 1 is just visible."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 1.5 - 0.5 * np.sqrt(c**7 / (c**7 + 25.0**7))
    c1, c2 = np.hypot(g * a1, b1), np.hypot(g * a2, b2)
    h1, h2 = np.arctan2(b1, g * a1), np.arctan2(b2, g * a2)
    turn = (h2 - h1 + np.pi) % (2 * np.pi) - np.pi if c1 * c2 else 0.0
    l, c, h = (l1 + l2) / 2, (c1 + c2) / 2, h1 + turn / 2 if c1 * c2 else h1 + h2
    cosines = [(0.17, 1, np.pi / 6), (-0.24, 2, 0), (-0.32, 3, -np.pi / 30), (0.2, 4, 0.35 * np.pi)]
    t = 1 - sum(part * np.cos(k * h - shift) for part, k, shift in cosines)
    blue = np.exp(-((((np.degrees(h) - 275 + 180) % 360 - 180) / 25) ** 2))
    lightness = (l2 - l1) / (1 + 0.015 * (l - 50) ** 2 / np.sqrt(20 + (l - 50) ** 2))
    chroma = (c2 - c1) / (1 + 0.045 * c)
    hue = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2) / (1 + 0.015 * c * t)
    twist = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.pi / 3 * blue)
    return np.sqrt(lightness**2 + chroma**2 + hue**2 + twist * chroma * hue)


@pytest.mark.parametrize(
    "one, other, expected",
    [  # Sharma, Wu and Dalal (2005), The CIEDE2000 Color-Difference Formula, Table 1
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ],
)
def test_the_measure_of_colours_is_the_one_of_the_paper(one, other, expected):
    assert round(float(ciede2000(one, other)), 4) == expected


def test_any_two_rules_differ_in_colour_whichever_dash_they_are_drawn_with():
    seen = {name: lightness_and_hue(one) for name, one in COLOURS.items()}
    pairs = {(a, b): ciede2000(seen[a], seen[b]) for a, b in itertools.combinations(seen, 2)}
    assert min(pairs.values()) > 18, min(pairs, key=pairs.get)
    # on white paper, beside the light grey of contours: lightness 100 and 87
    assert max(lightness for lightness, _, _ in seen.values()) < 72


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
    draw_picture(tmp_path / "picture.png")
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


@pytest.mark.parametrize(
    "ends", [(0.0, 0.99, 0.9), (0.0, 2.0, 2.0), (-1.0, 1.0, -1.0), (0.01, 0.3, 0.128), (0, 9, 1)]
)
def test_a_slider_starts_where_it_is_told_to_and_not_at_the_next_step(ends, monkeypatch):
    monkeypatch.setattr(figures, "somebody_is_there", lambda: True)
    sliders = {}
    monkeypatch.setattr("ipywidgets.interact", lambda draw, **made: sliders.update(made))
    explore(print, learning_rate=ends)
    slider, (lowest, highest, start) = sliders["learning_rate"], ends
    steps = (start - lowest) / slider.step  # browsers round to whole steps from the lowest
    assert abs(steps - round(steps)) < 1e-9 and slider.value == start
    assert 60 < (highest - lowest) / slider.step < 150
    assert slider.style.description_width == "initial"  # the name is not cut


@pytest.mark.parametrize("slider", [(0.0, 1.0, 2.0), (1.0, 0.0, 0.5), (1.0, 1.0, 1.0)])
def test_a_slider_that_cannot_start_is_refused_by_name(slider):
    with pytest.raises(ValueError, match="`beta` must be") as refusal:
        explore(print, beta=slider)
    assert f"Received: beta={slider!r}" in str(refusal.value)

"""Widgets and progress bars of a notebook that JupyterLab saved are not compared; all else is."""

import re
import subprocess
import sys
from pathlib import Path

from course_lib.authoring.comparing import WIDGET, comparable, without_bars

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
TQDM = " 50%|#####     | 1/2 [00:00<00:00, 5.30it/s]"
KERAS = "\x1b[1m8/8\x1b[0m \x1b[32m━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s\x1b[0m 2ms/step - loss: 0.5\n"


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def widget(text):
    view = {"model_id": "0123", "version_major": 2, "version_minor": 0}
    return nbformat.v4.new_output("display_data", {"text/plain": text, WIDGET: view})


@pytest.mark.parametrize(
    "bar",
    [
        TQDM,
        f"Sweep: {TQDM}\n",
        "100%|██████████| 10/10 [00:01<00:00,  9.99it/s]\n",
        "12it [00:01, 10.21it/s]\n",
        KERAS,
        "10/Unknown \x08\x08\x08 0s 2ms/step - loss: 0.5\n",
    ],
)
def test_a_line_that_is_a_progress_bar_is_left_out(bar):
    assert without_bars(f"before\n{bar}") == "before\n"
    assert without_bars(f"before\r{bar}") == "before"
    assert comparable([stream(bar, "stderr")]) == comparable([stream(bar)]) == []


@pytest.mark.parametrize(
    "text",
    [
        "Epoch 1/2\n",
        "1/2 of 10 s\n",
        "accuracy 50% | 1/2 [here]\n",
        "| a | 100% |\n",
        "UserWarning: 12it\n",
        "one\rtwo\n",
    ],
)
def test_any_other_line_stays(text):
    assert without_bars(text) == text
    output = stream(text, "stderr")
    assert comparable([output]) == [output]


def test_a_widget_is_left_out_and_what_stands_beside_it_stays():
    shown = nbformat.v4.new_output("display_data", {"text/plain": "IntSlider(value=3)"})
    assert comparable([widget("IntSlider(value=3)"), shown, stream("3\n")]) == [
        shown,
        stream("3\n"),
    ]


def test_what_is_left_out_is_left_in_the_notebook():
    output = stream(f"before\n{TQDM}")
    comparable([output])
    assert output.text == f"before\n{TQDM}"


# source: what JupyterLab stored, whether a run passes
CELLS = [
    ("import ipywidgets as widgets\nwidgets.IntSlider(3)", [widget("IntSlider(value=3)")], True),
    (
        # the slider's box shows what is printed, and the page keeps that elsewhere
        "widgets.interact(lambda x: print('x is', x), x=widgets.IntSlider(3))\nprint('beside')",
        [widget("interactive(children=(...))"), stream("beside\n")],
        True,
    ),
    (
        "widgets.interact(lambda x: print('x is', x), x=widgets.IntSlider(3))\nprint('beside')",
        [widget("interactive(children=(...))"), stream("another\n")],
        False,
    ),
    (
        "from tqdm import tqdm\nfor _ in tqdm(range(2)): print('a step')",
        [stream("a step\na step\n"), stream(f"{TQDM.replace('50', '100')}\n", "stderr")],
        True,
    ),
    (
        "from tqdm.notebook import tqdm\nfor _ in tqdm(range(2)): print('a step')",
        [widget("  0%|          | 0/2 [00:00<?, ?it/s]"), stream("a step\na step\n")],
        True,
    ),
    (f"print('Epoch 1/1')\nprint({KERAS!r}, end='')", [stream(f"Epoch 1/1\n{KERAS}")], True),
    (f"print('Epoch 1/2')\nprint({KERAS!r}, end='')", [stream(f"Epoch 1/1\n{KERAS}")], False),
    (
        "from IPython.display import clear_output\n"
        "for i in range(3):\n    clear_output(wait=True)\n    print(i)",
        [stream("2\n")],
        True,
    ),
    (
        "a = display('first', display_id=True)\na.update('last')",
        [nbformat.v4.new_output("display_data", {"text/plain": "'last'"})],
        True,
    ),
    ("import sys\nprint('loss 0.50', file=sys.stderr)", [stream("loss 0.51\n", "stderr")], False),
    ("1 + 1", [nbformat.v4.new_output("execute_result", {"text/plain": "3"})], False),
]


def test_nbval_passes_a_notebook_that_jupyterlab_saved_and_still_sees_what_is_wrong(tmp_path):
    notebook = nbformat.v4.new_notebook(metadata={"widgets": {WIDGET: {"state": {}}}})
    for i, (source, outputs, _) in enumerate(CELLS):
        cell = nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=i + 1)
        notebook.cells.append(cell)
    nbformat.write(notebook, tmp_path / "a.ipynb")
    conftest = (ROOT / "conftest.py").read_text(encoding="utf-8")
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-rA", "a.ipynb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    outcomes = re.findall(r"^(PASSED|FAILED) a\.ipynb::Cell (\d+)", done.stdout, re.MULTILINE)
    seen = {int(number): outcome == "PASSED" for outcome, number in outcomes}
    assert seen == {i: passes for i, (_, _, passes) in enumerate(CELLS)}, done.stdout

"""What is compared of a cell's outputs: neither widgets nor progress bars.

A notebook that was run and saved in JupyterLab holds both. A widget's state lives in the page, and
what is printed into it too; a bar tells how long this machine took. So both are left out of the
stored outputs and of the new ones, and all else is compared to the letter.
"""

import re

WIDGET = "application/vnd.jupyter.widget-view+json"
BAR = re.compile(
    r"\d+%\|.*\|.*\[.*\]"  # tqdm:   40%|####      | 4/10 [00:01<00:01,  4.00it/s]
    r"|^\s*\d+it \[.*it/s\]|^\s*\d+it \[.*s/it\]"  # tqdm, of what has no length
    r"|\d+/(?:\d+|Unknown)\b.*(?:[━=]{3}|m?s/step)"  # Keras:  8/8 ━━━━━━━━━━━━ 0s 2ms/step
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def comparable(outputs):
    """Outputs without widgets and progress bars.

    Args:
        outputs: A cell's outputs, as nbformat has them.

    Returns:
        A list of the others, each stream's text without the lines that are bars.

    Example:
        >>> bar = "Sweep:  50%|#####     | 1/2 [00:01<00:01, 1.0it/s]"
        >>> comparable([{"output_type": "stream", "name": "stderr", "text": bar}])
        []
    """
    kept = []
    for output in outputs:
        if WIDGET in output.get("data", {}):
            continue
        text = output.get("text")
        if output["output_type"] == "stream" and text:
            rest = without_bars(text)
            if not rest:
                continue
            if rest != text:
                output = type(output)(output, text=rest)
        kept.append(output)
    return kept


def without_bars(text):
    """A stream's text without the lines that are progress bars; unchanged where there is none."""
    lines = text.splitlines(keepends=True) if "\r" not in text else _overwritten(text)
    plain = [COLOUR.sub("", line).replace("\b", "") for line in lines]
    bars = [bool(BAR.search(line)) for line in plain]
    if not any(bars):
        return text
    return "".join(line for line, bar in zip(lines, bars, strict=True) if not bar)


def _overwritten(text):
    """Lines, each part that a carriage return begins anew as a line of its own."""
    parts = re.split(r"(?<=\n)|\r(?!\n)", text)
    return [part for part in parts if part]


class Page:
    """What a page does with the messages of one cell; a source of messages for nbval.

    Args:
        item: nbval's cell, which collects the outputs.
        receive: Returns the kernel's next message, given the cell's notebook.
    """

    def __init__(self, item, receive):
        self.item, self.receive = item, receive
        self.shown = {}  # display_id: which output
        self.clear_before_next = False

    def __call__(self, timeout=None, stream="iopub"):
        message = self.receive(self.item.parent, timeout=timeout, stream=stream)
        if message["parent_header"].get("msg_id") is None or stream != "iopub":
            return message
        kind, content = message["msg_type"], message["content"]
        outputs, boxes = self.item.test_outputs, self.item.parent.__dict__.setdefault("boxes", {})
        state = content.get("data", {}).get("state", {}) if kind.startswith("comm_") else {}
        if kind == "comm_open" and state.get("_model_name") == "OutputModel":
            boxes[content["comm_id"]] = ""
        if content.get("comm_id") in boxes and "msg_id" in state:
            boxes[content["comm_id"]] = state["msg_id"]  # "" where the widget stops to listen
        shows = kind in ("stream", "display_data", "execute_result", "error")
        if shows and message["parent_header"]["msg_id"] in boxes.values():
            return message | {"msg_type": "comm_msg"}  # nbval passes these over
        if kind == "clear_output":
            self.clear_before_next = True
        if self.clear_before_next and (shows or (kind == "clear_output" and not content["wait"])):
            outputs.clear()
            self.shown.clear()
            self.clear_before_next = False
        name = content.get("transient", {}).get("display_id")
        if kind == "display_data" and name:
            self.shown[name] = len(outputs)
        if kind == "update_display_data" and name in self.shown:
            outputs[self.shown[name]]["data"] = content["data"]
        if kind in ("clear_output", "update_display_data"):
            return message | {"msg_type": "comm_msg"}
        return message

"""Old names and today's: each name of the old recipes has a successor, or the table says why.

NAMES    old name -> (today's name, or "" where there is none; what happened).
         Each of today's names can be looked up.
"""

from collections.abc import Sequence
from itertools import zip_longest
from textwrap import wrap

from course_lib.arguments import unknown

NAMES = {
    # the optimizer
    "keras.optimizers.Optimizer": (
        "keras.Optimizer",
        "the base class; old ones are refused by compile",
    ),
    "get_updates": (
        "keras.Optimizer.update_step",
        "wrote down all updates, once; now one variable and its gradient at a time, recorded "
        "when fit traces the step",
    ),
    "get_gradients": (
        "keras.Optimizer.apply",
        "gradients are computed outside (by fit) and given to apply, which clips them as "
        "get_gradients did",
    ),
    "legacy_get_updates_support": (
        "",
        "turned Keras 1's order of arguments (params, constraints, loss) into Keras 2's (loss, "
        "params); nothing to turn now",
    ),
    "self.updates": ("", "nothing is collected or returned: update_step assigns"),
    "self.weights": (
        "keras.Optimizer.variables",
        "a list you kept, and could forget something in; now kept for you, iteration and "
        "learning rate first",
    ),
    "get_weights": (
        "keras.Optimizer.save_own_variables",
        "what model.save wrote of an optimizer: the values of self.weights",
    ),
    "set_weights": (
        "keras.Optimizer.load_own_variables",
        "what load_model put back; before get_updates had run, nothing fitted",
    ),
    "get_config": (
        "keras.Optimizer.get_config",
        "as before; super().get_config() has the learning rate",
    ),
    "lr": (
        "keras.Optimizer.learning_rate",
        "SGD(lr=...) is an error; optimizer.lr = x makes an attribute that nobody reads",
    ),
    "decay": (
        "keras.optimizers.schedules.InverseTimeDecay",
        "decay=d is InverseTimeDecay(lr, decay_steps=1, decay_rate=d); decay= itself is accepted "
        "with a warning, and ignored",
    ),
    "initial_decay": ("", "the same number for Python's `if`; a schedule needs no `if`"),
    "iterations": (
        "keras.Optimizer.iterations",
        "yours to make, to count and to save; the base class does all three",
    ),
    "epsilon": (
        "keras.optimizers.Adagrad",
        "still an argument; Keras's own Adagrad now adds it under the root, and its default is "
        "1e-7",
    ),
    "accumulators": (
        "keras.Optimizer.add_optimizer_variables",
        "made in build, one for each variable, saved without being listed",
    ),
    "constraints": (
        "keras.Variable.constraint",
        "a dict given to get_updates (Keras 1), then an attribute that each rule looked at "
        "(Keras 2); "
        "now the base class applies it after the step",
    ),
    "clipnorm": (
        "keras.Optimizer",
        "was one norm over all gradients, which is today's argument global_clipnorm; today's "
        "clipnorm is one a variable",
    ),
    "steps_per_update": (
        "keras.Optimizer",
        "now the argument gradient_accumulation_steps of every optimizer, with rules of its own "
        "about what it counts",
    ),
    # the backend
    "keras.backend": (
        "keras.ops",
        "K: operations on tensors are in keras.ops, variables in keras.Variable",
    ),
    "K.variable": ("keras.Variable", "in an optimizer: add_variable, so that it is saved"),
    "K.zeros": (
        "keras.Optimizer.add_optimizer_variables",
        "a variable, not a tensor; keras.ops.zeros is a tensor",
    ),
    "K.int_shape": ("keras.Variable.shape", "a tuple"),
    "K.get_variable_shape": ("keras.Variable.shape", "the name of K.int_shape in Keras 1"),
    "K.update": (
        "keras.Optimizer.assign",
        "made an operation that assigned when it was run; now assigns",
    ),
    "K.update_add": ("keras.Optimizer.assign_add", "as K.update"),
    "K.switch": (
        "keras.ops.where",
        "for values: ops.where; for actions: ops.cond with functions. An assignment made outside "
        "of a branch always ran",
    ),
    "K.equal": ("keras.ops.equal", "or =="),
    "K.square": ("keras.ops.square", "or ** 2"),
    "K.sqrt": ("keras.ops.sqrt", "as before, without clipping at 0"),
    "K.gradients": ("tensorflow.GradientTape", "of a graph; now the tape that a train_step opens"),
    "K.function": (
        "tensorflow.function",
        "inputs, outputs and the updates to run; now whatever the traced function does",
    ),
    "K.get_value": ("keras.ops.convert_to_numpy", "a session.run in disguise"),
    "K.name_scope": (
        "keras.name_scope",
        "as before; an optimizer's slots are named by add_optimizer_variables",
    ),
    "K.learning_phase": (
        "keras.layers.Layer.call",
        "a placeholder fed with 1 or 0; now the argument training=",
    ),
    # the model
    "_collected_trainable_weights": (
        "keras.Model.trainable_variables",
        "fixed by compile; now looked up when fit traces",
    ),
    "model.total_loss": (
        "keras.Model.compute_loss",
        "a tensor of the graph; now a call, inside a train_step",
    ),
    "model.train_function": (
        "keras.Model.train_step",
        "could be replaced, and was put back by the next compile; today override train_step",
    ),
    "_make_train_function": (
        "keras.Model.make_train_function",
        "the one place that called get_updates; still there, and calls train_step",
    ),
    "model.updates": (
        "keras.Model.non_trainable_variables",
        "assignments that layers needed (BatchNorm); now made during the forward pass",
    ),
    "model.metrics_updates": (
        "keras.Model.compute_metrics",
        "assignments of metrics; now made by update_state",
    ),
    "model.metrics_tensors": (
        "keras.Model.get_metrics_result",
        "what was reported beside the loss",
    ),
    "_feed_inputs": ("keras.Model.train_step", "placeholders; now the argument data"),
    "_feed_targets": (
        "keras.utils.unpack_x_y_sample_weight",
        "as _feed_inputs; x, y, sample_weight = unpack...(data)",
    ),
    "_feed_sample_weights": ("keras.utils.unpack_x_y_sample_weight", "as _feed_targets"),
    "_function_kwargs": (
        "keras.Model.compile",
        "arguments for the session; run_eagerly and jit_compile today",
    ),
}


def names_table(*names: str) -> str:
    """The table NAMES as a text of three columns.

    Args:
        *names: Old names, to show only their rows.

    Returns:
        The table. Long cells go on in the next line.

    Raises:
        KeyError: If a name is not in the table.

    Example:
        >>> print(names_table("K.sqrt"))
        Keras 1 and 2  today           what happened
        K.sqrt         keras.ops.sqrt  as before, without clipping at 0
    """
    for name in names:
        if name not in NAMES:
            raise KeyError(f"`names`: {unknown('name', name, NAMES)}")
    rows = [(old, *NAMES[old]) for old in names or NAMES]
    return aligned([("Keras 1 and 2", "today", "what happened"), *rows], (28, 44, 40))


def aligned(rows: Sequence[tuple[str, ...]], widths: tuple[int, ...]) -> str:
    """Rows of cells as a text of aligned columns.

    Args:
        rows: The cells, the header first.
        widths: How wide each column may be, in characters. Longer cells go on in the next line.

    Returns:
        The lines as one text.
    """
    narrow = [
        min(width, max(map(len, column)))
        for width, column in zip(widths, zip(*rows, strict=True), strict=False)
    ]
    lines = []
    for row in rows:
        cells = [wrap(cell, width) for cell, width in zip(row, narrow, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            lines.append(
                "  ".join(
                    f"{part:<{width}}" for part, width in zip(parts, narrow, strict=True)
                ).rstrip()
            )
    return "\n".join(lines)

"""The optimizer under examination: made with any keyword, run on the same few variables, and compared with itself.

Every run is in float64, on two vectors and two matrices of which two each are alike in shape and name, for a handful of
steps.  How far rounding may drive two runs apart is measured, not guessed: the run is repeated with gradients that differ in
their last bits, and a hundred times what that makes of it is the room that every comparison has.
"""

import inspect
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property, partial

import keras
import numpy as np

from .report import CheckFailed, DoesNotApply

SHAPES = (
    (3,),
    (2, 3),
    (2, 3),
    (3,),
)  # two alike each: state that is found by shape or by name fails
STEPS = 6
CHANGE = 4  # from this step on the standard run has half the learning rate
MAX_PERIOD = 64  # calls of apply that may pass until a wrapper makes its first update
BASE_KEYWORDS = {
    "weight_decay": 0.25,
    "clipnorm": 1.5,
    "global_clipnorm": 1.5,
    "clipvalue": 1.5,
    "use_ema": True,
    "ema_momentum": 0.5,
    "ema_overwrite_frequency": 3,
    "loss_scale_factor": 8.0,
    "gradient_accumulation_steps": 3,
    "name": "mine",
}

ANATOMY = "notebook 04, the anatomy of a Keras optimizer"
STATE = "notebook 06, where state lives"
SAVING = "notebook 11, saving and resuming"


class Candidate:
    """One optimizer, and the runs that several checks look at.  A run is made once, when it is first asked for.

    optimizer    a class that can be made without arguments, or a function that makes one: called anew for each run
    reference    what it should equal: a rule in NumPy, another Keras optimizer, an optax transformation; or None
    settings     hyper-parameters that it is made with each time
    awake        give a momentum to a class whose default is 0, or else its memory would not be seen
    """

    def __init__(self, optimizer, reference=None, settings=None, awake=True):
        self.optimizer, self.reference, self.given = optimizer, reference, dict(settings or {})
        self.settings = {**(_awakening(optimizer) if awake else {}), **self.given}
        self.broken = self.hung = (
            ""  # why no standard run exists; which check did not come to an end
        )

    # ---- Made ----

    def make(self, **keywords):
        """A new one, with these keywords of Keras's.  DoesNotApply if it does not take them."""
        if not keywords:
            return self._made(self.optimizer(**self.settings))
        names = ", ".join(keywords)
        if _takes(self.optimizer, keywords):
            try:
                return self._made(self.optimizer(**{**self.settings, **keywords}))
            except (TypeError, ValueError) as error:
                if not _is_refusal(error):
                    raise
                raise DoesNotApply(f"it takes no {names}: {error}") from None
        one = self.make()
        config = one.get_config()
        if not set(keywords) <= set(config):
            raise DoesNotApply(f"it takes no {names}")
        return type(one).from_config({**config, **keywords})

    @staticmethod
    def _made(one):
        if not isinstance(one, keras.Optimizer):
            raise TypeError(
                f"`optimizer` must make a keras.Optimizer. It made: {one!r}. "
                "Give a class that can be made without arguments, or a function that makes one."
            )
        return one

    @cached_property
    def made(self):
        """One that is never run: to be asked about its class and its configuration."""
        return self.make()

    @cached_property
    def name(self):
        thing = getattr(self.optimizer, "func", self.optimizer)  # a partial has no name
        name = getattr(thing, "__name__", type(thing).__name__)
        if name == "<lambda>":
            with suppress(Exception, SystemExit):
                return type(self.made).__name__
        return name

    def overrides(self, method):
        """True if its class has this method of its own, instead of the base class's."""
        return getattr(type(self.made), method) is not getattr(keras.Optimizer, method)

    @cached_property
    def period(self):
        """How many calls of apply make one update: 1, unless it is a wrapper that collects gradients."""
        if not self.overrides("apply"):
            return 1
        one, variables = self.make(), variables_of(((3,),), "float32")
        one.build(variables)
        for calls in range(1, MAX_PERIOD + 1):
            one.apply(gradients_of(one, ((3,),), 0, "float32"), variables)
            if int(one.iterations) >= 1:
                return calls
        return 1

    # ---- Run ----

    def run(self, one=None, **how):
        """Run it, or `one` that was made of it, on the standard variables: see `run`."""
        return run(one or self.make(), period=self.period, **{"dtype": self.dtype, **how})

    @cached_property
    def dtype(self):
        """float64, or float32 for a class that cannot be run in float64 (and is told so by a check of its own)."""
        try:
            run(self.make(), steps=1)
        except (Exception, SystemExit):
            try:
                run(self.make(), steps=1, dtype="float32")
            except (Exception, SystemExit):
                return "float64"
            return "float32"
        return "float64"

    @cached_property
    def plain(self):
        """The standard run: default settings, six steps."""
        if not self.broken:
            try:
                done = self._seeded_run(1)
            except (Exception, SystemExit) as error:
                self.broken = (
                    f"no step could be taken ({type(error).__name__}: see a_step_can_be_taken)"
                )
            else:
                if not np.all(np.isfinite(np.concatenate([np.ravel(w) for w in done.path[-1]]))):
                    self.broken = "the weights are no finite numbers (see a_step_can_be_taken)"
                elif self._is_random(done):
                    self.broken = "it draws random numbers, so that no two runs can be compared"
                else:
                    return done
        raise DoesNotApply(self.broken)

    def _seeded_run(self, seed):
        keras.utils.set_random_seed(seed)
        return self.run()

    def _is_random(self, done):
        """True for a rule that draws random numbers on purpose: the seed decides, and nothing else does."""
        other_seed = apart(self._seeded_run(2).path, done.path)
        return other_seed > 0 and apart(self._seeded_run(1).path, done.path) == 0

    @cached_property
    def room(self):
        """How far two right runs may be apart, relative to 1: a hundred times what changes in the last bits do."""
        bits = 2.0**-50 if self.dtype == "float64" else 2.0**-21
        nudged = self.run(gradients=lambda i, t, g: g * (1 + bits * (1 + (i + t) % 3)))
        floor = 1e-12 if self.dtype == "float64" else 1e-5
        return float(np.clip(100 * apart(nudged.path, self.plain.path), floor, 1e-4))

    @cached_property
    def learning_rate(self):
        """The learning rate that it begins with; a sixteenth for one that begins with 0, as warm-ups do."""
        try:
            return float(number(self.made.learning_rate)) or 2.0**-4
        except AttributeError as error:
            raise DoesNotApply(f"it has no learning rate of its own: {error}") from None

    @cached_property
    def learning_rate_can_be_set(self):
        one = self.make()
        try:
            one.learning_rate = self.learning_rate / 2
        except (TypeError, AttributeError, NotImplementedError, DoesNotApply):
            return False
        return True

    @cached_property
    def order_matters(self):
        """How much changes if the same variables are given in another order."""
        order = [2, 3, 1, 0]
        turned = self.run(order=order)
        return apart(
            [[step[order.index(i)] for i in range(4)] for step in turned.path], self.plain.path
        )

    @cached_property
    def alone(self):
        """The paths of the four variables, each run with an optimizer of its own."""
        paths = [self.run(order=[i]).path for i in range(len(SHAPES))]
        return [[path[t][0] for path in paths] for t in range(STEPS)]

    @cached_property
    def is_joined(self):
        """True for a rule that joins its variables on purpose, as global norms do: order does not matter, company does."""
        return apart(self.alone, self.plain.path) > self.room >= self.order_matters

    @cached_property
    def is_elementwise(self):
        """True if a coordinate's path is its own: a corner of a matrix goes where it went as part of the whole."""
        whole = self.run(shapes=((4, 4),))
        corner = self.run(
            shapes=((2, 2),),
            values=lambda i, shape: whole.start[0][:2, :2],
            gradients=lambda i, t, g: gradient((4, 4), 0, t)[:2, :2],
        )
        return apart([[step[0][:2, :2]] for step in whole.path], corner.path) <= self.room

    # ---- Compared ----

    def must_agree(self, seen, expected, what, twin, consequence, notebook, room=None):
        """Two paths must be equal but for rounding; otherwise CheckFailed names the first step and variable."""
        room = room or self.room
        for t, (one, other) in enumerate(zip(seen, expected, strict=True), 1):
            for i, (w, w_expected) in enumerate(zip(one, other, strict=True)):
                if not apart([[w]], [[w_expected]]) <= room:
                    raise CheckFailed(
                        f"{what}, after step {t}, variable {i} (of shape {np.shape(w)}) is "
                        f"{apart([[w]], [[w_expected]]):.1e} away from {twin}",
                        f"at most {room:.0e}",
                        consequence,
                        notebook,
                    )


class Run:
    """What is left of a run: the optimizer, its variables, and the path: all weights after each step."""

    def __init__(self, optimizer, variables, path, start):
        self.optimizer, self.variables, self.path, self.start = optimizer, variables, path, start


def run(
    one,
    *,
    shapes=SHAPES,
    order=None,
    steps=STEPS,
    first=0,
    dtype="float64",
    period=1,
    values=None,
    gradients=None,
    learning_rate=None,
    before=None,
    after=None,
    constraint=None,
    compiled=None,
    variables=None,
):
    """Build the optimizer on fresh variables and let it take some steps.

    order            which of the shapes, in which order
    first            the number of the first step's gradients: to go on where another run stopped
    values           (i, shape) -> the weights to start from
    gradients        (i, t, g) -> what the optimizer is given in place of the gradient g; None for none
    learning_rate    (t) -> what is set before step t; None to leave it
    before, after    (t, optimizer, variables) -> called around each step
    compiled         wraps the step: eager if None
    variables        those of an earlier run, to go on with
    """
    order = list(range(len(shapes))) if order is None else order
    change = gradients or (lambda i, t, g: g)
    if variables is None:
        variables = variables_of(shapes, dtype, values, order)
        for v in variables:
            v.constraint = constraint
        one.build(variables)
    start = [number(v) for v in variables]
    scale = loss_scale(one)
    step = (compiled or (lambda f: f))(lambda *g: one.apply(list(g), variables))
    path = []
    for t in range(first, first + steps):
        if before:
            before(t, one, variables)
        if learning_rate and learning_rate(t) is not None:
            one.learning_rate = learning_rate(t)
        given = [change(i, t, gradient(shapes[i], i, t)) for i in order]
        given = [g if g is None else tensor(g, dtype, scale) for g in given]
        for _ in range(period):
            step(*given)
        if after:
            after(t, one, variables)
        path.append([number(v) for v in variables])
    return Run(one, variables, path, start)


def variables_of(shapes, dtype, values=None, order=None):
    """Fresh variables, all named "kernel": their paths alone tell them apart, as in a network."""
    made = []
    for i in range(len(shapes)) if order is None else order:
        start = (values or start_of)(i, shapes[i])
        with keras.name_scope(f"layer_{i}"):
            made.append(keras.Variable(start, dtype=dtype, name="kernel"))
    return made


def start_of(i, shape):
    return np.random.default_rng(100 + i).normal(size=shape)


def gradient(shape, i, t):
    """The gradient of variable i at step t: large and small ones, none of them 0."""
    size = (1.0, 2.0**-6, 16.0, 0.25)[t % 4]
    return size * np.random.default_rng(1000 * i + t).normal(size=shape)


def gradients_of(one, shapes, t, dtype):
    return [tensor(gradient(s, i, t), dtype, loss_scale(one)) for i, s in enumerate(shapes)]


def tensor(g, dtype, scale=1.0):
    if not isinstance(
        g, np.ndarray | np.floating | float
    ):  # made by a check: sparse, or a tensor already
        return g
    return keras.ops.convert_to_tensor(np.asarray(g) * scale, dtype)


def loss_scale(one):
    """What the loss would be multiplied with: 1, except under a LossScaleOptimizer."""
    return float(number(one.scale_loss(1.0)))


def number(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))


def apart(one, other):
    """The largest difference between two paths, relative to 1; nan and inf agree with nothing."""
    worst = 0.0
    for step, twin in zip(one, other, strict=True):
        for a, b in zip(step, twin, strict=True):
            if np.shape(a) != np.shape(b):
                return np.inf
            with np.errstate(all="ignore"):
                ratio = np.abs(np.subtract(a, b)) / np.maximum(1, np.abs(b))
            if ratio.size and not np.all(np.isfinite(ratio)):
                return np.inf
            worst = max(worst, float(np.max(ratio, initial=0)))
    return worst


def state_of(one):
    return [number(v) for v in one.variables]


def on_tensorflow(what="graphs are"):
    """TensorFlow; DoesNotApply on another backend."""
    if keras.backend.backend() != "tensorflow":
        raise DoesNotApply(f"{what} TensorFlow's; the backend is {keras.backend.backend()}")
    import tensorflow as tf

    return tf


@contextmanager
def dtype_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def known(one):
    """The scope in which its class can be loaded, registered or not: whether it is registered is a check of its own."""
    mine = [o for o in chain(one) if not is_kerass_own(type(o))]
    names = {keras.saving.get_registered_name(type(o)): type(o) for o in mine}
    names |= {type(o).__name__: type(o) for o in mine}
    return keras.saving.custom_object_scope(names) if names else nullcontext()


def chain(one):
    """An optimizer, the one that it wraps, the one that that one wraps, ..."""
    while one is not None:
        yield one
        one = getattr(one, "inner_optimizer", None)


def is_kerass_own(cls):
    return cls.__module__.split(".")[0] == "keras"


def _takes(optimizer, keywords):
    try:
        parameters = inspect.signature(optimizer).parameters
    except (TypeError, ValueError):
        return False
    if isinstance(optimizer, partial):  # what it fills by position cannot be given again by name
        filled = list(inspect.signature(optimizer.func).parameters)[: len(optimizer.args)]
        if set(filled) & set(keywords):
            return False
    if any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
        return True
    named = {
        n for n, p in parameters.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
    }
    given = optimizer.keywords if isinstance(optimizer, partial) else {}
    return set(keywords) <= named | set(given)


def _awakening(optimizer):
    try:
        momentum = inspect.signature(optimizer).parameters.get("momentum")
    except (TypeError, ValueError):
        return {}
    asleep = momentum is not None and not isinstance(momentum.default, bool)
    return {"momentum": 0.75} if asleep and momentum.default == 0 else {}


def _is_refusal(error):
    """True if an error says that a keyword is not known or not supported, rather than that something broke."""
    words = ("unexpected keyword", "not recognized", "does not support")
    return any(word in str(error) for word in words)

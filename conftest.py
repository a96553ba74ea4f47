"""How pytest runs the course.

Workers share the cores: each of them, and each notebook's kernel, computes with one thread (unless the environment says
otherwise), instead of two or more that wait for each other.  A kernel is forked from a process that has loaded Keras.

nbval compares outputs to the letter; a cell tagged nbval-rtol=1e-3 or nbval-atol=0.02 gives its decimals that tolerance.
Widgets and progress bars are not compared: a notebook that was run and saved in JupyterLab has both.

What a worker has loaded when it begins stays loaded, so the garbage collector need not go through it at every test.

A test marked `thorough` is run with --thorough only; the summary says how many were not.
"""

import gc
import os
from importlib.metadata import EntryPoint

from course_lib.authoring import forked_kernels, tolerance, with_stored_numbers
from course_lib.authoring.comparing import Page, comparable

import nbval.kernel
import pytest
from jupyter_client.provisioning import KernelProvisionerFactory
from nbval.plugin import IPyNbCell

for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")

# Two workers end together if the longest begin first.
LONGEST = (
    "tests/test_check_optimizer",
    "tests/test_checks",
    "notebooks/18",
    "tests/test_averaging",
    "tests/test_distribute",
    "tests/test_optimizers",
    "tests/test_two_gradients",
    "tests/test_soft_batch",
    "tests/test_saving",
    "tests/test_exercises",
    "tests/test_sweeps",
    "notebooks/17",
    "notebooks/12",
    "notebooks/05",
    "notebooks/13",
    "notebooks/01",
    "notebooks/15",
    "notebooks/11",
    "notebooks/06",
)


def pytest_addoption(parser):
    parser.addoption(
        "--thorough",
        action="store_true",
        help="run the tests marked `thorough` too: every rule, class and combination",
    )


def pytest_configure(config):
    nbval.kernel.NbvalKernelspecManager = KernelSpecs
    if not hasattr(config, "workerinput"):  # xdist's workers are children of this process
        server = forked_kernels.serving()
        server.__enter__()
        config.add_cleanup(lambda: server.__exit__(None, None, None))


def pytest_collection_finish():
    gc.collect()
    gc.freeze()


# ---- What is run, and in which order ----

NOT_ASKED = pytest.StashKey()


@pytest.hookimpl(trylast=True)  # after -k and -m: what they left out was not asked for
def pytest_collection_modifyitems(config, items):
    named = tuple(argument for argument in config.args if "::" in argument)
    if not config.option.thorough:
        left = [item for item in items if item.get_closest_marker("thorough")]
        left = [item for item in left if not item.nodeid.startswith(named)] if named else left
        config.stash[NOT_ASKED] = len(left)
        if left:
            config.hook.pytest_deselected(items=left)
            out = set(left)
            items[:] = [item for item in items if item not in out]
    items.sort(key=_place)


def _place(item):
    """Files that take long come first, in the order of LONGEST; the others stay as they are."""
    places = [i for i, begin in enumerate(LONGEST) if item.nodeid.startswith(begin)]
    return places[0] if places else len(LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    output = getattr(node, "workeroutput", {})
    node.config.stash[NOT_ASKED] = output.get("not asked", node.config.stash.get(NOT_ASKED, 0))


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["not asked"] = session.config.stash.get(NOT_ASKED, 0)


def pytest_terminal_summary(terminalreporter, config):
    left = config.stash.get(NOT_ASKED, 0)
    if left:
        terminalreporter.write_line(
            f"{left:,} test{'s' * (left > 1)} of the thorough suite {'were' if left > 1 else 'was'} "
            "not asked: uv run pytest --thorough"
        )


# ---- Notebooks ----

FORKED = EntryPoint("forked", "course_lib.authoring.forked_kernels:ForkedProvisioner", "")
KernelProvisionerFactory.provisioners["forked"] = FORKED


class KernelSpecs(nbval.kernel.NbvalKernelspecManager):
    """nbval's kernel specifications, with the way in which a kernel is started."""

    def get_kernel_spec(self, kernel_name):
        spec = super().get_kernel_spec(kernel_name)
        spec.metadata = {"kernel_provisioner": {"provisioner_name": "forked"}}
        return spec


def pytest_itemcollected(item):
    if isinstance(item, IPyNbCell):
        compare, given = item.compare_outputs, tolerance(item.cell.metadata.get("tags", []))

        def compare_outputs(new, stored, **rest):
            new, stored = comparable(new), comparable(stored)
            return compare(_with_stored_numbers(new, stored, given), stored, **rest)

        item.compare_outputs = compare_outputs


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    if isinstance(item, IPyNbCell):
        item.parent.get_kernel_message = Page(item, type(item.parent).get_kernel_message)
    return (yield)


def _with_stored_numbers(new, stored, given):
    """The outputs of one run, each text within the tolerance of its stored twin replaced by that twin."""
    if not given:
        return new
    for output, twin in zip(new, stored, strict=False):
        for texts, twin_texts in [(output, twin), (output.get("data", {}), twin.get("data", {}))]:
            for key in ("text", "text/plain", "text/html"):
                if isinstance(texts.get(key), str) and isinstance(twin_texts.get(key), str):
                    texts[key] = with_stored_numbers(texts[key], twin_texts[key], **given)
    return new


@pytest.fixture(scope="module", autouse=True)
def the_environment_is_as_before():
    """What a module's tests leave in the environment ends with them.

    Dask, for one, sets variables that Python and the C library read. With them, no later process is
    like the server's, and none is forked.
    """
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)

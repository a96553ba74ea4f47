"""How pytest runs the course.

Workers share the cores: each of them, and each notebook's kernel, computes with one thread (unless the environment says
otherwise), instead of two or more that wait for each other.

nbval compares outputs to the letter; a cell tagged nbval-rtol=1e-3 or nbval-atol=0.02 gives its decimals that room.

What a worker has loaded when it begins stays loaded, so the garbage collector need not go through it at every test.
"""

import gc
import os
from importlib.metadata import EntryPoint

from course_lib.authoring import forked_kernels
from course_lib.notebooks import tolerance, with_stored_numbers

import nbval.kernel
from jupyter_client.provisioning import KernelProvisionerFactory
from nbval.kernel import NbvalKernelspecManager
from nbval.plugin import IPyNbCell

for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")


FORKED = EntryPoint("forked", "course_lib.authoring.forked_kernels:ForkedProvisioner", "")
KernelProvisionerFactory.provisioners["forked"] = FORKED


class KernelSpecs(NbvalKernelspecManager):
    """nbval's kernel specifications; its kernels are forked from one that has loaded Keras."""

    def get_kernel_spec(self, kernel_name):
        spec = super().get_kernel_spec(kernel_name)
        spec.metadata = {"kernel_provisioner": {"provisioner_name": "forked"}}
        return spec


def pytest_configure(config):
    nbval.kernel.NbvalKernelspecManager = KernelSpecs
    if not hasattr(config, "workerinput"):  # the workers are this process's children
        server = forked_kernels.serving()
        server.__enter__()
        config.add_cleanup(lambda: server.__exit__(None, None, None))


def pytest_collection_finish():
    gc.collect()
    gc.freeze()


def pytest_itemcollected(item):
    if not isinstance(item, IPyNbCell):
        return
    room = tolerance(item.cell.metadata.get("tags", []))
    if room:
        compare = item.compare_outputs
        item.compare_outputs = lambda new, stored, **rest: compare(
            _with_stored_numbers(new, stored, room), stored, **rest
        )


def _with_stored_numbers(new, stored, room):
    """The outputs of one run, each text within the tolerance of its stored twin replaced by that twin."""
    for output, twin in zip(new, stored, strict=False):
        for texts, twin_texts in [(output, twin), (output.get("data", {}), twin.get("data", {}))]:
            for key in ("text", "text/plain", "text/html"):
                if isinstance(texts.get(key), str) and isinstance(twin_texts.get(key), str):
                    texts[key] = with_stored_numbers(texts[key], twin_texts[key], **room)
    return new

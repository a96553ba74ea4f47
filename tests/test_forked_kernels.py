"""A forked process is as a new one, but that Keras is there already; where it could not be, a new one is started."""

import os
import signal
import subprocess
import sys
import textwrap

from course_lib.authoring import fork_server, forked_kernels
from course_lib.authoring.forked_kernels import ADDRESS, Popen, task_of

import nbval.kernel
import pytest

pytestmark = pytest.mark.skipif(ADDRESS not in os.environ, reason="forks are for Linux")
PIPES = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def forked(command, **how):
    process = Popen([sys.executable, *command], **how)
    assert process._link is not None, "an ordinary process was started"
    return process


def new(command, **how):
    process = subprocess.Popen([sys.executable, *command], **how)
    return process


def printed(code, begin=forked, **how):
    process = begin(["-c", textwrap.dedent(code)], **PIPES, **how)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    return out


def test_keras_is_there_and_this_library_is_not():
    code = "import sys; print([n in sys.modules for n in ('keras', 'tensorflow', 'course_lib')])"
    assert printed(code) == "[True, True, False]\n"
    assert printed(code, new) == "[False, False, False]\n"


def test_keras_trains_in_it():
    code = """
        import keras, numpy as np
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile("sgd", loss="mse")
        losses = model.fit(np.eye(3), np.ones((3, 2)), epochs=2, verbose=0).history["loss"]
        print(losses[1] < losses[0])
    """
    assert printed(code) == "True\n"


def test_its_logical_devices_are_its_own():
    code = """
        import tensorflow as tf
        (cpu,) = tf.config.list_physical_devices("CPU")
        devices = [tf.config.LogicalDeviceConfiguration()] * {}
        tf.config.set_logical_device_configuration(cpu, devices)
        print(len(tf.config.list_logical_devices()))
    """
    assert [printed(code.format(n)) for n in (2, 3)] == ["2\n", "3\n"]


def test_each_draws_its_own_numbers_and_keeps_its_own_state():
    code = """
        import random, numpy as np, keras
        keras.left_behind = getattr(keras, "left_behind", 0) + 1
        draw = float(keras.random.normal(()))
        print(keras.left_behind, random.random(), np.random.random(), draw)
    """
    (first, *draws), (second, *others) = (printed(code).split() for _ in range(2))
    assert first == second == "1"
    assert not set(draws) & set(others)


@pytest.mark.parametrize("kind", ["-c", "-m", "file"])
def test_arguments_folder_environment_and_streams_are_as_in_a_new_process(kind, tmp_path):
    code = textwrap.dedent("""
        import json, os, sys
        print(json.dumps([sys.argv, __name__, os.getcwd(), os.environ.get("PYTEST_X"), sys.path[0]]))
        print(sys.stdin.read(), file=sys.stderr)
        sys.exit(7)
    """)
    (tmp_path / "module_of_a_test.py").write_text(code)
    begun = {"-c": ["-c", code], "-m": ["-m", "module_of_a_test"], "file": ["module_of_a_test.py"]}
    seen = []
    for begin in (forked, new):
        environment = os.environ | {"PYTEST_X": "set"}
        process = begin([*begun[kind], "a", "-b"], **PIPES, cwd=tmp_path, env=environment)
        seen.append((process.communicate("asked"), process.returncode))
    assert seen[0] == seen[1]
    assert seen[0][1] == 7 and "asked" in seen[0][0][1]


def test_the_path_of_the_environment_is_its_path(tmp_path):
    (tmp_path / "module_of_a_test.py").write_text("x = 5")
    code = "import module_of_a_test; print(module_of_a_test.x)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    assert printed(code, env=environment) == "5\n"


@pytest.mark.parametrize("begin", [forked, new])
def test_an_error_is_told_and_is_status_1(begin):
    process = begin(["-c", "1 / 0"], **PIPES)
    assert "ZeroDivisionError" in process.communicate()[1]
    assert process.returncode == 1


@pytest.mark.parametrize("begin", [forked, new])
def test_what_is_registered_for_the_end_is_done_and_output_is_whole(begin):
    code = "import atexit; atexit.register(print, 'end'); print('x' * 100_000)"
    assert printed(code, begin) == "x" * 100_000 + "\nend\n"


@pytest.mark.parametrize("begin", [forked, new])
def test_a_killed_process_is_seen_to_be_killed(begin):
    process = begin(["-c", "print('on', flush=True); import time; time.sleep(60)"], **PIPES)
    assert process.stdout.readline() == "on\n"
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    process.kill()
    assert process.wait(10) == process.poll() == -signal.SIGKILL
    process.communicate()


def test_an_interrupt_is_an_exception_there():
    code = "import time\ntry: print('on', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print(1)"
    process = forked(["-c", code], **PIPES)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate()[0] == "1\n"


def test_a_session_of_its_own_is_given_where_it_is_asked_for():
    code = "import os; print(os.getsid(0) == os.getpid())"
    assert printed(code, start_new_session=True) == "True\n"
    assert printed(code) == "False\n"


# ---- Where it cannot be ----


@pytest.mark.parametrize(
    "environment",
    [{"KERAS_BACKEND": "jax"}, {"OMP_NUM_THREADS": "7"}, {"KERAS_HOME": "/nowhere"}],
    ids=str,
)
def test_with_another_environment_a_new_process_is_started(environment):
    code = "import sys; print('keras' in sys.modules)"
    assert printed(code, lambda args, **how: Popen([sys.executable, *args], **how),
                   env=os.environ | environment) == "False\n"  # fmt: skip


def test_without_a_server_a_new_process_is_started(monkeypatch, tmp_path):
    code = "import sys; print('keras' in sys.modules)"
    for address in (None, str(tmp_path / "gone")):
        monkeypatch.setenv(ADDRESS, address) if address else monkeypatch.delenv(ADDRESS)
        process = Popen([sys.executable, "-c", code], **PIPES)
        assert process.communicate() == ("False\n", "") and process.returncode == 0


@pytest.mark.parametrize(
    "command",
    [["ls"], [sys.executable], [sys.executable, "-i"], "python -c 1", [sys.executable, "-"]],
)
def test_what_is_no_call_of_this_python_is_left_to_subprocess(command):
    assert task_of(command) is None


def test_options_of_the_interpreter_are_passed_over():
    command = [sys.executable, "-Xfrozen_modules=off", "-m", "json.tool", "-h"]
    assert task_of(command) == {"kind": "-m", "what": "json.tool", "argv": ["-h"]}


def test_with_the_server_its_children_end(monkeypatch):
    monkeypatch.delenv(ADDRESS)
    with forked_kernels.serving():
        process = forked(["-c", "import time; print('on', flush=True); time.sleep(60)"], **PIPES)
        process.stdout.readline()
    assert process.wait(10) == -signal.SIGKILL
    process.communicate()


# ---- Kernels ----


@pytest.fixture(scope="module")
def kernel():
    kernel = nbval.kernel.RunningKernel(nbval.kernel.CURRENT_ENV_KERNEL_NAME)
    assert kernel.km.provisioner.process._link is not None
    yield kernel
    kernel.stop()


def answer(kernel, code):
    """What a cell prints; the name of its error."""
    asked, out = kernel.execute_cell_input(code), []
    while True:
        message = kernel.get_message("iopub", timeout=60)
        if message["parent_header"].get("msg_id") != asked:
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            out.append(content["text"])
        elif message["msg_type"] == "error":
            out.append(content["ename"])
        elif content.get("execution_state") == "idle":
            return "".join(out)


def test_a_kernel_has_keras_and_no_word_of_tensorflows(kernel):
    assert answer(kernel, "import sys; print('keras' in sys.modules)") == "True\n"
    assert answer(kernel, "import keras; print(float(keras.ops.ones(1)[0] + 1))") == "2.0\n"


def test_figures_are_drawn_into_the_page(kernel):
    code = (
        "import matplotlib, matplotlib.pyplot as plt; plt.figure(); print(matplotlib.get_backend())"
    )
    shown = answer(kernel, code)
    assert shown.strip() in ("inline", fork_server.INLINE)


def test_a_kernel_is_interrupted_and_lives_on(kernel):
    asked = "import time\nprint('on', flush=True)\ntime.sleep(60)"
    first = kernel.execute_cell_input(asked)
    while kernel.get_message("iopub", timeout=60)["msg_type"] != "stream":
        pass
    kernel.interrupt()
    kernel.await_reply(first, timeout=30)
    assert answer(kernel, "print(1)") == "1\n"


def test_a_kernel_that_dies_is_seen_to_be_dead():
    kernel = nbval.kernel.RunningKernel(nbval.kernel.CURRENT_ENV_KERNEL_NAME)
    assert kernel.is_alive()
    kernel.execute_cell_input("import os; os._exit(3)")
    assert kernel.km.provisioner.process.wait(30) == 3
    assert not kernel.is_alive()
    kernel.kc.stop_channels()
    kernel.km.cleanup_resources()


def test_what_libraries_set_while_they_are_imported_is_no_difference():
    code = "import os; print(os.environ.get('HDF5_PLUGIN_PATH'))"
    loaded = dict(os.environ) | {"ENABLE_RUNTIME_UPTIME_TELEMETRY": "1", "TF2_BEHAVIOR": "1"}
    assert printed(code, env=loaded | {"HDF5_PLUGIN_PATH": "disable"}) == "disable\n"

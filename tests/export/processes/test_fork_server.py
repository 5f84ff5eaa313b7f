"""The fork server has what exports need, nothing that they don't, and leaves at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


def said(code: str, **environment: str) -> tuple[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.environ |= {environment!r}\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr, done.returncode


SERVER = "from asymm_deploy.export.processes import fork_server\nimport sys, torch\n"


def test_it_loads_all_that_an_export_needs_and_not_the_compiler() -> None:
    export = (
        "import tempfile; from pathlib import Path\n"
        "from asymm_deploy.export import pipeline\n"
        "from asymm_deploy.export.request import ExportRequest\n"
        "from asymm_deploy.models.names import parse\n"
        "from asymm_deploy.models.source import NamedNetwork\n"
        "out = Path(tempfile.mkdtemp())\n"
        "request = ExportRequest(NamedNetwork(parse('asymmnet_small_035')), out)\n"
        "before = set(sys.modules)\n"
        "pipeline.export_model(request, out, [])\n"
        "heavy = {'torch._dynamo', 'onnxsim', 'onnx_ir', 'onnxruntime', 'sympy'}\n"
        "print(heavy & (set(sys.modules) - before) or 'nothing', 'torch._dynamo' in sys.modules, "
        "flush=True)"
    )
    assert said(SERVER + export) == ("nothing False", 0)


def test_it_ends_without_running_what_torch_would_run_at_its_end() -> None:
    """And its threads sleep, unless the user says otherwise."""
    code = "import atexit\natexit.register(print, 'before', flush=True)\n" + SERVER
    code += "print(os.environ['OMP_WAIT_POLICY'], flush=True)"
    assert said(code) == ("PASSIVE", 0)
    assert said(code, OMP_WAIT_POLICY="ACTIVE") == ("ACTIVE", 0)


KILLED = """
import os, signal, threading, time
from asymm_deploy.export import jobs
from asymm_deploy.export.processes.task_process import run_tasks

def kill_when_it_has_started():
    while not os.path.exists("started"):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

if not WORKS:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
context = jobs.fork_server_context()
if WORKS:
    threading.Thread(target=kill_when_it_has_started).start()
    task = "import time; open('started', 'w').close(); time.sleep(600)"
    list(run_tasks(exec, [(task,)], at_once=1, timeout_s=600, context=context))
"""


@pytest.mark.parametrize(
    "works", [False, True], ids=["while it starts", "while a model's process works"]
)
def test_a_command_that_is_killed_leaves_no_socket_and_no_process(
    tmp_path: Path, works: bool
) -> None:
    short = Path(tempfile.mkdtemp(prefix="s"))  # a socket's name has a hundred characters
    done = subprocess.run(
        [sys.executable, "-c", f"WORKS = {works}\n{KILLED}"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(short)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,  # it closes when the last of the processes has ended
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    assert list(short.iterdir()) == []
    short.rmdir()
    assert (tmp_path / "started").exists() == works


STARTING = """
import os, signal, threading, time
from asymm_deploy.export import jobs
from asymm_deploy.export.processes.task_process import run_tasks

def press():
    for _ in range(100):
        os.killpg(0, signal.SIGINT)
        time.sleep(0.005)

heard = []
signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
threading.Thread(target=press).start()
context = jobs.fork_server_context()
(end,) = run_tasks(len, [("abc",)], at_once=1, timeout_s=60, context=context)
print(end.result, len(heard) > 0)
"""


def test_a_ctrl_c_while_it_starts_is_for_the_command_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTING],
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("3 True\n", "")


INTERRUPTED = """
import os, signal, threading
from asymm_deploy.export import jobs

threading.Timer(0.3, os.killpg, (0, signal.SIGINT)).start()
try:
    jobs.fork_server_context()
except KeyboardInterrupt:
    print("heard", flush=True)
"""


def test_a_ctrl_c_while_it_starts_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    slow = tmp_path / "torch.py"  # found before the real one
    slow.write_text("import time; time.sleep(600)")
    short = Path(tempfile.mkdtemp(prefix="s"))
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        env=os.environ | {"TMPDIR": str(short), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("heard\n", "")
    assert list(short.iterdir()) == []
    short.rmdir()

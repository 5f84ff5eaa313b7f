"""The fork server has what exports need, nothing that they don't, and leaves at once."""

from __future__ import annotations

import subprocess
import sys


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
    code = ("import atexit\natexit.register(print, 'before', flush=True)\n" + SERVER).replace(
        "import sys, torch", "print('made', flush=True)"
    )
    assert said(code) == ("made", 0)


def test_its_threads_sleep_unless_the_user_says_otherwise() -> None:
    code = SERVER + "print(os.environ['OMP_WAIT_POLICY'], flush=True)"
    assert said(code) == ("PASSIVE", 0)
    assert said(code, OMP_WAIT_POLICY="ACTIVE") == ("ACTIVE", 0)

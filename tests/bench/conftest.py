"""Small real models in both formats, a runner that can be told to misbehave, and records."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import pytest
from filelock import FileLock

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.plan import Plan
from asymm_deploy.export.inputs import bench_inputs
from tests.bench.wheels import wheel_file
from tests.made_networks import TWO_ENDED, TWO_ENDED_INPUTS, made_network


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def folder(shared: Path) -> Path:
    """A folder with model.onnx and model.mnn of the same network."""
    folder = shared / "two_ended"
    with FileLock(f"{folder}.lock"):
        if not (folder / "model.mnn").exists():
            folder.mkdir(exist_ok=True)
            made_network(TWO_ENDED, folder / "model.onnx")
    return folder


@pytest.fixture(scope="session")
def artifact(folder: Path) -> Artifact:
    """The network for MNN, with what ONNX Runtime makes of the bench's input as its reference."""
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, bench_inputs(TWO_ENDED_INPUTS, 0))
    return Artifact(
        model="two_ended",
        path=folder / "model.mnn",
        sha256=sha256(folder / "model.mnn"),
        inputs=TWO_ENDED_INPUTS,
        reference=dict(zip(names, values, strict=True)),
        madds=56_320,
        floor_madds=56_320,
        params=216,
    )


@pytest.fixture(scope="session")
def plan() -> Plan:
    """Few runs: nothing here is about speed. Noise of this machine is no matter."""
    return Plan(
        runs=6,
        launches=3,
        warmup=1,
        launch_timeout_s=60.0,
        allow=("bimodal", "launch-spread", "stolen-time"),
    )


RUNNER = """\
#!{python} -IS
import hashlib, json, os, signal, sys, time
arguments = dict(zip(sys.argv[1:], sys.argv[2:]))
cores = arguments["--cpu"]
cores = [] if cores == "none" else [int(core) for core in cores.split(",")]
runs = int(arguments["--runs"])
with open(arguments["--model"], "rb") as file:
    sha256 = hashlib.sha256(file.read()).hexdigest()
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/started", "a") as file:
    file.write(str(os.getpid()) + "\\n")
launch = sum(1 for _ in open(here + "/started")) - 1
hello = dict(type="hello", protocol=1, runner="fake", runner_version="0", engine="mnn",
             engine_version="0", abi="none", pid=os.getpid())
model = dict(type="model", sha256=sha256, input_shape=[1], init_ns=5, memory_mb=1.5,
             precision=arguments["--precision"], threads=int(arguments["--threads"]))
cpu = dict(type="cpu", asked=cores, before=(cores or [None])[0], after=(cores or [None])[0])
calibration = dict(type="calibration", before_mac_per_s=4e10, after_mac_per_s=4e10)
samples = dict(type="samples", ns=[1_000_000 + launch + step for step in range(runs)],
               wall_ns=1_001_000 * runs, cpu_ns=1_001_000 * runs, waited_ns=0, steal_ns=0)
output = dict(type="output", sha256="a" * 64)
done = dict(type="done", count=runs)
messages = [hello, model, cpu, calibration, samples, output, done]
def say(*parts):
    for part in parts:
        os.write(1, part if isinstance(part, bytes) else json.dumps(part).encode() + b"\\n")
{body}
say(*messages)
"""


@pytest.fixture
def fake_runner(tmp_path: Path) -> Callable[[str], Path]:
    """Write a runner that reports without running, after ``body`` has had its way with it."""

    def write(body: str) -> Path:
        path = tmp_path / "fake" / "runner"
        path.parent.mkdir(exist_ok=True)
        path.write_text(RUNNER.format(python=sys.executable, body=textwrap.dedent(body)))
        path.chmod(0o755)
        return path

    return write


@pytest.fixture(scope="session")
def unverified(artifact: Artifact) -> Artifact:
    """The same file without a reference: a fake runner can't compute what it says."""
    return Artifact(model="bare", path=artifact.path, sha256=artifact.sha256)


@dataclass(frozen=True)
class Harness:
    """How to start a bench in a process of its own, to interrupt or kill it."""

    script: str

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", self.script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="session")
def harness() -> Harness:
    """``start(MODEL, SHA256, RESULTS, LAUNCHES, RUNS, RUNNER or "")``; prints a line a launch."""
    return Harness(
        textwrap.dedent("""
        import sys
        from pathlib import Path
        from asymm_deploy.bench import measure, store
        from asymm_deploy.bench.artifact import Artifact
        from asymm_deploy.bench.host.host_device import HostDevice
        from asymm_deploy.bench.plan import Plan
        from asymm_deploy.errors import DeployError

        model, sha256, results, launches, runs, runner = sys.argv[1:]
        plan = Plan(launches=int(launches), runs=int(runs), warmup=0)
        device = HostDevice(Path(runner) if runner else None)
        try:
            with store.opened(Path(results), print, "bench") as records:
                measure.time_models(device, [Artifact("net", Path(model), sha256)], plan, records,
                            lambda event: print(event, flush=True))
        except DeployError as error:
            print(error.what)
            sys.exit(error.exit_code)
        """)
    )


@pytest.fixture
def write_wheel(tmp_path: Path) -> Callable[..., Path]:
    """``write_wheel(content, name=..., listed=...)`` writes one into the test's folder."""
    return lambda *arguments, **named: wheel_file(tmp_path, *arguments, **named)

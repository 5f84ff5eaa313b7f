"""Without MNN's headers the runner is built by our own declarations, and they are MNN's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import _mnncengine
import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.bench import native_build, wire
from asymm_deploy.engines.tensors import TensorSpec

SOURCE = Path(__file__).parents[2] / "android_harness"
FAKE = SOURCE / "tests" / "fake_mnn"
ENGINE = Path(_mnncengine.__file__)
OLD_ABI = "-D_GLIBCXX_USE_CXX11_ABI=0"
PYTHON_RUNNER = (sys.executable, "-I", "-m", "asymm_deploy.bench.runner")
GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
two_ended (float[1,3,16,16] right, float[1,8,16,16] left)
    => (float[1,8,16,16] total, float[1,8,1,1] mean)
{
  convolved = Conv<pads=[1,1,1,1]>(right, weight)
  total = Add(convolved, left)
  mean = GlobalAveragePool(total)
}
"""
INPUTS = (TensorSpec("right", (1, 3, 16, 16)), TensorSpec("left", (1, 8, 16, 16)))
CONVERT = """
import sys, _tools
_tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--bizCode", "x",
                   "--modelFile", sys.argv[1], "--MNNModel", sys.argv[2]])
"""


def report(command: Sequence[str], model: Path) -> wire.RunnerReport:
    asked = wire.request(
        model=str(model),
        engine="mnn",
        runs=2,
        warmup=0,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=tuple(wire.input_argument(spec.name, spec.shape, spec.dtype) for spec in INPUTS),
        output_values=True,
    )
    ended = subprocess.run([*command, *asked], capture_output=True, timeout=60, check=False)
    return wire.parse_stream(ended.stdout)


@pytest.fixture(scope="module")
def two_ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with two inputs and two outputs, neither in the order of their names."""
    folder = tmp_path_factory.mktemp("two_ended")
    model = onnx.parser.parse_model(GRAPH)
    weight = np.random.default_rng(1).normal(size=(8, 3, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "weight"))
    onnx.save(model, folder / "model.onnx")
    files = [str(folder / "model.onnx"), str(folder / "model.mnn")]
    subprocess.run([sys.executable, "-I", "-c", CONVERT, *files], check=True, capture_output=True)
    return folder / "model.mnn"


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runner built with the engine of MNN's wheel and nothing else of MNN, not optimised."""
    for tool in ("cmake", "ninja", "c++"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    tree = tmp_path_factory.mktemp("declared")
    options = ["-DRUNNER_TESTS=OFF", "-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_CXX_FLAGS_RELEASE=-O0"]
    options += [f"-DMNN_LIBRARY={ENGINE}", f"-DCMAKE_INSTALL_PREFIX={tree / 'out'}"]
    for step in (
        ["--preset", "host", "-B", str(tree), "-G", "Ninja", *options],
        ["--build", str(tree)],
        ["--install", str(tree)],
    ):
        done = subprocess.run(
            ["cmake", *step], cwd=SOURCE, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return tree / "out" / native_build.PROGRAM


def test_outputs_are_the_python_runners(runner: Path, two_ended: Path) -> None:
    ours = report([str(runner)], two_ended)
    assert ours.output == report(PYTHON_RUNNER, two_ended).output
    assert set(ours.output.values or {}) == {"total", "mean"}


def test_an_engine_whose_tensors_lie_otherwise_in_memory_is_refused(
    runner: Path, tmp_path: Path, two_ended: Path
) -> None:
    """It says that it is of the declared version, and its classes are others."""
    program = tmp_path / runner.name
    program.write_bytes(runner.read_bytes())
    program.chmod(0o755)
    command = ["c++", "-std=c++17", "-shared", "-fPIC", f"-I{FAKE / 'include'}", OLD_ABI]
    engine = str(tmp_path / ENGINE.name)
    subprocess.run([*command, str(FAKE / "mnn.cpp"), "-o", engine], check=True, timeout=120)
    with pytest.raises(wire.RunnerError, match="don't lie in memory as this runner expects"):
        report([str(program)], two_ended)

"""Without MNN's headers the runner is built by our own declarations, and they are MNN's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import _mnncengine
import numpy as np
import pytest

from asymm_deploy.bench import native_build, wire
from asymm_deploy.bench.emulated.counted_stream import parse_counted_stream
from asymm_deploy.bench.observed.observed_stream import ObservedReport, parse_observed_stream
from asymm_deploy.bench.observed.operator_values import (
    OperatorInputs,
    OperatorValues,
    inputs_bytes,
    values_in,
)
from asymm_deploy.engines.tensors import TensorSpec
from tests.made_networks import (
    LOOPED,
    LOOPED_INPUTS,
    TWO_ENDED,
    TWO_ENDED_INPUTS,
    made_network,
)

SOURCE = Path(__file__).parents[2] / "android_harness"
FAKE = SOURCE / "tests" / "fake_mnn"
ENGINE = Path(_mnncengine.__file__)
OLD_ABI = "-D_GLIBCXX_USE_CXX11_ABI=0"
PYTHON_RUNNER = (sys.executable, "-I", "-m", "asymm_deploy.bench.runner")


def report(
    command: Sequence[str],
    model: Path,
    inputs: Sequence[TensorSpec] = TWO_ENDED_INPUTS,
    module_outputs: tuple[str, ...] | None = None,
) -> wire.RunnerReport:
    return wire.parse_stream(started(command, model, inputs, module_outputs))


def watched(
    command: Sequence[str],
    model: Path,
    inputs: Sequence[TensorSpec],
    module_outputs: tuple[str, ...] | None = None,
) -> ObservedReport:
    found = started(command, model, inputs, module_outputs, "--by-operator")
    return parse_observed_stream(found)


def values(
    runner: Path, model: Path, folder: Path, given: OperatorInputs
) -> tuple[OperatorValues, ...]:
    (folder / "given").write_bytes(inputs_bytes(given))
    files = ["--operator-values", str(folder / "made"), "--operator-inputs", str(folder / "given")]
    asked = (*files, "--count", "--by-operator")
    found = parse_counted_stream(started([str(runner)], model, TWO_ENDED_INPUTS, None, *asked))
    return values_in((folder / "made").read_bytes(), found.operators, found.shapes)


def started(
    command: Sequence[str],
    model: Path,
    inputs: Sequence[TensorSpec],
    module_outputs: tuple[str, ...] | None,
    *more: str,
) -> bytes:
    asked = wire.request(
        model=str(model),
        engine="mnn",
        runs=2,
        warmup=0,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=tuple(wire.input_argument(spec.name, spec.shape, spec.dtype) for spec in inputs),
        output_values=True,
        module_outputs=module_outputs,
    )
    asked += more
    return subprocess.run([*command, *asked], capture_output=True, timeout=60, check=False).stdout


@pytest.fixture(scope="module")
def two_ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_network(TWO_ENDED, tmp_path_factory.mktemp("two_ended") / "model.onnx")


@pytest.fixture(scope="module")
def looped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_network(LOOPED, tmp_path_factory.mktemp("looped") / "model.onnx")


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


@pytest.mark.parametrize("module_outputs", [None, ("total", "mean")], ids=["session", "module"])
def test_outputs_are_the_python_runners(
    runner: Path, two_ended: Path, module_outputs: tuple[str, ...] | None
) -> None:
    ours = report([str(runner)], two_ended, module_outputs=module_outputs)
    theirs = report(PYTHON_RUNNER, two_ended, module_outputs=module_outputs)
    assert ours.output == theirs.output
    assert set(ours.output.values or {}) == {"total", "mean"}


def test_a_loop_and_a_branch_run_as_in_the_python_runner(runner: Path, looped: Path) -> None:
    ours = report([str(runner)], looped, LOOPED_INPUTS, ("y",))
    assert ours.model.api == "module"
    assert ours.output == report(PYTHON_RUNNER, looped, LOOPED_INPUTS, ("y",)).output


def test_operators_are_the_python_runners(runner: Path, two_ended: Path) -> None:
    ours, theirs = (
        watched(command, two_ended, TWO_ENDED_INPUTS) for command in ([str(runner)], PYTHON_RUNNER)
    )
    assert ours.launch.output == theirs.launch.output
    for name in ("names", "types", "shapes", "flops_m"):
        assert getattr(ours.operators, name) == getattr(theirs.operators, name)


def test_operators_of_a_loop_are_timed_as_often_as_they_run(runner: Path, looped: Path) -> None:
    found = watched([str(runner)], looped, LOOPED_INPUTS, ("y",))
    plain = report([str(runner)], looped, LOOPED_INPUTS, ("y",))
    assert found.launch.output == plain.output
    assert len(set(found.operators.names)) < len(found.operators.names)
    assert all(shapes for shapes in found.operators.shapes)


def test_values_are_those_of_the_run_and_inputs_that_are_given_are_used(
    runner: Path, two_ended: Path, tmp_path: Path
) -> None:
    made = values(runner, two_ended, tmp_path, {})
    names = [each.name for each in made]
    convolved, total = names.index("convolved"), names.index("total")
    plain = report([str(runner)], two_ended)
    assert plain.output.values is not None
    assert made[total].outputs[0].tobytes() == plain.output.values["total"]

    left = made[total].outputs[0] - made[convolved].outputs[0]
    for given in (np.ones((1, 8, 16, 16), np.float32), left):
        at = names.index("total")
        changed = values(runner, two_ended, tmp_path, {(at, 0): given, (at, 1): given})
        np.testing.assert_array_equal(changed[convolved].outputs[0], made[convolved].outputs[0])
        np.testing.assert_array_equal(changed[total].outputs[0], given + given)
        mean = changed[-1].outputs[0].reshape(1, 8, 1, 1)
        np.testing.assert_allclose(mean, (given + given).mean((2, 3), keepdims=True), atol=1e-5)


def test_an_input_that_the_model_does_not_have_is_refused(
    runner: Path, two_ended: Path, tmp_path: Path
) -> None:
    with pytest.raises(wire.RunnerError, match="there is no operator 99 to give an input to"):
        values(runner, two_ended, tmp_path, {(99, 0): np.zeros(1, np.float32)})
    with pytest.raises(wire.RunnerError, match=r"has the shape \(1, .*\), and \(2, 3\) was given"):
        values(runner, two_ended, tmp_path, {(0, 0): np.zeros((2, 3), np.float32)})


def test_an_engine_whose_tensors_lie_otherwise_in_memory_is_refused(
    runner: Path, tmp_path: Path, two_ended: Path
) -> None:
    """It says that it is of the declared version, and its classes are others."""
    program = tmp_path / runner.name
    program.write_bytes(runner.read_bytes())
    program.chmod(0o755)
    command = ["c++", "-std=c++17", "-shared", "-fPIC", f"-I{FAKE / 'include'}", OLD_ABI]
    engine = str(tmp_path / ENGINE.name)
    sources = [str(FAKE / name) for name in ("mnn.cpp", "express.cpp")]
    subprocess.run([*command, *sources, "-o", engine], check=True, timeout=120)
    with pytest.raises(wire.RunnerError, match="don't lie in memory as this runner expects"):
        report([str(program)], two_ended)

"""The Python runner, for real: pinned, clean on the wire, true to its input, honest in refusals."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.bench import artifact as artifacts
from asymm_deploy.bench import wire
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.judge import output_error
from asymm_deploy.bench.runner.__main__ import _parse
from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.engines.tensors import Array, TensorSpec
from asymm_deploy.export.inputs import bench_inputs, recorded_bytes
from asymm_deploy.export.mnn import to_mnn

LINUX = platform.system() == "Linux"
COMMAND = [sys.executable, "-I", "-m", "asymm_deploy.bench.runner"]
CORES: tuple[int, ...] = (max(os.sched_getaffinity(0)),) if LINUX else ()


def request(
    artifact: Artifact, *extra: str, engine: str = "mnn", precision: str = "fp32"
) -> list[str]:
    path = artifact.path if engine == "mnn" else artifact.path.with_suffix(".onnx")
    asked = wire.request(
        model=str(path),
        engine=engine,
        runs=5,
        warmup=2,
        threads=1,
        precision=precision,
        cpus=CORES,
        inputs=tuple(
            wire.input_argument(spec.name, spec.shape, spec.dtype) for spec in artifact.inputs or ()
        ),
        output_values=True,
    )
    return [*COMMAND, *asked, *extra]


def started(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, check=False, capture_output=True, timeout=120)


def refusal(command: list[str]) -> str:
    """What a runner that gave up said; it must have ended with its code for that."""
    ended = started(command)
    assert ended.returncode == 3
    with pytest.raises(wire.RunnerError) as caught:
        wire.parse_stream(ended.stdout)
    return str(caught.value)


@pytest.mark.parametrize("engine", ["mnn", "onnxruntime"])
def test_it_reports_a_whole_launch(artifact: Artifact, engine: str) -> None:
    ended = started(request(artifact, engine=engine))
    assert ended.returncode == 0, ended.stderr
    report = wire.parse_stream(ended.stdout)
    assert (report.hello.runner, report.hello.engine) == ("python", engine)
    assert report.model.input_shape == (1, 3, 16, 16)
    assert (report.model.precision, report.model.threads) == ("fp32", 1)
    assert len(report.samples.ns) == 5
    assert sum(report.samples.ns) <= report.samples.wall_ns
    assert report.calibration.before_mac_per_s > 1e8
    if LINUX:
        assert report.cpu == wire.Cpu(asked=CORES, before=CORES[0], after=CORES[0])
        assert report.model.memory_mb is not None
        assert 5 < report.model.memory_mb < 500
        assert report.samples.waited_ns is not None


@pytest.mark.parametrize("engine", ["mnn", "onnxruntime"])
def test_it_computes_the_reference_from_inputs_in_the_order_given(
    artifact: Artifact, engine: str
) -> None:
    report = wire.parse_stream(started(request(artifact, engine=engine)).stdout)
    assert artifact.reference is not None
    assert report.output.values is not None
    assert set(report.output.values) == {"total", "mean"}
    error = output_error.compare_with_reference(
        artifact.reference, report.output.values, {}, "fp32"
    ).error
    assert error is not None
    assert error <= 1e-5


def test_another_seed_is_another_output_and_the_same_seed_the_same(artifact: Artifact) -> None:
    hashes = [
        wire.parse_stream(started(request(artifact, "--input-seed", seed)).stdout).output.sha256
        for seed in ("0", "0", "1")
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_what_mnn_prints_on_stdout_never_reaches_the_wire(artifact: Artifact) -> None:
    """MNN says which instructions the processor supports as soon as it starts."""
    aloud = started([sys.executable, "-c", f"import MNN; MNN.Interpreter({str(artifact.path)!r})"])
    assert b"The device supports" in aloud.stdout
    ended = started(request(artifact))
    assert b"The device supports" in ended.stderr
    assert [line[:8] for line in ended.stdout.splitlines()] == [b'{"type":'] * 7


def test_without_specs_it_takes_the_models_own_inputs(artifact: Artifact) -> None:
    bare = Artifact("bare", artifact.path, artifact.sha256)
    report = wire.parse_stream(started(request(bare)).stdout)
    # MNN's order is that of the names.
    assert report.model.input_shape == (1, 8, 16, 16)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="ARM has fp16 arithmetic")
def test_fp16_is_not_in_force_where_mnn_has_none(artifact: Artifact) -> None:
    report = wire.parse_stream(started(request(artifact, precision="fp16")).stdout)
    assert report.model.precision == "fp32"


@pytest.mark.skipif(not LINUX, reason="needs core affinity")
def test_a_refused_pin_ends_the_run(artifact: Artifact) -> None:
    assert "can't pin to core 4095" in refusal(request(artifact, "--cpu", "4095"))


def test_told_not_to_pin_it_does_not(artifact: Artifact) -> None:
    report = wire.parse_stream(started(request(artifact, "--cpu", "none")).stdout)
    assert report.cpu.asked == ()


@pytest.mark.parametrize("engine", ["mnn", "onnxruntime"])
@pytest.mark.parametrize("damage", ["half", "empty", "garbage", "gone"])
def test_a_damaged_model_is_refused(
    artifact: Artifact, tmp_path: Path, engine: str, damage: str
) -> None:
    suffix = ".mnn" if engine == "mnn" else ".onnx"
    whole = artifact.path.with_suffix(suffix).read_bytes()
    path = tmp_path / f"model{suffix}"
    contents = {"half": whole[: len(whole) // 2], "empty": b"", "garbage": b"\x07" * 5000}
    if damage in contents:
        path.write_bytes(contents[damage])
    damaged = Artifact("damaged", path, "", artifact.inputs)
    ended = started(request(damaged, engine=engine))
    # MNN may crash on some; that is no report either.
    assert ended.returncode != 0
    with pytest.raises(wire.WireError):
        wire.parse_stream(ended.stdout)


def test_inputs_that_the_model_does_not_have_are_refused(artifact: Artifact) -> None:
    said = refusal(request(artifact, "--input", "float32:1,3:extra"))
    assert "the model's inputs are" in said


def test_an_input_without_a_fixed_shape_is_refused(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> '
        "g (float[N,2] x) => (float[N,2] y) { y = Relu(x) }"
    )
    onnx.save(model, tmp_path / "model.onnx")
    free = Artifact("free", tmp_path / "model.mnn", "")
    assert "input 'x' has no fixed shape" in refusal(request(free, engine="onnxruntime"))


def test_arguments_that_it_does_not_know_are_refused_on_the_wire(artifact: Artifact) -> None:
    assert "unrecognized arguments: --faster" in refusal(request(artifact, "--faster"))
    assert "invalid choice: 'tflite'" in refusal(request(artifact, "--engine", "tflite"))


def test_it_does_not_outlive_whoever_started_it(artifact: Artifact) -> None:
    assert "the program that started the runner is gone" in refusal(
        request(artifact, "--die-with", "1")
    )


def test_numpy_never_starts_threads_of_its_own_beside_the_timed_ones(artifact: Artifact) -> None:
    arguments = request(artifact)[len(COMMAND) :]
    program = (
        "import os, sys\n"
        "for name in [name for name in os.environ if name.endswith('_THREADS')]:\n"
        "    del os.environ[name]\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numpy':\n"
        "            print('threads:', os.environ.get('OPENBLAS_NUM_THREADS'), file=sys.stderr)\n"
        "sys.meta_path.insert(0, Watch())\n"
        "from asymm_deploy.bench.runner import __main__ as program\n"
        f"assert program.main({arguments!r}) == 0\n"
    )
    ended = started([sys.executable, "-c", program])
    assert ended.returncode == 0, ended.stderr
    assert b"threads: 1" in ended.stderr.splitlines()


def test_a_bug_in_it_is_told_on_the_wire_too() -> None:
    broken = (
        "from asymm_deploy.bench.runner import __main__ as program\n"
        "program._parse = lambda argv: 1 / 0\n"
        "program.main([])"
    )
    ended = started([sys.executable, "-c", broken])
    assert ended.returncode == 1
    with pytest.raises(wire.RunnerError, match="ZeroDivisionError: division by zero"):
        wire.parse_stream(ended.stdout)
    assert b"Traceback" in ended.stderr


@pytest.mark.parametrize(
    ("engine", "unused"),
    [
        ("mnn", {"torch", "pandas", "onnx", "onnx_ir", "onnxsim", "onnxruntime", "rich"}),
        ("onnxruntime", {"torch", "pandas", "onnx", "onnx_ir", "onnxsim", "MNN", "rich"}),
    ],
)
def test_a_launch_imports_its_engine_and_no_other_heavy_package(
    artifact: Artifact, engine: str, unused: set[str]
) -> None:
    arguments = request(artifact, engine=engine)[len(COMMAND) :]
    program = (
        "import sys\n"
        "from asymm_deploy.bench.runner import __main__ as program\n"
        f"assert program.main({arguments!r}) == 0\n"
        f"print('found:', sorted({unused!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    ended = started([sys.executable, "-c", program])
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.splitlines()[-1] == b"found: []"


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_mnn_is_timed_on_small_integers(tmp_path: Path, kind: str) -> None:
    text = f"g ({kind}[1,64] x) => (float[1,64] y) {{ f = Cast<to=1>(x) y = Add(f, f) }}"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    onnx.save(model, tmp_path / "model.onnx")
    to_mnn(tmp_path / "model.onnx", tmp_path / "model.mnn")
    report = wire.parse_stream(started(request(Artifact("g", tmp_path / "model.mnn", ""))).stdout)

    (given,) = bench_inputs([TensorSpec("x", (1, 64), kind)]).values()
    assert report.output.values is not None
    found = np.frombuffer(report.output.values["y"], "<f4")
    np.testing.assert_array_equal(found, 2.0 * given[0].astype(np.float64))


def converted(folder: Path, text: str, **names: str) -> Path:
    """Write a graph in both formats, with other ``names`` for some inputs; return the .mnn file."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    for given in model.graph.input:
        given.name = names.get(given.name, given.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    onnx.save(model, folder / "model.onnx")
    to_mnn(folder / "model.onnx", folder / "model.mnn")
    return folder / "model.mnn"


OF_EVERY_TYPE: list[Array] = [
    np.array([[-1.5, 0.25, 3e5]], np.float32),
    np.array([[-1.5, 0.25, 3e4]], np.float16),
    np.array([[-1.5, 0.25, 3e5]], np.float64),
    np.array([[True, False, True]]),
    np.array([[0, 7, 255]], np.uint8),
    np.array([[-128, 7, 127]], np.int8),
    np.array([[-32768, 7, 32767]], np.int16),
    np.array([[-(2**31), 7, 2**31 - 1]], np.int32),
    np.array([[-(2**31), 7, 2**31 - 1]], np.int64),
]


@pytest.mark.parametrize("engine", ["mnn", "onnxruntime"])
@pytest.mark.parametrize("values", OF_EVERY_TYPE, ids=lambda values: values.dtype.name)
def test_a_recorded_input_of_every_type_is_what_it_runs_on(
    tmp_path: Path, engine: str, values: Array
) -> None:
    kind = {"float32": "float", "float64": "double"}.get(values.dtype.name, values.dtype.name)
    graph = f"g ({kind}[1,3] x) => (float[1,3] y) {{ f = Cast<to=1>(x) y = Add(f, f) }}"
    path = converted(tmp_path, graph)
    (tmp_path / "inputs.bin").write_bytes(recorded_bytes([values]))
    spec = TensorSpec("x", (1, 3), values.dtype.name)
    asked = request(Artifact("g", path, "", (spec,)), engine=engine)
    asked += ["--inputs-file", str(tmp_path / "inputs.bin")]
    report = wire.parse_stream(started(asked).stdout)

    assert report.output.values is not None
    found = np.frombuffer(report.output.values["y"], "<f4")
    np.testing.assert_array_equal(found, 2 * values[0].astype(np.float32))


@pytest.mark.parametrize("engine", ["mnn", "onnxruntime"])
def test_recorded_values_lie_in_the_order_of_the_inputs(tmp_path: Path, engine: str) -> None:
    graph = "g (float t, int64[2] a) => (float[2] y) { f = Cast<to=1>(a) y = Sub(f, t) }"
    path = converted(tmp_path, graph, t="s/t:0.b")
    specs = (TensorSpec("s/t:0.b", ()), TensorSpec("a", (2,), "int64"))
    values = [np.array(1.5, np.float32), np.array([-4, 70000])]
    (tmp_path / "inputs.bin").write_bytes(recorded_bytes(values))
    asked = request(Artifact("g", path, "", specs), engine=engine)
    asked += ["--inputs-file", str(tmp_path / "inputs.bin")]
    report = wire.parse_stream(started(asked).stdout)

    assert report.model.input_shape == ()
    assert report.output.values is not None
    assert list(np.frombuffer(report.output.values["y"], "<f4")) == [-5.5, 69998.5]


@pytest.mark.parametrize("missing", [-1, 1])
def test_an_inputs_file_of_another_size_is_refused(
    artifact: Artifact, tmp_path: Path, missing: int
) -> None:
    needed = 4 * (3 + 8) * 16 * 16
    (tmp_path / "inputs.bin").write_bytes(bytes(needed - missing))
    said = refusal(request(artifact, "--inputs-file", str(tmp_path / "inputs.bin")))
    assert f"the inputs file has {needed - missing} bytes, not the {needed} of the inputs" in said


def test_an_inputs_file_that_can_not_be_used_is_refused(artifact: Artifact) -> None:
    said = refusal(request(artifact, "--inputs-file", "/nowhere"))
    assert "can't read the inputs file: No such file" in said
    bare = Artifact("bare", artifact.path, artifact.sha256)
    assert "needs an --input" in refusal(request(bare, "--inputs-file", "/nowhere"))


def test_the_module_api_runs_what_it_is_told_of(artifact: Artifact) -> None:
    asked = request(artifact, "--api", "module", "--output", "total", "--output", "mean")
    report = wire.parse_stream(started(asked).stdout)
    assert report.model.api == "module"
    assert (report.model.precision, report.model.threads) == ("fp32", 1)
    assert artifact.reference is not None
    assert report.output.values is not None
    found = output_error.compare_with_reference(
        artifact.reference, report.output.values, {}, "fp32"
    )
    assert found.error is not None
    assert found.error <= 1e-5
    assert wire.parse_stream(started(request(artifact)).stdout).model.api == "session"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--api", "module"], "a module needs an --output"),
        (["--api", "other"], "invalid choice: 'other'"),
        (["--api", "module", "--output", "mean", "--engine", "onnxruntime"], "only mnn has"),
        (["--api", "module", "--output", "no such"], "MNN"),
        (["--input", "float32:1,3"], "argument --input: invalid input: 'float32:1,3'"),
        (["--input", "float32:1,x:y"], "invalid input: 'float32:1,x:y'"),
        (["--input", "float32:-1:y"], "invalid input: 'float32:-1:y'"),
        (["--input", "bfloat16:1:x"], "argument --input: unknown type: 'bfloat16'"),
    ],
)
def test_what_can_not_be_asked_is_refused(artifact: Artifact, more: list[str], why: str) -> None:
    assert why in refusal(request(artifact, *more))


def test_integers_go_in_and_out_as_numbers(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> '
        "g (int64[4] x) => (int64[4] y) <int64[1] two = {2}> { y = Mul(x, two) }"
    )
    onnx.save(model, tmp_path / "model.onnx")
    report = wire.parse_stream(
        started(request(Artifact("g", tmp_path / "model.mnn", ""), engine="onnxruntime")).stdout
    )
    assert report.output.values is not None
    assert set(np.frombuffer(report.output.values["y"], "<f4")) <= {0.0, 2.0}


def test_a_bare_file_with_a_branch_runs_on_what_the_file_says_of_itself(tmp_path: Path) -> None:
    graph = """g (bool[1] more, float[1,4] x) => (float[1,4] y) {
      one = Squeeze(more)
      y = If(one) <
        then_branch = a () => (float[1,4] u) { u = Add(x, x) },
        else_branch = b () => (float[1,4] v) { v = Mul(x, x) }
      >
    }"""
    bare = artifacts.bare(converted(tmp_path, graph))
    assert bare.api == "module"
    asked = request(bare, "--api", bare.api, *(f"--output={name}" for name in bare.output_names))
    report = wire.parse_stream(started(asked).stdout)
    assert report.model.api == "module"

    assert bare.inputs is not None
    given = bench_inputs(bare.inputs)
    x = given["x"].astype(np.float32)
    expected = x + x if given["more"].item() else x * x
    assert report.output.values is not None
    found = np.frombuffer(report.output.values["y"], "<f4")
    np.testing.assert_array_equal(found, expected[0])


REQUIRED = (
    *("--model", "m", "--engine", "mnn", "--runs", "1", "--warmup", "0", "--threads", "1"),
    *("--precision", "fp32", "--cpu", "none", "--input-seed", "0"),
)


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("--runs", "0", "not in 1..1000000: '0'"),
        ("--runs", "1000001", "not in 1..1000000: '1000001'"),
        ("--runs", "many", "invalid int value: 'many'"),
        ("--warmup", "-1", "not in 0..1000000: '-1'"),
        ("--threads", "0", "not in 1..65535: '0'"),
        ("--cpu", "1,65536", "not in 0..65535: '65536'"),
        ("--cpu", "1,", "invalid int value: ''"),
        ("--die-with", "0", "not in 1..2147483647: '0'"),
        ("--least-runs", "0", "not in 1..1000000: '0'"),
        ("--least-runs", "1000001", "not in 1..1000000: '1000001'"),
        ("--most-seconds", "0", "not a positive finite number: '0'"),
        ("--most-seconds", "-2.5", "not a positive finite number: '-2.5'"),
        ("--most-seconds", "inf", "not a positive finite number: 'inf'"),
        ("--most-seconds", "nan", "not a positive finite number: 'nan'"),
        ("--most-seconds", "soon", "invalid float value: 'soon'"),
        ("--starts", "both", "invalid choice: 'both' (choose from 'first', 'second')"),
    ],
)
def test_a_number_outside_its_bounds_is_refused(name: str, given: str, why: str) -> None:
    with pytest.raises(RefusedError) as caught:
        _parse([*REQUIRED, name, given])
    assert str(caught.value) == f"argument {name}: {why}"


def test_the_bounds_themselves_are_taken() -> None:
    pair = ("--second-model", "n", "--least-runs", "1000000", "--most-seconds", "1e-9")
    options = _parse([*REQUIRED, "--runs", "1000000", "--cpu", "0,65535", *pair])
    assert (options.runs, options.warmup, options.cpu) == (1_000_000, 0, (0, 65535))
    assert (options.least_runs, options.most_seconds) == (1_000_000, 1e-9)
    assert _parse(REQUIRED).most_seconds == float("inf")


@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_a_runner_asked_for_help_says_so_in_its_stream(asked: str) -> None:
    """It would end with 0 and no word of the protocol."""
    with pytest.raises(RefusedError, match="required"):
        _parse([asked])

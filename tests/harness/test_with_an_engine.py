"""The runner with an engine that has MNN's API: found, linked, run, and reported as it should be.

What a real MNN computes is compared by ``benchmarks/native_outputs.py``.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from asymm_deploy.bench import native_build, wire
from asymm_deploy.bench.cold.cold_stream import parse_cold_stream
from asymm_deploy.bench.emulated.counted_stream import parse_counted_stream
from asymm_deploy.bench.observed.observed_stream import parse_observed_stream
from asymm_deploy.bench.observed.operator_values import inputs_bytes, values_in
from asymm_deploy.bench.paired import pair_stream
from asymm_deploy.bench.sustained.second_stream import SecondReader
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.inputs import bench_inputs, recorded_bytes
from tests.bench.quick_builds import build_quickly

FAKE = Path(__file__).parents[2] / "android_harness" / "tests" / "fake_mnn"
COMPILE = ("c++", "-std=c++17", "-shared", "-fPIC", f"-I{FAKE / 'include'}")
INPUTS = (TensorSpec("y", (2,), "int32"), TensorSpec("x", (1, 4)))
"""Not in the order of their names, which is the engine's: seeds count in this one."""


WHOLE = ("mnn.cpp", "express.cpp")


def library(path: Path, *flags: str, sources: Sequence[str] = WHOLE) -> Path:
    """Compile the engine; ``express.cpp`` is its Module API."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [*COMPILE, *(str(FAKE / name) for name in sources), *flags, "-o", str(path)]
    subprocess.run(command, check=True, timeout=120)
    return path


@pytest.fixture(scope="session")
def like_a_wheel(shared: Path) -> Path:
    """A runner with an engine as MNN's wheel has it: old C++ ABI, no SONAME, part of Python."""
    folder = shared / "like-a-wheel"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            engine = library(
                shared / "wheel" / "_mnncengine.so", "-D_GLIBCXX_USE_CXX11_ABI=0", "-DWITH_PYTHON"
            )
            native_build.build_native_runner(
                "host", into=folder, mnn_include_dir=FAKE / "include", mnn_library=engine
            )
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.mnn"
    path.write_bytes(b"fake model")
    return path


def run(
    program: Path, model: Path, *more: str, precision: str = "fp32"
) -> subprocess.CompletedProcess[bytes]:
    asked = wire.request(
        model=str(model),
        engine="mnn",
        runs=5,
        warmup=2,
        threads=1,
        precision=precision,
        cpus=(max(os.sched_getaffinity(0)),),
        inputs=tuple(wire.input_argument(spec.name, spec.shape, spec.dtype) for spec in INPUTS),
        output_values=True,
    )
    return subprocess.run(
        [str(program), *asked, *more], capture_output=True, timeout=60, check=False
    )


def expected(seed: int) -> dict[str, bytes]:
    """What the engine computes, outputs in byte order of their names."""
    given = bench_inputs(INPUTS, seed)
    negative, total = np.negative(given["x"].astype("<f4")), np.float32(given["y"].sum())
    return {"negative": negative.tobytes(), "sum": total.tobytes()}


def test_a_launch_that_lasts_tells_of_its_seconds(like_a_wheel: Path, model: Path) -> None:
    more = ("--for-seconds", "1.1", "--every-ms", "20")
    ended = run(like_a_wheel / native_build.PROGRAM, model, *more)
    assert ended.returncode == 0, ended.stderr
    reader = SecondReader(1.1)
    seconds = reader.feed(ended.stdout)
    found = reader.finish()
    assert len(seconds) == 2
    assert found.sustained.runs + found.sustained.skipped == 55
    assert found.report.output.values == expected(0)
    assert seconds[0].core == max(os.sched_getaffinity(0))


def test_a_launch_is_whole_and_true_to_its_input(like_a_wheel: Path, model: Path) -> None:
    for seed in (0, 7):
        ended = run(like_a_wheel / native_build.PROGRAM, model, "--input-seed", str(seed))
        assert ended.returncode == 0, ended.stderr
        report = wire.parse_stream(ended.stdout)
        values = expected(seed)
        assert report.output.values == values
        assert report.output.sha256 == hashlib.sha256(b"".join(values.values())).hexdigest()
        assert report.hello.engine_version == "3.6.1"
        assert report.model.sha256 == hashlib.sha256(b"fake model").hexdigest()
        assert report.model.input_shape == INPUTS[0].shape
        assert (report.model.precision, report.model.threads) == ("fp32", 1)
        assert len(report.samples.ns) == 5
        core = max(os.sched_getaffinity(0))
        assert report.cpu == wire.Cpu(asked=(core,), before=core, after=core)


def test_a_cold_launch_is_whole_and_computes_the_same(like_a_wheel: Path, model: Path) -> None:
    program = like_a_wheel / native_build.PROGRAM
    warm = wire.parse_stream(run(program, model).stdout)
    for more, reads in (((), False), (("--stage-memory",), True)):
        report = parse_cold_stream(run(program, model, "--cold", *more).stdout)
        assert report.launch.output.values == warm.output.values
        assert report.launch.model.sha256 == hashlib.sha256(b"fake model").hexdigest()
        assert report.launch.model.init_ns == report.stages.create_ns
        assert (report.stages.pages, report.stages.core) == (1, max(os.sched_getaffinity(0)))
        assert (report.stages.memory is not None) == reads


def test_what_the_engine_prints_never_reaches_the_wire(like_a_wheel: Path, model: Path) -> None:
    ended = run(like_a_wheel / native_build.PROGRAM, model)
    assert b"the fake engine prints" in ended.stderr
    assert [line[:8] for line in ended.stdout.splitlines()] == [b'{"type":'] * 7


def test_an_input_may_come_from_a_file_and_outputs_go_to_one(
    like_a_wheel: Path, model: Path, tmp_path: Path
) -> None:
    given, taken = tmp_path / "input", tmp_path / "output"
    given.write_bytes(np.array([3, -4], "<f4").tobytes())  # y, the first input, is int32
    files = ("--input-file", str(given), "--output-file", str(taken))
    report = wire.parse_stream(run(like_a_wheel / native_build.PROGRAM, model, *files).stdout)
    assert report.output.values is not None
    assert np.frombuffer(report.output.values["sum"], "<f4") == -1
    assert taken.read_bytes() == b"".join(report.output.values.values())


MODULE = ("--api", "module", "--output", "negative", "--output", "sum")


@pytest.mark.parametrize("api", [(), MODULE], ids=["session", "module"])
def test_it_runs_on_the_recorded_input_by_either_interface(
    like_a_wheel: Path, model: Path, tmp_path: Path, api: tuple[str, ...]
) -> None:
    # What float32 would round: 2**24 + 1 and 2**31 - 1.
    y, x = np.array([2**24 + 1, -(2**24)], np.int32), np.array([[1.5, -2, 0, 3e30]], np.float32)
    (tmp_path / "inputs.bin").write_bytes(recorded_bytes([y, x]))
    more = ("--inputs-file", str(tmp_path / "inputs.bin"), *api)
    ended = run(like_a_wheel / native_build.PROGRAM, model, *more)
    assert ended.returncode == 0, ended.stdout
    report = wire.parse_stream(ended.stdout)
    assert report.output.values == {"negative": (-x).tobytes(), "sum": np.float32(1).tobytes()}
    assert report.model.api == ("module" if api else "session")
    assert (report.model.precision, report.model.threads) == ("fp32", 1)
    assert len(report.samples.ns) == 5


def test_both_interfaces_make_the_same_of_a_seed(like_a_wheel: Path, model: Path) -> None:
    ended = run(like_a_wheel / native_build.PROGRAM, model, *MODULE, "--input-seed", "7")
    assert wire.parse_stream(ended.stdout).output.values == expected(7)


@pytest.mark.parametrize("size", [0, 23, 25])
def test_an_inputs_file_of_another_size_is_refused(
    like_a_wheel: Path, model: Path, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "inputs.bin"
    path.write_bytes(bytes(size))
    ended = run(like_a_wheel / native_build.PROGRAM, model, "--inputs-file", str(path))
    why = f"the inputs file has {size} bytes, not the 24 of the inputs"
    with pytest.raises(wire.RunnerError, match=why):
        wire.parse_stream(ended.stdout)


def test_an_inputs_file_that_is_not_there_is_refused(like_a_wheel: Path, model: Path) -> None:
    ended = run(like_a_wheel / native_build.PROGRAM, model, "--inputs-file", "/nowhere")
    with pytest.raises(wire.RunnerError, match="can't read the inputs file: No such file"):
        wire.parse_stream(ended.stdout)


def test_an_output_that_a_module_does_not_have_is_refused(like_a_wheel: Path, model: Path) -> None:
    ended = run(like_a_wheel / native_build.PROGRAM, model, *MODULE, "--output", "other")
    with pytest.raises(wire.RunnerError, match="MNN's module stopped: it gives no output"):
        wire.parse_stream(ended.stdout)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, ...]:
    """A second model, on an input of its own by the other interface."""
    (tmp_path / "second.mnn").write_bytes(b"fake too")
    y, x = np.array([3, -4], np.int32), np.array([[1.5, -2, 0, 3e30]], np.float32)
    (tmp_path / "second.bin").write_bytes(recorded_bytes([x, y]))
    return (
        *("--second-model", str(tmp_path / "second.mnn")),
        *("--second-input", "float32:1,4:x", "--second-input", "int32:2:y"),
        *("--second-inputs-file", str(tmp_path / "second.bin"), "--second-api", "module"),
        *("--second-output", "sum", "--second-output", "negative"),
    )


@pytest.mark.parametrize("starts", ["first", "second"])
def test_two_models_are_timed_in_turns_each_on_its_own_input(
    like_a_wheel: Path, model: Path, pair: tuple[str, ...], starts: str
) -> None:
    ended = run(like_a_wheel / native_build.PROGRAM, model, *pair, "--starts", starts)
    assert ended.returncode == 0, ended.stdout
    report = pair_stream.parse_pair_stream(ended.stdout)
    assert report.first.model.sha256 == hashlib.sha256(b"fake model").hexdigest()
    assert report.second.model.sha256 == hashlib.sha256(b"fake too").hexdigest()
    assert (report.first.model.input_shape, report.second.model.input_shape) == ((2,), (1, 4))
    assert (report.first.model.api, report.second.model.api) == ("session", "module")
    assert report.first.output.values == expected(0)
    assert report.second.output.values == {
        "negative": np.array([-1.5, 2, -0.0, -3e30], "<f4").tobytes(),
        "sum": np.float32(-1).tobytes(),
    }
    begun = [report.pairs.first.start_ns, report.pairs.second.start_ns]
    early, late = begun if starts == "first" else reversed(begun)
    in_order = [start for each in zip(early, late, strict=True) for start in each]
    assert len(in_order) == 10
    assert in_order == sorted(in_order)
    assert report.pairs.second.cpu_ns is not None
    assert sum(report.pairs.second.cpu_ns) <= report.pairs.cpu_ns


def test_pairs_end_early_once_their_time_is_over(
    like_a_wheel: Path, model: Path, pair: tuple[str, ...]
) -> None:
    bounds = ("--runs", "1000000", "--most-seconds", "1e-9", "--least-runs", "4")
    ended = run(like_a_wheel / native_build.PROGRAM, model, *pair, *bounds)
    assert len(pair_stream.parse_pair_stream(ended.stdout).pairs.first.ns) == 4


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--second-model", "/nowhere"), "the second model: can't read the model: No such file"),
        (("--second-model", "{empty}"), "the second model: MNN can't load the model"),
        (("--model", "{empty}"), "the first model: MNN can't load the model"),
        (
            ("--second-output", "other"),
            "the second model: MNN's module stopped: it gives no output",
        ),
        (("--second-input", "float32:3:z"), "the second model: the inputs file has 24 bytes"),
        (("--input", "float32:3:z"), "the first model: the model's inputs are"),
        (("--inputs-file", "/nowhere"), "the first model: can't read the inputs file: No such"),
    ],
)
def test_of_two_models_the_one_that_is_refused_is_named(
    like_a_wheel: Path,
    model: Path,
    pair: tuple[str, ...],
    tmp_path: Path,
    more: tuple[str, ...],
    why: str,
) -> None:
    (tmp_path / "empty.mnn").write_bytes(b"")
    given = (word.format(empty=tmp_path / "empty.mnn") for word in more)
    ended = run(like_a_wheel / native_build.PROGRAM, model, *pair, *given)
    assert ended.returncode == 3
    with pytest.raises(wire.RunnerError, match=re.escape(why)):
        pair_stream.parse_pair_stream(ended.stdout)


def test_with_two_models_what_the_engine_prints_never_reaches_the_wire(
    like_a_wheel: Path, model: Path, pair: tuple[str, ...]
) -> None:
    ended = run(like_a_wheel / native_build.PROGRAM, model, *pair)
    assert b"the fake engine prints" in ended.stderr
    assert [line[:8] for line in ended.stdout.splitlines()] == [b'{"type":'] * 9


@pytest.mark.parametrize("name", ["--input-file", "--output-file"])
def test_a_file_for_one_model_is_refused_with_two(
    like_a_wheel: Path, model: Path, pair: tuple[str, ...], name: str
) -> None:
    ended = run(like_a_wheel / native_build.PROGRAM, model, *pair, name, "/nowhere")
    assert ended.returncode == 3
    with pytest.raises(wire.RunnerError, match=f"argument {name}: takes one model"):
        pair_stream.parse_pair_stream(ended.stdout)


def test_to_calibrate_takes_no_second_model_either(
    like_a_wheel: Path, pair: tuple[str, ...]
) -> None:
    command = [str(like_a_wheel / native_build.PROGRAM), "--calibrate", *pair]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert len(ended.stdout.splitlines()) == 4


def test_where_the_module_api_is_missing_a_model_of_its_is_refused(
    with_vulkan: Path, model: Path
) -> None:
    made = native_build.read(with_vulkan)
    assert set(made.files) == {native_build.PROGRAM, "libMNN.so", "libMNN_Vulkan.so"}
    program = with_vulkan / native_build.PROGRAM
    assert wire.parse_stream(run(program, model).stdout).output.values == expected(0)
    with pytest.raises(wire.RunnerError, match=r"this runner's MNN has none: put libMNN_Express"):
        wire.parse_stream(run(program, model, *MODULE).stdout)


def test_a_model_that_the_engine_refuses_is_refused(like_a_wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "model.mnn").write_bytes(b"\x07" * 500)
    ended = run(like_a_wheel / native_build.PROGRAM, tmp_path / "model.mnn")
    assert ended.returncode == 3
    with pytest.raises(wire.RunnerError, match="MNN can't load the model"):
        wire.parse_stream(ended.stdout)


def test_inputs_that_the_model_does_not_have_are_refused(like_a_wheel: Path, model: Path) -> None:
    ended = run(like_a_wheel / native_build.PROGRAM, model, "--input", "float32:3:z")
    with pytest.raises(wire.RunnerError, match="the model's inputs are"):
        wire.parse_stream(ended.stdout)


def test_the_record_beside_it_says_what_it_is(like_a_wheel: Path) -> None:
    made = native_build.read(like_a_wheel)
    assert (made.preset, made.mnn_version) == ("host", "3.6.1")
    assert set(made.files) == {native_build.PROGRAM, "_mnncengine.so"}


def test_a_library_of_another_version_than_the_headers_is_refused(
    like_a_wheel: Path, model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "moved"
    other.mkdir()
    program = other / native_build.PROGRAM
    program.write_bytes((like_a_wheel / native_build.PROGRAM).read_bytes())
    program.chmod(0o755)
    flags = ("-D_GLIBCXX_USE_CXX11_ABI=0", '-DFAKE_VERSION="3.7.0"')
    library(other / "_mnncengine.so", *flags)
    with pytest.raises(wire.RunnerError, match=r"headers of MNN 3\.6\.1, .* is MNN 3\.7\.0"):
        wire.parse_stream(run(program, model).stdout)


@pytest.mark.parametrize(
    ("what", "flag", "api"),
    [("tensors", "-DFAKE_LAYOUT", ()), ("variables", "-DFAKE_EXPRESS_LAYOUT", MODULE)],
)
def test_a_library_whose_classes_lie_otherwise_is_refused(
    like_a_wheel: Path, model: Path, tmp_path: Path, what: str, flag: str, api: Sequence[str]
) -> None:
    program = tmp_path / native_build.PROGRAM
    program.write_bytes((like_a_wheel / native_build.PROGRAM).read_bytes())
    program.chmod(0o755)
    library(tmp_path / "_mnncengine.so", "-D_GLIBCXX_USE_CXX11_ABI=0", flag)
    with pytest.raises(wire.RunnerError, match=f"{what} don't lie in memory as this runner"):
        wire.parse_stream(run(program, model, *api).stdout)


def test_a_run_by_operator_names_them_and_computes_the_same(
    like_a_wheel: Path, model: Path
) -> None:
    counting = ("--count", "--by-operator", "--input-seed", "7")
    ended = run(like_a_wheel / native_build.PROGRAM, model, *counting)
    assert ended.returncode == 0, ended.stdout
    report = parse_counted_stream(ended.stdout)
    assert report.operators == (("negative", "UnaryOp"), ("sum", "Reduction"))
    assert report.output.values == expected(7)


def test_a_module_is_run_by_operator_too(like_a_wheel: Path, model: Path) -> None:
    counting = (*MODULE, "--count", "--by-operator", "--input-seed", "7")
    ended = run(like_a_wheel / native_build.PROGRAM, model, *counting)
    assert ended.returncode == 0, ended.stdout
    report = parse_counted_stream(ended.stdout)
    assert report.operators == (("negative", "Fake"), ("sum", "Fake"))
    assert report.output.values == expected(7)


@pytest.mark.parametrize("api", [(), MODULE], ids=["session", "module"])
def test_operators_are_timed_by_either_interface(
    like_a_wheel: Path, model: Path, api: tuple[str, ...]
) -> None:
    ended = run(like_a_wheel / native_build.PROGRAM, model, *api, "--by-operator")
    assert ended.returncode == 0, ended.stdout
    report = parse_observed_stream(ended.stdout)
    assert report.launch.output.values == expected(0)
    assert len(report.launch.samples.ns) == 5
    assert report.operators.names == ("negative", "sum")
    if not api:  # its module tells of no tensors
        assert report.operators.shapes == (((1, 4),), ((1,),))
    assert report.operators.flops_m == (0.5, 0.5)


def test_operators_values_are_written_and_inputs_taken(
    like_a_wheel: Path, model: Path, tmp_path: Path
) -> None:
    given, made = tmp_path / "given", tmp_path / "made"
    given.write_bytes(inputs_bytes({(1, 0): np.array([30, -4], np.float32)}))  # kept as int32
    files = ("--operator-values", str(made), "--operator-inputs", str(given))
    ended = run(like_a_wheel / native_build.PROGRAM, model, "--by-operator", *files)
    assert ended.returncode == 0, ended.stdout
    report = parse_observed_stream(ended.stdout)
    assert report.launch.output.values == expected(0)
    found = report.operators
    operators = tuple(zip(found.names, found.types, strict=True))
    negative, total = values_in(made.read_bytes(), operators, found.shapes)
    assert negative.outputs[0].tobytes() == expected(0)["negative"]
    assert (total.name, total.type, total.outputs[0].tolist()) == ("sum", "Reduction", [26.0])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--operator-values", "/nowhere/v"), "can't write the operators' values: /nowhere/v"),
        (
            ("--operator-values", "{folder}/v", "--operator-inputs", "/nowhere/i"),
            "can't read the operators' inputs: No such file",
        ),
        (
            ("--operator-values", "{folder}/v", "--operator-inputs", "{folder}/model.mnn"),
            "the file of the operators' inputs is damaged",
        ),
    ],
)
def test_files_of_values_that_can_not_be_used_are_refused(
    like_a_wheel: Path, model: Path, tmp_path: Path, more: tuple[str, ...], why: str
) -> None:
    given = (word.format(folder=tmp_path) for word in more)
    ended = run(like_a_wheel / native_build.PROGRAM, model, "--by-operator", *given)
    with pytest.raises(wire.RunnerError, match=why):
        parse_observed_stream(ended.stdout)


def test_a_root_is_enough_and_what_the_library_needs_comes_along(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that MNN needs lies beside it, and one with its Module API."""
    root, core = tmp_path / "root", tmp_path / "root" / "lib" / "libcore.so"
    core.parent.mkdir(parents=True)
    source = tmp_path / "core.cpp"
    source.write_text("int core() { return 0; }\n", encoding="utf-8")
    subprocess.run(
        ["c++", "-shared", "-fPIC", "-Wl,-soname,libcore.so", str(source), "-o", str(core)],
        check=True,
        timeout=60,
    )
    lies_there = f"-L{core.parent}"
    express = root / "lib" / "libMNN_Express.so"
    library(express, "-Wl,-soname,libMNN_Express.so", sources=["express.cpp"])
    (root / "include").symlink_to(FAKE / "include")
    needs = ("-Wl,--no-as-needed", lies_there, "-lcore")
    library(root / "lib" / "libMNN.so", "-Wl,-soname,libMNN.so", *needs, sources=["mnn.cpp"])
    build_quickly(monkeypatch)
    made = native_build.build_native_runner("host", into=tmp_path / "out", mnn_root=root)
    libraries = {"libMNN.so", "libMNN_Express.so", "libcore.so"}
    assert set(made.files) == {native_build.PROGRAM, *libraries}
    for name in libraries:  # what counts is beside the program
        (root / "lib" / name).unlink()
    program = tmp_path / "out" / native_build.PROGRAM
    for api in ((), MODULE):
        assert wire.parse_stream(run(program, model, *api).stdout).output.values == expected(0)

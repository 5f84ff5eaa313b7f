"""The runner with an engine that has MNN's API: found, linked, run, and reported as it should be.

What a real MNN computes is compared by ``benchmarks/native_outputs.py``.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from asymm_deploy.bench import native_build, wire
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.inputs import bench_inputs

FAKE = Path(__file__).parents[2] / "android_harness" / "tests" / "fake_mnn"
COMPILE = ("c++", "-std=c++17", "-shared", "-fPIC", f"-I{FAKE / 'include'}")
INPUTS = (TensorSpec("y", (2,), "int32"), TensorSpec("x", (1, 4)))
"""Not in the order of their names, which is the engine's: seeds count in this one."""


def library(path: Path, *flags: str) -> Path:
    """Compile the engine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [*COMPILE, *flags, "-o", str(path), str(FAKE / "mnn.cpp")],
        check=True,
        timeout=120,
    )
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


def test_a_root_is_enough_and_what_the_library_needs_comes_along(
    tmp_path: Path, model: Path
) -> None:
    """Lay it out as a release: include/ and lib/, today's C++ ABI, a library beside it."""
    root = tmp_path / "root"
    (root / "include").parent.mkdir()
    (root / "include").symlink_to(FAKE / "include")
    (root / "lib").mkdir()
    source = tmp_path / "core.cpp"
    source.write_text("int core() { return 0; }\n", encoding="utf-8")
    core = root / "lib" / "libcore.so"
    subprocess.run(
        ["c++", "-shared", "-fPIC", "-Wl,-soname,libcore.so", str(source), "-o", str(core)],
        check=True,
        timeout=60,
    )
    library(
        root / "lib" / "libMNN.so",
        "-Wl,-soname,libMNN.so",
        "-Wl,--no-as-needed",
        f"-L{core.parent}",
        "-lcore",
    )
    made = native_build.build_native_runner("host", into=tmp_path / "out", mnn_root=root)
    assert set(made.files) == {native_build.PROGRAM, "libMNN.so", "libcore.so"}
    (root / "lib" / "libMNN.so").unlink()  # what counts is beside the program
    assert wire.parse_stream(
        run(tmp_path / "out" / native_build.PROGRAM, model).stdout
    ).output.values == (expected(0))

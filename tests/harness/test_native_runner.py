"""The native runner as a process: clean on the wire, and refusing as the Python runner does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

import asymm_deploy
from asymm_deploy.bench import wire
from asymm_deploy.bench.protocol import PROTOCOL

PYTHON = [sys.executable, "-I", "-m", "asymm_deploy.bench.runner"]
ASKED = wire.request(
    model="/nowhere/model.mnn",
    engine="mnn",
    runs=1,
    warmup=0,
    threads=1,
    precision="fp32",
    cpus=(),
    inputs=(),
    output_values=False,
)


def started(command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, timeout=120, check=False)


def refusal(command: Sequence[str]) -> str:
    """Return the reason that a runner gave up for; it must have ended with the code for that."""
    ended = started(command)
    assert ended.returncode == 3, ended.stderr
    with pytest.raises(wire.RunnerError) as caught:
        wire.parse_stream(ended.stdout)
    return str(caught.value)


@pytest.fixture(params=["host", "linux-arm64"])
def command(request: pytest.FixtureRequest, tree: Callable[[str], Any]) -> list[str]:
    """Starts the runner without MNN, emulated if need be."""
    found: list[str] = tree(request.param).command()
    return found


def test_it_calibrates_without_mnn(command: list[str]) -> None:
    core = max(os.sched_getaffinity(0))
    ended = started([*command, "--calibrate", "--cpu", str(core)])
    assert ended.returncode == 0, ended.stderr
    kinds = (wire.Hello, wire.Cpu, wire.Calibrated, wire.Done)
    hello, cpu, calibration, done = (
        msgspec.json.decode(line, type=kind)
        for line, kind in zip(ended.stdout.splitlines(), kinds, strict=True)
    )
    assert isinstance(hello, wire.Hello)
    assert (hello.protocol, hello.runner, hello.engine) == (PROTOCOL, "native", "mnn")
    assert (hello.runner_version, hello.engine_version) == (asymm_deploy.__version__, "none")
    assert cpu == wire.Cpu(asked=(core,), before=core, after=core)
    assert isinstance(calibration, wire.Calibrated)
    assert calibration.before_mac_per_s > 1e6
    assert done == wire.Done(count=0)


def test_without_mnn_a_model_is_refused_with_the_command_to_build_it_again(
    command: list[str],
) -> None:
    ended = started([*command, *ASKED])
    assert b'"type":"hello"' in ended.stdout.splitlines()[0]
    said = refusal([*command, *ASKED])
    assert "was built without MNN" in said
    assert "asymm-deploy runner build --mnn-root" in said


@pytest.mark.parametrize(
    "more",
    [
        ["--cpu", "4095"],
        ["--cpu", "0,4095"],
        ["--die-with", "1"],
        ["--faster"],
        ["--run", "3"],
        ["--model"],
        ["--model", "--runs"],
        ["--runs", "many"],
        ["--input-seed", "-"],
        ["--precision", "int8"],
        ["--input", "float32:1,3"],
        ["--input", "bfloat16:1,3:x"],
        ["--api", "other"],
        ["--api", "module"],
        ["--api", "module", "--output"],
        ["--runs", "0"],
        ["--runs", "1000001"],
        ["--runs", "9" * 30],
        ["--warmup", "-1"],
        ["--threads", "65536"],
        ["--cpu", "0,65536"],
        ["--die-with", "0"],
        ["--second-model"],
        ["--second-model", "m", "--second-input", "float32:1,3"],
        ["--second-model", "m", "--second-input", "bfloat16:1,3:x"],
        ["--second-model", "m", "--second-api", "other"],
        ["--second-model", "m", "--second-api", "module", "--output", "y"],
        ["--second-model", "m", "--api", "module", "--second-output", "y"],
        ["--starts", "both"],
        ["--least-runs", "0"],
        ["--least-runs", "1000001"],
        ["--least-runs", "2.5"],
        ["--most-seconds", "0"],
        ["--most-seconds", "-1"],
        ["--most-seconds", "1e999"],
        ["--most-seconds", "nan"],
        ["--most-seconds", "soon"],
        ["--most-seconds", ""],
        ["--stage-memory"],
        ["--cold", "--second-model", "m"],
        ["--cold", "--by-operator"],
        ["--cold", "--for-seconds", "9"],
    ],
)
def test_it_refuses_what_the_python_runner_refuses_in_the_same_words(
    more: list[str], tree: Callable[[str], Any]
) -> None:
    native = tree("host").command()
    assert refusal([*native, *ASKED, *more]) == refusal([*PYTHON, *ASKED, *more])


def test_what_is_missing_is_named_in_the_same_words(tree: Callable[[str], Any]) -> None:
    some = ["--model", "m", "--runs", "1"]
    native = tree("host").command()
    assert refusal([*native, *some]) == refusal([*PYTHON, *some])


def test_an_engine_that_it_does_not_have_is_refused(tree: Callable[[str], Any]) -> None:
    said = refusal([*tree("host").command(), *ASKED, "--engine", "onnxruntime"])
    assert "argument --engine: invalid choice: 'onnxruntime' (choose from 'mnn')" in said


def test_a_name_that_is_no_text_is_still_told_as_one(tree: Callable[[str], Any]) -> None:
    command = [os.fsencode(word) for word in tree("host").command()]
    ended = subprocess.run(
        [*command, b"--calibrate", b"--\xff\x1b[2J\n"], capture_output=True, timeout=60, check=False
    )
    assert ended.stdout.isascii()
    assert ended.stdout.count(b"\n") == 1
    with pytest.raises(wire.RunnerError, match="unrecognized arguments: --"):
        wire.parse_stream(ended.stdout)


def test_where_nobody_reads_it_ends(tree: Callable[[str], Any]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        ended = subprocess.run(
            [*tree("host").command(), "--calibrate"],
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert ended.returncode != 0

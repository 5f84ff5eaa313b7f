"""Both runners on other back ends than the CPU: what is asked for, what they say ran where.

The engine is the fake one; what a real MNN does was tried by hand (docs/backends.md).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from asymm_deploy.bench import native_build, wire
from asymm_deploy.bench.backends.backends_message import BackendsUsed
from asymm_deploy.bench.backends.elsewhere_stream import parse_stream_elsewhere

PYTHON_RUNNER = (sys.executable, "-I", "-m", "asymm_deploy.bench.runner")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.mnn"
    path.write_bytes(b"fake model")
    return path


def printed(command: Sequence[str], model: Path, *more: str, **variables: str) -> bytes:
    asked = wire.request(
        model=str(model),
        engine="mnn",
        runs=2,
        warmup=1,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=(),
        output_values=False,
    )
    whole = [*command, *asked, *more]
    ended = subprocess.run(
        whole, env={**os.environ, **variables}, capture_output=True, timeout=60, check=False
    )
    return ended.stdout


def ran(folder: Path, model: Path, backend: str, **variables: str) -> BackendsUsed:
    """What the native runner says ran where."""
    command = [str(folder / native_build.PROGRAM)]
    report = parse_stream_elsewhere(printed(command, model, "--backend", backend, **variables))
    assert report.backends is not None
    assert report.backends.asked == backend
    return report.backends


def test_the_library_of_a_back_end_goes_with_the_runner_and_is_loaded(
    with_vulkan: Path, model: Path
) -> None:
    assert (with_vulkan / "libMNN_Vulkan.so").is_file()  # so that it is pushed to phones
    used = ran(with_vulkan, model, "vulkan")
    assert (used.session, used.operators, used.loading) == ("vulkan", {"vulkan": 2}, None)
    assert used.elsewhere_types == ()


def test_the_device_that_a_driver_computes_on_is_told(with_vulkan: Path, model: Path) -> None:
    used = ran(with_vulkan, model, "vulkan")
    assert (used.driver, used.driver_is_cpu) == ("Fake GPU", False)
    used = ran(with_vulkan, model, "vulkan", FAKE_SOFTWARE="1")
    assert (used.operators, used.driver) == ({"vulkan": 2}, "fakepipe")
    assert used.driver_is_cpu
    used = ran(with_vulkan, model, "opencl")  # there is none
    assert (used.driver, used.driver_is_cpu) == (None, None)


def test_operators_that_fell_back_are_named(with_vulkan: Path, model: Path) -> None:
    used = ran(with_vulkan, model, "vulkan", FAKE_FALLS_BACK="1")
    assert (used.session, used.operators) == ("vulkan", {"cpu": 1, "vulkan": 1})
    assert (used.elsewhere_types, used.elsewhere_names) == (("Reduction",), ("sum",))


def test_a_back_end_that_is_not_there_is_told_with_what_the_loader_says(
    with_vulkan: Path, model: Path
) -> None:
    used = ran(with_vulkan, model, "opencl")
    assert (used.session, used.operators) == ("cpu", {"cpu": 2})
    assert used.loading is not None
    assert "libMNN_CL.so" in used.loading


def test_a_precision_that_nobody_tells_is_called_untold(with_vulkan: Path, model: Path) -> None:
    command = [str(with_vulkan / native_build.PROGRAM)]
    report = parse_stream_elsewhere(printed(command, model, "--backend", "vulkan"))
    assert (report.model.precision, report.model.threads) == ("untold", 1)


def test_an_mnn_whose_back_ends_lie_elsewhere_in_memory_is_refused(
    with_vulkan: Path, model: Path
) -> None:
    command = [str(with_vulkan / native_build.PROGRAM)]
    said = printed(command, model, "--backend", "vulkan", FAKE_BACKENDS="1")
    with pytest.raises(wire.RunnerError, match="doesn't tell this runner where operators run"):
        parse_stream_elsewhere(said)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--backend", "metal"), "argument --backend: invalid choice: 'metal'"),
        (("--by-operator",), "vulkan is for plain launches, and --by-operator is given"),
        (("--second-model", "x"), "vulkan is for plain launches, and --second-model is given"),
        (("--api", "module", "--output", "y"), "Module API doesn't tell where its operators run"),
        (("--threads", "2"), "--threads is of the CPU, and has to be 1 on vulkan"),
    ],
    ids=["another", "by operator", "pairs", "module", "threads"],
)
def test_both_runners_refuse_in_the_same_words_what_the_cpu_alone_does(
    with_vulkan: Path, model: Path, more: tuple[str, ...], why: str
) -> None:
    for command in ([str(with_vulkan / native_build.PROGRAM)], PYTHON_RUNNER):
        said = printed(command, model, "--backend", "vulkan", *more).decode()
        assert why in said, command

"""The Python runner starts a model cold, with both engines, and tells of each stage."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.cold.cold_stream import ColdReport, parse_cold_stream


def started(artifact: Artifact, engine: str, *more: str) -> ColdReport:
    path = artifact.path if engine == "mnn" else artifact.path.with_suffix(".onnx")
    asked = wire.request(
        model=str(path),
        engine=engine,
        runs=2,
        warmup=1,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=tuple(
            wire.input_argument(spec.name, spec.shape, spec.dtype) for spec in artifact.inputs or ()
        ),
        output_values=True,
    )
    command = [sys.executable, "-I", "-m", "asymm_deploy.bench.runner", *asked, "--cold", *more]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return parse_cold_stream(ended.stdout)


@pytest.mark.parametrize("engine", ["mnn", "onnxruntime"])
def test_it_goes_through_the_stages_and_computes_the_same(artifact: Artifact, engine: str) -> None:
    report = started(artifact, engine)
    stages = report.stages
    assert stages.engine_ns is not None
    assert stages.engine_ns > 0
    assert report.launch.model.init_ns == stages.create_ns
    assert stages.memory is None
    assert stages.pages > 0
    if engine == "mnn":
        assert report.launch.model.sha256 == artifact.sha256
    assert set(report.launch.output.values or ()) == set(artifact.reference or ())


def test_the_memory_grows_from_stage_to_stage(artifact: Artifact) -> None:
    memory = started(artifact, "mnn", "--stage-memory").stages.memory
    assert memory is not None
    found = [memory.engine, memory.read, memory.created, memory.first, memory.second]
    peaks = [reading.peak_mb for reading in found]
    assert None not in peaks
    assert peaks == sorted(peaks, key=float)  # type: ignore[arg-type]
    for reading in found:
        assert reading.rss_mb is not None
        assert reading.peak_mb is not None
        assert 5 < reading.rss_mb <= reading.peak_mb + 1

"""A model on a phone -> what each of its operators makes there."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

import msgspec

from asymm_deploy.bench import launch, wire
from asymm_deploy.bench.artifact import Artifact, artifact_changed
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.launch import Bench, Placed
from asymm_deploy.bench.observed.observed_stream import ObservedReport, parse_observed_stream
from asymm_deploy.bench.observed.operator_times import observing_bench
from asymm_deploy.bench.observed.operator_values import (
    OperatorInputs,
    OperatorValues,
    inputs_bytes,
    values_in,
)
from asymm_deploy.bench.plan import Plan

_NAME = "operator-values.part"
"""A bench removes what ends so, should something keep us from doing it."""
_FETCH = 'cat "$1"; code=$?; rm -f "$1"; exit $code'


def device_values(
    device: Device, artifact: Artifact, plan: Plan, given: OperatorInputs | None = None
) -> tuple[OperatorValues, ...]:
    """Run the artifact on its input on a device with the native runner; return its operators.

    ``given`` is as in ``emulated_values``. Of ``plan`` the numbers of runs and launches have no
    meaning. Raises WireError with the reason if there is no result, UsageError for a core that is
    not available, HarnessError if the device fails.
    """
    reason = artifact_changed(artifact)
    if reason is not None:
        raise wire.WireError(reason)
    bench = observing_bench(device, plan)
    with tempfile.TemporaryDirectory(prefix="asymm-values-") as name:
        files = list(artifact.files)
        if given:
            files.append(Path(name) / "given.bin")
            files[-1].write_bytes(inputs_bytes(given))
        with device.held(bench.cpus, files):
            model, *others = map(device.put, files)
            placed = Placed(model, None if artifact.inputs_file is None else others[0])
            on_host = isinstance(device, HostDevice)
            folder = PurePosixPath(name) if on_host else PurePosixPath(model).parent
            path = str(folder / _NAME)
            more = ["--by-operator", "--operator-values", path]
            more += ["--operator-inputs", others[-1]] if given else []
            report = _reported(bench, artifact, placed, more)
            fetched = device.run(
                ["sh", "-c", _FETCH, "sh", path], timeout_s=bench.plan.launch_timeout_s
            )
    if fetched.returncode != 0:
        raise wire.WireError("the operators' values did not arrive: the device may be full")
    found = report.operators
    operators = tuple(zip(found.names, found.types, strict=True))
    return values_in(fetched.stdout, operators, found.shapes, found.kept)


def _reported(bench: Bench, artifact: Artifact, placed: Placed, more: list[str]) -> ObservedReport:
    blank = msgspec.structs.replace(launch.blank(bench, artifact, 0, 0), runs=1, warmup=0)
    request = launch.request_of(bench, blank, artifact, placed, output_values=False)
    timeout_s = bench.plan.launch_timeout_s
    completed = bench.device.run([*bench.command, *request, *more], timeout_s=timeout_s)
    report = launch.reported(completed, timeout_s, parse_observed_stream)
    launch.require_as_asked(report.launch, blank, artifact.api)
    if report.launch.model.precision != blank.precision:
        raise wire.WireError(
            f"the device computes in {report.launch.model.precision}, not {blank.precision}"
        )
    return report

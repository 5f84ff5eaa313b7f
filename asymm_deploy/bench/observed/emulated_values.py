"""A model in the emulator -> what each of its operators makes, in fp16 as on a phone."""

from __future__ import annotations

import tempfile
from pathlib import Path

from asymm_deploy.bench import launch, wire
from asymm_deploy.bench.artifact import Artifact, artifact_changed
from asymm_deploy.bench.emulated.counted_stream import parse_counted_stream
from asymm_deploy.bench.emulated.emulated_run import (
    emulated_command,
    require_emulation,
    require_this_model,
)
from asymm_deploy.bench.emulated.emulator import DEFAULT_CPU, Emulator
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.observed.operator_values import (
    OperatorInputs,
    OperatorValues,
    inputs_bytes,
    values_in,
)
from asymm_deploy.bench.records import Precision

_TIMEOUT_S = 3600.0
_VALUES, _GIVEN = "values.bin", "given.bin"


def emulated_values(
    emulator: Emulator,
    artifact: Artifact,
    precision: Precision,
    given: OperatorInputs | None = None,
    *,
    cpu: str = DEFAULT_CPU,
    host: HostDevice | None = None,
) -> tuple[OperatorValues, ...]:
    """Run the artifact on its input in the emulator; return its operators as they ran.

    ``given`` puts other values into inputs of operators just before they run: an operator that gets
    the reference's inputs shows its own error. Nothing is counted, which would take ten times as
    long. Raises WireError with the reason if there is no result.
    """
    reason = artifact_changed(artifact)
    if reason is not None:
        raise wire.WireError(reason)
    try:
        with tempfile.TemporaryDirectory(prefix="asymm-values-") as name:
            return _run(emulator, artifact, precision, given, cpu, host or HostDevice(), Path(name))
    except OSError as error:
        raise wire.WireError(f"can't run in the emulator: {error.strerror or error}") from error


def _run(
    emulator: Emulator,
    artifact: Artifact,
    precision: Precision,
    given: OperatorInputs | None,
    cpu: str,
    host: HostDevice,
    folder: Path,
) -> tuple[OperatorValues, ...]:
    more = ["--operator-values", _VALUES]
    if given:
        (folder / _GIVEN).write_bytes(inputs_bytes(given))
        more += ["--operator-inputs", _GIVEN]
    command = emulated_command(
        emulator, artifact, folder, precision=precision, cpu=cpu, warmup=0, more=more
    )
    completed = host.run(command, timeout_s=_TIMEOUT_S)
    require_emulation(completed, cpu, _TIMEOUT_S)
    report = launch.reported(completed, _TIMEOUT_S, parse_counted_stream)
    require_this_model(report, emulator, artifact)
    if report.model.precision != precision:
        raise wire.WireError(f"the emulator computes in {report.model.precision}, not {precision}")
    return values_in((folder / _VALUES).read_bytes(), report.operators, report.shapes, report.kept)

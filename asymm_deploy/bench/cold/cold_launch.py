"""One cold launch of one artifact -> its record, whatever comes of it."""

from __future__ import annotations

import msgspec

from asymm_deploy.bench import launch, wire
from asymm_deploy.bench.artifact import Artifact, artifact_changed
from asymm_deploy.bench.cold.cold_records import ColdPass, ColdRecord, StageTimes
from asymm_deploy.bench.cold.cold_rows import cold_judged
from asymm_deploy.bench.cold.cold_stream import ColdReport, ToldStages, parse_cold_stream
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.bench.launch import Bench, Placed
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import ExitCode


def put_and_launch_cold(
    bench: Bench,
    blank: ColdRecord,
    artifact: Artifact,
    placed: Placed | None,
    first: LaunchRecord | None,
) -> tuple[ColdRecord, Placed | None]:
    """Launch ``artifact``; return ``blank`` filled in and judged, and where its files are.

    ``placed`` and ``first`` are as in ``launch.put_and_launch``: what an earlier launch put there,
    and the launch whose output was compared with the reference.
    """
    if placed is None:
        reason = artifact_changed(artifact)
        if reason is not None:
            return failed_cold(blank, reason), None
        model, *inputs = map(bench.device.put, artifact.files)
        placed = Placed(model, inputs[0] if inputs else None)
    return _launched(bench, blank, artifact, placed, first), placed


def failed_cold(
    blank: ColdRecord, reason: str, exit_code: ExitCode = ExitCode.HARNESS
) -> ColdRecord:
    """Return the record of a launch without a result; ``reason`` becomes one short line."""
    return msgspec.structs.replace(blank, launch=launch.failed(blank.launch, reason, exit_code))


def _launched(
    bench: Bench,
    blank: ColdRecord,
    artifact: Artifact,
    placed: Placed,
    first: LaunchRecord | None,
) -> ColdRecord:
    compares = first is None and artifact.reference is not None
    asked = launch.request_of(bench, blank.launch, artifact, placed, output_values=compares)
    asked += ["--cold", "--stage-memory"] if blank.kind == "memory" else ["--cold"]
    timeout_s = bench.plan.launch_timeout_s
    completed = bench.device.run([*bench.command, *asked], timeout_s=timeout_s)
    try:
        report = launch.reported(completed, timeout_s, parse_cold_stream)
        launch.require_as_asked(report.launch, blank.launch, artifact.api)
        _require_as_asked(report, blank.kind)
        _require_within_process(report, completed.elapsed_ns)
    except wire.WireError as error:
        return failed_cold(blank, str(error))
    record = launch.finished(blank.launch, artifact, report.launch, first, completed)
    return _with_stages(blank, record, report.stages)


def _with_stages(blank: ColdRecord, record: LaunchRecord, told: ToldStages) -> ColdRecord:
    """Return the record with its stages, judged."""
    if record.error is not None:
        return msgspec.structs.replace(blank, launch=record)
    times = StageTimes(
        engine_ns=told.engine_ns,
        read_ns=told.read_ns,
        create_ns=told.create_ns,
        first_ns=told.first_ns,
        second_ns=told.second_ns,
        read_cpu_ns=told.read_cpu_ns,
        create_cpu_ns=told.create_cpu_ns,
        first_cpu_ns=told.first_cpu_ns,
        second_cpu_ns=told.second_cpu_ns,
        wall_ns=told.wall_ns,
        cpu_ns=told.cpu_ns,
        waited_ns=told.waited_ns,
        steal_ns=told.steal_ns,
    )
    known = msgspec.structs.replace(
        blank,
        stages=times if blank.kind == "times" else None,
        memory=told.memory if blank.kind == "memory" else None,
        pages=told.pages,
        resident=told.resident,
        major_faults=told.major_faults,
    )
    strayed = record.cpus and told.core is not None and told.core not in record.cpus
    return cold_judged(known, record, ["wrong-core"] if strayed else [])


def _require_as_asked(report: ColdReport, kind: ColdPass) -> None:
    """Raise WireError if a runner read the memory unasked, or did not where it was asked to."""
    if (report.stages.memory is not None) != (kind == "memory"):
        done = "read the memory where it was to time" if kind == "times" else "read no memory"
        raise wire.WireError(f"the runner {done}")


def _require_within_process(report: ColdReport, process_ns: int | None) -> None:
    """Raise WireError if the stages and the loop took longer than the process lived."""
    inside_ns = report.stages.wall_ns + report.launch.samples.wall_ns
    if process_ns is not None and plausibility.is_longer(inside_ns, process_ns):
        raise wire.WireError(
            f"{wire.MADE_UP}: its stages and its runs are said to take {inside_ns / 1e9:.3g} s, "
            f"and its process lived for {process_ns / 1e9:.3g} s"
        )

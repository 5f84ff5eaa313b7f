"""One launch of one artifact -> its record, whatever comes of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from asymm_deploy.bench import flags, wire
from asymm_deploy.bench.artifact import Artifact, Missing, artifact_changed
from asymm_deploy.bench.backends import fallback
from asymm_deploy.bench.backends.elsewhere_stream import parse_stream_elsewhere
from asymm_deploy.bench.device import Completed, Device
from asymm_deploy.bench.judge import launch_output, plausibility, verdicts
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import (
    Calibration,
    Command,
    DeviceFacts,
    LaunchRecord,
    line_version,
)
from asymm_deploy.errors import ExitCode
from asymm_deploy.export.mnn import Api
from asymm_deploy.safe import excerpt

ReportT = TypeVar("ReportT")
_UNKNOWN_TO_IT = "unrecognized arguments"
BUILD_ANEW = "an older runner: `asymm-deploy runner build`; android_harness/PROTOCOL.md for others"


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an artifact's files are on the device."""

    model: str
    inputs: str | None
    """The recorded input; None if the seed makes it."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all launches of one bench have in common."""

    device: Device
    plan: Plan
    plan_id: str
    facts: DeviceFacts
    cpus: tuple[int, ...]
    """The cores to pin to, one per thread; none if the device can't pin."""
    command: tuple[str, ...]
    """Starts the runner."""
    written_by: Command | None
    """Which command makes the launches."""


def launch(
    bench: Bench,
    blank: LaunchRecord,
    artifact: Artifact,
    placed: Placed,
    first: LaunchRecord | None,
) -> LaunchRecord:
    """Run ``artifact``, ``placed`` on the device, and return ``blank`` filled in and judged.

    ``first`` is the finished launch whose output was compared with the reference. If there is
    none, this launch's output is compared; on other back ends than the CPU that of each launch,
    since a launch may choose other kernels. Raises only what the device raises: HarnessError, or
    KeyboardInterrupt.
    """
    looks = launch_output.is_looked_at(blank, artifact, first)
    arguments = request_of(bench, blank, artifact, placed, output_values=looks)
    timeout_s = bench.plan.launch_timeout_s
    completed = bench.device.run([*bench.command, *arguments], timeout_s=timeout_s)
    try:
        on_cpu = blank.backend == fallback.CPU
        parse = wire.parse_stream if on_cpu else parse_stream_elsewhere
        report = reported(completed, timeout_s, parse)
        require_as_asked(report, blank, artifact.api)
    except wire.WireError as error:
        return failed(blank, str(error))
    return finished(blank, artifact, report, first, completed)


def request_of(
    bench: Bench, blank: LaunchRecord, artifact: Artifact, placed: Placed, *, output_values: bool
) -> list[str]:
    """Return the runner's arguments for a launch of ``artifact``."""
    asked = model_request(artifact, placed)
    return wire.request(
        model=asked.model,
        engine=blank.engine,
        runs=blank.runs,
        warmup=blank.warmup,
        threads=blank.threads,
        precision=blank.precision,
        cpus=bench.cpus,
        inputs=asked.inputs,
        output_values=output_values,
        inputs_file=asked.inputs_file,
        module_outputs=asked.module_outputs,
        backend=blank.backend,
    )


def model_request(artifact: Artifact, placed: Placed) -> wire.ModelRequest:
    """Return what the runner has to know about ``artifact``."""
    specs = artifact.inputs or ()
    return wire.ModelRequest(
        placed.model,
        tuple(wire.input_argument(spec.name, spec.shape, spec.dtype) for spec in specs),
        placed.inputs,
        artifact.output_names if artifact.api == "module" else None,
    )


def finished(
    blank: LaunchRecord,
    artifact: Artifact,
    report: wire.RunnerReport,
    first: LaunchRecord | None,
    completed: Completed,
) -> LaunchRecord:
    """Return ``blank`` with what was reported, judged; ``first`` is as in ``launch``."""
    record = _with_report(blank, report, completed)
    made_up = plausibility.told_too_long(record)
    if made_up is not None:
        return failed(blank, f"{wire.MADE_UP}: {made_up}")
    if report.backends is not None:
        record = fallback.with_backends(record, report.backends)
    values = report.output.values
    if values is not None and launch_output.is_looked_at(record, artifact, first):
        record = launch_output.with_output(record, artifact, values)
    found = verdicts.launch_flags(
        record, verified_by=first, verifiable=artifact.reference is not None
    )
    if artifact.tolerance_raised:
        found.append("tolerance-raised")
    if artifact.is_variant:
        found.append("variant")
    return verdicts.judged_with(record, [*found, *completed.flags])


def put_and_launch(
    bench: Bench,
    blank: LaunchRecord,
    artifact: Artifact,
    placed: Placed | None,
    first: LaunchRecord | None,
) -> tuple[LaunchRecord, Placed | None]:
    """Launch ``artifact``; return the record, and where its files are on the device.

    ``placed`` is where an earlier launch put them. If it is None, the files are compared with their
    hashes and put there first; a file that has changed fails the launch.
    """
    if placed is None:
        reason = artifact_changed(artifact)
        if reason is not None:
            return failed(blank, reason), None
        model, *inputs = map(bench.device.put, artifact.files)
        placed = Placed(model, inputs[0] if inputs else None)
    return launch(bench, blank, artifact, placed, first), placed


def blank(
    bench: Bench, subject: Artifact | Missing, attempt: int, launch_number: int
) -> LaunchRecord:
    """Return the record of a launch that has not started."""
    plan = bench.plan
    known = subject if isinstance(subject, Artifact) else None
    return LaunchRecord(
        schema_version=line_version(plan.backend),
        written_by=bench.written_by,
        model=subject.model,
        network=subject.network,
        scale=subject.scale,
        multiplier=subject.multiplier,
        madds=known.madds if known else None,
        params=known.params if known else None,
        input_shape=subject.input_shape,
        classes=subject.classes,
        floor_madds=known.floor_madds if known else None,
        artifact_file=known.path.name if known else "",
        artifact_sha256=known.sha256 if known else "",
        inputs_sha256=known.inputs_sha256 if known else None,
        device=bench.facts.device,
        device_facts=bench.facts,
        cpu=next(iter(bench.cpus), None),
        cpus=bench.cpus,
        cpu_before=None,
        cpu_after=None,
        engine=plan.engine,
        engine_version=None,
        runner=None,
        runner_version=None,
        precision=plan.precision,
        precision_in_force=None,
        threads=plan.threads,
        backend=plan.backend,
        plan_id=bench.plan_id,
        attempt=attempt,
        launch=launch_number,
        launches_planned=plan.launches,
        runs=plan.runs_of(launch_number),
        warmup=plan.warmup,
        samples_ns=(),
        init_ns=None,
        peak_memory_mb=None,
        calibration=None,
        wall_ns=None,
        off_core_ns=None,
        waited_ns=None,
        steal_ns=None,
        output_sha256=None,
        output_error=None,
        output_tolerance=None,
        valid=False,
        flags=(),
        allowed=plan.allow,
        error=None,
        exit_code=ExitCode.OK,
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def failed(
    blank: LaunchRecord, reason: str, exit_code: ExitCode = ExitCode.HARNESS
) -> LaunchRecord:
    """Return the record of a launch without a result; ``reason`` becomes one short line."""
    return msgspec.structs.replace(
        blank, flags=(flags.FAILED,), error=excerpt(reason), exit_code=exit_code
    )


def allowing(record: LaunchRecord, allowed: tuple[str, ...]) -> LaunchRecord:
    """Return the record of a finished launch, judged again with these flags allowed."""
    return verdicts.judged_with(msgspec.structs.replace(record, allowed=allowed), record.flags)


def reported(completed: Completed, timeout_s: float, parse: Callable[[bytes], ReportT]) -> ReportT:
    """Return what the runner reported; raise WireError with the reason if that is no result."""
    if completed.timed_out:
        raise wire.WireError(
            f"the runner was not finished within {timeout_s:g} s and was killed "
            "(--launch-timeout gives it longer)"
        )
    if completed.flooded:
        raise wire.WireError("the runner printed without end and was killed")
    lines = completed.stderr.strip().splitlines()
    last = f": {excerpt(lines[-1])}" if lines else ""
    code = completed.returncode
    if code < 0:
        raise wire.WireError(f"the runner was ended by {_signal_name(-code)}{last}")
    try:
        report = parse(completed.stdout)
    except wire.RunnerError as error:
        if _UNKNOWN_TO_IT in str(error):
            raise wire.RunnerError(f"{error} ({BUILD_ANEW})") from error
        raise  # the runner itself said why
    except wire.WireError:
        if code == 0:
            raise
        raise wire.WireError(f"the runner ended with code {code}{last}") from None
    if code != 0:
        raise wire.WireError(f"the runner reported, and then ended with code {code}{last}")
    return report


def require_as_asked(report: wire.RunnerReport, blank: LaunchRecord, api: Api) -> None:
    """Raise WireError if the runner did something other than it was asked to."""
    on_cpu = blank.backend == fallback.CPU
    for what, found, asked in (
        ("engine", report.hello.engine, blank.engine),
        ("model file (SHA-256)", report.model.sha256, blank.artifact_sha256),
        # MNN that falls back to the CPU takes as many threads as it likes.
        *([("number of threads", report.model.threads, blank.threads)] if on_cpu else []),
        *([("back end", report.backends.asked, blank.backend)] if report.backends else []),
        ("number of runs", len(report.samples.ns), blank.runs),
        ("set of cores", report.cpu.asked, blank.cpus),
        ("interface of the engine", report.model.api or "session", api),
    ):
        if found != asked:
            raise wire.WireError(
                f"the runner used another {what} than asked: {excerpt(str(found))}, not {asked}"
            )


def _with_report(
    blank: LaunchRecord, report: wire.RunnerReport, completed: Completed
) -> LaunchRecord:
    """Return the record with what the runner and the device reported, not judged yet."""
    samples = report.samples
    return msgspec.structs.replace(
        blank,
        cpu_before=report.cpu.before,
        cpu_after=report.cpu.after,
        engine_version=excerpt(report.hello.engine_version),
        runner=excerpt(report.hello.runner),
        runner_version=excerpt(report.hello.runner_version),
        precision_in_force=excerpt(report.model.precision),
        api=report.model.api,
        samples_ns=samples.ns,
        init_ns=report.model.init_ns,
        peak_memory_mb=report.model.memory_mb,
        calibration=Calibration(
            report.calibration.before_mac_per_s, report.calibration.after_mac_per_s
        ),
        wall_ns=samples.wall_ns,
        off_core_ns=max(0, samples.wall_ns - samples.cpu_ns),
        waited_ns=samples.waited_ns,
        steal_ns=samples.steal_ns,
        output_sha256=report.output.sha256,
        process_ns=completed.elapsed_ns,
        conditions=completed.conditions,
    )


def is_unknown_argument(error: wire.WireError, name: str) -> bool:
    """Whether the runner refused its arguments because it doesn't know ``name``."""
    return (
        isinstance(error, wire.RunnerError) and _UNKNOWN_TO_IT in str(error) and name in str(error)
    )


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"

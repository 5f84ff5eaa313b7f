"""One model on the emulator -> its counts, its output compared with the reference."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import msgspec

from asymm_deploy.bench import flags, launch, wire
from asymm_deploy.bench.artifact import Artifact, artifact_changed
from asymm_deploy.bench.emulated.count_file import CountedRuns, CountFileError, parse_counts
from asymm_deploy.bench.emulated.counted_stream import CountedReport, parse_counted_stream
from asymm_deploy.bench.emulated.counts import CostRecord, OperatorCounts
from asymm_deploy.bench.emulated.emulated_run import (
    emulated_command,
    require_emulation,
    require_this_model,
)
from asymm_deploy.bench.emulated.emulator import DEFAULT_CPU, Emulator
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.judge import output_error
from asymm_deploy.bench.records import Precision
from asymm_deploy.locks import scratch_folder
from asymm_deploy.safe import excerpt

_COUNTS = "counts"
_SCRATCH = "asymm-counted-"
_WARM_UP = 1
"""The first run computes what the engine prepares on demand; it differs by up to 0.03 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPlan:
    """How to count."""

    precision: Precision = "fp32"
    cpu: str = DEFAULT_CPU
    caches: bool = True
    """Whether misses of caches are counted: that takes twice as long."""
    timeout_s: float = 3600.0


def count_models(
    emulator: Emulator,
    artifacts: Sequence[Artifact],
    plan: CountPlan,
    *,
    jobs: int,
    on_counted: Callable[[CostRecord], None],
) -> list[CostRecord]:
    """Count each model, ``jobs`` at a time, and return the records in the models' order.

    Counts don't depend on what else runs. ``on_counted`` gets each record as it is made, in the
    caller's thread. What that raises, and Ctrl-C, kills what still runs.
    """
    host = HostDevice()
    pool = ThreadPoolExecutor(max(1, min(jobs, len(artifacts))))
    try:
        running = [pool.submit(count_model, emulator, each, plan, host) for each in artifacts]
        for done in as_completed(running):
            on_counted(done.result())
        return [each.result() for each in running]
    finally:
        for each in running:
            each.cancel()
        host.end_all()
        pool.shutdown(wait=True)


def count_model(
    emulator: Emulator, artifact: Artifact, plan: CountPlan, host: HostDevice
) -> CostRecord:
    """Run ``artifact`` once after a warm-up, and once operator by operator; count both.

    The session is one for debugging then. It executes the very instructions of one for release; its
    tensors lie elsewhere, so that misses differ by up to 0.12 %.
    Nothing that a program can see of this machine reaches it: no environment, no path, no name of
    a folder. Whatever fails becomes a record that says why; only KeyboardInterrupt is raised.
    """
    blank = CostRecord(
        model=artifact.model,
        artifact_sha256=artifact.sha256,
        inputs_sha256=artifact.inputs_sha256,
        classes=artifact.classes,
        input_shape=artifact.input_shape,
        precision=plan.precision,
        key=emulator.key(plan.cpu),
        counts=None,
        operators=None,
        output_sha256=None,
        relative_error=None,
        flags=(flags.FAILED,),
        valid=False,
    )
    reason = artifact_changed(artifact)
    if reason is not None:
        return _failed(blank, reason)
    try:
        with scratch_folder(Path(tempfile.gettempdir()), _SCRATCH) as folder:
            found = _run(emulator, artifact, folder, plan, host)
    except wire.WireError as error:
        return _failed(blank, str(error))
    except OSError as error:
        return _failed(blank, f"can't count: {error.strerror or error}")
    return _judged(blank, artifact, found)


@dataclass(frozen=True, slots=True)
class _Found:
    report: CountedReport
    counted: CountedRuns


def _run(
    emulator: Emulator,
    artifact: Artifact,
    folder: Path,
    plan: CountPlan,
    host: HostDevice,
) -> _Found:
    """Run the program in ``folder``; raise WireError with the reason if it gives no result."""
    # QEMU would split the path of a folder at its commas.
    (folder / "p.so").symlink_to(emulator.plugin)
    plugin = f"./p.so,out={_COUNTS},caches={'on' if plan.caches else 'off'}"
    command = emulated_command(
        emulator,
        artifact,
        folder,
        precision=plan.precision,
        cpu=plan.cpu,
        warmup=_WARM_UP,
        plugin=plugin,
    )
    completed = host.run(command, timeout_s=plan.timeout_s)
    require_emulation(completed, plan.cpu, plan.timeout_s)
    report = launch.reported(completed, plan.timeout_s, parse_counted_stream)
    require_this_model(report, emulator, artifact)
    try:
        counted = parse_counts((folder / _COUNTS).read_bytes())
    except (OSError, CountFileError) as error:
        raise wire.WireError(f"the emulator wrote no whole file of counts: {error}") from error
    if len(counted.runs) != 1 or len(counted.operators) != len(report.operators):
        raise wire.WireError(
            f"the emulator saw {len(counted.runs)} runs and {len(counted.operators)} operators, "
            f"and the runner made 1 and {len(report.operators)}"
        )
    return _Found(report, counted)


def _judged(blank: CostRecord, artifact: Artifact, found: _Found) -> CostRecord:
    report = found.report
    names = [] if artifact.reference is not None else ["unverified"]
    error = None
    if artifact.reference is not None and report.output.values is not None:
        compared = output_error.compare_with_reference(
            artifact.reference,
            report.output.values,
            artifact.output_limits,
            blank.precision,
            artifact.settled_otherwise,
        )
        error = compared.error
        if compared.strain > 1:
            names.append("output-mismatch")
    if report.model.precision != blank.precision:
        names.append("wrong-precision")
    if artifact.tolerance_raised:
        names.append("tolerance-raised")
    if artifact.is_variant:
        names.append("variant")
    operators = tuple(
        OperatorCounts(name=name, type=kind, module=_module_of(name), counts=counts)
        for (name, kind), counts in zip(report.operators, found.counted.operators, strict=True)
    )
    gravest = flags.gravest_first(names)
    return msgspec.structs.replace(
        blank,
        counts=found.counted.runs[0],
        operators=operators,
        output_sha256=report.output.sha256,
        relative_error=error,
        flags=gravest,
        valid=flags.leave_valid(gravest, ()),
    )


def _module_of(operator: str) -> str | None:
    """Return the path of the torch module that an operator's name tells; None if it tells none."""
    from asymm_deploy.export.proof.refusal.culprit import module_path

    return module_path(operator) or None


def _failed(blank: CostRecord, reason: str) -> CostRecord:
    return msgspec.structs.replace(blank, error=excerpt(reason))

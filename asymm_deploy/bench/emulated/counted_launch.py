"""One model on the emulator -> its counts, its output compared with the reference."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import msgspec

from asymm_deploy.bench import flags, launch, wire
from asymm_deploy.bench.artifact import Artifact, artifact_changed
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.emulated.count_file import CountedRuns, CountFileError, parse_counts
from asymm_deploy.bench.emulated.counted_stream import CountedReport, parse_counted_stream
from asymm_deploy.bench.emulated.counts import CostRecord, OperatorCounts
from asymm_deploy.bench.emulated.emulator import DEFAULT_CPU, Emulator
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.judge import output_error
from asymm_deploy.bench.records import Precision
from asymm_deploy.safe import excerpt

_TIMEOUT_S = 3600.0
_COUNTS = "counts"
_LOADER = "lib/ld-linux-aarch64.so.1"
_HERE = "/proc/self/cwd"
"""The folder that a program runs in, by a path that does not depend on where it is."""
_WARM_UP = 1
"""The first run computes what the engine prepares on demand; it differs by up to 0.03 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPlan:
    """How to count."""

    precision: Precision = "fp32"
    cpu: str = DEFAULT_CPU
    caches: bool = True
    """Whether misses of caches are counted: that takes twice as long."""


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
        with tempfile.TemporaryDirectory(prefix="asymm-count-") as name:
            found = _run(emulator, artifact, Path(name), plan, host)
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
    completed = host.run(_command(emulator, artifact, folder, plan), timeout_s=_TIMEOUT_S)
    _require_emulation(completed, plan.cpu)
    report = launch.reported(completed, _TIMEOUT_S, parse_counted_stream)
    if report.model.sha256 != artifact.sha256:
        raise wire.WireError("the runner read another model file than asked")
    if report.hello.engine_version != emulator.engine_version:
        raise wire.WireError(
            f"the runner's engine is MNN {excerpt(report.hello.engine_version)}, not "
            f"{emulator.engine_version}"
        )
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


def _command(
    emulator: Emulator,
    artifact: Artifact,
    folder: Path,
    plan: CountPlan,
) -> list[str]:
    """Put links to all files into ``folder``, and return the command that runs there.

    The program is started by its own loader, and all that the loader opens is named by the same
    absolute paths everywhere: it would find the path of the folder for relative ones, keep it, and
    all else would lie in memory as that is long.
    """
    (folder / "r").symlink_to(emulator.runner.parent)
    (folder / "l").symlink_to(emulator.sysroot)
    placed = launch.Placed("model.mnn", None if artifact.inputs_file is None else "inputs.bin")
    for source, name in zip(artifact.files, (placed.model, placed.inputs), strict=False):
        (folder / str(name)).symlink_to(source.resolve())
    asked = launch.model_request(artifact, placed)
    request = wire.request(
        model=asked.model,
        engine="mnn",
        runs=1,
        warmup=_WARM_UP,
        threads=1,
        precision=plan.precision,
        cpus=(),
        inputs=asked.inputs,
        output_values=artifact.reference is not None,
        inputs_file=asked.inputs_file,
        module_outputs=asked.module_outputs,
    )
    # QEMU would split the path of a folder at its commas.
    (folder / "p.so").symlink_to(emulator.plugin)
    plugin = f"./p.so,out={_COUNTS},caches={'on' if plan.caches else 'off'}"
    # Counting must not go on when whoever asked for it was killed. The runner's own --die-with has
    # a number as long as it happens to be, and the program would see that.
    tie = ("setpriv", "--pdeathsig=KILL") if shutil.which("setpriv") else ()
    return [
        *tie,
        *("env", "-i", f"--chdir={folder}", f"QEMU_CPU={plan.cpu}"),
        *(*emulator.qemu, "-plugin", plugin),
        *(f"{_HERE}/l/{_LOADER}", "--library-path", f"{_HERE}/r:{_HERE}/l/lib"),
        f"{_HERE}/r/{emulator.runner.name}",
        "--count",
        "--by-operator",
        *request,
    ]


def _require_emulation(completed: Completed, cpu: str) -> None:
    """Raise WireError if QEMU itself did not begin, or ended before the program did."""
    if b"unable to find CPU model" in completed.stderr:
        raise wire.WireError(f"QEMU knows no processor {excerpt(cpu)}")
    if completed.timed_out:
        raise wire.WireError(f"the model was not counted within {_TIMEOUT_S / 3600:g} h")
    without_memory = any(
        said in completed.stdout + completed.stderr
        for said in (b"std::bad_alloc", b"Cannot allocate memory")
    )
    if completed.flooded:  # killed by us; what reads the report says so
        return
    if completed.returncode == -signal.SIGKILL or (completed.returncode != 0 and without_memory):
        raise wire.WireError(
            "the emulator was killed or had no memory left: the model may need more than there is"
        )


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

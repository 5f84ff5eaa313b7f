"""One run of the native runner in the emulator: its command, and what must hold of what it says."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from asymm_deploy.bench import launch, wire
from asymm_deploy.bench.answered.answers import AnsweredReport
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.emulated.counted_stream import CountedReport
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.records import Precision
from asymm_deploy.safe import excerpt

_LOADER = "lib/ld-linux-aarch64.so.1"
_HERE = "/proc/self/cwd"
"""The folder that a program runs in, by a path that does not depend on where it is."""


def emulated_command(
    emulator: Emulator,
    artifact: Artifact,
    folder: Path,
    *,
    precision: Precision,
    cpu: str,
    warmup: int,
    plugin: str | None = None,
    counts: bool = True,
    more: Sequence[str] = (),
) -> list[str]:
    """Put links to all files into ``folder``, and return the command that runs there.

    The program is started by its own loader, and all that the loader opens is named by the same
    absolute paths everywhere: it would find the path of the folder for relative ones, keep it, and
    all else would lie in memory as that is long. ``plugin`` is QEMU's argument, ``more`` are the
    runner's. Unless it ``counts``, the runner sets no marks and goes by no operator.
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
        warmup=warmup,
        threads=1,
        precision=precision,
        cpus=(),
        inputs=asked.inputs,
        output_values=artifact.reference is not None,
        inputs_file=asked.inputs_file,
        module_outputs=asked.module_outputs,
    )
    # env takes a path with = for a variable.
    qemu = list(emulator.qemu)
    if "=" in qemu[0]:
        (folder / "q").symlink_to(qemu[0])
        qemu[0] = "./q"
    # Counting must not go on when whoever asked for it was killed. The runner's own --die-with has
    # a number as long as it happens to be, and the program would see that.
    tie = ("setpriv", "--pdeathsig=KILL") if shutil.which("setpriv") else ()
    return [
        *tie,
        *("env", "-i", f"--chdir={folder}", f"QEMU_CPU={cpu}"),
        *(*qemu, *(() if plugin is None else ("-plugin", plugin))),
        *(f"{_HERE}/l/{_LOADER}", "--library-path", f"{_HERE}/r:{_HERE}/l/lib"),
        f"{_HERE}/r/{emulator.runner.name}",
        *(("--count", "--by-operator") if counts else ()),
        *request,
        *more,
    ]


def require_emulation(completed: Completed, cpu: str, timeout_s: float) -> None:
    """Raise WireError if QEMU itself did not begin, or ended before the program did."""
    if b"unable to find CPU model" in completed.stderr:
        raise wire.WireError(f"QEMU knows no processor {excerpt(cpu)}")
    if completed.timed_out:
        raise wire.WireError(f"the model was not done within {timeout_s / 60:g} minutes")
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


def require_this_model(
    report: CountedReport | AnsweredReport, emulator: Emulator, artifact: Artifact
) -> None:
    """Raise WireError if another model ran, or another engine ran it."""
    if report.model.sha256 != artifact.sha256:
        raise wire.WireError("the runner read another model file than asked")
    if report.hello.engine_version != emulator.engine_version:
        raise wire.WireError(
            f"the runner's engine is MNN {excerpt(report.hello.engine_version)}, not "
            f"{emulator.engine_version}"
        )

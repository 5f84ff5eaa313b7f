"""A model is counted on a real emulator: exactly, with its output verified, or with the reason."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.emulated.counted_launch import CountPlan, count_model
from asymm_deploy.bench.emulated.counts import CostRecord, Counts
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.emulated.qemu import require_cpu
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.errors import UsageError
from asymm_deploy.export.inputs import bench_inputs
from asymm_deploy.files import sha256_of
from tests.made_networks import LOOPED, LOOPED_INPUTS, made_network

CLASSES = ("fma", "vector", "load", "store", "branch", "integer")
MADDS = 8 * 3 * 3 * 3 * 16 * 16
"""Of the network's convolution."""


def count(emulator: Emulator, artifact: Artifact, plan: CountPlan | None = None) -> CostRecord:
    return count_model(emulator, artifact, plan or CountPlan(), HostDevice())


def of(record: CostRecord) -> Counts:
    assert record.error is None
    assert record.counts is not None
    return record.counts


@pytest.fixture(scope="module")
def counted(emulator: Emulator, artifact: Artifact) -> CostRecord:
    return count(emulator, artifact)


def test_a_model_is_counted_and_its_output_verified(
    counted: CostRecord, artifact: Artifact, emulator: Emulator
) -> None:
    counts = of(counted)
    assert (counted.valid, counted.flags) == (True, ())
    assert counted.relative_error is not None
    assert counted.relative_error < 1e-5
    assert counted.artifact_sha256 == artifact.sha256
    assert counted.key == emulator.key("cortex-a76")
    assert sum(getattr(counts, name) for name in CLASSES) == counts.insn
    # Four at a time, and by Winograd's algorithm, which needs 4 / 9 of them or fewer.
    assert MADDS / 16 <= counts.fma < MADDS / 4
    assert counts.load_bytes > 4 * counts.load
    assert counts.l1_misses is not None
    assert counts.l2_misses is not None
    assert counts.l3_misses is not None
    assert (
        0 <= counts.l3_misses <= counts.l2_misses <= counts.l1_misses < counts.load + counts.store
    )


def test_operators_are_nearly_all_of_a_run(counted: CostRecord) -> None:
    assert counted.operators is not None
    assert {"Convolution", "BinaryOp"} <= {each.type for each in counted.operators}
    assert len({each.name for each in counted.operators}) == len(counted.operators)
    total = sum(each.counts.insn for each in counted.operators)
    # The rest copies 40 KB in and out, which is much for a network as small as this.
    assert 0.6 < total / of(counted).insn < 1
    convolution = next(each for each in counted.operators if each.type == "Convolution")
    assert convolution.counts.fma >= 0.9 * of(counted).fma


@contextmanager
def busy_cores() -> Iterator[None]:
    spinning = [
        multiprocessing.get_context("fork").Process(target=_spin, args=(os.getpid(),), daemon=True)
        for _ in range(os.cpu_count() or 1)
    ]
    for each in spinning:
        each.start()
    try:
        yield
    finally:
        for each in spinning:
            each.kill()
            each.join()


def _spin(parent: int) -> None:
    while os.getppid() == parent:
        pass


def test_neither_place_nor_environment_nor_load_changes_a_byte(
    counted: CostRecord,
    emulator: Emulator,
    artifact: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary, elsewhere = tmp_path / "a, b=c" / ("d" * 200), tmp_path / ("e" * 255) / "f g"
    for each in (temporary, elsewhere):
        each.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("LD_BIND_NOW", "1")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.perturb=85")
    monkeypatch.setenv("QEMU_STACK_SIZE", "4194304")
    monkeypatch.setenv("LONG", "x" * 100_000)
    moved = replace(artifact, path=Path(shutil.copy(artifact.path, elsewhere / "m.mnn")))
    with busy_cores():
        again = count(emulator, moved)
    assert msgspec.json.encode(again) == msgspec.json.encode(counted)
    assert list(temporary.iterdir()) == []


def test_fp16_is_computed_in_fp16_and_verified_as_such(
    counted: CostRecord, emulator: Emulator, artifact: Artifact
) -> None:
    record = count(emulator, artifact, CountPlan(precision="fp16", caches=False))
    counts = of(record)
    assert (record.valid, record.flags, record.precision) == (True, (), "fp16")
    assert record.relative_error is not None
    assert 1e-4 < record.relative_error < 1e-1
    assert counts.fma < 0.6 * of(counted).fma  # eight at a time
    assert (counts.l1_misses, counts.l2_misses, counts.l3_misses) == (None, None, None)


def test_an_output_that_differs_from_the_reference_is_flagged(
    emulator: Emulator, artifact: Artifact
) -> None:
    assert artifact.reference is not None
    moved: dict[str, npt.NDArray[np.generic]] = {
        name: np.add(value, 0.5) for name, value in artifact.reference.items()
    }
    record = count(emulator, replace(artifact, reference=moved), CountPlan(caches=False))
    assert record.flags == ("output-mismatch",)
    assert not record.valid
    assert record.counts is not None
    without = count(emulator, replace(artifact, reference=None), CountPlan(caches=False))
    assert without.flags == ("unverified",)
    assert msgspec.structs.replace(without, flags=()).counts == record.counts


def refused(record: CostRecord) -> str:
    assert (record.counts, record.operators, record.valid) == (None, None, False)
    assert record.flags == ("failed",)
    assert record.error is not None
    return record.error


def test_a_file_that_is_not_the_exported_one_is_not_counted(
    emulator: Emulator, artifact: Artifact
) -> None:
    record = count(emulator, replace(artifact, sha256="0" * 64))
    assert "is not the file that was exported" in refused(record)


def test_a_damaged_model_is_refused_in_the_runners_words(
    emulator: Emulator, artifact: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / "model.mnn"
    for damaged in (b"", b"no model at all" * 9, artifact.path.read_bytes()[:200]):
        path.write_bytes(damaged)
        record = count(emulator, replace(artifact, path=path, sha256=sha256_of(path)))
        assert (
            refused(record) == "the runner: MNN can't load the model: it is damaged or no .mnn file"
        )


def test_loops_and_branches_are_counted_operator_by_operator(
    emulator: Emulator, tmp_path: Path
) -> None:
    path = made_network(LOOPED, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(path.with_suffix(".onnx")))
    reference = session.run(["y"], bench_inputs(LOOPED_INPUTS, 0))
    looped = Artifact(
        model="looped",
        path=path,
        sha256=sha256_of(path),
        inputs=LOOPED_INPUTS,
        reference={"y": reference[0]},
        api="module",
        output_names=("y",),
    )
    record = count(emulator, looped, CountPlan(caches=False))
    assert (record.flags, record.valid) == ((), True)
    names = [each.name for each in record.operators or ()]
    assert names.count("next") == 4  # as often as it ran
    assert sum(each.counts.insn for each in record.operators or ()) < of(record).insn
    assert count(emulator, looped, CountPlan(caches=False)) == record


def test_an_unknown_processor_is_refused_with_those_like_it(
    emulator: Emulator, artifact: Artifact
) -> None:
    record = count(emulator, artifact, CountPlan(cpu="cortex-a67"))
    assert refused(record) == "QEMU knows no processor cortex-a67"
    with pytest.raises(UsageError, match="no processor 'cortex-a67'") as near:
        require_cpu(emulator.qemu, "cortex-a67")
    assert "cortex-a76" in (near.value.hint or "")
    with pytest.raises(UsageError) as far:
        require_cpu(emulator.qemu, "xyz")
    assert "neoverse-n1" in (far.value.hint or "")
    require_cpu(emulator.qemu, "cortex-a76")


def test_a_model_that_needs_more_memory_than_there_is_says_so(
    emulator: Emulator, artifact: Artifact
) -> None:
    small = replace(emulator, qemu=("/usr/bin/prlimit", f"--as={200 << 20}", *emulator.qemu))
    assert "memory" in refused(count(small, artifact))


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("kill -KILL $$", "the emulator was killed or had no memory left"),
        ("kill -SEGV $$", "ended by signal 11"),
        ("echo oh >&2; exit 1", "the runner ended with code 1: oh"),
        ('"$@"; rm counts', "the emulator wrote no whole file of counts: .*No such file"),
        ('"$@"; echo 1 >> counts', "no whole file of counts: it was cut short"),
        ('"$@" | head -n 2', "the runner stopped before 'output'|named no operators"),
    ],
)
def test_an_emulator_that_fails_gives_the_reason(
    emulator: Emulator, artifact: Artifact, tmp_path: Path, does: str, why: str
) -> None:
    script = tmp_path / "qemu"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    failing = replace(emulator, qemu=(str(script), *emulator.qemu))
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(refused(count(failing, artifact, CountPlan(caches=False))))


class Flooded(HostDevice):
    """A host whose programs print without end, and are killed for it."""

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run nothing."""
        del argv, timeout_s
        return Completed(b"{", b"", -signal.SIGKILL, flooded=True)


def test_what_is_killed_for_printing_without_end_is_not_said_to_need_memory(
    emulator: Emulator, artifact: Artifact
) -> None:
    record = count_model(emulator, artifact, CountPlan(), Flooded())
    assert refused(record) == "the runner printed without end and was killed"


COUNTING = """
import sys
from pathlib import Path
from asymm_deploy.bench import artifact
from asymm_deploy.bench.emulated.counted_launch import CountPlan, count_model
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.files import sha256_of
where = Path("/")
emulator = Emulator(
    qemu=(sys.argv[1],), qemu_version="", sysroot=where, runner=where / "runner", plugin=where,
    engine_version="", runner_sha256="", library_sha256="", plugin_sha256="", libc="",
)
file = Path(sys.argv[2])
whole = artifact.Artifact(model="m", path=file, sha256=sha256_of(file))
count_model(emulator, whole, CountPlan(), HostDevice())
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_the_emulator_ends_with_who_started_it_even_if_that_was_killed(tmp_path: Path) -> None:
    told, script, model = tmp_path / "pid", tmp_path / "qemu", tmp_path / "m.mnn"
    script.write_text(f"#!/bin/sh\necho $$ > {told}\nexec sleep 60\n")
    script.chmod(0o755)
    model.write_bytes(b"")
    process = subprocess.Popen([sys.executable, "-c", COUNTING, str(script), str(model)])
    try:
        _wait_for(lambda: told.exists() and told.read_text().endswith("\n"))
    finally:
        process.kill()
        process.wait()
    _wait_for(lambda: _has_ended(int(told.read_text())))


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or dead and not yet collected by who inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)

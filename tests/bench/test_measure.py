"""A bench, whole: every launch ends in a record, rows say what is wrong, nothing is done twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from asymm_deploy.bench import measure, store
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.measure import BenchEvent, BenchResumed, LaunchFinished, LaunchStarted
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord, RowSummary
from asymm_deploy.errors import ExitCode, UsageError
from asymm_deploy.files import sha256_of

FakeRunner = Callable[[str], Path]

NOISE = {"bimodal", "launch-spread", "stolen-time"}


def certain(flags: tuple[str, ...]) -> tuple[str, ...]:
    """The flags without those that a busy machine may raise at any time."""
    return tuple(flag for flag in flags if flag not in NOISE)


def bench(
    folder: Path,
    subjects: list[Artifact | Missing],
    plan: Plan,
    runner: Path | None = None,
    events: list[BenchEvent] | None = None,
) -> list[RowSummary]:
    with store.opened(folder, pytest.fail, "bench") as runs:
        heard: list[BenchEvent] = [] if events is None else events
        return measure.time_models(HostDevice(runner), subjects, plan, runs, heard.append)


def launches(folder: Path) -> list[tuple[str, int]]:
    return [(record.model, record.launch) for record in store.load(folder)]


def test_a_real_bench_is_valid_and_verified(artifact: Artifact, plan: Plan, tmp_path: Path) -> None:
    (row,) = bench(tmp_path, [artifact], plan)
    assert row.valid, row.flags_text
    assert (row.launches, row.runs, row.engine, row.precision) == (3, 6, "mnn", "fp32")
    assert row.engine_version is not None
    assert row.latency_mean_ms is not None
    assert row.output_error is not None
    assert row.output_error < 1e-4
    records = store.load(tmp_path)
    assert [len(record.samples_ns) for record in records] == [2, 2, 2]
    assert [record.output_error is None for record in records] == [False, True, True]
    assert len({record.output_sha256 for record in records}) == 1


def test_onnx_runtime_times_the_same_network(
    artifact: Artifact, plan: Plan, tmp_path: Path
) -> None:
    path = artifact.path.with_suffix(".onnx")
    other = replace(artifact, path=path, sha256=sha256_of(path))
    (row,) = bench(tmp_path, [other], replace(plan, engine="onnxruntime"))
    assert row.valid, row.flags_text
    assert row.engine == "onnxruntime"


def test_fp16_that_is_not_in_force_is_flagged(
    artifact: Artifact, plan: Plan, tmp_path: Path
) -> None:
    """On x86 MNN computes in fp32 whatever it is asked; on ARM it is fp16, and all is well."""
    (row,) = bench(tmp_path, [artifact], replace(plan, precision="fp16"))
    in_force = store.load(tmp_path)[0].precision_in_force
    assert ("wrong-precision" in row.flags) == (in_force != "fp16")


def test_an_output_that_is_not_the_reference_is_flagged(
    artifact: Artifact, plan: Plan, tmp_path: Path
) -> None:
    assert artifact.reference is not None
    shifted = {name: np.add(value, 0.01) for name, value in artifact.reference.items()}
    (row,) = bench(tmp_path, [replace(artifact, reference=shifted)], plan)
    assert certain(row.flags) == ("output-mismatch",)
    assert row.exit_code is ExitCode.NUMERICS
    assert all("output-mismatch" in record.flags for record in store.load(tmp_path))


def test_outputs_taken_for_one_another_are_flagged(
    artifact: Artifact, plan: Plan, tmp_path: Path
) -> None:
    wrong_order = replace(artifact, inputs=tuple(reversed(artifact.inputs or ())))
    (row,) = bench(tmp_path, [wrong_order], plan)
    assert "output-mismatch" in row.flags


def test_an_impossible_speed_is_flagged(artifact: Artifact, plan: Plan, tmp_path: Path) -> None:
    (row,) = bench(tmp_path, [replace(artifact, floor_madds=10**12)], plan)
    assert "below-floor" in row.flags
    assert row.exit_code is ExitCode.HARNESS


def test_without_a_reference_a_row_is_valid_and_unverified(
    unverified: Artifact, plan: Plan, tmp_path: Path
) -> None:
    (row,) = bench(tmp_path, [unverified], plan)
    assert row.valid
    assert "unverified" in row.flags


def test_models_take_turns(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner
) -> None:
    subjects: list[Artifact | Missing] = [unverified, replace(unverified, model="other")]
    bench(tmp_path / "out", subjects, plan, fake_runner(""))
    expected = [(name, launch) for launch in range(3) for name in ("bare", "other")]
    assert launches(tmp_path / "out") == expected


def test_what_happens_is_told(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner
) -> None:
    events: list[BenchEvent] = []
    bench(tmp_path / "out", [unverified], plan, fake_runner(""), events)
    assert [type(event) for event in events] == [LaunchStarted, LaunchFinished] * 3
    assert isinstance(events[-1], LaunchFinished)
    assert (events[-1].done, events[-1].total) == (3, 3)


MISBEHAVING = {
    "it dies": ("os.kill(os.getpid(), signal.SIGKILL)", r"ended by signal 9 \(SIGKILL\)"),
    "it dies with a word": (
        "os.write(2, b'free(): invalid pointer\\n'); os.abort()",
        r"signal 6 \(SIGABRT\): free\(\): invalid pointer",
    ),
    "it ends with a code": (
        "os.write(2, b'no\\nmemory \\x1b[31m'); sys.exit(9)",
        "ended with code 9: memory �\\[31m",
    ),
    "it says why": (
        "messages[2:] = [dict(type='error', reason='no such engine')]",
        "the runner: no such engine",
    ),
    "it hangs": ("say(hello); time.sleep(60)", "not finished within 1 s and was killed"),
    "it prints garbage": ("say(b'Segmentation\\x00\\x07\\n')", "no valid 'hello'"),
    "it prints nothing": ("messages.clear()", "stopped before 'hello'"),
    "it stops early": ("messages.pop()", "stopped before 'done'"),
    "it stops within a line": ("messages[:] = [b'{\"type\":']", "stopped in the middle of a line"),
    "it is too new": ("hello['protocol'] = 2", "speaks protocol 2, this program speaks 1"),
    "it reports and then crashes": (
        "say(*messages); os.close(1); os.abort()",
        "signal 6",
    ),
    "it fails after reporting": ("say(*messages); sys.exit(1)", "and then ended with code 1"),
    "it ran fewer times": ("samples['ns'].pop(); done['count'] -= 1", "another number of runs"),
    "it miscounts": ("done['count'] += 1", "counted 3 samples but sent 2"),
    "it ran another file": ("model['sha256'] = 'f' * 64", "another model file"),
    "it used another engine": ("hello['engine'] = 'onnxruntime'", "another engine"),
    "it used more threads": ("model['threads'] = 4", "another number of threads"),
    "it says that runs of 58 minutes took no time": (
        "samples['ns'] = [58 * 60 * 10**9] * runs; samples['wall_ns'] = 59 * 60 * 10**9 * runs",
        "times are made up: .* said to take 7[0-9.e+]+ s, and the runner's process lived for 0",
    ),
    "it says that loading took longer than its life": (
        "model['init_ns'] = 100 * 10**9",
        "times are made up: .* said to take 100 s",
    ),
    "its loop is shorter than its runs": ("samples['wall_ns'] = 1000", "add up to more than"),
    "a run took no time": ("samples['ns'][0] = 0", "no valid 'samples'"),
    "a run took less than no time": ("samples['ns'][0] = -5", "no valid 'samples'"),
    "a run took for ever": ("samples['ns'][0] = 1e30", "no valid 'samples'"),
    "there are no runs": ("samples['ns'] = []; done['count'] = 0", "no valid 'samples'"),
    "it pinned itself elsewhere": ("cpu['asked'] = [63]", "another set of cores"),
}


@pytest.mark.parametrize(("body", "reason"), MISBEHAVING.values(), ids=MISBEHAVING.keys())
def test_a_runner_that_misbehaves_is_a_failed_row_with_the_reason(
    unverified: Artifact,
    plan: Plan,
    tmp_path: Path,
    fake_runner: FakeRunner,
    body: str,
    reason: str,
) -> None:
    timeout_s = 1.0 if "hangs" in reason or "sleep" in body else 60.0
    hurried = replace(plan, launch_timeout_s=timeout_s)
    (row,) = bench(tmp_path / "out", [unverified], hurried, fake_runner(body))
    assert row.flags == ("failed",)
    assert row.exit_code is ExitCode.HARNESS
    assert row.reason is not None
    assert re.search(reason, row.reason)
    (record,) = store.load(tmp_path / "out")
    assert not record.valid
    assert record.samples_ns == ()


def test_a_long_and_wild_reason_is_cut_and_cleaned(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner
) -> None:
    body = "messages[1:] = [dict(type='error', reason='\\x1b]0;title\\x07\\n=1+1 ' * 10000)]"
    (row,) = bench(tmp_path / "out", [unverified], plan, fake_runner(body))
    assert row.reason is not None
    assert row.reason.isprintable()
    assert len(row.reason) <= 200


FLAGGED = {
    "it moved to another core": ("cpu['after'] = 63", "wrong-core"),
    "it can not say where it ran": ("cpu['before'] = cpu['after'] = None", "wrong-core"),
    "another precision": ("model['precision'] = 'fp16'", "wrong-precision"),
    "another output later": ("output['sha256'] = ('ab' * 32)[launch:][:1] * 64", "output-mismatch"),
}


@pytest.mark.parametrize(("body", "flag"), FLAGGED.values(), ids=FLAGGED.keys())
def test_a_runner_that_is_honest_about_what_went_wrong_is_flagged(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner, body: str, flag: str
) -> None:
    (row,) = bench(tmp_path / "out", [unverified], plan, fake_runner(body))
    assert row.flags == (flag, "unverified")
    assert not row.valid
    assert row.latency_mean_ms == pytest.approx(1.0, rel=1e-4)
    (allowed,) = bench(
        tmp_path / "out", [unverified], replace(plan, allow=(flag,)), fake_runner(body)
    )
    assert (allowed.valid, allowed.flags) == (True, row.flags)


INVENTED = {
    "all runs alike": ("samples['ns'] = [1_000_000] * runs", "no-variance"),
    "all launches alike": (
        "samples['ns'] = list(range(10**6, 10**6 + runs))",
        "repeated-samples",
    ),
}


@pytest.mark.parametrize(("body", "flag"), INVENTED.values(), ids=INVENTED.keys())
def test_runs_that_no_clock_has_shown_are_flagged(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner, body: str, flag: str
) -> None:
    (row,) = bench(tmp_path / "out", [unverified], replace(plan, runs=18), fake_runner(body))
    assert row.flags == (flag, "unverified")
    assert row.exit_code is ExitCode.HARNESS


def test_not_a_number_is_no_output(
    artifact: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner
) -> None:
    body = """
        import base64, struct
        nan = struct.pack("<f", float("nan"))
        total, mean = (base64.b64encode(nan * size).decode() for size in (2048, 8))
        if "--output-values" in sys.argv:
            output["values"] = dict(total=total, mean=mean)
    """
    plain = replace(artifact, floor_madds=None)
    (row,) = bench(tmp_path / "out", [plain], plan, fake_runner(body))
    assert row.flags == ("output-mismatch",)
    assert row.output_error is None


def test_one_model_that_fails_does_not_stop_the_others_and_gets_no_more_launches(
    unverified: Artifact, plan: Plan, tmp_path: Path
) -> None:
    half = tmp_path / "half.mnn"
    whole = unverified.path.read_bytes()
    half.write_bytes(whole[: len(whole) // 2])
    cut = Artifact("cut", half, sha256_of(half))
    rows = bench(tmp_path / "out", [cut, unverified], plan)
    assert [certain(row.flags) for row in rows] == [("failed",), ("unverified",)]
    assert "MNN can't load the model" in (rows[0].reason or "")
    assert launches(tmp_path / "out") == [("cut", 0), *(("bare", n) for n in range(3))]


def test_a_file_that_is_not_what_was_exported_is_not_timed(
    unverified: Artifact, plan: Plan, tmp_path: Path
) -> None:
    gone = replace(unverified, model="gone", path=tmp_path / "gone.mnn")
    stale = replace(unverified, model="stale", sha256="0" * 64)
    rows = bench(tmp_path / "out", [gone, stale], plan)
    assert "can't read" in (rows[0].reason or "")
    assert "is not the file that was exported" in (rows[1].reason or "")


def test_a_file_that_is_swapped_later_is_not_timed(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner
) -> None:
    copy = tmp_path / "copy.mnn"
    copy.write_bytes(unverified.path.read_bytes())
    body = "if launch == 0: open(arguments['--model'], 'ab').write(b'x')"
    (row,) = bench(tmp_path / "out", [replace(unverified, path=copy)], plan, fake_runner(body))
    assert row.launches == 1
    assert "another model file" in (row.reason or "")


def test_a_model_that_was_not_exported_keeps_a_row_with_the_exports_code(
    unverified: Artifact, plan: Plan, tmp_path: Path
) -> None:
    missing = Missing("broken", "operator Foo is not supported", ExitCode.CONVERSION, "pruned")
    rows = bench(tmp_path, [missing, unverified], plan)
    assert rows[0].flags_text == "failed: operator Foo is not supported"
    assert (rows[0].network, rows[0].exit_code) == ("pruned", ExitCode.CONVERSION)
    assert rows[1].valid


def test_two_models_of_one_name_are_refused(
    unverified: Artifact, plan: Plan, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="two of the models are called bare"):
        bench(tmp_path, [unverified, unverified], plan)


def test_a_core_that_does_not_exist_is_refused_before_anything_is_timed(
    unverified: Artifact, plan: Plan, tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        bench(tmp_path, [unverified], replace(plan, cpu=4095))
    assert not (tmp_path / store.NAME).exists()


def test_the_same_command_again_times_nothing(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner
) -> None:
    runner = fake_runner("")
    first = bench(tmp_path / "out", [unverified], plan, runner)
    before = (tmp_path / "out" / store.NAME).read_bytes()
    events: list[BenchEvent] = []
    assert bench(tmp_path / "out", [unverified], plan, runner, events) == first
    assert events == [BenchResumed(kept=3)]
    assert (tmp_path / "out" / store.NAME).read_bytes() == before


def test_another_model_is_added_to_what_is_there_on_the_same_core(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner
) -> None:
    runner = fake_runner("")
    bench(tmp_path / "out", [unverified], plan, runner)
    other = replace(unverified, model="other")
    rows = bench(tmp_path / "out", [unverified, other], plan, runner)
    assert len(launches(tmp_path / "out")) == 6
    assert rows[0].cpu == rows[1].cpu


def test_a_failed_launch_is_done_again_and_finished_ones_are_kept(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner
) -> None:
    # The same program fails the first time and not the second: it is the same plan.
    runner = fake_runner("if launch == 1: sys.exit(1)")
    (failed,) = bench(tmp_path / "out", [unverified], plan, runner)
    assert (failed.launches, failed.valid) == (1, False)
    (mended,) = bench(tmp_path / "out", [unverified], plan, runner)
    assert (mended.launches, mended.valid, mended.reason) == (3, True, None)
    assert [n for _, n in launches(tmp_path / "out")] == [0, 1, 1, 2]


@pytest.mark.parametrize("why", ["fresh", "another file", "another input", "another core"])
def test_under_other_circumstances_a_row_starts_anew(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner, why: str
) -> None:
    runner, out = fake_runner(""), tmp_path / "out"
    bench(out, [unverified], plan, runner)
    changed = unverified
    if why == "fresh":
        plan = replace(plan, fresh=True)
    elif why == "another file":
        longer = tmp_path / "longer.mnn"
        longer.write_bytes(unverified.path.read_bytes() + b"x")
        changed = replace(unverified, path=longer, sha256=sha256_of(longer))
    elif why == "another input":
        recorded = tmp_path / "inputs.bin"
        recorded.write_bytes(b"values")
        changed = replace(unverified, inputs_file=recorded, inputs_sha256=sha256_of(recorded))
    else:
        path = out / store.NAME
        path.write_bytes(path.read_bytes().replace(b'"cpus":[', b'"cpus":[9'))
    (row,) = bench(out, [changed], plan, runner)
    records = store.load(out)
    assert [record.attempt for record in records] == [0, 0, 0, 1, 1, 1]
    assert row.launches == 3
    assert bench(out, [changed], replace(plan, fresh=False), runner) == [row]


def test_what_is_allowed_afterwards_is_judged_anew_without_timing(
    unverified: Artifact, plan: Plan, tmp_path: Path, fake_runner: FakeRunner
) -> None:
    runner, out = fake_runner("cpu['after'] = 63"), tmp_path / "out"
    (row,) = bench(out, [unverified], plan, runner)
    assert not row.valid
    (row,) = bench(out, [unverified], replace(plan, allow=("wrong-core",)), runner)
    assert row.valid
    by_launch: dict[int, LaunchRecord] = {r.launch: r for r in store.load(out)}
    assert all(record.valid for record in by_launch.values())
    assert len((tmp_path / "fake" / "started").read_text().split()) == 3
    (row,) = bench(out, [unverified], plan, runner)
    assert not row.valid


def test_a_bench_that_could_not_pin_is_valid_and_says_so(
    artifact: Artifact, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asymm_deploy.bench.host.host_device._affinity", lambda: None)
    (row,) = bench(tmp_path, [artifact], plan)
    assert row.valid
    assert certain(row.flags) == ("unpinned",)
    assert row.cpu is None


def test_two_threads_have_two_cores(artifact: Artifact, plan: Plan, tmp_path: Path) -> None:
    try:
        (row,) = bench(tmp_path, [artifact], replace(plan, threads=2))
    except UsageError:
        pytest.skip("there is only one core")
    assert "failed" not in row.flags, row.reason
    assert row.cpu is not None
    assert row.cpu.count("+") == 1


def test_references_are_compared_by_value_not_by_type(
    artifact: Artifact, plan: Plan, tmp_path: Path
) -> None:
    assert artifact.reference is not None
    doubles: dict[str, npt.NDArray[np.generic]] = {
        name: value.astype(np.float64) for name, value in artifact.reference.items()
    }
    (row,) = bench(tmp_path, [replace(artifact, reference=doubles)], plan)
    assert row.valid

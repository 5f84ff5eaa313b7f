"""Results that somebody edited: judged by what was measured, or refused; never a quiet verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change
from asymm_deploy.check.recorded.recorded_comparison import RecordedComparison
from asymm_deploy.errors import UsageError

Compared = Callable[..., RecordedComparison]
Forge = Callable[[list[LaunchRecord]], Sequence[LaunchRecord]]


def edited(record: LaunchRecord, **changes: Any) -> LaunchRecord:
    return msgspec.structs.replace(record, **changes)


@pytest.fixture
def benched(folder: Callable[..., Path]) -> Callable[..., Path]:
    """Write results of 50 runs a launch, as ``folder`` does, then forge them."""

    def write(name: str, forge: Forge = lambda records: records, **more: Any) -> Path:
        rng = np.random.default_rng([*name.encode()])

        def runs(record: LaunchRecord) -> LaunchRecord:
            samples = record.samples_ns[0] * (1 + 0.003 * rng.normal(size=50))
            times = {"wall_ns": int(1.001 * samples.sum()), "process_ns": 3 * 10**9}
            return edited(record, runs=50, samples_ns=tuple(map(int, samples)), **times)

        path = folder(name, edit=runs, **more)
        file = path / store.NAME
        honest = [msgspec.json.decode(x, type=LaunchRecord) for x in file.read_bytes().splitlines()]
        lines = [msgspec.json.encode(record) + b"\n" for record in forge(honest)]
        file.write_bytes(b"".join(lines))
        return path

    return write


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"precision_in_force": "fp16"}, 3, "different precision"),
        ({"cpu_after": 0}, 3, "different core"),
        ({"cpu_before": None}, 3, "different core"),
        ({"output_sha256": "e" * 64, "output_error": None}, 5, "output differs"),
        ({"output_error": 0.5, "launch": 0}, 5, "output differs"),
        ({"floor_madds": 10**12}, 3, "faster than the core can multiply"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_emptied_flags_hide_nothing_that_the_record_shows(
    compared: Compared,
    benched: Callable[..., Path],
    changes: dict[str, Any],
    code: int,
    said: str,
) -> None:
    at = changes.get("launch", 4)

    def forge(records: list[LaunchRecord]) -> list[LaunchRecord]:
        return [edited(r, **changes) if r.launch == at else r for r in records]

    new = benched("new", forge)
    for a, b, arm in ((benched("old"), new, "candidate"), (new, benched("old-too"), "baseline")):
        (change,) = compared(a, b).changes
        assert (change.verdict, change.exit_code) == ("failed", code)
        assert change.why.startswith(f"The {arm} failed: ")
        assert said in change.why


def test_a_loop_half_off_its_core_does_not_count_whatever_its_flags(
    compared: Compared, benched: Callable[..., Path]
) -> None:
    def off(records: list[LaunchRecord]) -> list[LaunchRecord]:
        return [edited(r, off_core_ns=(r.wall_ns or 0) // 2) for r in records]

    found = compared(benched("old"), benched("new", off))
    assert [c.verdict for c in found.changes] == ["unstable"]
    assert len(found.discarded) == 10


def restamped(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [
        edited(r, artifact_sha256="d" * 64, started_at=r.started_at.replace("2026-01", "2026-02"))
        for r in records
    ]


def scaled(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [
        edited(r, samples_ns=tuple(int(0.9 * ns) for ns in r.samples_ns))
        for r in restamped(records)
    ]


def shuffled(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, samples_ns=r.samples_ns[::-1]) for r in restamped(records)]


def other_launches(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [
        edited(r, samples_ns=other.samples_ns, wall_ns=None)
        for r, other in zip(restamped(records), records[::-1], strict=True)
    ]


@pytest.mark.parametrize("forge", [restamped, scaled, shuffled, other_launches])
@pytest.mark.parametrize("choice", [{}, {"same_file": True}], ids=str)
def test_a_baseline_re_stamped_as_the_candidate_is_refused(
    compared: Compared, benched: Callable[..., Path], forge: Forge, choice: dict[str, bool]
) -> None:
    old = benched("old")
    new = benched("new", lambda _: forge(store.load(old)))
    for a, b in ((old, new), (new, old)):
        with pytest.raises(UsageError, match="one is a copy of the other") as refused:
            compared(a, b, **choice)
        assert "old/runs.jsonl, line" in refused.value.what
        assert "new/runs.jsonl, line" in refused.value.what


def one_as_all(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, samples_ns=records[0].samples_ns, wall_ns=None) for r in records]


def renumbered(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, launch=9 - r.launch) for r in records]


def reversed_lines(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return records[::-1]


def in_the_future(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, started_at=r.started_at.replace("2026", "2099")) for r in records]


def all_at_once(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, started_at=records[0].started_at) for r in records]


def never_valid(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [edited(r, valid=False) for r in records]


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (one_as_all, "have the same 50 samples"),
        (renumbered, "bench takes them by number"),
        (reversed_lines, "times run backwards"),
        (in_the_future, "yet to come"),
        (all_at_once, "they overlap"),
        (never_valid, "no flags, which go with valid true"),
    ],
)
def test_a_file_that_no_bench_wrote_is_refused(
    compared: Compared, benched: Callable[..., Path], forge: Forge, said: str
) -> None:
    for a, b in (
        (benched("old"), benched("new", forge)),
        (benched("old-too", forge), benched("other")),
    ):
        with pytest.raises(UsageError, match=said):
            compared(a, b)


def test_launches_of_one_run_that_all_took_the_same_time_are_made_up(
    compared: Compared, folder: Callable[..., Path]
) -> None:
    def single(record: LaunchRecord) -> LaunchRecord:
        return edited(record, runs=1, samples_ns=record.samples_ns[:1])

    def all_the_same(record: LaunchRecord) -> LaunchRecord:
        return edited(record, runs=1, samples_ns=(10_500_000,))

    (change, *_) = compared(folder("old", edit=single), folder("new", edit=all_the_same)).changes
    assert (change.verdict, change.exit_code) == ("failed", 3)
    assert change.why.startswith("The candidate failed: ")


def again_allowed(records: list[LaunchRecord]) -> list[LaunchRecord]:
    hot = [edited(r, flags=("hot",), valid=False, exit_code=4) for r in records]
    return [*hot, *(edited(r, flags=("hot",), allowed=("hot",)) for r in records)]


def with_failures(records: list[LaunchRecord]) -> list[LaunchRecord]:
    failed = {"error": "it hung", "flags": ("failed",), "valid": False, "exit_code": 3}
    lost = edited(records[0], launch=5, samples_ns=(), wall_ns=None, process_ns=None, **failed)
    lost = edited(lost, started_at=records[4].started_at.replace(":00+", ":30+"))
    return [*records[:5], lost, *records[5:]]


def clock_set_back(records: list[LaunchRecord]) -> list[LaunchRecord]:
    return [
        edited(r, started_at=r.started_at.replace(":00+", f":0{r.launch % 2}+")) for r in records
    ]


@pytest.mark.parametrize("forge", [again_allowed, with_failures, clock_set_back])
def test_what_bench_itself_writes_is_compared(
    compared: Compared,
    benched: Callable[..., Path],
    latency: Callable[..., Change],
    forge: Forge,
) -> None:
    found = compared(benched("old", forge), benched("new", forge))
    assert latency(found).verdict == "pass"


def test_a_candidate_benched_into_the_folder_of_the_baseline_is_compared(
    compared: Compared, benched: Callable[..., Path], latency: Callable[..., Change]
) -> None:
    old = benched("old")
    new = benched("new", lambda mine: [*store.load(old), *restamped(mine)])
    found = compared(old, new)
    assert latency(found).verdict == "pass"
    assert any("are left out" in note for note in found.notes)

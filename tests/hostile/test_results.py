"""Results that somebody edited, or that were never meant to be compared, are refused with why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Records = list[LaunchRecord]


def edited(record: LaunchRecord, **changes: Any) -> LaunchRecord:
    return msgspec.structs.replace(record, **changes)


def benched(good: LaunchRecord, seed: int) -> Records:
    """Return ten launches of 50 runs as a bench writes them, each seed's of a file of its own."""
    rng = np.random.default_rng(seed)
    records = []
    for number in range(10):
        samples = tuple(map(int, 1e7 * (1 + 0.01 * rng.normal(size=50))))
        started = EPOCH + timedelta(days=seed, seconds=5 * number)
        records.append(
            edited(
                good,
                written_by="bench",
                launch=number,
                launches_planned=10,
                runs=50,
                samples_ns=samples,
                wall_ns=sum(samples) + 1000,
                process_ns=3 * 10**9,
                artifact_sha256=f"{seed}" * 64,
                output_error=1e-6 if number == 0 else None,
                started_at=started.isoformat(timespec="milliseconds"),
            )
        )
    return records


@dataclasses.dataclass(frozen=True)
class Forgery:
    """What is done to the candidate's launches, given both sides'."""

    name: str
    forge: Callable[[Records, Records], Sequence[LaunchRecord]]
    code: int
    names: tuple[str, ...]
    options: tuple[str, ...] = ()


def each(**changes: Any) -> Callable[[Records, Records], Records]:
    return lambda _, new: [edited(r, **changes) for r in new]


def one(number: int, **changes: Any) -> Callable[[Records, Records], Records]:
    return lambda _, new: [edited(r, **changes) if r.launch == number else r for r in new]


def with_samples(record: LaunchRecord, samples_ns: tuple[int, ...]) -> LaunchRecord:
    return edited(record, samples_ns=samples_ns, wall_ns=None)


def stamped(change: Callable[[tuple[int, ...]], Sequence[float]]) -> Any:
    """Return the baseline's launches as the candidate's, with their samples changed."""
    return lambda old, new: [
        edited(theirs, samples_ns=tuple(map(int, change(ours.samples_ns))), wall_ns=None)
        for ours, theirs in zip(old, new, strict=True)
    ]


COPY = ("one is a copy of the other", "line 1")
FORGERIES = [
    Forgery("re-stamped", stamped(lambda s: s), 2, COPY),
    Forgery("re-stamped, asked for", stamped(lambda s: s), 2, COPY, ("--same-file",)),
    Forgery("10 % slower", stamped(lambda s: [1.1 * ns for ns in s]), 2, COPY),
    Forgery("20 us more", stamped(lambda s: [ns + 20_000 for ns in s]), 2, COPY),
    Forgery("sorted", stamped(sorted), 2, COPY),
    Forgery("backwards", stamped(lambda s: s[::-1]), 2, COPY),
    Forgery("half of it", stamped(lambda s: [*s[:25], *(n + 99 for n in s[25:])]), 2, COPY),
    Forgery("the baseline itself", lambda old, _: old, 2, ("a launch can't be of both",)),
    Forgery("one as all", lambda _, new: [with_samples(r, new[0].samples_ns) for r in new], 2,
            ("launch 0 of net", "launch 1 of net", "same 50 samples")),
    Forgery("one twice", lambda _, new: [*new[:9], with_samples(new[9], new[2].samples_ns)], 2,
            ("launch 2 of net", "launch 9 of net")),
    Forgery("other numbers", lambda _, new: [edited(r, launch=9 - r.launch) for r in new], 2,
            ("by number",)),
    Forgery("two swapped", lambda _, new: [edited(r, launch=(1, 0)[r.launch] if r.launch < 2 else
            r.launch) for r in new], 2, ("by number",)),
    Forgery("not planned", one(9, launch=10), 2, ("none of the 10",)),
    Forgery("lines backwards", lambda _, new: new[::-1], 2, ("times run backwards",)),
    Forgery("all at once", each(started_at="2026-02-01T00:00:00+00:00"), 2, ("overlap",)),
    Forgery("no time", each(started_at="soon"), 2, ("'soon'", "no time")),
    Forgery("no zone", one(3, started_at="2026-01-03T00:00:00"), 2, ("launch 3", "no time")),
    Forgery("to come", each(started_at="2199-01-01T00:00:00+00:00"), 2, ("yet to come",)),
    Forgery("not valid", one(2, valid=False), 2, ("launch 2", "valid")),
    Forgery("another exit code", one(2, exit_code=4), 2, ("launch 2", "exit_code")),
    Forgery("failed, says nobody", one(2, error="it hung"), 2, ("launch 2",)),
    Forgery("fewer than none", each(backend="vulkan", backends_in_force={"vulkan": -3}), 2,
            ("line 1", "backends_in_force")),
    Forgery("of a check", each(written_by="check"), 2, ("launches of a check",)),
    Forgery("the same file", each(artifact_sha256="1" * 64), 2, ("same file", "--same-file")),
    Forgery("fp16", one(4, precision_in_force="fp16"), 3, ()),
    Forgery("another core", one(4, cpu_after=0), 3, ()),
    Forgery("another output", one(4, output_sha256="e" * 64), 5, ()),
    Forgery("a wrong output", one(0, output_error=0.5), 5, ()),
    Forgery("off its core", each(off_core_ns=250_000_000), 4, ()),
    Forgery("no variance", lambda _, new: [edited(r, samples_ns=(10**7,) * 50, wall_ns=None)
            for r in new], 3, ()),
    Forgery("longer than it lived", each(process_ns=10**6), 2, ("process lived",)),
]  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
def test_no_edited_results_get_a_verdict(
    folder: Path, good: LaunchRecord, forgery: Forgery, capsys: pytest.CaptureFixture[str],
    refused: Callable[..., Any],
) -> None:  # fmt: skip
    old, new = benched(good, 1), benched(good, 2)
    for name, records in (("old", old), ("new", forgery.forge(old, new))):
        (folder / name).mkdir()
        lines = [msgspec.json.encode(record) + b"\n" for record in records]
        (folder / name / store.NAME).write_bytes(b"".join(lines))
    asked = ["check", "--baseline", "old", "--candidate", "new", *forgery.options]
    if forgery.code == 2:
        assert refused(asked, 2, *forgery.names).out == ""
    else:
        from asymm_deploy import cli

        assert cli.run(asked) == forgery.code
        printed = capsys.readouterr()
        assert printed.out.startswith(("failed", "unstable"))


def test_launches_of_one_model_made_slower_are_not_another_ones(
    folder: Path, good: LaunchRecord, refused: Callable[..., Any]
) -> None:
    for seed, name in enumerate(("old", "new"), start=1):
        lines = []
        for record, theirs in zip(benched(good, seed), benched(good, seed + 2), strict=True):
            copied = record if name == "new" else theirs
            other = with_samples(record, tuple(int(1.7 * ns) for ns in copied.samples_ns))
            later = datetime.fromisoformat(record.started_at) + timedelta(seconds=3.5)
            other = edited(other, model="other", started_at=later.isoformat(), process_ns=10**9)
            lines += [record, edited(other, artifact_sha256=f"{seed}e" * 32)]
        (folder / name).mkdir()
        (folder / name / store.NAME).write_bytes(
            b"".join(msgspec.json.encode(record) + b"\n" for record in lines)
        )
    names = ("launch 0 of net (new", "launch 0 of other (new", "one is a copy of the other")
    refused(["check", "--baseline", "old", "--candidate", "new"], 2, *names)


def test_honest_results_get_a_verdict(
    folder: Path, good: LaunchRecord, refused: Callable[..., Any]
) -> None:
    for seed, name in enumerate(("old", "new"), start=1):
        (folder / name).mkdir()
        lines = [msgspec.json.encode(record) + b"\n" for record in benched(good, seed)]
        (folder / name / store.NAME).write_bytes(b"".join(lines))
    told = refused(["check", "--baseline", "old", "--candidate", "new"], 0)
    assert told.out.startswith("pass")

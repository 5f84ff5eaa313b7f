"""results/cold.jsonl: one line per cold launch, on disk as soon as the launch ends.

It is kept as runs.jsonl is: a torn last line is put aside, other damage stops a bench.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from asymm_deploy import jsonl
from asymm_deploy.bench.cold.cold_records import COLD_SCHEMA_VERSION, ColdRecord, StageTimes
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.bench.store import lines_held, refuse_strange
from asymm_deploy.bench.units import HOUR_NS
from asymm_deploy.bench.wire import is_more_processor_time
from asymm_deploy.errors import UsageError

COLD_NAME = "cold.jsonl"

_REPAIR = "restore the file as it was, or measure again with another --out; nothing was changed"


class ColdRuns:
    """The cold launches of one results folder, while this process alone adds to them."""

    def __init__(self, path: Path, records: list[ColdRecord]) -> None:
        self._path = path
        self._records = records

    @property
    def records(self) -> tuple[ColdRecord, ...]:
        """All records, in the order of the file."""
        return tuple(self._records)

    def append(self, record: ColdRecord) -> None:
        """Add a line and wait until it is on disk.

        Raises HarnessError if that can't be done; the file is then as it was before.
        """
        jsonl.append_line(self._path, msgspec.json.encode(record))
        self._records.append(record)


@contextmanager
def opened_cold(folder: Path, on_repair: Callable[[str], None]) -> Iterator[ColdRuns]:
    """Hold ``folder``, which is made, and yield its cold launches.

    ``on_repair`` gets a line about what was repaired. Raises as ``store.opened`` does.
    """

    def read(path: Path) -> jsonl.Lines[ColdRecord]:
        return _known(jsonl.read_lines(path, ColdRecord, COLD_SCHEMA_VERSION), path)

    path = folder / COLD_NAME
    with lines_held(path, read, on_repair) as records:
        yield ColdRuns(path, records)


def cold_runs_of(content: bytes, path: Path) -> jsonl.Lines[ColdRecord]:
    """Return what the ``content`` of a cold.jsonl holds; ``path`` is how messages call it.

    Raises UsageError if it is damaged, of a newer version, or holds what can't have been measured.
    """
    return _known(jsonl.lines_of(content, path, ColdRecord, COLD_SCHEMA_VERSION), path)


def _known(found: jsonl.Lines[ColdRecord], path: Path) -> jsonl.Lines[ColdRecord]:
    refuse_strange([record.launch for record in found.records], path)
    for number, record in enumerate(found.records, start=1):
        told = _impossible(record)
        if told is not None:
            raise UsageError(
                f"{path}, line {number}: {record.launch.model} {told}, "
                "which can't have been measured",
                _REPAIR,
            )
    return found


def _impossible(record: ColdRecord) -> str | None:
    """Return what a finished launch says that no runner reports; None if all is well."""
    if record.launch.error is not None:
        return None
    if (record.stages is None) != (record.kind == "memory"):
        return "has no stages" if record.stages is None else "has times beside its memory"
    if (record.memory is None) != (record.kind == "times"):
        return "has no memory" if record.memory is None else "has memory beside its times"
    counts = (record.pages, record.resident, record.major_faults)
    if record.pages is None or any(not 0 <= each < 2**63 for each in counts if each is not None):
        return "has impossible numbers of pages"
    if record.resident is not None and record.resident > record.pages:
        return f"has {record.resident} pages in memory of {record.pages}"
    return None if record.stages is None else _impossible_times(record.stages, record)


def _impossible_times(stages: StageTimes, record: ColdRecord) -> str | None:
    own = (stages.read_ns, stages.create_ns, stages.first_ns, stages.second_ns)
    cpu = (stages.read_cpu_ns, stages.create_cpu_ns, stages.first_cpu_ns, stages.second_cpu_ns)
    others = (stages.engine_ns, stages.cpu_ns, stages.waited_ns, stages.steal_ns, *cpu)
    if any(not 0 < ns <= 24 * HOUR_NS for ns in own) or any(
        not 0 <= ns <= 24 * HOUR_NS for ns in others if ns is not None
    ):
        return "has a stage of no time, or of more than a day"
    if any(map(is_more_processor_time, cpu, own)):
        return "has a stage that used more processor time than it took"
    if sum(own) > stages.wall_ns:
        return "has stages that add up to more than all of them together took"
    inside_ns = stages.wall_ns + (record.launch.wall_ns or 0)
    process_ns = record.launch.process_ns
    if process_ns is not None and plausibility.is_longer(inside_ns, process_ns):
        return (
            f"has stages and runs of {inside_ns / 1e9:.3g} s in a process that lived for "
            f"{process_ns / 1e9:.3g} s"
        )
    return None

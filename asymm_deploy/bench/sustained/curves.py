"""sustained.jsonl: kept line by line as a launch goes on, and read as one curve a launch."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from asymm_deploy import jsonl
from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.bench.judge.plausibility import refuse_impossible_launch
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.store import lines_held
from asymm_deploy.bench.sustained.curve_records import (
    SUSTAINED_NAME,
    SUSTAINED_SCHEMA_VERSION,
    CurveEnd,
    CurveLine,
    CurveReading,
    CurveStart,
    WrittenLine,
)
from asymm_deploy.bench.sustained.second_stream import Second, SecondFigures, impossible_second
from asymm_deploy.errors import UsageError
from asymm_deploy.text import counted

_VERSION = SUSTAINED_SCHEMA_VERSION
STOPPED_EARLY = "the command that timed it stopped early"
"""Of a curve without an end: it was killed, lost its phone for too long, or had no space left."""
_TO_TRY = "restore it as it was, or give another folder in its place; nothing was changed"


Elsewhere: TypeAlias = Callable[[Callable[[], Any]], Any]
"""Has something done by another thread; returns, or raises, what comes of it."""


@dataclass(slots=True)
class Curve:
    """One launch, as far as it is on disk."""

    name: str
    started: CurveStart
    seconds: list[SecondFigures] = field(default_factory=list)
    readings: list[CurveReading | None] = field(default_factory=list)
    """One for each second."""
    ended: CurveEnd | None = None

    @property
    def launch(self) -> LaunchRecord:
        """What is known of the launch."""
        return self.started.launch if self.ended is None else self.ended.launch

    @property
    def reached_s(self) -> float:
        """How far it got, in seconds since the start of its loop."""
        return (self.seconds[-1].at_ns + self.seconds[-1].wall_ns) / 1e9 if self.seconds else 0.0

    @property
    def is_whole(self) -> bool:
        """Whether it reached its end."""
        return self.ended is not None and self.ended.launch.error is None


class CurveFile:
    """The file, while this process is the only one to add to it."""

    def __init__(self, path: Path, curves: list[Curve]) -> None:
        """Take what ``opened_curves`` read."""
        self._path = path
        self.curves = curves

    def begin(self, started: CurveStart) -> Curve:
        """Add a launch that begins; like all others, return once it is on disk."""
        curve = Curve(secrets.token_hex(4), started)
        self._add(CurveLine(schema_version=_VERSION, curve=curve.name, started=started))
        self.curves.append(curve)
        return curve

    def add(self, curve: Curve, seconds: Sequence[Second], reading: CurveReading | None) -> None:
        """Add seconds, in one write; ``reading`` belongs to the last of them."""
        if not seconds:
            return
        readings = [None] * (len(seconds) - 1) + [reading]
        self._add(
            *(
                WrittenLine(schema_version=_VERSION, curve=curve.name, second=second, reading=read)
                for second, read in zip(seconds, readings, strict=True)
            )
        )
        curve.seconds += [
            msgspec.convert(second, SecondFigures, from_attributes=True) for second in seconds
        ]
        curve.readings += readings

    def end(self, curve: Curve, ended: CurveEnd) -> None:
        """Add how it ended."""
        self._add(CurveLine(schema_version=_VERSION, curve=curve.name, ended=ended))
        curve.ended = ended

    def _add(self, *lines: CurveLine | WrittenLine) -> None:
        jsonl.append_line(self._path, b"\n".join(map(msgspec.json.encode, lines)))


class CurvesElsewhere(CurveFile):
    """The same file for another thread: the one that has it adds what is to be added."""

    def __init__(self, file: CurveFile, elsewhere: Elsewhere) -> None:
        """Take the file, and how to have its own thread do something."""
        self._file = file
        self._elsewhere = elsewhere

    @property
    def curves(self) -> list[Curve]:  # type: ignore[override]
        """Those of now, of other threads as well."""
        return list(self._file.curves)

    def begin(self, started: CurveStart) -> Curve:
        """Add a launch that begins."""
        begun: Curve = self._elsewhere(lambda: self._file.begin(started))
        return begun

    def add(self, curve: Curve, seconds: Sequence[Second], reading: CurveReading | None) -> None:
        """Add seconds."""
        self._elsewhere(lambda: self._file.add(curve, seconds, reading))

    def end(self, curve: Curve, ended: CurveEnd) -> None:
        """Add how it ended."""
        self._elsewhere(lambda: self._file.end(curve, ended))


@contextmanager
def opened_curves(folder: Path, on_repair: Callable[[str], None]) -> Iterator[CurveFile]:
    """Hold a results folder and yield its curves; ``on_repair`` gets a line on what was repaired.

    Raises HarnessError while another bench holds it, UsageError if the file can't be written, is
    damaged, or is of a newer version.
    """

    def read(path: Path) -> jsonl.Lines[Curve]:
        found = jsonl.read_lines(path, CurveLine, _VERSION)
        return jsonl.Lines(curves_of(found.records, path), found.torn)

    path = folder / SUSTAINED_NAME
    with lines_held(path, read, on_repair) as curves:
        yield CurveFile(path, curves)


def curves_in(content: bytes, path: Path) -> tuple[list[Curve], bytes]:
    """Return what a sustained.jsonl holds, and what is behind its last whole line.

    Raises UsageError if it is damaged, or of a newer version; ``path`` is how messages call it.
    """
    found = jsonl.lines_of(content, path, CurveLine, _VERSION)
    return curves_of(found.records, path), found.torn


def lines_of_curves(curves: Iterable[Curve]) -> bytes:
    """Return the lines that these curves are read from, without each run, which is most of them."""
    found = []
    for curve in curves:
        found.append(CurveLine(schema_version=_VERSION, curve=curve.name, started=curve.started))
        found += [
            CurveLine(schema_version=_VERSION, curve=curve.name, second=second, reading=reading)
            for second, reading in zip(curve.seconds, curve.readings, strict=True)
        ]
        if curve.ended is not None:
            found.append(CurveLine(schema_version=_VERSION, curve=curve.name, ended=curve.ended))
    return b"".join(msgspec.json.encode(line) + b"\n" for line in found)


def curves_of(lines: Iterable[CurveLine], path: Path) -> list[Curve]:
    """Return the curves that lines make, in the order in which they began."""
    curves: dict[str, Curve] = {}
    for number, line in enumerate(lines, start=1):
        told = (line.started, line.second, line.ended)
        curve = curves.get(line.curve)
        if sum(each is not None for each in told) != 1:
            raise _damaged(path, number, "it has not one of 'started', 'second' and 'ended'")
        if (curve is None) != (line.started is not None):
            raise _damaged(path, number, f"launch {line.curve!r} does not begin once")
        if line.started is not None:
            refuse_impossible_launch(line.started.launch, path, number)
            curves[line.curve] = Curve(line.curve, line.started)
        elif curve is not None and line.second is not None:
            if curve.ended is not None:
                raise _damaged(path, number, f"launch {line.curve!r} had ended")
            if line.second.at_ns < curve.reached_s * 1e9 - 1:
                raise _damaged(path, number, "its second is not behind the one before it")
            wrong = impossible_second(line.second)
            if wrong is not None:
                raise _damaged(path, number, f"its second {wrong}")
            curve.seconds.append(line.second)
            curve.readings.append(line.reading)
        elif curve is not None and line.ended is not None:
            unknown = [name for name in line.ended.launch.flags if name not in FLAGS]
            if unknown:
                raise _damaged(path, number, f"nobody knows the flag {unknown[0]!r}")
            refuse_impossible_launch(line.ended.launch, path, number)
            runs = sum(second.runs for second in curve.seconds)
            if line.ended.launch.error is None and line.ended.launch.runs != runs:
                after = f"it ended after {counted(line.ended.launch.runs, 'run')}"
                raise _damaged(path, number, f"{after}, and its seconds have {runs:,}")
            curve.ended = line.ended
    return list(curves.values())


def _damaged(path: Path, number: int, why: str) -> UsageError:
    return UsageError(f"{path} is damaged in line {number}: {why}", _TO_TRY)

"""What a runner prints that runs for minutes: a line for each second, read as it comes."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from asymm_deploy.bench import wire
from asymm_deploy.bench.units import HOUR_NS
from asymm_deploy.bench.wire import (
    MADE_UP,
    Calibrated,
    Cpu,
    Done,
    Failure,
    Hello,
    Model,
    RunnerOutput,
    RunnerReport,
    Samples,
    WireError,
)
from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted

MOST_TOLD = 2**18
"""Runs of one line at most."""
_LINE_BYTES = 2**20
"""More than any line but the output's values has."""
_SHARE = 1.01
_ROUNDING_NS = 2 * 10**7
"""Clocks may disagree by as much, in all."""
_DISAGREES = "runs of which it says what does not agree"

_Duration = Annotated[int, msgspec.Meta(ge=0, le=48 * HOUR_NS)]
_Sample = Annotated[int, msgspec.Meta(ge=1, le=HOUR_NS)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class SecondFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a second's runs come to: those that ended between two moments. Durations are in ns."""

    at_ns: _Duration
    """Its beginning, since the start of the loop."""
    wall_ns: _Duration
    """How long it is, with pauses between runs."""
    runs: Annotated[int, msgspec.Meta(ge=1, le=MOST_TOLD)]
    mean_ns: _Sample
    median_ns: _Sample
    p90_ns: _Sample
    p99_ns: _Sample
    min_ns: _Sample
    max_ns: _Sample
    cpu_ns: _Duration
    """Processor time of the main thread over its runs alone."""
    waited_ns: _Duration | None
    """Time during which its threads were ready but not running."""
    steal_ns: _Duration | None
    """Time that the hypervisor took from the pinned cores."""
    late: _Count
    """Frames that came while another was run."""
    skipped: _Count
    """Those of them that were never run."""
    late_by_waking: _Count | None = None
    """Of the late ones, those that the runs' durations alone would not have made late: a run began
    behind its frame. None from a runner that does not tell."""
    core: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None
    """Where the main thread was as it closed."""
    khz: Annotated[int, msgspec.Meta(ge=1, le=10**8)] | None
    """The clock of the first pinned core then."""


class Second(SecondFigures, frozen=True, kw_only=True, tag_field="type", tag="second"):
    """A second as a runner tells of it."""

    ns: Annotated[tuple[_Sample, ...], msgspec.Meta(max_length=MOST_TOLD)] | None
    """Each run, in order; None of a second with too many to tell."""


class Sustained(msgspec.Struct, frozen=True, tag_field="type", tag="sustained"):
    """The whole loop."""

    runs: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    wall_ns: _Duration
    cpu_ns: _Duration
    waited_ns: _Duration | None
    steal_ns: _Duration | None
    late: _Count
    skipped: _Count
    late_by_waking: _Count | None = None


_Line: TypeAlias = (
    Hello | Model | Second | Cpu | Calibrated | Sustained | RunnerOutput | Done | Failure
)
_BEFORE = (Hello, Model)
_BEHIND = (Cpu, Calibrated, Sustained, RunnerOutput, Done)


class SecondReport(msgspec.Struct, frozen=True):
    """A complete stream, without its seconds; ``report`` has the loop as if it were one run."""

    report: RunnerReport
    sustained: Sustained


class SecondReader:
    """Reads a stream piece by piece, and holds it to the protocol."""

    def __init__(self, for_s: float) -> None:
        """Take how long the runner was asked to go on."""
        self._most_ns = round(for_s * 1e9)
        self._rest = bytearray()
        self._seen: list[_Line] = []
        self._runs = self._late = self._skipped = self._woken = self._at_ns = 0
        self.count = 0
        """How many seconds there were."""

    def feed(self, piece: bytes) -> list[Second]:
        """Return the seconds that ``piece`` completes; raise WireError for what is no stream."""
        self._rest += piece
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        found = [message for line in lines if (message := self._taken(bytes(line))) is not None]
        if len(rest) > (_LINE_BYTES if not self._is_at_end else wire.MAX_STREAM_BYTES):
            raise WireError(f"the runner printed a line without end: {excerpt(bytes(rest[:99]))}")
        return found

    def finish(self) -> SecondReport:
        """Return what the whole stream says; raise WireError unless it is complete and sane."""
        if self._rest:
            rest = excerpt(bytes(self._rest))
            raise WireError(f"the runner stopped in the middle of a line: {rest}")
        wanted = (*_BEFORE, *_BEHIND)
        if len(self._seen) < len(wanted):
            raise WireError(f"the runner stopped before {_name(wanted[len(self._seen)])!r}")
        hello, model, cpu, calibration, whole, output, done = self._seen
        assert isinstance(hello, Hello)
        assert isinstance(model, Model)
        assert isinstance(cpu, Cpu)
        assert isinstance(calibration, Calibrated)
        assert isinstance(whole, Sustained)
        assert isinstance(output, RunnerOutput)
        assert isinstance(done, Done)
        summed = (self._runs, self._late, self._skipped, self._woken)
        told = (whole.runs, whole.late, whole.skipped, whole.late_by_waking or 0)
        if summed != told or done.count != whole.runs:
            raise WireError(
                f"the runner's seconds have {_shown(summed)}, and it says that it had "
                f"{_shown(told)}, and in the end {done.count} runs"
            )
        if whole.wall_ns * _SHARE + _ROUNDING_NS < self._at_ns:
            raise WireError("the runner's seconds add up to more than its loop took")
        loop = Samples((), whole.wall_ns, whole.cpu_ns, whole.waited_ns, whole.steal_ns)
        return SecondReport(RunnerReport(hello, model, cpu, calibration, loop, output), whole)

    @property
    def _is_at_end(self) -> bool:
        """Whether the next line may be the output's."""
        return bool(self._seen) and isinstance(self._seen[-1], Sustained)

    def _taken(self, line: bytes) -> Second | None:
        """Keep a message; return it if it is a second's."""
        place = len(self._seen)
        wanted = (*_BEFORE, *_BEHIND)
        if place == len(wanted):
            raise WireError(f"the runner went on after 'done': {excerpt(line)}")
        expected = wanted[place]
        if place == 0:
            wire.check_protocol(line)
        message: _Line = wire.message_of(line, _Line, self._expected)
        if isinstance(message, Second) and place == len(_BEFORE):
            self._require_sane(message)
            return message
        if not isinstance(message, expected) or (place == len(_BEFORE) and not self.count):
            raise WireError(
                f"the runner printed {_name(type(message))!r} where {self._expected!r} was expected"
            )
        self._seen.append(message)
        return None

    @property
    def _expected(self) -> str:
        """What should come next."""
        place = len(self._seen)
        if place == len(_BEFORE):
            return _name(Second)
        return _name((*_BEFORE, *_BEHIND)[place])

    def _require_sane(self, second: Second) -> None:
        """Count a second; raise WireError for one that nothing can have measured."""
        where = f"second {self.count + 1}"
        if second.at_ns < self._at_ns:
            raise WireError(f"{MADE_UP}: {where} begins before the one before it ends")
        ends_ns = second.at_ns + second.wall_ns
        if second.at_ns > self._most_ns * _SHARE + _ROUNDING_NS:
            raise WireError(f"{MADE_UP}: {where} begins after the time that it was asked for")
        wrong = impossible_second(second)
        if wrong is not None:
            raise WireError(f"{MADE_UP}: {where} {wrong}")
        of_runs = second.ns is None or (
            len(second.ns) == second.runs
            and (min(second.ns), max(second.ns)) == (second.min_ns, second.max_ns)
        )
        if not of_runs:
            raise WireError(f"{MADE_UP}: {where} has {_DISAGREES}")
        self._at_ns = ends_ns
        self._runs += second.runs
        self._late += second.late
        self._skipped += second.skipped
        self._woken += second.late_by_waking or 0
        self.count += 1


def impossible_second(second: SecondFigures) -> str | None:
    """Return what a second's figures can't have been measured with; None if all is well."""
    ranked = [second.min_ns, second.median_ns, second.p90_ns, second.p99_ns, second.max_ns]
    if ranked != sorted(ranked) or not second.min_ns <= second.mean_ns <= second.max_ns:
        return f"has {_DISAGREES}"
    if second.mean_ns * second.runs > second.wall_ns * _SHARE + _ROUNDING_NS:
        return "has runs that add up to more than it took"
    if second.cpu_ns > second.wall_ns * _SHARE + _ROUNDING_NS:
        return "has more processor time than it took"
    if second.skipped > second.late:
        return "skipped more frames than were late"
    if (second.late_by_waking or 0) > second.late:
        return "says that more frames are late by waking than are late"
    return None


def sustained_request(alone: list[str], for_s: float, every_ms: float | None) -> list[str]:
    """Return the arguments of a launch that lasts, from those of a plain one."""
    paced = [] if every_ms is None else ["--every-ms", f"{every_ms:.17g}"]
    return [*alone, "--for-seconds", f"{for_s:.17g}", *paced]


def _shown(counts: tuple[int, int, int, int]) -> str:
    runs, late, skipped, woken = counts
    frames = f"{counted(late, 'late frame')}, {woken} by waking, {skipped} skipped"
    return f"{counted(runs, 'run')}, {frames}"


def _name(message: type[_Line]) -> str:
    return str(message.__struct_config__.tag)

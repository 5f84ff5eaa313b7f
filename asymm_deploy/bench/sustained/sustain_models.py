"""Sustained launches of models, one after the other; each second is on disk once it is over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from asymm_deploy.bench import launch, wire
from asymm_deploy.bench.artifact import Artifact, Missing, artifact_changed
from asymm_deploy.bench.flags import exit_code_for, leave_valid
from asymm_deploy.bench.launch import Bench, Placed
from asymm_deploy.bench.plan import Plan, plan_id
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.curve_records import CurveEnd, CurveReading, CurveStart
from asymm_deploy.bench.sustained.curve_verdict import judged_curve, with_heat_allowed
from asymm_deploy.bench.sustained.curves import STOPPED_EARLY, Curve, CurveFile
from asymm_deploy.bench.sustained.following import Follower, KillAfter, LostLaunchError
from asymm_deploy.bench.sustained.second_stream import (
    SecondReader,
    SecondReport,
    sustained_request,
)
from asymm_deploy.errors import ExitCode
from asymm_deploy.signals import ignoring_signals

_RETRIES = 2
"""Of a launch that was lost with its device."""


@dataclass(frozen=True, slots=True)
class CurveKept:
    """A launch that an earlier bench finished is kept."""

    curve: Curve


@dataclass(frozen=True, slots=True)
class CurveTakenUp:
    """A launch of an earlier bench still goes on; what was missed of it is read."""

    curve: Curve


@dataclass(frozen=True, slots=True)
class CurveBegun:
    """A launch begins."""

    curve: Curve


@dataclass(frozen=True, slots=True)
class CurveGrown:
    """Seconds have come, and are on disk."""

    curve: Curve


@dataclass(frozen=True, slots=True)
class CurveEnded:
    """A launch has ended; if it did not reach its end, its seconds are kept all the same."""

    curve: Curve


@dataclass(frozen=True, slots=True)
class Resting:
    """A device that has been at work is left alone for a while."""

    model: str
    """What comes after it."""


CurveEvent: TypeAlias = CurveKept | CurveTakenUp | CurveBegun | CurveGrown | CurveEnded | Resting


@dataclass(frozen=True, slots=True)
class Lasting:
    """For how long each model runs."""

    for_s: float
    every_ms: float | None
    """Frames come as often; None: without a pause."""


def sustain_models(
    follower: Follower,
    subjects: Sequence[Artifact | Missing],
    plan: Plan,
    lasting: Lasting,
    file: CurveFile,
    on_event: Callable[[CurveEvent], None],
) -> list[Curve]:
    """Run every model for as long as asked; return the curve of each, in order.

    Curves of the same plan that reached their end are kept. One that a killed command left is taken
    up if its launch goes on, and else is marked and begun anew. Raises HarnessError if the device
    or the results folder fails; what is on disk stays.
    """
    bench = _prepared(follower, plan, lasting, file)
    work = _Work(bench, follower, lasting, file, on_event)
    todo: list[tuple[Artifact | Missing, Curve | None]] = []
    found: dict[str, Curve] = {}
    for subject in subjects:
        earlier = None if plan.fresh else _earlier(subject, bench, file.curves)
        if earlier is not None and earlier.is_whole:
            found[subject.model] = _allowing(earlier, plan, file)
            on_event(CurveKept(earlier))
        else:
            todo.append((subject, earlier))
    # A launch that goes on comes first: nothing else can be timed beside it.
    todo.sort(key=lambda each: not (each[1] and not each[1].ended and work.takes_up(each[1])))
    files = [
        path
        for subject, _ in todo
        if isinstance(subject, Artifact)
        for path in subject.files
        if path.is_file()
    ]
    if todo:
        with follower.device.held(bench.cpus, list(dict.fromkeys(files))):
            for place, (subject, earlier) in enumerate(todo):
                if place:
                    work.rest(subject)
                found[subject.model] = work.do(subject, earlier)
    return [found[subject.model] for subject in subjects]


@dataclass(slots=True)
class _Work:
    """What all launches have in common."""

    bench: Bench
    follower: Follower
    lasting: Lasting
    file: CurveFile
    on_event: Callable[[CurveEvent], None]
    taken_up: Curve | None = field(default=None)
    """The launch that goes on."""

    def takes_up(self, curve: Curve) -> bool:
        """Whether an earlier command's launch goes on, and can be followed."""
        if self.taken_up is None and self.follower.goes_on(_name(curve)):
            self.taken_up = curve
        return curve is self.taken_up

    def rest(self, subject: Artifact | Missing) -> None:
        """Leave a device that has been at work alone, before a model's launch."""
        if self.follower.can_rest:
            self.on_event(Resting(subject.model))
            self.follower.rest()

    def do(self, subject: Artifact | Missing, earlier: Curve | None) -> Curve:
        """Run a model; return its curve, which has ended."""
        if earlier is not None and earlier.ended is None and earlier is not self.taken_up:
            self._give_up(earlier, STOPPED_EARLY)
        curve = earlier if earlier is not None and earlier is self.taken_up else None
        if curve is not None:
            self.on_event(CurveTakenUp(curve))
        for attempt in range(_RETRIES + 1):
            curve = curve or self._begun(subject)
            if isinstance(subject, Missing):
                reason = launch.failed(curve.launch, subject.reason, subject.exit_code)
                return self._end(curve, CurveEnd(launch=reason, loop=None))
            try:
                return self._end(curve, self._followed(curve, subject))
            except LostLaunchError as lost:
                self._give_up(curve, f"the launch was lost: {lost}")
                if attempt == _RETRIES:
                    return curve
                curve = None
                self.rest(subject)  # the first seconds are to be those of a cool device
            except KeyboardInterrupt:
                with ignoring_signals():
                    self._give_up(curve, "interrupted")
                raise
        raise AssertionError  # the loop only ends by returning or raising

    def _begun(self, subject: Artifact | Missing) -> Curve:
        attempts = [
            each.launch.attempt + 1
            for each in self.file.curves
            if (each.launch.plan_id, each.launch.model) == (self.bench.plan_id, subject.model)
        ]
        blank = launch.blank(self.bench, subject, max(attempts, default=0), 0)
        started = CurveStart(
            launch=msgspec.structs.replace(blank, runs=0),
            for_s=self.lasting.for_s,
            every_ms=self.lasting.every_ms,
        )
        curve = self.file.begin(started)
        if isinstance(subject, Artifact):
            self.on_event(CurveBegun(curve))
        return curve

    def _followed(self, curve: Curve, artifact: Artifact) -> CurveEnd:
        """Launch, or take up, and put each second on disk; return how it ended."""
        blank = curve.started.launch
        changed = artifact_changed(artifact)
        if changed is not None:
            return CurveEnd(launch=launch.failed(blank, changed), loop=None)
        model, *inputs = map(self.bench.device.put, artifact.files)
        placed = Placed(model, inputs[0] if inputs else None)
        asked = launch.request_of(
            self.bench,
            msgspec.structs.replace(blank, runs=1),  # the time says how many
            artifact,
            placed,
            output_values=artifact.reference is not None,
        )
        argv = [*self.bench.command, *sustained_request(asked, *self._times)]
        taking = _Taking(curve, self.file, SecondReader(self.lasting.for_s), self.on_event)
        limits = kill_after(self.lasting, self.bench.plan.launch_timeout_s)
        try:
            completed = self.follower.follow(argv, _name(curve), limits=limits, take=taking.take)
            told = launch.reported(completed, limits.total_s, lambda _: taking.finish())
            launch.require_as_asked(told.report, blank, artifact.api)
        except wire.WireError as error:
            return CurveEnd(launch=launch.failed(blank, str(error)), loop=None)
        record = launch.finished(blank, artifact, told.report, None, completed)
        if record.error is None:
            record = judged_curve(record, record.flags, curve, told.sustained)
        record = msgspec.structs.replace(record, runs=told.sustained.runs)
        return CurveEnd(launch=record, loop=told.sustained)

    @property
    def _times(self) -> tuple[float, float | None]:
        return self.lasting.for_s, self.lasting.every_ms

    def _give_up(self, curve: Curve, why: str) -> None:
        reached = f"{why}, after {curve.reached_s:.0f} of {curve.started.for_s:.0f} s"
        self._end(curve, CurveEnd(launch=launch.failed(curve.launch, reached), loop=None))

    def _end(self, curve: Curve, ended: CurveEnd) -> Curve:
        self.file.end(curve, ended)
        self.on_event(CurveEnded(curve))
        return curve


@dataclass(slots=True)
class _Taking:
    """Puts what a runner prints on disk, but what is there already."""

    curve: Curve
    file: CurveFile
    reader: SecondReader
    on_event: Callable[[CurveEvent], None]
    failure: wire.RunnerError | None = None
    """The runner itself gave up, and is about to end."""

    def take(self, piece: bytes, reading: CurveReading | None) -> None:
        if self.failure is not None:
            return
        before = self.reader.count
        try:
            seconds = self.reader.feed(piece)
        except wire.RunnerError as error:
            self.failure = error
            return
        fresh = seconds[max(0, len(self.curve.seconds) - before) :]
        if fresh:
            self.file.add(self.curve, fresh, reading)
            self.on_event(CurveGrown(self.curve))

    def finish(self) -> SecondReport:
        """Return what the whole stream says; raise WireError."""
        if self.failure is not None:
            raise self.failure
        return self.reader.finish()


def kill_after(lasting: Lasting, launch_timeout_s: float) -> KillAfter:
    """Return when a runner counts as hung: a run may take as long as another bench's launch.

    It is told of a second later at most, or when the next frame has come.
    """
    pause_s = max(1.0, (lasting.every_ms or 0) / 1000)
    return KillAfter(total_s=lasting.for_s + launch_timeout_s, silent_s=launch_timeout_s + pause_s)


def _prepared(follower: Follower, plan: Plan, lasting: Lasting, file: CurveFile) -> Bench:
    device = follower.device
    runner = device.runner(plan.engine)
    plain = plan_id(plan, device.facts(()), runner.identity)
    text = msgspec.json.encode([plain, lasting.for_s, lasting.every_ms])
    identity = hashlib.sha256(text).hexdigest()[:16]
    earlier = [each.launch.cpus for each in file.curves if each.launch.plan_id == identity]
    cpus = device.choose_cpus(plan.cpu, plan.threads, earlier[-1] if earlier else ())
    follower.cpus = cpus
    return Bench(device, plan, identity, device.facts(cpus), cpus, runner.command, "bench")


def _earlier(subject: Artifact | Missing, bench: Bench, curves: Sequence[Curve]) -> Curve | None:
    """Return the last curve of a model with this plan, file, input and cores."""
    known = subject if isinstance(subject, Artifact) else None
    wanted = (
        *(bench.plan_id, subject.model, bench.cpus),
        *((known.sha256, known.inputs_sha256) if known else ("", None)),
    )

    def identity(record: LaunchRecord) -> tuple[object, ...]:
        files = (record.artifact_sha256, record.inputs_sha256)
        return (record.plan_id, record.model, record.cpus, *files)

    return next((each for each in reversed(curves) if identity(each.launch) == wanted), None)


def _allowing(curve: Curve, plan: Plan, file: CurveFile) -> Curve:
    """Return a kept curve, judged again if other flags are allowed now: the last end counts."""
    assert curve.ended is not None
    record = curve.ended.launch
    if record.allowed != plan.allow:
        allowed = with_heat_allowed(plan.allow, curve)
        record = msgspec.structs.replace(
            record,
            allowed=plan.allow,
            valid=leave_valid(record.flags, allowed),
            exit_code=exit_code_for(record.flags, allowed, ExitCode.HARNESS),
        )
        file.end(curve, msgspec.structs.replace(curve.ended, launch=record))
    return curve


def _name(curve: Curve) -> str:
    """Return what the launch of a curve is called on a device."""
    return f"sustained-{curve.name}"

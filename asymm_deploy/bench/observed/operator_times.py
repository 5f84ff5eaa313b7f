"""A model on a device -> how long each of its operators takes, whatever comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from asymm_deploy.bench import launch, wire
from asymm_deploy.bench.artifact import Artifact, artifact_changed
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.launch import Bench, Placed
from asymm_deploy.bench.observed.observed_stream import ObservedReport, parse_observed_stream
from asymm_deploy.bench.observed.operators_line import TimedOperators
from asymm_deploy.bench.plan import Plan, plan_id
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bounds import require_within

LEAST_RUNS = 40
"""Fewer leave an operator without one undisturbed run among them."""
_REDONE = 2
"""How often a launch that heat spoilt is repeated, as in a bench."""
_OLDER = "argument --by-operator: needs --count"


class TimedOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator, in the order in which MNN ran them."""

    name: str
    type: str
    output_shape: tuple[int, ...]
    """Of its first output."""
    flops_m: float
    """As MNN estimates them, in 10^6: multiply-adds of convolutions, elements of most others."""
    time_ns: float
    """Its part of ``ObservedTimes.median_ns``."""


class ObservedTimes(msgspec.Struct, frozen=True, kw_only=True):
    """What came of timing one model by operator."""

    record: LaunchRecord
    """As of a launch of a bench, judged by its plain runs; its ``error`` says why it failed."""
    operators: tuple[TimedOperator, ...] = ()
    """Their times add up to ``median_ns``; none if the launch failed."""
    median_ns: float | None = None
    """Of the plain runs; None if the launch failed."""
    taken_out_percent: float | None = None
    """What watching cost, over the rest of a run: all the time between operators, and in each of
    them as much as the shortest of these gaps."""
    outside_percent: float | None = None
    """Time before the first operator and after the last, over that rest: copies of input and
    output. It is spread over the operators."""
    peak_mac_per_s: float | None = None
    """Multiply-adds a second, in fp32, that one core reached in a fixed loop."""


def require_enough_runs(plan: Plan) -> None:
    """Raise UsageError if ``plan`` has too few runs for the least time of an operator."""
    require_within("--runs", plan.runs, LEAST_RUNS, wire.MAX_RUNS, "an operator needs as many")


def time_operators(
    device: Device,
    artifacts: Sequence[Artifact],
    plan: Plan,
    on_timed: Callable[[ObservedTimes], None] = lambda _times: None,
) -> list[ObservedTimes]:
    """Time each artifact by operator in one launch of ``plan.runs`` plain and as many watched runs.

    A watched run tells the time before and after each operator. Of an operator that is the least
    of all watched runs. From it is taken what the two callbacks cost: the shortest time that passes
    between any operator's end and the next one's start, where MNN does nothing but call back. What
    is left is scaled so that all operators together take the median of the plain runs, which know
    no callbacks. So a time holds the operator's share of the copies of input and output, of noise,
    and of what the callbacks cost beyond that.

    Raises UsageError for too few runs or a core that is not available, HarnessError if the device
    fails. Whatever else fails is said by the record.
    """
    require_enough_runs(plan)
    bench = observing_bench(device, plan)
    files = dict.fromkeys(path for each in artifacts for path in each.files if path.is_file())
    made = []
    with device.held(bench.cpus, list(files)):
        for artifact in artifacts:
            times = _cooled(bench, artifact)
            made.append(times)
            on_timed(times)
    return made


def observing_bench(device: Device, plan: Plan) -> Bench:
    """Return what launches by operator have in common; they are kept in no file of results.

    Raises UsageError if a core is not available, HarnessError if there is no runner.
    """
    runner = device.runner(plan.engine)
    cpus = device.choose_cpus(plan.cpu, plan.threads, ())
    identity = plan_id(plan, device.facts(()), runner.identity)
    return Bench(device, plan, identity, device.facts(cpus), cpus, runner.command, None)


def _cooled(bench: Bench, artifact: Artifact) -> ObservedTimes:
    """Time an artifact, and again after a pause if heat spoilt that."""
    times = _timed(bench, artifact)
    for _ in range(_REDONE):
        if not verdicts.worth_repeating(times.record):
            break
        bench.device.cool_down(is_hot=verdicts.heat_was_seen(times.record))
        times = _timed(bench, artifact)
    return times


def _timed(bench: Bench, artifact: Artifact) -> ObservedTimes:
    blank = launch.blank(bench, artifact, 0, 0)
    blank = msgspec.structs.replace(blank, runs=bench.plan.runs)
    reason = artifact_changed(artifact)
    if reason is not None:
        return ObservedTimes(record=launch.failed(blank, reason))
    model, *inputs = map(bench.device.put, artifact.files)
    placed = Placed(model, inputs[0] if inputs else None)
    request = launch.request_of(
        bench, blank, artifact, placed, output_values=artifact.reference is not None
    )
    timeout_s = bench.plan.launch_timeout_s
    completed = bench.device.run([*bench.command, *request, "--by-operator"], timeout_s=timeout_s)
    try:
        report = launch.reported(completed, timeout_s, parse_observed_stream)
        launch.require_as_asked(report.launch, blank, artifact.api)
        record = launch.finished(blank, artifact, report.launch, None, completed)
        if record.error is not None:
            return ObservedTimes(record=record)
        return _observed(record, report)
    except wire.WireError as error:
        older = f" ({launch.BUILD_ANEW})" if _OLDER in str(error) else ""
        return ObservedTimes(record=launch.failed(blank, f"{error}{older}"))


def _observed(record: LaunchRecord, report: ObservedReport) -> ObservedTimes:
    found = report.operators
    callbacks_ns = callback_ns(found) * len(found.names) + sum(found.gap_ns[1:-1])
    rest_ns = max(1, sum(found.least_ns) + sum(found.gap_ns) - callbacks_ns)
    median_ns = float(np.median(report.launch.samples.ns))
    calibration = report.launch.calibration
    outside_ns = found.gap_ns[0] + found.gap_ns[-1]
    return ObservedTimes(
        record=record,
        operators=tuple(
            TimedOperator(
                name=name,
                type=kind,
                output_shape=shapes[0] if shapes else (),
                flops_m=flops,
                time_ns=ns,
            )
            for name, kind, shapes, flops, ns in zip(
                found.names,
                found.types,
                found.shapes,
                found.flops_m,
                shared_out(found, median_ns),
                strict=True,
            )
        ),
        median_ns=median_ns,
        taken_out_percent=100 * callbacks_ns / rest_ns,
        outside_percent=100 * outside_ns / rest_ns,
        peak_mac_per_s=max(calibration.before_mac_per_s, calibration.after_mac_per_s),
    )


def callback_ns(found: TimedOperators) -> int:
    """Return what two callbacks cost: the shortest time between two operators; 0 with one alone."""
    return min(found.gap_ns[1:-1], default=0)


def shared_out(found: TimedOperators, median_ns: float) -> list[float]:
    """Return each operator's part of ``median_ns``; see `time_operators`.

    An operator that takes less than the callbacks has none. Raises WireError if none has any.
    """
    left = np.maximum(0.0, np.array(found.least_ns, np.float64) - callback_ns(found))
    if not left.any():
        left = np.array(found.least_ns, np.float64)
    if not left.any():
        raise wire.WireError("the clock is too coarse for these operators: all of them took 0 ns")
    shared: list[float] = (left * (median_ns / left.sum())).tolist()
    return shared

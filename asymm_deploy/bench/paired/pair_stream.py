"""What a runner prints that timed two models in turns."""

from __future__ import annotations

import msgspec

from asymm_deploy.bench.wire import (
    Calibrated,
    Cpu,
    Done,
    Hello,
    Model,
    Pairs,
    RunnerOutput,
    RunnerReport,
    Samples,
    Turns,
    WireError,
    messages_in,
    parse_stream,
    require_less_processor_time,
)

_ORDER = (Hello, Model, Model, Cpu, Calibrated, Pairs, RunnerOutput, RunnerOutput, Done)


class PairReport(msgspec.Struct, frozen=True):
    """A complete stream of two models, each as if it had been alone; the loop is that of both."""

    first: RunnerReport
    second: RunnerReport
    pairs: Pairs


class NoPairsError(WireError):
    """The runner was asked for two models, and timed the first one alone."""


def parse_pair_stream(stream: bytes) -> PairReport:
    """Return what a runner reported of two models; raise WireError as ``parse_stream`` does.

    Raises NoPairsError if it timed one model alone.
    """
    try:
        messages = messages_in(stream, _ORDER)
    except WireError:
        if _is_of_one_model(stream):
            raise NoPairsError("it timed one model where two were asked for") from None
        raise
    hello, first, second, cpu, calibration, pairs, output, other, done = messages
    assert isinstance(hello, Hello)
    assert isinstance(first, Model)
    assert isinstance(second, Model)
    assert isinstance(cpu, Cpu)
    assert isinstance(calibration, Calibrated)
    assert isinstance(pairs, Pairs)
    assert isinstance(output, RunnerOutput)
    assert isinstance(other, RunnerOutput)
    assert isinstance(done, Done)
    lengths = {
        len(each)
        for turns in (pairs.first, pairs.second)
        for each in (turns.ns, turns.cpu_ns, turns.start_ns)
        if each is not None
    }
    if lengths != {done.count}:
        counts = " and ".join(map(str, sorted(lengths)))
        raise WireError(f"the runner counted {done.count} pairs but sent {counts}")

    require_less_processor_time(pairs)

    def report(model: Model, turns: Turns, output: RunnerOutput) -> RunnerReport:
        loop = Samples(turns.ns, pairs.wall_ns, pairs.cpu_ns, pairs.waited_ns, pairs.steal_ns)
        return RunnerReport(hello, model, cpu, calibration, loop, output)

    return PairReport(
        report(first, pairs.first, output), report(second, pairs.second, other), pairs
    )


def _is_of_one_model(stream: bytes) -> bool:
    try:
        parse_stream(stream)
    except WireError:
        return False
    return True

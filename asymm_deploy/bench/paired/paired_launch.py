"""One launch of two artifacts in turns -> a record of each, whatever comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from asymm_deploy.bench import launch, wire
from asymm_deploy.bench.artifact import Artifact, artifact_changed
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.bench.judge.pair_difference import told_impossible
from asymm_deploy.bench.judge.paired_ratio import split_judged
from asymm_deploy.bench.launch import Bench, Placed
from asymm_deploy.bench.paired import pair_stream
from asymm_deploy.bench.paired.pair_order import PairOrder
from asymm_deploy.bench.records import (
    PAIRED_VERSION,
    LaunchRecord,
    PairedRuns,
    RecordPair,
)

MOST_LOOP_S = 1.5
"""How long a loop may take, unless it has fewer pairs by then than it needs.

Launches differ more than the pairs of one: more launches say more than longer ones.
"""
LEAST_PAIRS = 7
"""A median that two disturbed pairs can't carry away. Launches are what is compared, so that fewer
pairs make no more false alarms, only launches that differ more (docs/gate.md).
"""

_OLDER = "it is older than they are; `asymm-deploy runner build` makes a new one"


class NoPairsHereError(Exception):
    """The runner can't time two models in turns; the message says why, in one line."""


@dataclass(slots=True)
class PairSide:
    """One of the two artifacts."""

    artifact: Artifact
    placed: Placed | None = None
    """Where its files are on the device, once they were put there."""
    first: LaunchRecord | None = None
    """The launch whose output was compared with the reference."""


def launch_pair(
    bench: Bench, blanks: RecordPair, sides: Sequence[PairSide], order: PairOrder
) -> RecordPair:
    """Run both sides in turns; return the blanks, in the order of the sides, filled in and judged.

    A launch without a result fails both records alike: which of the two is to blame, launches of
    their own have to tell. Raises NoPairsHereError if the runner knows no pairs, and what the
    device raises.
    """
    blanks = _marked(blanks, sides, order)
    for side in sides:
        if side.placed is None:
            reason = artifact_changed(side.artifact)
            if reason is not None:
                return _both_failed(blanks, reason)
            model, *inputs = map(bench.device.put, side.artifact.files)
            side.placed = Placed(model, inputs[0] if inputs else None)
    early, late = (order.loads, 1 - order.loads)
    timeout_s = bench.plan.launch_timeout_s
    completed = bench.device.run(
        [*bench.command, *_request(bench, blanks, sides, order)], timeout_s=timeout_s
    )
    try:
        report = launch.reported(completed, timeout_s, pair_stream.parse_pair_stream)
        _require_count(report.pairs, blanks[0].runs)
        reports = {early: report.first, late: report.second}
        filled = tuple(
            msgspec.structs.replace(blank, runs=len(reports[index].samples.ns))
            for index, blank in enumerate(blanks)
        )
        for index, side in enumerate(sides):
            launch.require_as_asked(reports[index], filled[index], side.artifact.api)
        _require_within_process(report, completed.elapsed_ns)
    except pair_stream.NoPairsError as error:
        raise NoPairsHereError(str(error)) from error
    except wire.WireError as error:
        if launch.is_unknown_argument(error, "--second-model"):
            raise NoPairsHereError(_OLDER) from error
        return _both_failed(blanks, str(error))
    turns = {early: report.pairs.first, late: report.pairs.second}
    made = []
    for index, side in enumerate(sides):
        blank = filled[index]
        assert blank.paired is not None
        times = {"cpu_ns": turns[index].cpu_ns, "start_ns": turns[index].start_ns}
        blank = msgspec.structs.replace(
            blank, paired=msgspec.structs.replace(blank.paired, **times)
        )
        made.append(launch.finished(blank, side.artifact, reports[index], side.first, completed))
    one, other = made
    reason = one.error or other.error
    if reason is not None:
        return _both_failed(blanks, reason)
    impossible = told_impossible(made[order.runs], made[1 - order.runs])
    if impossible is not None:
        return _both_failed(blanks, f"{wire.MADE_UP}: {impossible}")
    return split_judged((one, other))


def _marked(blanks: RecordPair, sides: Sequence[PairSide], order: PairOrder) -> RecordPair:
    """Return the blanks as records of one paired launch, which they are even if it fails."""

    def marked(index: int) -> LaunchRecord:
        other = blanks[1 - index].model
        paired = PairedRuns(
            partner_sha256=sides[1 - index].artifact.sha256,
            partner=None if other == blanks[index].model else other,
            loaded_first=order.loads == index,
            runs_first=order.runs == index,
            cpu_ns=None,
            start_ns=(),
        )
        return msgspec.structs.replace(
            blanks[index],
            schema_version=PAIRED_VERSION,
            paired=paired,
            started_at=blanks[0].started_at,
        )

    return marked(0), marked(1)


def _request(
    bench: Bench, blanks: RecordPair, sides: Sequence[PairSide], order: PairOrder
) -> list[str]:
    first, second = sides[order.loads], sides[1 - order.loads]
    assert first.placed is not None
    assert second.placed is not None
    compares = any(x.first is None and x.artifact.reference is not None for x in sides)
    alone = launch.request_of(
        bench, blanks[order.loads], first.artifact, first.placed, output_values=compares
    )
    return wire.pair_request(
        alone,
        launch.model_request(second.artifact, second.placed),
        starts="first" if order.runs == order.loads else "second",
        most_seconds=MOST_LOOP_S,
        least_runs=min(LEAST_PAIRS, blanks[0].runs),
    )


def _require_count(pairs: wire.Pairs, most: int) -> None:
    """Raise WireError unless as many pairs were timed as asked for, or the loop took long."""
    count = len(pairs.first.ns)
    least = min(LEAST_PAIRS, most) if pairs.wall_ns >= MOST_LOOP_S * 1e9 else most
    if not least <= count <= most:
        raise wire.WireError(f"the runner timed {count} pairs, where {most} were asked for")


def _require_within_process(report: pair_stream.PairReport, process_ns: int | None) -> None:
    """Raise WireError if loading both and the loop took longer than the process lived."""
    inside_ns = report.pairs.wall_ns + report.first.model.init_ns + report.second.model.init_ns
    if process_ns is not None and plausibility.is_longer(inside_ns, process_ns):
        raise wire.WireError(
            f"{wire.MADE_UP}: its loop and the loading of both models are said to "
            f"take {inside_ns / 1e9:.3g} s, and its process lived for {process_ns / 1e9:.3g} s"
        )


def _both_failed(blanks: RecordPair, reason: str) -> RecordPair:
    one, other = (launch.failed(blank, reason) for blank in blanks)
    return one, other

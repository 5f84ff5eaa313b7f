"""What all outputs say alike: names of metrics, numbers with their units, rows and remarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from asymm_deploy.check.findings import (
    GRAVEST_FIRST,
    LEADING,
    Change,
    DiscardedBlock,
    GateReport,
    Metric,
    Mode,
    Unit,
)
from asymm_deploy.text import ranges

METRICS: dict[Metric, str] = {
    "latency": "latency",
    "mnn_size": "file size",
    "madds": "MAdds",
    "params": "params",
    "init": "init time",
    "peak_memory": "peak memory",
    "instructions": "instructions",
    "l2_misses": "L2 misses",
    "l3_misses": "L3 misses",
}

COUNTED_METRICS: tuple[Metric, ...] = ("instructions", "l2_misses", "l3_misses")
"""These are exact, so two digits of a percentage say something."""

_MOST_NAMED = 8
"""Models, or commits, in a sentence."""

_WHOLE_UNITS: tuple[Unit, ...] = ("bytes", "count")


def amount(value: float | None, unit: Unit) -> str:
    """Return a value with its unit; an empty string if it is unknown."""
    if value is None:
        return ""
    if unit == "count":
        return f"{value:,.0f}"
    if unit in _WHOLE_UNITS:
        return f"{value:,.0f} {unit}"
    return f"{value:.3f} {unit}" if unit == "ms" else f"{value:.1f} {unit}"


def change_text(of: Change) -> str:
    """Return the change and its interval: ``+5.2 % [+4.1, +6.3]``; empty if it is unknown."""
    if of.change_percent is None:
        return ""
    digits = 1 if of.metric not in COUNTED_METRICS else 2
    text = f"{of.change_percent:+.{digits}f} %"
    if of.low_percent is None or of.high_percent is None:
        return text
    return f"{text} [{of.low_percent:+.1f}, {of.high_percent:+.1f}]"


def subject(of: Change) -> str:
    """Return the model, followed by the metric unless that is latency."""
    return of.model if of.metric == "latency" else f"{of.model}, {METRICS[of.metric]}"


def verdict_text(of: Change) -> str:
    """Return the verdict's word, or ``accepted``; of a witness, that it is one."""
    word = of.verdict if of.accepted is None else "accepted"
    return f"witness: {word}" if of.witness else word


def why_text(of: Change) -> str:
    """Return the sentence on why, followed by the reason for accepting the change, if any."""
    return of.why if of.accepted is None else f"{of.why} Accepted: {of.accepted}"


def rows_to_show(report: GateReport) -> list[Change]:
    """Return what people should see, the gravest first: every latency, and what changed.

    Other metrics that passed are many and say nothing; ``unseen`` names them in one sentence.
    Counts that are witnesses stand last.
    """
    kept = [change for change in report.changes if not _is_quiet(change)]
    return sorted(kept, key=lambda change: (change.witness, GRAVEST_FIRST.index(change.verdict)))


def unseen(report: GateReport) -> str | None:
    """Return a sentence on the comparisons that ``rows_to_show`` leaves out, if any."""
    quiet = [change for change in report.changes if _is_quiet(change)]
    if not quiet:
        return None
    names = ", ".join(METRICS[metric] for metric in METRICS if metric in {c.metric for c in quiet})
    return f"{len(quiet)} more passed: {names}."


def headline(report: GateReport) -> str:
    """Return the verdict over all and how often each occurs: ``pass (11 pass, 1 accepted)``."""
    counts = Counter(verdict_text(change) for change in report.changes if not change.witness)
    parts = [f"{counts[word]} {word}" for word in (*GRAVEST_FIRST, "accepted") if counts[word]]
    return f"{report.verdict} ({', '.join(parts)})" if parts else report.verdict


def discards(report: GateReport) -> list[str]:
    """Return a line for each cause, on the blocks or launches that do not count because of it."""
    of_cause: dict[str, list[DiscardedBlock]] = {}
    for discarded in report.discarded:
        of_cause.setdefault(discarded.cause or discarded.reason, []).append(discarded)
    return [
        f"{_how_many(found, report.mode)} not count: {cause}. {_which(found)}."
        for cause, found in of_cause.items()
    ]


def _how_many(found: Sequence[DiscardedBlock], mode: Mode) -> str:
    """Return ``1 block does``, ``3 launches do`` or ``18 tries of 6 blocks do``."""
    one, several = ("launch", "launches") if mode == "recorded" else ("block", "blocks")
    sides = [each.side if mode == "recorded" else "" for each in found]  # else of one block both
    places = zip(found, sides, strict=True)
    blocks = len({(each.model, side, each.block) for each, side in places})
    what = f"{blocks} {one if blocks == 1 else several}"
    if mode == "live" and len(found) > blocks:
        return f"{len(found)} tries of {what} do"
    return f"{what} {'does' if blocks == 1 else 'do'}"


def _which(found: Sequence[DiscardedBlock]) -> str:
    """Return the numbers by model and side: ``net: baseline 0-5, 9, candidate 3``."""
    of_place: dict[str, dict[str, set[int]]] = {}
    for each in found:
        of_place.setdefault(each.model, {}).setdefault(each.side, set()).add(each.block)
    places = [
        f"{model}: {_few([f'{side} {ranges(blocks)}'.strip() for side, blocks in sides.items()])}"
        for model, sides in of_place.items()
    ]
    return _few(places, "; ")


def _few(parts: Sequence[str], between: str = ", ") -> str:
    """Return the parts, or as many as fit a line and how many more there are: JSON has them all."""
    rest = len(parts) - _MOST_NAMED
    more = [f"and {rest} more"] if rest > 0 else []
    return between.join([*parts[:_MOST_NAMED], *more])


def remarks_beneath(report: GateReport) -> list[str]:
    """Return all that stands beneath the table, one remark per line."""
    left_out = unseen(report)
    return [
        *([left_out] if left_out else []),
        *report.notes,
        *discards(report),
    ]


def comparison_setting(report: GateReport) -> Sequence[str]:
    """Return what was compared, where and how, in lines."""
    return (
        f"baseline {report.baseline}, candidate {report.candidate}",
        f"device {report.device}, {report.mode} comparison, {report.started_at}",
        *report.circumstances,
    )


def _is_quiet(change: Change) -> bool:
    return (
        change.metric not in LEADING
        and change.verdict == "pass"
        and change.accepted is None
        and not change.notice
    )

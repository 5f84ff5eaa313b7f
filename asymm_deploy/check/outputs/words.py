"""What all outputs say alike: names of metrics, numbers with their units, text that is safe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from asymm_deploy.check.findings import Change, Metric, Report, Unit

METRICS: dict[Metric, str] = {
    "latency": "latency",
    "mnn_size": "file size",
    "madds": "MAdds",
    "params": "params",
    "init": "init time",
    "peak_memory": "peak memory",
}

_GRAVITY = ("failed", "regressed", "unstable", "inconclusive", "improved", "pass")
_WHOLE_UNITS: tuple[Unit, ...] = ("bytes", "count")


def amount(value: float | None, unit: Unit) -> str:
    """Return a value with its unit; nothing for an unknown one."""
    if value is None:
        return ""
    if unit == "count":
        return f"{value:,.0f}"
    if unit in _WHOLE_UNITS:
        return f"{value:,.0f} {unit}"
    return f"{value:.3f} {unit}" if unit == "ms" else f"{value:.1f} {unit}"


def change(of: Change) -> str:
    """Return the change and its interval: ``+5.2 % [+4.1, +6.3]``; nothing if it is unknown."""
    if of.change_percent is None:
        return ""
    text = f"{of.change_percent:+.1f} %"
    if of.low_percent is None or of.high_percent is None:
        return text
    return f"{text} [{of.low_percent:+.1f}, {of.high_percent:+.1f}]"


def subject(of: Change) -> str:
    """Return the model, and behind it the metric where that is not latency."""
    return of.model if of.metric == "latency" else f"{of.model}, {METRICS[of.metric]}"


def verdict(of: Change) -> str:
    """Return the verdict's word; one that is accepted says so."""
    return of.verdict if of.accepted is None else "accepted"


def why(of: Change) -> str:
    """Return the sentence; behind it the reason of who accepted the change."""
    return of.why if of.accepted is None else f"{of.why} Accepted: {of.accepted}"


def shown(report: Report) -> list[Change]:
    """Return what people should see, the gravest first: every latency, and what has changed.

    Other metrics that passed are many and say nothing; ``unseen`` names them in a sentence.
    """
    kept = [change for change in report.changes if not _is_quiet(change)]
    return sorted(kept, key=lambda change: _GRAVITY.index(change.verdict))


def unseen(report: Report) -> str | None:
    """Return a sentence on the comparisons that ``shown`` leaves out; None if there are none."""
    quiet = [change for change in report.changes if _is_quiet(change)]
    if not quiet:
        return None
    names = ", ".join(METRICS[metric] for metric in METRICS if metric in {c.metric for c in quiet})
    return f"{len(quiet)} more passed: {names}."


def headline(report: Report) -> str:
    """Return the verdict over all and what it is made of: ``pass (11 pass, 1 accepted)``."""
    counts = Counter(verdict(change) for change in report.changes)
    parts = [f"{counts[word]} {word}" for word in (*_GRAVITY, "accepted") if counts[word]]
    return f"{report.verdict} ({', '.join(parts)})" if parts else report.verdict


def discards(report: Report) -> list[str]:
    """Return a line for each block that does not count."""
    return [
        f"{discarded.model}: block {discarded.block} does not count: {discarded.reason}"
        for discarded in report.discarded
    ]


def remarks(report: Report) -> list[str]:
    """Return all that stands beneath the table, a line each."""
    left_out = unseen(report)
    return [
        *([left_out] if left_out else []),
        *report.notes,
        *discards(report),
    ]


def setting(report: Report) -> Sequence[str]:
    """Return what was compared where and how, a line each."""
    return (
        f"baseline {report.baseline}, candidate {report.candidate}",
        f"device {report.device}, {report.mode} comparison, {report.started_at}",
        *report.circumstances,
    )


def _is_quiet(change: Change) -> bool:
    return change.metric != "latency" and change.verdict == "pass" and change.accepted is None

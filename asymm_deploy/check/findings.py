"""What check says: a change for each model and metric, and a verdict over all."""

from __future__ import annotations

from typing import Literal

import msgspec

from asymm_deploy.errors import ExitCode, worst

SCHEMA_VERSION = 1
"""Of a report; raised when a reader of the former one would misread it."""

Verdict = Literal["pass", "regressed", "improved", "inconclusive", "unstable", "failed"]
Metric = Literal["latency", "mnn_size", "madds", "params", "init", "peak_memory"]
Unit = Literal["ms", "bytes", "count", "MiB"]
Mode = Literal["live", "recorded"]

UNITS: dict[Metric, Unit] = {
    "latency": "ms",
    "mnn_size": "bytes",
    "madds": "count",
    "params": "count",
    "init": "ms",
    "peak_memory": "MiB",
}

_GRAVEST_FIRST: tuple[Verdict, ...] = (
    "failed",
    "regressed",
    "unstable",
    "inconclusive",
    "improved",
    "pass",
)
"""What the verdict over all is: a regression is news even where something else is unclear."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One model's metric in the baseline and in the candidate; None is unknown."""

    model: str
    metric: Metric
    unit: Unit
    baseline: float | None
    candidate: float | None
    change_percent: float | None
    """Of the candidate from the baseline; positive is slower or larger."""
    low_percent: float | None
    high_percent: float | None
    """The interval around ``change_percent``; None where the metric needs no statistics."""
    threshold_percent: float | None
    """Growth above it is a regression; for latency, at least what 20 us are of the baseline."""
    verdict: Verdict
    why: str
    """One sentence."""
    blocks: int = 0
    """Pairs of launches behind it; in a recorded comparison, launches of the smaller side."""
    accepted: str | None = None
    """The reason for which the baseline accepts this change; it then raises no alarm."""
    exit_code: int = ExitCode.HARNESS
    """Of a failed one: 3, or 5 where its output is wrong; meaningless for other verdicts."""

    @property
    def alarms(self) -> bool:
        """Whether this is a regression that nobody has accepted."""
        return self.verdict == "regressed" and self.accepted is None


class Discarded(msgspec.Struct, frozen=True, kw_only=True):
    """A block that does not count, and that was done again where that was still allowed."""

    model: str
    block: int
    """0-based."""
    reason: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison."""

    schema_version: int = SCHEMA_VERSION
    mode: Mode
    device: str
    """Its id, as in the launches."""
    circumstances: tuple[str, ...]
    """Short lines: core, precision, threads, engine, runner, runs a launch, threshold, seed."""
    baseline: str
    candidate: str
    """The folders, as given."""
    changes: tuple[Change, ...]
    discarded: tuple[Discarded, ...] = ()
    notes: tuple[str, ...] = ()
    """What people should know beside it: the recorded comparison is weaker, a model is ignored."""
    started_at: str
    """ISO 8601, UTC."""
    inconclusive_fails: bool = True
    """Whether an inconclusive comparison ends with 4 (``--inconclusive fail``) or with 0."""

    @property
    def verdict(self) -> Verdict:
        """The gravest of all changes; what is accepted counts as passed."""
        found = {
            "pass" if change.accepted is not None else change.verdict for change in self.changes
        }
        return next((verdict for verdict in _GRAVEST_FIRST if verdict in found), "pass")

    @property
    def exit_code(self) -> ExitCode:
        """0, 1 for a regression, 4 for what could not be decided, 3 or 5 for what failed."""
        if self.verdict == "failed":
            codes = [ExitCode(c.exit_code) for c in self.changes if c.verdict == "failed"]
            return worst(codes)
        if self.verdict == "regressed":
            return ExitCode.REGRESSION
        if self.verdict == "unstable":
            return ExitCode.UNSTABLE
        if self.verdict == "inconclusive" and self.inconclusive_fails:
            return ExitCode.UNSTABLE
        return ExitCode.OK

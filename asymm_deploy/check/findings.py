"""What check finds: a change for each model and metric, and one verdict over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from asymm_deploy.errors import ExitCode, worst

REPORT_SCHEMA_VERSION = 1
"""Incremented when a program written for the previous version would misread a report."""

Verdict = Literal["pass", "regressed", "improved", "inconclusive", "unstable", "failed", "same"]
"""``same``: both sides are the same file, so nothing was timed or counted."""
Metric = Literal[
    "latency",
    "mnn_size",
    "madds",
    "params",
    "init",
    "peak_memory",
    "instructions",
    "l2_misses",
    "l3_misses",
]
LoadMetric = Literal["init", "peak_memory"]
CountMetric = Literal["madds", "params"]
Unit = Literal["ms", "bytes", "count", "MiB"]
Mode = Literal["live", "recorded", "counted"]

UNITS: dict[Metric, Unit] = {
    "latency": "ms",
    "mnn_size": "bytes",
    "madds": "count",
    "params": "count",
    "init": "ms",
    "peak_memory": "MiB",
    "instructions": "count",
    "l2_misses": "count",
    "l3_misses": "count",
}

LEADING: tuple[Metric, ...] = ("latency", "instructions")
"""What a comparison is about: it is shown for each model, even if it passed."""

UNDECIDED = "Undecided, which is no alarm."
"""Ends the sentence on an init time or a memory that can't be told from its threshold."""

_NOT_TOLD: dict[LoadMetric | CountMetric, str] = {
    "init": "Load time was not compared, as the runner did not tell it in every launch",
    "peak_memory": "Peak memory was not compared, as the runner did not tell it in every launch",
    "madds": "Multiply-adds were not compared, as only one side tells them",
    "params": "Parameters were not compared, as only one side tells them",
}


def not_told(metric: LoadMetric | CountMetric, models: Sequence[str]) -> str:
    """Return the sentence on a metric that was not compared of these models."""
    return f"{_NOT_TOLD[metric]}: {', '.join(models)}."


GRAVEST_FIRST: tuple[Verdict, ...] = (
    "failed",
    "regressed",
    "unstable",
    "inconclusive",
    "improved",
    "pass",
    "same",
)
"""The order of verdicts, wherever one is needed; ``errors.worst`` orders exit codes alike.

A regression is news even if something else is unclear.
"""


class OperatorChange(msgspec.Struct, frozen=True, kw_only=True):
    """What one operator adds to a change of counts; None: that version doesn't have it."""

    name: str
    """As in the candidate's MNN file; in the baseline's, if it vanished."""
    type: str
    module: str | None
    """Path of the torch module it came from; None where that is unknown."""
    baseline: int | None
    candidate: int | None
    former_name: str | None = None
    """Its name in the baseline, if that was another one."""

    @property
    def grown_by(self) -> int:
        """How much more it counts in the candidate; negative if less."""
        return (self.candidate or 0) - (self.baseline or 0)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One model's metric in the baseline and in the candidate; None means unknown."""

    model: str
    metric: Metric
    unit: Unit
    baseline: float | None
    candidate: float | None
    change_percent: float | None
    """From the baseline to the candidate; positive means slower or larger."""
    low_percent: float | None
    high_percent: float | None
    """The interval around ``change_percent``; None if the metric needs no statistics."""
    threshold_percent: float | None
    """Growth beyond this is a regression. For latency it is at least 20 us of the baseline."""
    verdict: Verdict
    why: str
    """One sentence."""
    blocks: int = 0
    """Blocks or paired launches behind it; if recorded, launches of the smaller side."""
    accepted: str | None = None
    """Why the baseline accepts this change, which then raises no alarm."""
    exit_code: int = ExitCode.HARNESS
    """For a failed change: 3, or 5 if its output is wrong. Other verdicts don't use it."""
    notice: bool = False
    """Whether people should see it although it passed: counts that moved by 0.1 % or more."""
    witness: bool = False
    """Whether it is shown beside what was timed, and has no part in the verdict."""
    operators: tuple[OperatorChange, ...] = ()
    """Of a change of counts: every operator that counts more or less, the largest growth first.

    What they add up to and the change itself may differ: the rest is outside of operators.
    """

    @property
    def alarms(self) -> bool:
        """Whether this is a regression that nobody has accepted."""
        return self.verdict == "regressed" and self.accepted is None and not self.witness


def latency_without_figures(
    model: str, verdict: Verdict, why: str, exit_code: ExitCode = ExitCode.HARNESS
) -> Change:
    """Return a verdict on a model of which no latencies can be shown."""
    return change_without_figures(model, "latency", verdict, why, exit_code)


def change_without_figures(
    model: str, metric: Metric, verdict: Verdict, why: str, exit_code: ExitCode = ExitCode.HARNESS
) -> Change:
    """Return a verdict on one metric of a model where there is nothing to show."""
    return Change(
        model=model,
        metric=metric,
        unit=UNITS[metric],
        baseline=None,
        candidate=None,
        change_percent=None,
        low_percent=None,
        high_percent=None,
        threshold_percent=None,
        verdict=verdict,
        why=why,
        exit_code=exit_code,
    )


class DiscardedBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A block, or a recorded launch, that does not count."""

    model: str
    block: int
    """0-based."""
    reason: str
    """What spoilt it and where, in words."""
    side: str = ""
    """``baseline`` or ``candidate``; in a history the commit."""
    cause: str = ""
    """What spoilt it, wherever that was: discarded blocks are told by it, together."""


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison."""

    schema_version: int = REPORT_SCHEMA_VERSION
    mode: Mode
    device: str
    """Its id, as recorded with the launches; ``none`` if nothing was timed."""
    circumstances: tuple[str, ...]
    """Short lines: core, precision, threads, engine, runner, runs per launch, threshold, seed."""
    baseline: str
    candidate: str
    """The folders, as given."""
    changes: tuple[Change, ...]
    discarded: tuple[DiscardedBlock, ...] = ()
    notes: tuple[str, ...] = ()
    """What else people should know: a recorded comparison is weaker, a model was ignored."""
    started_at: str
    """ISO 8601, UTC."""
    inconclusive_fails: bool = True
    """Whether an inconclusive comparison exits with 4 (``--inconclusive fail``) or with 0."""

    @property
    def verdict(self) -> Verdict:
        """The gravest of all changes; an accepted one counts as passed.

        Same if all files are: their sizes and counts passed, and no version was compared.
        """
        found = {
            "pass" if change.accepted is not None else change.verdict
            for change in self.changes
            if not change.witness
        }
        if found == {"pass", "same"}:
            leading = {
                change.verdict
                for change in self.changes
                if change.metric in LEADING and not change.witness
            }
            return "same" if leading == {"same"} else "pass"
        return next((verdict for verdict in GRAVEST_FIRST if verdict in found), "pass")

    @property
    def exit_code(self) -> ExitCode:
        """0, 1 for a regression, 4 for what could not be decided, 3 or 5 for what failed."""
        return worst([self.exit_code_of(change) for change in self.changes])

    def exit_code_of(self, change: Change) -> ExitCode:
        """Return what ``check`` would exit with if ``change`` were the only one."""
        if change.accepted is not None or change.witness:
            return ExitCode.OK
        if change.verdict == "failed":
            return ExitCode(change.exit_code)
        if change.verdict == "regressed":
            return ExitCode.REGRESSION
        if change.verdict == "unstable":
            return ExitCode.UNSTABLE
        if change.verdict == "inconclusive" and self.inconclusive_fails:
            return ExitCode.UNSTABLE
        return ExitCode.OK


def utc_now() -> str:
    """Return the time as reports and baselines record it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")

"""Reports that tests of the outputs share."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from asymm_deploy.check.findings import UNITS, Change, DiscardedBlock, GateReport, Metric, Verdict

HOSTILE = "::error::x|<img src=y>\r\n##[error]\x1b[31m [a](http://b) @all `c` \ud800 \u202e"
"""A name that would be a command, a link, an image, a mention and a colour, if it were let."""

Make = Callable[..., Change]


@pytest.fixture
def hostile() -> str:
    return HOSTILE


@pytest.fixture
def change() -> Make:
    """Make a change; what is not said is a latency that passed."""

    def make(
        model: str = "net",
        metric: Metric = "latency",
        verdict: Verdict = "pass",
        percent: float | None = 1.0,
        **more: object,
    ) -> Change:
        timed = metric == "latency" and percent is not None
        made = Change(
            model=model,
            metric=metric,
            unit=UNITS[metric],
            baseline=10.0,
            candidate=None if percent is None else 10.0 * (1 + percent / 100),
            change_percent=percent,
            low_percent=percent - 0.5 if percent is not None and timed else None,
            high_percent=percent + 0.5 if percent is not None and timed else None,
            threshold_percent=3.0,
            verdict=verdict,
            why="It says so.",
            blocks=8,
        )
        return msgspec.structs.replace(made, **more)

    return make


@pytest.fixture
def report(change: Make) -> GateReport:
    """One of each verdict, an accepted regression, a quiet metric and a discarded block."""
    return GateReport(
        mode="live",
        device="Pixel 4",
        circumstances=("core 7, fp32, 1 thread",),
        baseline="base",
        candidate="new",
        changes=(
            change("steady"),
            change("steady", "madds", percent=0.0),
            change("slow", verdict="regressed", percent=8.0),
            change("quick", verdict="improved", percent=-8.0),
            change("unclear", verdict="inconclusive"),
            change("jumpy", verdict="unstable"),
            change("lost", verdict="failed", percent=None),
            change("wanted", "mnn_size", "regressed", 50.0, accepted="a larger head"),
        ),
        discarded=(DiscardedBlock(model="slow", block=3, reason="stolen-time"),),
        notes=("Something to know.",),
        started_at="2026-11-23T09:00:00.123+02:00",
    )

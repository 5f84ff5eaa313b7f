"""How the launches of a comparison were made and what it allows, in short lines for people."""

from __future__ import annotations

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.policy import FLOOR_MS, GatePolicy


def launch_circumstances(record: LaunchRecord, *others: LaunchRecord) -> tuple[str, ...]:
    """Return how a launch was made: core, precision, threads, engine, runner and runs.

    The ``others`` were made alike, but those of pairs may have ended after fewer runs.
    """
    counts = sorted({each.runs for each in (record, *others)})
    runs = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    what = "runs" if record.paired is None else "pairs of runs"
    return (
        f"core {'+'.join(map(str, record.cpus)) or 'not pinned'}, {record.precision}, "
        f"{record.threads} thread{'s' * (record.threads > 1)}",
        f"{record.engine} {record.engine_version}, runner {record.runner} {record.runner_version}",
        f"{runs} {what} per launch, after {record.warmup} to warm up",
    )


def allowed_growth(policy: GatePolicy) -> str:
    """Return how much slower a model may become."""
    allowed = policy.thresholds["latency"]
    return f"{allowed:g} % slower is allowed, and at least {1000 * FLOOR_MS:g} us"

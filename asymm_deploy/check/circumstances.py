"""How the launches of a comparison were made and what it allows, in short lines for people."""

from __future__ import annotations

from asymm_deploy.bench.backends.fallback import engine_and_backend
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.policy import FLOOR_MS, GatePolicy


def launch_circumstances(record: LaunchRecord, *others: LaunchRecord) -> tuple[str, ...]:
    """Return how a launch was made: core, precision, threads, engine, runner and runs.

    The ``others`` were made alike, but those of pairs may have ended after fewer runs.
    """
    every = (record, *others)
    by_kind = {
        "pairs of runs": [each.runs for each in every if each.paired is not None],
        "runs": [each.runs for each in every if each.paired is None],
    }
    timed = [
        f"{' to '.join(map(str, dict.fromkeys((min(counts), max(counts)))))} {what}"
        for what, counts in by_kind.items()
        if counts
    ]
    engine = f"{record.engine} {record.engine_version}"
    return (
        f"core {'+'.join(map(str, record.cpus)) or 'not pinned'}, {record.precision}, "
        f"{record.threads} thread{'s' * (record.threads > 1)}",
        f"{engine_and_backend(record).replace(record.engine, engine, 1)}, "
        f"runner {record.runner} {record.runner_version}",
        f"{' or '.join(timed)} per launch, after {record.warmup} to warm up",
    )


def allowed_growth(policy: GatePolicy) -> str:
    """Return how much slower a model may become."""
    allowed = policy.thresholds["latency"]
    return f"{allowed:g} % slower is allowed, and at least {1000 * FLOOR_MS:g} us"

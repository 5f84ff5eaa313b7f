"""What was measured where, in a line or two above a table."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.records import RowSummary


def caption(rows: Sequence[RowSummary]) -> tuple[str, ...]:
    """Return the circumstances of ``rows``, which are of one device, engine and precision."""
    if not rows:
        return ("No latency has been measured.",)
    first = rows[0]
    chip = f" ({first.soc})" if first.soc else ""
    cores = _listed([row.cpu for row in rows])
    clock = f", at most {first.cpu_max_khz / 1e6:.2f} GHz" if first.cpu_max_khz else ""
    pinned = f"core {cores}{clock}" if cores else "not pinned"
    threads = "1 thread" if first.threads == 1 else f"{first.threads} threads"
    versions = _listed([row.engine_version for row in rows])
    runs = _listed([f"{row.runs} runs in {row.launches} launches" for row in rows if row.launches])
    return (
        f"Device: {first.device}{chip}, {pinned}",
        f"Engine: {first.engine} {versions}, {first.precision}, {threads}; {runs or 'no runs'}",
    )


def _listed(values: Sequence[str | None]) -> str:
    return " or ".join(dict.fromkeys(value for value in values if value))

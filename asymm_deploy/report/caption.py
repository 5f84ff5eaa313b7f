"""What was measured where, in a line or two above a table."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.report.choose import Choice, Setting, fitting, settings


def caption(rows: Sequence[RowSummary]) -> tuple[str, ...]:
    """Return the circumstances of ``rows``: two lines for each of their settings."""
    if not rows:
        return ("No latency has been measured.",)
    return tuple(line for setting in settings(rows) for line in _lines(setting, rows))


def _lines(setting: Setting, rows: Sequence[RowSummary]) -> tuple[str, str]:
    wanted = Choice(setting.device, setting.engine, setting.precision, setting.threads)
    own = fitting(rows, wanted)
    chip = _listed([row.soc for row in own])
    clock = _listed([f"{row.cpu_max_khz / 1e6:.2f} GHz" for row in own if row.cpu_max_khz])
    cores = _listed([f"core {row.cpu}" if row.cpu else "not pinned" for row in own])
    versions = _listed([row.engine_version for row in own])
    runs = _listed(
        [
            f"{row.runs} runs in {row.launches} {'launch' if row.launches == 1 else 'launches'}"
            for row in own
            if row.launches
        ]
    )
    return (
        f"Device: {setting.device}{f' ({chip})' if chip else ''}, {cores}"
        f"{f', at most {clock}' if clock else ''}",
        f"Engine: {setting.engine}{f' {versions}' if versions else ''}, {setting.precision}, "
        f"{setting.threads_text}; {f'{runs} each' if runs else 'no runs'}; {_days(own)}",
    )


def _days(rows: Sequence[RowSummary]) -> str:
    first = min(row.first_started_at for row in rows)[:10]
    last = max(row.last_started_at for row in rows)[:10]
    return f"{first} (UTC)" if first == last else f"{first} to {last} (UTC)"


def _listed(values: Sequence[str | None]) -> str:
    return " or ".join(dict.fromkeys(value for value in values if value))

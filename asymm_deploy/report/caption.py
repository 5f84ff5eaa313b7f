"""The lines above a table: on which device and how its latencies were measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import pandas as pd

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.bench.units import KHZ_PER_GHZ
from asymm_deploy.report.comparable import TimingSetting, setting_of, settings


def caption(rows: Sequence[RowSummary]) -> tuple[str, ...]:
    """Return two lines for each setting of ``rows``: device and cores, engine and runs."""
    if not rows:
        return ("No latency has been measured.",)
    # dtype=object: one missing clock must not turn the other integers into floats.
    frame = pd.DataFrame(map(msgspec.structs.asdict, rows), dtype=object)
    of_rows = [setting_of(row) for row in rows]
    return tuple(
        line
        for setting in settings(rows)
        for line in _lines(setting, frame[[each == setting for each in of_rows]])
    )


def _lines(setting: TimingSetting, own: pd.DataFrame) -> tuple[str, str]:
    timed = own[own["launches"] > 0]
    chip = _listed(own["soc"])
    clock = _listed(f"{khz / KHZ_PER_GHZ:.2f} GHz" for khz in own["cpu_max_khz"] if khz)
    cores = _listed(f"core {cpu}" if cpu else "not pinned" for cpu in own["cpu"])
    versions = _listed(own["engine_version"])
    runs = _listed(
        f"{runs} runs in {launches} {'launch' if launches == 1 else 'launches'}"
        for runs, launches in zip(timed["runs"], timed["launches"], strict=True)
    )
    first, last = own["first_started_at"].min()[:10], own["last_started_at"].max()[:10]
    return (
        f"Device: {setting.device}{f' ({chip})' if chip else ''}, {cores}"
        f"{f', at most {clock}' if clock else ''}",
        f"Engine: {setting.engine}{f' {versions}' if versions else ''}"
        f"{'' if setting.backend == 'cpu' else f', asked to run on {setting.backend}'}, "
        f"{setting.precision}, "
        f"{setting.threads_text}; {f'{runs} each' if runs else 'no runs'}; "
        f"{first}{'' if first == last else f' to {last}'} (UTC)",
    )


def _listed(values: Iterable[str | None]) -> str:
    return " or ".join(dict.fromkeys(value for value in values if value))

"""One row of a tab with the launches behind it, and what pictures call it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asymm_deploy.bench.flags import FAILED, FLAGS
from asymm_deploy.bench.judge.rows import latest_launches, latest_rows
from asymm_deploy.bench.records import LaunchRecord, RowSummary
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.report.remarks import flags_cell
from asymm_deploy.safe import one_line

_GIGA = 1e9


@dataclass(frozen=True, slots=True)
class TimedModel:
    """A row of latency.csv, its launches, and its name in pictures."""

    row: RowSummary
    launches: tuple[LaunchRecord, ...]
    key: str
    """Names it within a tab; the model's name, with the input's shape where two rows share it."""

    @property
    def noticed(self) -> str:
        """What spoils the row, or is to be known of it, in words; empty if there is nothing."""
        told = [*([(FAILED, self.row.reason)] if self.row.reason else []), *self.row.words]
        return "; ".join(
            ": ".join(
                [
                    f"{name}{' (allowed)' if name in self.row.allowed else ''}",
                    FLAGS[name].meaning,
                    *(words for flag, words in told if flag == name),
                ]
            )
            for name in self.row.flags
        )

    @property
    def flags(self) -> str:
        """The names of its flags."""
        return flags_cell(self.row)

    @property
    def medians_ms(self) -> list[float]:
        """Of the launches that finished."""
        return [
            float(np.median(each.samples_ns)) / NS_PER_MS
            for each in self.launches
            if each.error is None
        ]


def timed_models(launches: Sequence[LaunchRecord]) -> list[TimedModel]:
    """Return each row of the records with its launches, in the order of latency.csv."""
    rows = latest_rows(launches)
    alike = Counter(_shared(row) for row in rows)
    return [
        TimedModel(row, tuple(own), _key(row, alike))
        for row, own in zip(rows, latest_launches(launches), strict=True)
    ]


def peak_gmacs(models: Sequence[TimedModel]) -> float | None:
    """Return what a core reached at most in the calibration's loop, in 10^9 MAdds a second.

    The loop reaches `BLAS_SHARE` of a core's true peak, or more. None where nobody measured it.
    """
    rates = [
        rate
        for model in models
        for launch in model.launches
        if launch.calibration is not None
        for rate in (launch.calibration.before_mac_per_s, launch.calibration.after_mac_per_s)
    ]
    return max(rates) / _GIGA if rates else None


def _key(row: RowSummary, alike: Counter[tuple[object, ...]]) -> str:
    name = one_line(row.model)
    if alike[_shared(row)] < 2 or row.input_shape is None:
        return name
    return f"{name} ({'x'.join(map(str, row.input_shape))})"


def _shared(row: RowSummary) -> tuple[object, ...]:
    return row.model, row.device, row.engine, row.precision, row.threads, row.backend

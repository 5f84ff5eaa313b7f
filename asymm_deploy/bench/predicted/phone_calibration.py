"""The user's own phone: a calibration from rows that `bench` measured on it, and their counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from asymm_deploy.bench import store
from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.judge import rows as stats
from asymm_deploy.bench.predicted.cost_calibration import CostCalibration, calibrated
from asymm_deploy.bench.predicted.least_squares import predicted_unseen, relative_errors
from asymm_deploy.bench.records import LaunchRecord, Precision, RowSummary
from asymm_deploy.errors import UsageError
from asymm_deploy.files import require_regular
from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted

LEAST_MODELS = 6
"""For one calibration. Drawn from Table 5, 6 models give an interval that holds 8 of 10 others."""

MOST_OFF = 0.5
"""Mean error from which on a fit says nothing. Table 5 has 0.054."""

_ARM64 = {"arm64-v8a", "arm64", "aarch64"}
_Row: TypeAlias = tuple[RowSummary, LaunchRecord]
_OF_ONE = "`asymm-deploy bench --device PHONE --out FOLDER`"
_MORE = "`asymm-deploy bench --table 5 --device PHONE` measures 30"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredModel:
    """A valid row of the phone: the latency of one model, with one thread."""

    model: str
    artifact_sha256: str
    ms: float
    """The mean over all runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPhone:
    """What a results folder says of one phone, at one precision."""

    results: Path
    device: str
    """Its id."""
    called: str
    """What people call it: ``Pixel 4 (SM8150)``."""
    engine_version: str
    """Without what may stand behind it on how it was built: that is no part of counts."""
    precision: Precision
    models: tuple[MeasuredModel, ...]
    """``LEAST_MODELS`` or more, each another file."""
    invalid: tuple[str, ...]
    """Models whose rows are not valid, and have no part in it."""

    def uncounted(self, costs: Iterable[CostRecord]) -> list[MeasuredModel]:
        """Return the models of which ``costs`` have no counts at this precision."""
        counted = {record.artifact_sha256 for record in costs if self._is_counted(record)}
        return [model for model in self.models if model.artifact_sha256 not in counted]

    def _is_counted(self, record: CostRecord) -> bool:
        return record.counts is not None and record.valid and record.precision == self.precision


def measured_phone(results: Path, precision: Precision = "fp32") -> MeasuredPhone:
    """Return what `bench` measured with MNN and one thread, from its folder or runs.jsonl.

    Raises UsageError if that is nothing, too little, or of several phones or versions of MNN, or
    was measured on what doesn't run arm64 code.
    """
    fitting = _fitting(results, precision)
    devices = sorted({row.device for row, _ in fitting})
    if devices[1:]:
        raise UsageError(
            f"{results} has results of {len(devices)} devices, and a calibration is of one: "
            f"{', '.join(map(excerpt, devices))}",
            f"give a folder with results of one: {_OF_ONE}",
        )
    facts = fitting[0][1].device_facts
    if facts.abi not in _ARM64:
        raise UsageError(
            f"{results} was measured on {excerpt(facts.device)}, a machine of kind "
            f"{excerpt(facts.abi)}, and what is counted are arm64's instructions",
            f"give results of an arm64 phone: {_OF_ONE}",
        )
    versions = sorted({_version_of(row) for row, _ in fitting if row.valid})
    if versions[1:]:
        raise UsageError(
            f"{results} was measured with several versions or builds of MNN: "
            f"{', '.join(map(excerpt, versions))}",
            "measure again with one, into a new folder with --out",
        )
    invalid = tuple(row.model for row, _ in fitting if not row.valid)
    models = _distinct(fitting)
    if len(models) < LEAST_MODELS:
        others = f"; {len(invalid)} more are not valid: {listed_few(invalid)}" if invalid else ""
        raise UsageError(
            f"{results} has {_counted(models)} with a valid row, and a calibration needs "
            f"{LEAST_MODELS}{others}",
            _MORE,
        )
    chip = f" ({facts.soc})" if facts.soc else ""
    return MeasuredPhone(
        results=results,
        device=facts.device,
        called=f"{facts.product or facts.device}{chip}",
        engine_version=(versions[0].split() or ["unknown"])[0],
        precision=precision,
        models=models,
        invalid=invalid,
    )


def phone_calibration(
    name: str, phone: MeasuredPhone, costs: Sequence[CostRecord]
) -> CostCalibration:
    """Return the calibration of ``phone`` by its models' counts; of one file's the last count.

    Models without counts have no part in it. Raises UsageError if too few have counts, if those
    have different keys, if they are of another version of MNN than was measured, or if they don't
    tell the latencies: half of one or more off, or no better than one number would be.
    """
    latest = {
        record.artifact_sha256: record
        for record in costs
        if record.counts is not None and record.valid and record.precision == phone.precision
    }
    used = [
        (latest[model.artifact_sha256], model)
        for model in phone.models
        if model.artifact_sha256 in latest
    ]
    if len(used) < LEAST_MODELS:
        lacking = [model.model for model in phone.uncounted(costs)]
        raise UsageError(
            f"{len(used)} of {len(phone.models)} models that were measured have counts of the same "
            f"file, and a calibration needs {LEAST_MODELS}; without: {listed_few(lacking)}",
            "count the files that were measured: `asymm-deploy cost MODEL...` with the same "
            "artifacts folder and --out",
        )
    keys = list(dict.fromkeys(record.key for record, _ in used))
    if keys[1:]:
        raise UsageError(
            f"the counts have {len(keys)} keys, and can't be compared with each other "
            f"({'; '.join(keys[0].differences(keys[1]))})",
            "count again in a new folder with --out",
        )
    key = keys[0]
    if key.engine_version != phone.engine_version:
        raise UsageError(
            f"measured with mnn {phone.engine_version}, but counted with mnn {key.engine_version}",
            "measure and count with one version of MNN",
        )
    rows = [(record.counts, model.ms) for record, model in used if record.counts is not None]
    models = counted(len(rows), "model")
    source = f"{models} measured by asymm-deploy bench, {phone.precision}, one thread"
    found = calibrated(name, phone.called, source, key, phone.precision, rows)
    _refuse_useless(found, [ms for _, ms in rows])
    return found


def _refuse_useless(found: CostCalibration, latencies: Sequence[float]) -> None:
    """Raise UsageError if a fit is far off, or no better than that all models take equally long."""
    ms = np.array(latencies)
    same = predicted_unseen(np.ones((len(ms), 1)), ms, range(len(ms)))
    by_same = float(relative_errors(same, ms).mean())
    if not math.isfinite(found.high) or found.mean_error >= min(by_same, MOST_OFF):
        raise UsageError(
            "the counts don't tell these latencies: models that were left out of the fit are off "
            f"by {found.mean_error:.1%} on average, and by {by_same:.1%} if all are said to take "
            "equally long",
            f"measure small and large models, on a phone that does nothing else; {_MORE}",
        )


def listed_few(names: Sequence[str]) -> str:
    """Return up to 5 names, and how many more there are."""
    more = f" and {len(names) - 5} more" if names[5:] else ""
    return f"{', '.join(map(excerpt, names[:5]))}{more}"


def _fitting(results: Path, precision: Precision) -> list[_Row]:
    """Return the rows by MNN at ``precision`` with one thread, each with its last launch."""
    rows = [
        (stats.summarise(launches), launches[-1])
        for launches in stats.latest_launches(_records(results))
        if launches[-1].backend == "cpu"
    ]
    if not rows:
        raise UsageError(f"{results} has no complete launch", _MORE)
    wanted = ("mnn", precision, 1)
    fitting = [pair for pair in rows if _setting_of(pair[0]) == wanted]
    if not fitting:
        found = {"{} {} threads={}".format(*_setting_of(row)) for row, _ in rows}
        raise UsageError(
            f"{results} has nothing that was measured with mnn, {precision} and one thread; "
            f"it has {', '.join(sorted(found))}",
            "measure with `bench --engine mnn --threads 1`, or choose another --precision",
        )
    return fitting


def _counted(models: Sequence[MeasuredModel]) -> str:
    return f"{len(models)} model{'s' * (len(models) != 1)}"


def _version_of(row: RowSummary) -> str:
    """Return MNN's version and, if that stands behind it, how it was built."""
    return row.engine_version or "unknown"


def _setting_of(row: RowSummary) -> tuple[str, str, int]:
    return row.engine, row.precision, row.threads


def _distinct(rows: Sequence[_Row]) -> tuple[MeasuredModel, ...]:
    """Return the valid rows, one for each file: the last."""
    by_file = {
        last.artifact_sha256: MeasuredModel(
            model=row.model, artifact_sha256=last.artifact_sha256, ms=row.latency_mean_ms
        )
        for row, last in rows
        if row.valid and row.latency_mean_ms is not None
    }
    return tuple(by_file.values())


def _records(results: Path) -> list[LaunchRecord]:
    path = results / store.NAME if results.is_dir() else results
    hint = "give the folder that `asymm-deploy bench --device PHONE` wrote"
    if not path.exists():
        raise UsageError(f"there are no results in {results}", hint)
    try:
        require_regular(path)
        records = store.read_runs(path).records
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror or error}", hint) from error
    store.refuse_of_check(records, path, hint)
    return records

"""How ``bench`` goes through the house: export, time, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from asymm_deploy import console
from asymm_deploy.bench import artifact, measure, store
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.host import HostDevice
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord, RowSummary
from asymm_deploy.errors import UsageError
from asymm_deploy.export.request import Request, as_recorded
from asymm_deploy.models.source import NamedNetwork, Source

if TYPE_CHECKING:
    from asymm_deploy.export.jobs import Outcome
    from asymm_deploy.report.table import Format

_NS_PER_MS = 1e6


def device(name: str, runner: Path | None) -> Device:
    """Return the device called ``name``; raise UsageError for one that we can't use."""
    if name != "host":
        raise UsageError(
            f"--device {name}: only host, this machine, can be timed in this version",
            "leave --device out; phones over adb are not supported yet",
        )
    return HostDevice(runner)


def bare_files(paths: Sequence[Path], plan: Plan) -> list[Artifact]:
    """Return .mnn files as they are; raise UsageError for another engine than MNN."""
    if paths and plan.engine != "mnn":
        raise UsageError(
            f"{plan.engine} can't run {paths[0]}", "leave out --engine, or give the .onnx file"
        )
    return [artifact.bare(path) for path in paths]


def exported_models(
    sources: Sequence[Source],
    artifacts: Path,
    plan: Plan,
    export: Callable[..., list[Outcome]],
) -> list[Artifact | Missing]:
    """Return what there is to time of each source, exporting what is missing or stale."""
    if not sources:
        return []
    requests: list[Request] = [as_recorded(source, artifacts) for source in sources]
    return [_subject(outcome, plan) for outcome in export(requests, None, force=False)]


def _subject(outcome: Outcome, plan: Plan) -> Artifact | Missing:
    source = outcome.request.source
    spec = source.spec if isinstance(source, NamedNetwork) else None
    if outcome.failure is None:
        return artifact.exported(outcome.request.folder, plan.engine, spec)
    error = outcome.failure
    console.complain(type(error)(f"{outcome.request.text}: {error.what}", error.hint))
    return Missing(
        model=source.model,
        reason=error.what,
        exit_code=error.exit_code,
        network=spec.family if spec else None,
        scale=spec.scale if spec else None,
        multiplier=spec.width if spec else None,
        input_shape=_first_shape(source),
    )


def _first_shape(source: Source) -> tuple[int, ...] | None:
    if isinstance(source, NamedNetwork):
        return source.spec.input_shape
    return source.input_shapes[0].shape if source.input_shapes else None


def time_all(
    home: Device, subjects: Sequence[Artifact | Missing], plan: Plan, out: Path
) -> list[RowSummary]:
    """Time ``subjects`` and return their rows, with progress on stderr.

    However it ends, latency.csv then tells of every launch that is on disk.
    """
    from asymm_deploy.report import tables

    with store.opened(out, console.say) as runs:
        try:
            with console.progress("timing", len(subjects) * plan.launches) as advance:
                return measure.run(home, subjects, plan, runs, _Teller(advance).hear)
        finally:
            with suppress(UsageError):  # there may be nothing to tell of, or no room to tell it
                tables.write_latency(out)


class _Teller:
    """Puts what measure tells into words."""

    def __init__(self, advance: Callable[[str], None]) -> None:
        self._advance = advance

    def hear(self, event: measure.Event) -> None:
        if isinstance(event, measure.Resumed):
            console.say(f"{event.kept} launches were measured before and are kept (--fresh redoes)")
            for _ in range(event.kept):
                self._advance("resumed")
        elif isinstance(event, measure.Finished):
            record = event.record
            if record.error is not None:
                console.say(f"{record.model}, launch {record.launch}: {record.error}")
            self._advance(f"{record.model} #{record.launch + 1} {_median_of(record)}")


def _median_of(record: LaunchRecord) -> str:
    if not record.samples_ns:
        return "failed"
    return f"{median(record.samples_ns) / _NS_PER_MS:.2f} ms"


def written(
    rows: Sequence[RowSummary], table: int | None, out: Path, plan: Plan, output_format: Format
) -> str:
    """Return the table of what was timed; with a number, also write it to OUT/tableN.csv."""
    from asymm_deploy.report import tables
    from asymm_deploy.report.choose import Choice

    console.say(f"wrote {out / store.NAME} and {out / tables.LATENCY_CSV}")
    for row in rows:
        if row.flags:
            console.say(f"{row.model}: {row.flags_text}")
    choice = Choice(engine=plan.engine, precision=plan.precision, threads=plan.threads)
    if table in tables.NUMBERS:
        everything = tables.rows_in(out)
        target = out / f"table{table}.csv"
        tables.write(target, tables.report(table, everything, choice, "csv"))
        console.say(f"wrote {target}")
        return tables.report(table, everything, choice, output_format)
    return tables.report(None, rows, choice, output_format)

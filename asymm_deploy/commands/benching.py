"""How ``bench`` goes through the house: export, time, report."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from asymm_deploy.bench import artifact, fleet, measure, store
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.judge import conditions
from asymm_deploy.bench.phone.options import Conduct
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord, RowSummary
from asymm_deploy.commands import console
from asymm_deploy.errors import DeployError, UsageError
from asymm_deploy.export.request import Request, as_recorded
from asymm_deploy.models.source import NamedNetwork, Source
from asymm_deploy.signals import ENDING

if TYPE_CHECKING:
    from asymm_deploy.export.jobs import Outcome
    from asymm_deploy.report.report_table import TableFormat
    from asymm_deploy.report.tables import Which

_NS_PER_MS = 1e6
_KHZ_PER_GHZ = 1e6


HOST = "host"


def devices(names: Sequence[str], runner: Path | None, conduct: Conduct) -> dict[str, fleet.Maker]:
    """Return how to make each device that ``names`` stand for, by its own name.

    Raises UsageError or HarnessError where there is no such device, or none that is meant.
    """
    asked = list(dict.fromkeys(names)) or [HOST]
    found: dict[str, fleet.Maker] = {}
    if HOST in asked:
        found[HOST] = partial(_host, runner)
        found[HOST](console.say)  # a runner that is none is refused before anything is exported
    over_adb = [name for name in asked if name != HOST]
    if over_adb:
        from asymm_deploy.bench.phone import find
        from asymm_deploy.bench.phone.server import Server, address

        server = Server(address(os.environ))
        program = runner or _native_runner()
        for name in over_adb:
            for serial in find.serials(server, name, os.environ, console.say):
                found[serial] = partial(_phone, serial, program, conduct)
                found[serial](console.say).facts(())  # and so is a phone that can't be used
    return found


def _native_runner() -> Path:
    from asymm_deploy.bench import native_build

    return native_build.where()


def _host(runner: Path | None, tell: Callable[[str], None]) -> Device:
    del tell
    return HostDevice(runner)


def _phone(serial: str, runner: Path, conduct: Conduct, tell: Callable[[str], None]) -> Device:
    from asymm_deploy.bench.phone.phone_device import AdbDevice
    from asymm_deploy.bench.phone.server import Server, address

    return AdbDevice(Server(address(os.environ)), serial, runner, conduct, tell)


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
    console.complain(error.about(outcome.request.text))
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
    makers: dict[str, fleet.Maker],
    subjects: Sequence[Artifact | Missing],
    plan: Plan,
    out: Path,
) -> tuple[list[RowSummary], list[DeployError]]:
    """Time ``subjects`` on each device; return their rows, and why devices of several failed.

    Progress goes to stderr. However it ends, latency.csv then tells of every launch on disk.
    """
    from asymm_deploy.report import tables

    with store.opened(out, console.say) as runs:
        try:
            total = len(makers) * len(subjects) * plan.launches
            with console.progress("timing", total) as advance, ended_like_ctrl_c():
                if len(makers) == 1:
                    (make,) = makers.values()
                    teller = _Teller(advance)
                    return measure.run(make(console.say), subjects, plan, runs, teller.hear), []
                tellers = {name: _Teller(advance, f"{name}: ") for name in makers}
                outcomes = fleet.run(
                    makers,
                    subjects,
                    plan,
                    runs,
                    lambda name, event: tellers[name].hear(event),
                    console.say,
                )
        finally:
            with suppress(UsageError):  # there may be nothing to tell of, or no room to tell it
                tables.write_latency(out)
    rows = [row for outcome in outcomes for row in outcome.rows]
    return rows, [outcome.failure for outcome in outcomes if outcome.failure is not None]


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Have what ends us end us as Ctrl-C does: with phones put back.

    That is SIGTERM, by which CI systems cancel, and SIGHUP, the end of a terminal, unless somebody
    (nohup) has it ignored.
    """
    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Teller:
    """Puts what measure tells into words."""

    def __init__(self, advance: Callable[[str], None], prefix: str = "") -> None:
        self._advance = advance
        self._prefix = prefix

    def hear(self, event: measure.Event) -> None:
        if isinstance(event, measure.Resumed):
            self._say(f"{event.kept} launches were measured before and are kept (--fresh redoes)")
            for _ in range(event.kept):
                self._advance(f"{self._prefix}resumed")
        elif isinstance(event, measure.Discarded):
            record = event.record
            why = " ".join(record.flags)
            self._say(f"{_launch_of(record)} does not count ({why}): once more, after a pause")
        elif isinstance(event, measure.Finished):
            record = event.record
            if record.error is not None:
                self._say(f"{_launch_of(record)}: {record.error}")
            self._advance(f"{self._prefix}{record.model} #{record.launch + 1} {_found_in(record)}")

    def _say(self, text: str) -> None:
        console.say(f"{self._prefix}{text}")


def _launch_of(record: LaunchRecord) -> str:
    return f"{record.model}, launch {record.launch}"


def _found_in(record: LaunchRecord) -> str:
    """Return the launch's latency, and on a phone its temperature and clock."""
    if not record.samples_ns:
        return "failed"
    found = [f"{median(record.samples_ns) / _NS_PER_MS:.2f} ms"]
    around = record.conditions
    if around is not None and around.after.battery_c is not None:
        found.append(f"{around.after.battery_c:.0f} degC")
    clock_khz = conditions.usual_clock_khz(around) if around is not None else None
    if clock_khz is not None:
        found.append(f"{clock_khz / _KHZ_PER_GHZ:.2f} GHz")
    return ", ".join(found)


def written(
    rows: Sequence[RowSummary], which: Which, out: Path, plan: Plan, output_format: TableFormat
) -> str:
    """Return the table of what was timed; one of the paper also goes to OUT/tableN.csv.

    With several devices that is a file for each, OUT/tableN.DEVICE.csv: no column mixes them. A
    figure goes to OUT/figureN.csv likewise.
    """
    from asymm_deploy.report import tables
    from asymm_deploy.report.comparable import RowFilter

    console.say(f"wrote {out / store.NAME} and {out / tables.LATENCY_CSV}")
    devices = list(dict.fromkeys(row.device for row in rows))
    for row in rows:
        if row.flags:
            on = f" on {row.device}" if len(devices) > 1 else ""
            console.say(f"{row.model}{on}: {row.flags_text}")
    choices = [RowFilter(device, plan.engine, plan.precision, plan.threads) for device in devices]
    if which is None:
        return tables.report_text(None, rows, RowFilter(), output_format)
    everything = tables.rows_in(out)
    texts = []
    for choice in choices:
        suffix = f".{re.sub(r'[^A-Za-z0-9_.-]', '_', str(choice.device))}" if devices[1:] else ""
        target = out / tables.file_name(which, suffix)
        tables.write(target, tables.report_text(which, everything, choice, "csv"))
        console.say(f"wrote {target}")
        texts.append(tables.report_text(which, everything, choice, output_format))
    return "\n".join(texts)

"""The steps of a bench, in order: devices, export, launches, tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench import store
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.find_devices import ReadyDevices
from asymm_deploy.bench.fleet import DeviceOutcome, named_failures
from asymm_deploy.bench.judge.rows import latest_rows
from asymm_deploy.bench.measure import refuse_same_names
from asymm_deploy.bench.paired.pair_row import PAIRED_LAUNCHES, PairedSubjects
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import RowSummary
from asymm_deploy.bench.store import Runs
from asymm_deploy.bench.subjects import (
    Counterparts,
    bare_files,
    counterparts_of,
    exported_subject,
    require_alike,
)
from asymm_deploy.commands import console
from asymm_deploy.commands.bench_progress import BenchProgress, in_turns_text
from asymm_deploy.commands.export import export_with_progress
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.commands.timing.asked_devices import asked_devices
from asymm_deploy.errors import ExitCode, UsageError, worst
from asymm_deploy.export.quantize.variant_request import recorded_request
from asymm_deploy.models.source import Source
from asymm_deploy.signals import ending_like_ctrl_c

if TYPE_CHECKING:
    from asymm_deploy.lab.client.lab_request import LabRequest
    from asymm_deploy.report.report_table import TableFormat
    from asymm_deploy.report.tables import Which

_NONE = Counterparts()


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """What to time, where and how, and what to write of it."""

    sources: Sequence[Source]
    samples: Mapping[str, Path] = field(default_factory=dict)
    """Files of samples that the command gives, by the sources' folders."""
    bare_files: Sequence[Path]
    """.mnn files, timed as they are."""
    devices: Sequence[str]
    lab: LabRequest | None = None
    """Whose phones to time on, in place of ``devices``."""
    runner: Path | None
    phone_options: PhoneOptions
    artifacts: Path
    out: Path
    plan: Plan
    paired: bool = False
    """Whether networks are also timed in turns with their MBV3."""
    pairs: Sequence[tuple[str, str]] = ()
    """Sources to be timed in turns besides, by name: each with the one that it is compared with."""
    which: Which
    """The table or figure of the paper to write; None for the latencies alone."""
    output_format: TableFormat


def run_bench(asked: BenchRequest) -> ExitCode:
    """Time what was asked for, write and print the tables; return the worst row's exit code."""
    paired = counterparts_of(asked.sources, asked.bare_files) if asked.paired else Counterparts()
    with asked_devices(asked) as (devices, device_count):  # before an export takes minutes
        bare = bare_files(asked.bare_files, asked.plan)
        exported = exported_subjects(asked, paired)
        subjects = [*bare, *(exported[each.model] for each in asked.sources)]
        refuse_same_names(subjects)  # before a phone is waited for
        pairs = [
            PairedSubjects(exported[name], exported[base])
            for name, base in (*paired.pairs, *asked.pairs)
        ]
        if paired.without:
            console.say(f"not in Table 5, so without an MBV3: {', '.join(paired.without)}")
        with store.opened(asked.out, console.say, "bench") as runs:
            try:
                outcomes = _timed(devices, device_count, subjects, pairs, asked.plan, runs)
            except BaseException:  # Ctrl-C too: latency.csv tells of every launch on disk
                with suppress(UsageError):
                    _write_latencies(asked.out, runs)
                raise
            everything = _write_latencies(asked.out, runs)
    rows = [row for outcome in outcomes for row in outcome.rows]
    print_data(_write_tables(asked, rows, everything))
    failures = named_failures(outcomes)
    for failure in failures:
        console.complain(failure)
    codes = [row.exit_code for row in rows] + [failure.exit_code for failure in failures]
    return worst(codes)


def exported_subjects(
    asked: BenchRequest, paired: Counterparts = _NONE
) -> dict[str, Artifact | Missing]:
    """Export what is missing or stale, and return what there is to time of each source by name."""
    if not asked.sources:
        return {}
    requests = [
        recorded_request(each, asked.artifacts, asked.samples.get(each.model))
        for each in (*asked.sources, *paired.added)
    ]
    require_alike(paired.pairs, [each.source for each in requests])
    outcomes = export_with_progress(requests)
    for outcome in outcomes:
        if outcome.failure is not None:
            console.complain(outcome.failure.about(outcome.request.text))
    return {
        outcome.request.source.model: exported_subject(outcome, asked.plan) for outcome in outcomes
    }


def _timed(
    devices: ReadyDevices,
    device_count: int,
    subjects: Sequence[Artifact | Missing],
    pairs: Sequence[PairedSubjects],
    plan: Plan,
    runs: Runs,
) -> list[DeviceOutcome]:
    launches = len(subjects) * plan.launches + len(pairs) * PAIRED_LAUNCHES
    total = device_count * launches
    with console.progress("timing", total) as advance, ending_like_ctrl_c():
        progress = BenchProgress(advance, several_devices=device_count > 1)
        return devices.time(subjects, plan, runs, progress.show, pairs)


def _write_latencies(out: Path, runs: Runs) -> list[RowSummary]:
    """Write latency.csv, if there is anything to tell; return a row for each model and setting."""
    from asymm_deploy.report import tables

    everything = latest_rows(runs.records)
    if everything:
        tables.write_latency(out, everything)
    return everything


def _write_tables(
    asked: BenchRequest, rows: Sequence[RowSummary], everything: Sequence[RowSummary]
) -> str:
    """Return the table of what was timed; a table of the paper also goes to OUT/tableN.csv.

    With several devices that is a file for each, OUT/tableN.DEVICE.csv: no column mixes them. A
    figure goes to OUT/figureN.csv likewise.
    """
    from asymm_deploy.report import tables
    from asymm_deploy.report.comparable import RowFilter

    console.say(f"wrote {asked.out / store.NAME} and {asked.out / tables.LATENCY_CSV}")
    devices = list(dict.fromkeys(row.device for row in rows))
    for row in rows:
        on = f" on {row.device}" if len(devices) > 1 else ""
        if row.flags:
            console.say(f"{row.model}{on}: {row.flags_text}")
        for ratio in row.paired:
            if ratio.ratio is not None:
                console.say(f"{row.model}{on}: {in_turns_text(ratio)}")
    if asked.which is None:
        return tables.report_text(None, rows, RowFilter(), asked.output_format)
    texts = []
    accuracies = tables.accuracies_in(asked.out) if asked.which == 5 else {}
    figures = tables.figures_in(asked.out, asked.which)
    evaluated = (accuracies, figures)
    for device in devices:
        choice = RowFilter(device, asked.plan.engine, asked.plan.precision, asked.plan.threads)
        suffix = f".{re.sub(r'[^A-Za-z0-9_.-]', '_', str(device))}" if devices[1:] else ""
        target = asked.out / tables.file_name(asked.which, suffix)
        given = (asked.which, everything, choice)
        tables.write(target, tables.report_text(*given, "csv", (), *evaluated))
        console.say(f"wrote {target}")
        texts.append(tables.report_text(*given, asked.output_format, (), *evaluated))
    return "\n".join(texts)

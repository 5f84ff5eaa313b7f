"""The steps of ``bench --cold``, in order: devices, export, launches, table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.cold.cold_records import ColdRow
from asymm_deploy.bench.cold.cold_rows import latest_cold_rows
from asymm_deploy.bench.cold.cold_store import COLD_NAME, ColdRuns, opened_cold
from asymm_deploy.bench.cold.time_cold import cold_launches, time_cold
from asymm_deploy.bench.find_devices import WorkingDevices, emulated_among
from asymm_deploy.bench.fleet import WorkOutcome, named_failures
from asymm_deploy.bench.measure import refuse_same_names
from asymm_deploy.bench.subjects import bare_files
from asymm_deploy.commands import console
from asymm_deploy.commands.bench_steps import BenchRequest, exported_subjects
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.commands.timing.asked_devices import asked_devices
from asymm_deploy.commands.timing.cold_progress import ColdProgress
from asymm_deploy.errors import ExitCode, UsageError, worst
from asymm_deploy.signals import ending_like_ctrl_c


def run_cold(asked: BenchRequest) -> ExitCode:
    """Start what was asked for, write and print the table; return the worst row's exit code.

    Raises UsageError for an emulated processor.
    """
    for name in emulated_among(asked.devices):
        raise UsageError(
            f"{name} is an emulated processor: it has no clock, and no disk to read a model from",
            "count a run's instructions with `asymm-deploy cost`, or give --device host or a phone",
        )
    with asked_devices(asked) as (devices, device_count):  # before an export takes minutes
        bare = bare_files(asked.bare_files, asked.plan)
        exported = exported_subjects(asked)
        subjects = [*bare, *(exported[each.model] for each in asked.sources)]
        refuse_same_names(subjects)  # before a phone is waited for
        with opened_cold(asked.out, console.say) as runs:
            try:
                outcomes = _started(devices, device_count, subjects, asked, runs)
            except BaseException:  # Ctrl-C too: cold.csv tells of every launch on disk
                with suppress(UsageError):
                    _write_rows(asked.out, runs)
                raise
            _write_rows(asked.out, runs)
    rows = [row for outcome in outcomes for row in outcome.made]
    print_data(_table_of(asked, rows))
    failures = named_failures(outcomes)
    for failure in failures:
        console.complain(failure)
    return worst([row.exit_code for row in rows] + [failure.exit_code for failure in failures])


def _started(
    devices: WorkingDevices,
    device_count: int,
    subjects: Sequence[Artifact | Missing],
    asked: BenchRequest,
    runs: ColdRuns,
) -> list[WorkOutcome]:
    total = device_count * len(subjects) * cold_launches(asked.plan)
    work = partial(time_cold, subjects=subjects, plan=asked.plan)
    with console.progress("starting", total) as advance, ending_like_ctrl_c():
        progress = ColdProgress(advance, several_devices=device_count > 1)
        return devices.perform(work, runs, progress.show)


def _write_rows(out: Path, runs: ColdRuns) -> None:
    """Write cold.csv, if there is anything to tell: a row for each model and setting."""
    from asymm_deploy.report.cold.cold_table import write_cold_csv

    rows = latest_cold_rows(runs.records)
    if rows:
        write_cold_csv(out, rows)


def _table_of(asked: BenchRequest, rows: Sequence[ColdRow]) -> str:
    from asymm_deploy.report.cold.cold_table import COLD_CSV, cold_remarks, cold_text

    console.say(f"wrote {asked.out / COLD_NAME} and {asked.out / COLD_CSV}")
    devices = {row.device for row in rows}
    for row in rows:
        on = f" on {row.device}" if len(devices) > 1 else ""
        if row.flags:
            console.say(f"{row.model}{on}: {row.flags_text}")
    for remark in cold_remarks(rows):
        console.say(remark)
    return cold_text(rows, asked.output_format)

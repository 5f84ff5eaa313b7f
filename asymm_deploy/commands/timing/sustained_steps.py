"""The steps of a sustained bench, in order: devices, export, launches, table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asymm_deploy.bench.device import Device
from asymm_deploy.bench.find_devices import device_makers
from asymm_deploy.bench.measure import refuse_same_names
from asymm_deploy.bench.subjects import Counterparts, bare_files
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import Curve, CurveFile, opened_curves
from asymm_deploy.bench.sustained.following import Follower, HostFollower
from asymm_deploy.bench.sustained.sustain_models import Lasting, sustain_models
from asymm_deploy.bench.sustained.sustained_rows import latest_curves, sustained_row
from asymm_deploy.commands import console
from asymm_deploy.commands.bench_steps import BenchRequest, exported_subjects
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.commands.timing.sustained_progress import SustainedProgress
from asymm_deploy.errors import DeployError, ExitCode, UsageError, worst
from asymm_deploy.signals import ending_like_ctrl_c

if TYPE_CHECKING:
    from asymm_deploy.bench.artifact import Artifact, Missing


def run_sustained(asked: BenchRequest, lasting: Lasting) -> ExitCode:
    """Run each model as long as asked on each device, one after the other; print the table.

    Returns the exit code of the worst row. OUT/sustained.csv is written whatever happens. Raises
    UsageError for phones of a lab.
    """
    if asked.lab is not None:
        raise UsageError(
            "--for follows a device second by second, and a lab does not carry that",
            "run it on the phone's own host, with --device SERIAL in place of --lab",
        )
    makers = device_makers(asked.devices, asked.runner, asked.phone_options, console.say)
    devices = {name: make(console.say) for name, make in makers.items()}
    for device in devices.values():  # before an export takes minutes
        device.facts(())
    bare = bare_files(asked.bare_files, asked.plan)
    exported = exported_subjects(asked, Counterparts())
    subjects = [*bare, *(exported[each.model] for each in asked.sources)]
    refuse_same_names(subjects)
    with opened_curves(asked.out, console.say) as file:
        benches = _Benches(asked, lasting, subjects, file)
        try:
            with ending_like_ctrl_c():
                benches.run(devices)
        except BaseException:  # Ctrl-C too: sustained.csv tells of all that is on disk
            with suppress(UsageError):
                _write(asked, file)
            _tell_unfinished(asked, file)
            raise
        _write(asked, file)
    return _shown(asked, benches.curves, benches.failures)


@dataclass(slots=True)
class _Benches:
    """One bench for each device."""

    asked: BenchRequest
    lasting: Lasting
    subjects: Sequence[Artifact | Missing]
    file: CurveFile
    curves: list[Curve] = field(default_factory=list)
    failures: list[DeployError] = field(default_factory=list)

    def run(self, devices: dict[str, Device]) -> None:
        """Run all of them; of several, one that fails stops no other."""
        total = round(self.lasting.for_s) * len(self.subjects) * len(devices)
        with console.progress("timing", total) as advance:
            progress = SustainedProgress(advance, several_devices=len(devices) > 1)
            for name, device in devices.items():
                progress.device = name
                try:
                    self.curves += sustain_models(
                        _follower(device),
                        self.subjects,
                        self.asked.plan,
                        self.lasting,
                        self.file,
                        progress.show,
                    )
                except DeployError as error:
                    if len(devices) == 1:
                        raise
                    self.failures.append(error)


def _follower(device: Device) -> Follower:
    """Return what follows launches on a device."""
    from asymm_deploy.bench.phone.phone_device import AdbDevice

    if not isinstance(device, AdbDevice):
        return HostFollower(device)
    from asymm_deploy.bench.sustained.following_phone import PhoneFollower

    return PhoneFollower(device)


def _write(asked: BenchRequest, file: CurveFile) -> None:
    from asymm_deploy.report.sustained.sustained_table import write_sustained

    if file.curves:
        rows = [sustained_row(curve) for curve in latest_curves(file.curves)]
        target = write_sustained(asked.out, rows)
        console.say(f"wrote {asked.out / SUSTAINED_NAME} and {target}")


def _tell_unfinished(asked: BenchRequest, file: CurveFile) -> None:
    """Say what is kept of a launch that did not reach its end."""
    last = next(iter(file.curves[-1:]), None)
    if last is not None and not last.is_whole and last.seconds:
        console.say(
            f"{last.launch.model}: {last.reached_s:.0f} of {last.started.for_s:.0f} s are kept in "
            f"{asked.out / SUSTAINED_NAME}"
        )


def _shown(
    asked: BenchRequest, curves: Sequence[Curve], failures: Sequence[DeployError]
) -> ExitCode:
    """Print the table of what was asked for; return the worst exit code."""
    from asymm_deploy.report.sustained.sustained_table import late_text, sustained_text

    rows = [sustained_row(curve) for curve in curves]
    devices = {row.device for row in rows}
    for row in rows:
        on = f"{row.device}: " if len(devices) > 1 else ""
        if row.flags:
            console.say(f"{on}{row.model}: {row.flags_text}")
        if "late" in row.flags:
            console.say(f"{on}{late_text(row)}")
    print_data(sustained_text(rows, asked.output_format))
    for failure in failures:
        console.complain(failure)
    return worst([*(row.exit_code for row in rows), *(each.exit_code for each in failures)])

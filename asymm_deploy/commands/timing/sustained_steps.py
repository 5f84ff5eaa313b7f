"""The steps of a sustained bench, in order: devices, export, launches, table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from asymm_deploy.bench.device import Device
from asymm_deploy.bench.find_devices import device_makers
from asymm_deploy.bench.measure import refuse_same_names
from asymm_deploy.bench.subjects import Counterparts, bare_files
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import (
    Curve,
    CurveFile,
    CurvesElsewhere,
    Elsewhere,
    opened_curves,
)
from asymm_deploy.bench.sustained.following import Follower, HostFollower
from asymm_deploy.bench.sustained.sustain_models import (
    CurveBegun,
    CurveEvent,
    CurveTakenUp,
    Lasting,
    sustain_models,
)
from asymm_deploy.bench.sustained.sustained_rows import latest_curves, sustained_row
from asymm_deploy.commands import console
from asymm_deploy.commands.bench_steps import BenchRequest, exported_subjects
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.commands.timing.sustained_progress import SustainedProgress
from asymm_deploy.errors import DeployError, ExitCode, UsageError, worst
from asymm_deploy.signals import ending_like_ctrl_c

if TYPE_CHECKING:
    from asymm_deploy.bench.artifact import Artifact, Missing
    from asymm_deploy.lab.client.lab_device import LabDevice
    from asymm_deploy.lab.client.lab_fleet import LabFleet


def run_sustained(asked: BenchRequest, lasting: Lasting) -> ExitCode:
    """Run each model as long as asked on each device; print the table.

    One device follows the other, but phones of a lab run at the same time. Returns the exit code of
    the worst row. OUT/sustained.csv is written whatever happens.
    """
    with ExitStack() as stack:
        fleet: LabFleet | None = None
        devices: dict[str, Device] = {}
        if asked.lab is not None:
            from asymm_deploy.lab.client.lab_request import lab_fleet

            fleet = stack.enter_context(lab_fleet(asked.lab, asked.phone_options, console.say))
        else:
            devices = _local(asked)
        bare = bare_files(asked.bare_files, asked.plan)
        exported = exported_subjects(asked, Counterparts())
        subjects = [*bare, *(exported[each.model] for each in asked.sources)]
        refuse_same_names(subjects)
        file = stack.enter_context(opened_curves(asked.out, console.say))
        benches = _Benches(asked, lasting, subjects, file)
        try:
            with ending_like_ctrl_c():
                if fleet is not None:
                    benches.run_in_lab(fleet)
                else:
                    benches.run(devices)
        except BaseException:  # Ctrl-C too: sustained.csv tells of all that is on disk
            with suppress(UsageError):
                _write(asked, file)
            benches.tell_unfinished()
            raise
        _write(asked, file)
    return _shown(asked, benches.curves, benches.failures)


def _local(asked: BenchRequest) -> dict[str, Device]:
    """Return the devices of this machine, each asked what it is before an export takes minutes."""
    makers = device_makers(asked.devices, asked.runner, asked.phone_options, console.say)
    devices = {name: make(console.say) for name, make in makers.items()}
    for device in devices.values():
        device.facts(())
    return devices


@dataclass(slots=True)
class _Benches:
    """One bench for each device."""

    asked: BenchRequest
    lasting: Lasting
    subjects: Sequence[Artifact | Missing]
    file: CurveFile
    curves: list[Curve] = field(default_factory=list)
    failures: list[DeployError] = field(default_factory=list)
    begun: dict[str, Curve] = field(default_factory=dict)
    """Those that were begun or taken up."""

    def run(self, devices: dict[str, Device]) -> None:
        """Run all of them; of several, one that fails stops no other."""
        with console.progress("timing", self._seconds(len(devices))) as advance:
            progress = self._progress(advance, len(devices))
            for name, device in devices.items():
                show = partial(self._show, progress, name)
                try:
                    self.curves += self._sustained(_follower(device), self.file, show)
                except DeployError as error:
                    if len(devices) == 1:
                        raise
                    self.failures.append(error)

    def run_in_lab(self, fleet: LabFleet) -> None:
        """Run all phones at the same time; of several, one that fails stops no other."""
        assert self.asked.lab is not None
        from asymm_deploy.lab.client.lab_follower import LabFollower

        def work(
            device: LabDevice, elsewhere: Elsewhere, show: Callable[[Any], None]
        ) -> Sequence[Curve]:
            file = CurvesElsewhere(self.file, elsewhere)
            return self._sustained(LabFollower(device), file, show)

        names = {subject.model for subject in self.subjects}
        known = [curve.launch for curve in self.file.curves if curve.launch.model in names]
        phones = self.asked.lab.wanted.total
        with console.progress("timing", self._seconds(phones)) as advance:
            progress = self._progress(advance, phones)
            outcomes = fleet.follow(work, known, partial(self._show, progress))
        for outcome in outcomes:
            self.curves += outcome.made
            self.failures += [] if outcome.failure is None else [outcome.failure]

    def tell_unfinished(self) -> None:
        """Say what is kept of launches that did not reach their end."""
        several = len({curve.launch.device for curve in self.begun.values()}) > 1
        for curve in self.begun.values():
            if not curve.is_whole and curve.seconds:
                on = f"{curve.launch.device}: " if several else ""
                kept = f"{curve.reached_s:.0f} of {curve.started.for_s:.0f} s are kept"
                file = self.asked.out / SUSTAINED_NAME
                console.say(f"{on}{curve.launch.model}: {kept} in {file}")

    def _progress(self, advance: console.Advance, devices: int) -> SustainedProgress:
        rest_s = self.asked.phone_options.cool_down_s
        return SustainedProgress(advance, rest_s=rest_s, several_devices=devices > 1)

    def _seconds(self, devices: int) -> int:
        return round(self.lasting.for_s) * len(self.subjects) * devices

    def _sustained(
        self, follower: Follower, file: CurveFile, show: Callable[[CurveEvent], None]
    ) -> list[Curve]:
        plan, lasting = self.asked.plan, self.lasting
        return sustain_models(follower, self.subjects, plan, lasting, file, show)

    def _show(self, progress: SustainedProgress, device: str, event: CurveEvent) -> None:
        if isinstance(event, CurveBegun | CurveTakenUp):
            self.begun[event.curve.name] = event.curve
        progress.device = device
        progress.show(event)


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

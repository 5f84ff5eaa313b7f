"""What ``--device`` names -> devices that are ready to time, each built and asked once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from asymm_deploy.bench import measure
from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.fleet import (
    DeviceMaker,
    DeviceOutcome,
    DeviceWork,
    Keeper,
    WorkOutcome,
    started_fleet,
)
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.errors import UsageError

if TYPE_CHECKING:
    from asymm_deploy.bench.artifact import Artifact, Missing
    from asymm_deploy.bench.device import Device
    from asymm_deploy.bench.paired.pair_row import PairedSubjects
    from asymm_deploy.bench.phone.options import PhoneOptions
    from asymm_deploy.bench.plan import Plan
    from asymm_deploy.bench.store import Runs

HOST = "host"
EMULATED = "a76"
"""No device: an emulated processor, on which models are counted and not timed."""


class ReadyDevices(Protocol):
    """One device or several, ready to time."""

    def time(
        self,
        subjects: Sequence[Artifact | Missing],
        plan: Plan,
        runs: Runs,
        on_event: Callable[[str, measure.BenchEvent], None],
        pairs: Sequence[PairedSubjects] = (),
    ) -> list[DeviceOutcome]:
        """Time every subject on every device; ``on_event`` is told the device's name, too.

        ``pairs`` are timed in turns besides, as in ``measure.time_models``.

        Of several devices, one that fails stops no other, and its outcome says why. The failure
        of a single one is raised.
        """
        ...


class WorkingDevices(ReadyDevices, Protocol):
    """The same, ready to do other work than timing."""

    def perform(
        self, work: DeviceWork, runs: Keeper, on_event: Callable[[str, Any], None]
    ) -> list[WorkOutcome]:
        """Do ``work`` on every device; its records are kept in ``runs``.

        Of several devices, one that fails stops no other, and its outcome says why. The failure
        of a single one is raised.
        """
        ...


def device_makers(
    names: Sequence[str], runner: Path | None, options: PhoneOptions, tell: Tell
) -> dict[str, DeviceMaker]:
    """Return how to make each device that ``names`` stand for, by its own name; none is the host.

    Raises UsageError or HarnessError if there is no such device, or no runner for it.
    """
    asked = list(dict.fromkeys(names)) or [HOST]
    emulated = emulated_among(asked)
    if emulated:
        raise UsageError(
            f"{emulated[0]} is an emulated processor, and has no clock to time by",
            f"count with `asymm-deploy cost`, or compare with `check --device {EMULATED}`",
        )
    found: dict[str, DeviceMaker] = {}
    if HOST in asked:
        found[HOST] = partial(_host, runner)
    over_adb = [name for name in asked if name != HOST]
    if over_adb:
        from asymm_deploy.bench.native.phone_runner import where_for_phones
        from asymm_deploy.bench.phone import find
        from asymm_deploy.bench.phone.server import Server, address

        server = Server(address(os.environ))
        program = runner or where_for_phones(tell)
        for name in over_adb:
            for serial in find.serials(server, name, os.environ, tell):
                found[serial] = partial(_phone, serial, program, options)
    return found


def emulated_among(names: Sequence[str]) -> list[str]:
    """Return those names that stand for the emulated processor."""
    return [name for name in names if name.lower().removeprefix("cortex-") == EMULATED]


@contextmanager
def ready_devices(makers: dict[str, DeviceMaker], tell: Tell) -> Iterator[WorkingDevices]:
    """Make the devices and ask each what it is; what can't be used is refused now.

    One device is made in this process, each of several in a process of its own.
    """
    if len(makers) > 1:
        with started_fleet(makers, tell) as fleet:
            yield fleet
        return
    ((name, make),) = makers.items()
    device = make(tell)
    device.facts(())
    yield _Single(name, device)


def only_device(makers: dict[str, DeviceMaker], tell: Tell) -> Device:
    """Return the device for a comparison, which runs on one; raise UsageError for several."""
    if len(makers) > 1:
        raise UsageError(
            f"a comparison runs on one device, and several are meant: {', '.join(makers)}",
            f"choose one with --device {next(iter(makers))}",
        )
    (make,) = makers.values()
    device = make(tell)
    device.facts(())
    return device


class _Single:
    """One device, in this process."""

    def __init__(self, name: str, device: Device) -> None:
        self._name = name
        self._device = device

    def time(
        self,
        subjects: Sequence[Artifact | Missing],
        plan: Plan,
        runs: Runs,
        on_event: Callable[[str, measure.BenchEvent], None],
        pairs: Sequence[PairedSubjects] = (),
    ) -> list[DeviceOutcome]:
        rows = measure.time_models(
            self._device, subjects, plan, runs, lambda event: on_event(self._name, event), pairs
        )
        return [DeviceOutcome(self._name, tuple(rows))]

    def perform(
        self, work: DeviceWork, runs: Keeper, on_event: Callable[[str, Any], None]
    ) -> list[WorkOutcome]:
        made = work(self._device, runs, lambda event: on_event(self._name, event))
        return [WorkOutcome(self._name, tuple(made))]


def _host(runner: Path | None, tell: Tell) -> Device:
    del tell
    return HostDevice(runner)


def _phone(serial: str, runner: Path, options: PhoneOptions, tell: Tell) -> Device:
    from asymm_deploy.bench.phone.phone_device import AdbDevice
    from asymm_deploy.bench.phone.server import Server, address

    return AdbDevice(Server(address(os.environ)), serial, runner, options, tell)

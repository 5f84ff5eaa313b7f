"""The devices that a bench asks for: this machine, phones attached to it, or phones of a lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from asymm_deploy.bench.find_devices import WorkingDevices, device_makers, ready_devices
from asymm_deploy.bench.phone.options import require_phones_engine
from asymm_deploy.commands import console

if TYPE_CHECKING:
    from asymm_deploy.commands.bench_steps import BenchRequest


@contextmanager
def asked_devices(asked: BenchRequest) -> Iterator[tuple[WorkingDevices, int]]:
    """Yield the devices, ready to work, and how many there are.

    Raises UsageError or HarnessError if they are not there, or can't be used.
    """
    if asked.lab is not None:
        require_phones_engine(asked.plan.engine)  # before a phone is waited for
        from asymm_deploy.lab.client.lab_request import lab_fleet

        with lab_fleet(asked.lab, asked.phone_options, console.say) as fleet:
            yield fleet, asked.lab.wanted.total
        return
    makers = device_makers(asked.devices, asked.runner, asked.phone_options, console.say)
    with ready_devices(makers, console.say) as devices:
        yield devices, len(makers)

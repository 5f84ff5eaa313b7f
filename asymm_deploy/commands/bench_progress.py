"""What a bench says on stderr while it runs."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from asymm_deploy.bench.judge import conditions
from asymm_deploy.bench.measure import BenchEvent, BenchResumed, LaunchDiscarded, LaunchFinished
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.units import KHZ_PER_GHZ, NS_PER_MS
from asymm_deploy.commands import console


class BenchProgress:
    """Puts what happens to launches into words, and moves the bar on."""

    def __init__(self, advance: Callable[[str], None], *, several_devices: bool) -> None:
        """Take what moves the bar; with several devices each line begins with a device's name."""
        self._advance = advance
        self._several = several_devices

    def show(self, device: str, event: BenchEvent) -> None:
        """Show one event of a device."""
        prefix = f"{device}: " if self._several else ""
        if isinstance(event, BenchResumed):
            kept = f"{event.kept} launches were measured before and are kept"
            console.say(f"{prefix}{kept} (--fresh repeats them)")
            for _ in range(event.kept):
                self._advance(f"{prefix}resumed")
        elif isinstance(event, LaunchDiscarded):
            why = " ".join(event.record.flags)
            lost = f"{_launch(event.record)} does not count ({why})"
            console.say(f"{prefix}{lost}: it is repeated after a pause")
        elif isinstance(event, LaunchFinished):
            record = event.record
            if record.error is not None:
                console.say(f"{prefix}{_launch(record)}: {record.error}")
            self._advance(f"{prefix}{record.model} #{record.launch + 1} {_measured(record)}")


def _launch(record: LaunchRecord) -> str:
    return f"{record.model}, launch {record.launch}"


def _measured(record: LaunchRecord) -> str:
    """Return the launch's latency, and on a phone its temperature and clock."""
    if not record.samples_ns:
        return "failed"
    found = [f"{median(record.samples_ns) / NS_PER_MS:.2f} ms"]
    around = record.conditions
    if around is not None and around.after.battery_c is not None:
        found.append(f"{around.after.battery_c:.0f} degC")
    clock_khz = conditions.usual_clock_khz(around) if around is not None else None
    if clock_khz is not None:
        found.append(f"{clock_khz / KHZ_PER_GHZ:.2f} GHz")
    return ", ".join(found)

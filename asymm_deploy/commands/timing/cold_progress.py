"""What a bench of cold starts says on stderr while it runs."""

from __future__ import annotations

from collections.abc import Callable

from asymm_deploy.bench.cold.cold_records import ColdRecord
from asymm_deploy.bench.cold.time_cold import ColdEvent, ColdFinished
from asymm_deploy.bench.measure import BenchResumed, LaunchDiscarded
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.commands import console
from asymm_deploy.commands.bench_progress import discarded_text, kept_text


class ColdProgress:
    """Puts what happens to launches into words, and moves the bar on."""

    def __init__(self, advance: Callable[[str], None], *, several_devices: bool) -> None:
        """Take what moves the bar; with several devices each line begins with a device's name."""
        self._advance = advance
        self._several = several_devices

    def show(self, device: str, event: ColdEvent) -> None:
        """Show one event of a device."""
        prefix = f"{device}: " if self._several else ""
        if isinstance(event, BenchResumed):
            console.say(f"{prefix}{kept_text(event.kept)}")
            for _ in range(event.kept):
                self._advance(f"{prefix}resumed")
        elif isinstance(event, LaunchDiscarded):
            console.say(f"{prefix}{discarded_text(event.record)}")
        elif isinstance(event, ColdFinished):
            made = event.record.launch
            if made.error is not None:
                console.say(f"{prefix}{made.model}, launch {made.launch}: {made.error}")
            self._advance(f"{prefix}{made.model} #{made.launch + 1} {_found(event.record)}")


def _found(record: ColdRecord) -> str:
    """Return what a launch came to."""
    if record.memory is not None:
        peak = record.memory.second.peak_mb
        return "memory" if peak is None else f"{peak:.1f} MB"
    if record.stages is None:
        return "failed"
    stages = record.stages
    each = (stages.read_ns, stages.create_ns, stages.first_ns, stages.second_ns)
    return " + ".join(f"{ns / NS_PER_MS:.1f}" for ns in each) + " ms"

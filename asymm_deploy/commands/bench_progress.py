"""What a bench says on stderr while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from statistics import median

from asymm_deploy.bench.judge import conditions
from asymm_deploy.bench.judge.pair_difference import pair_difference
from asymm_deploy.bench.measure import (
    BenchEvent,
    BenchResumed,
    LaunchDiscarded,
    LaunchFinished,
    PairFinished,
    PairsGivenUp,
)
from asymm_deploy.bench.records import LaunchRecord, PairedRatio
from asymm_deploy.bench.units import KHZ_PER_GHZ, NS_PER_MS
from asymm_deploy.commands import console
from asymm_deploy.text import counted


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
            console.say(f"{prefix}{kept_text(event.kept)}")
            for _ in range(event.kept):
                self._advance(f"{prefix}resumed")
        elif isinstance(event, LaunchDiscarded):
            console.say(f"{prefix}{discarded_text(event.record)}")
        elif isinstance(event, LaunchFinished):
            record = event.record
            if record.error is not None:
                console.say(f"{prefix}{_launch(record)}: {record.error}")
            self._advance(f"{prefix}{record.model} #{record.launch + 1} {_measured(record)}")

        elif isinstance(event, PairFinished):
            one, other = event.records
            failed = next((x for x in event.records if x.error is not None), None)
            if failed is not None:
                console.say(f"{prefix}{_launch(one)}: {failed.error}")
                measured = "failed"
            else:
                measured = f"x {exp(pair_difference(other, one).by('cpu')):.3f}"
            self._advance(f"{prefix}{one.model} with {other.model} #{one.launch + 1} {measured}")
        elif isinstance(event, PairsGivenUp):
            console.say(f"{prefix}no more launches of {_listed(event.pairs)}: {event.why}")


def kept_text(launches: int) -> str:
    """Return that so many launches of an earlier command are kept."""
    was, is_kept, it = ("was", "is", "it") if launches == 1 else ("were", "are", "them")
    kept = f"{counted(launches, 'launch')} {was} measured before and {is_kept} kept"
    return f"{kept} (--fresh repeats {it})"


def discarded_text(record: LaunchRecord) -> str:
    """Return that a launch does not count, and why."""
    why = " ".join(record.flags)
    return f"{_launch(record)} does not count ({why}): it is repeated after a pause"


def in_turns_text(found: PairedRatio) -> str:
    """Return a ratio in words, with its interval and what does not count."""
    around = "" if found.low is None else f" ({found.low:.3f} to {found.high:.3f})"
    of = counted(found.launches, "paired launch")
    if found.launches < found.made:
        made = counted(found.made, "paired launch")
        of = f"{found.launches} of {made}, without {' '.join(found.flags)}"
    return f"takes {found.ratio:.3f} times as long as {found.partner}{around}, by {of}"


def _listed(pairs: Sequence[str]) -> str:
    return "; ".join(pairs[:3]) + (f"; {len(pairs) - 3} more" if pairs[3:] else "")


def _launch(record: LaunchRecord) -> str:
    partner = None if record.paired is None else record.paired.partner
    model = record.model if partner is None else f"{record.model} in turns with {partner}"
    return f"{model}, launch {record.launch}"


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

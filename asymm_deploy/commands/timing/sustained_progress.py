"""What a sustained bench says on stderr while it runs."""

from __future__ import annotations

from asymm_deploy.bench.sustained.curves import Curve
from asymm_deploy.bench.sustained.durations import short_duration
from asymm_deploy.bench.sustained.sustain_models import (
    CurveBegun,
    CurveEnded,
    CurveEvent,
    CurveGrown,
    CurveKept,
    CurveTakenUp,
    Resting,
)
from asymm_deploy.bench.units import KHZ_PER_GHZ, NS_PER_MS
from asymm_deploy.commands import console
from asymm_deploy.commands.console import Advance


class SustainedProgress:
    """Puts what happens to curves into words, and moves the bar on by the seconds that passed."""

    def __init__(self, advance: Advance, *, rest_s: float, several_devices: bool) -> None:
        """Take what moves the bar by a second, and how long a phone is left alone at a time."""
        self._rest = f"{rest_s:g} s"
        self._advance = advance
        self._several = several_devices
        self._shown_s: dict[str, int] = {}
        self.device = ""
        """Goes before each line if there are several."""

    def show(self, event: CurveEvent) -> None:
        """Show one event."""
        if isinstance(event, Resting):
            self._say(f"letting it cool before {event.model}: {self._rest}, or more if it is hot")
            return
        curve = event.curve
        model, asked = curve.launch.model, short_duration(curve.started.for_s)
        if isinstance(event, CurveKept):
            self._say(f"{model} was timed for {asked} before, which is kept (--fresh repeats it)")
            self._move(curve, curve.started.for_s)
        elif isinstance(event, CurveTakenUp):
            self._say(f"{model} still runs: it is followed on from second {curve.reached_s:.0f}")
            self._move(curve, curve.reached_s)
        elif isinstance(event, CurveBegun):
            self._say(f"{model} runs for {asked}")
        elif isinstance(event, CurveGrown):
            self._move(curve, curve.reached_s)
        elif isinstance(event, CurveEnded):
            if curve.launch.error is not None:
                self._say(f"{model}: {curve.launch.error}")
            self._move(curve, curve.started.for_s)

    def _say(self, text: str) -> None:
        console.say(f"{self.device}: {text}" if self._several else text)

    def _move(self, curve: Curve, reached_s: float) -> None:
        """Move the bar to a curve's second."""
        shown = self._shown_s.get(curve.name, 0)
        reached = min(round(reached_s), round(curve.started.for_s))
        for _ in range(shown, reached):
            self._advance(f"{curve.launch.model} {_now(curve)}")
        self._shown_s[curve.name] = max(shown, reached)


def _now(curve: Curve) -> str:
    """Return how fast it is at the moment, and what the device says of itself."""
    if not curve.seconds:
        return ""
    found = [f"{curve.seconds[-1].median_ns / NS_PER_MS:.2f} ms"]
    reading = next((each for each in reversed(curve.readings) if each is not None), None)
    if reading is not None:
        celsius = reading.battery_c if reading.battery_c is not None else reading.hottest_c
        if celsius is not None:
            found.append(f"{celsius:.0f} degC")
        if reading.clock_khz is not None:
            found.append(f"{reading.clock_khz / KHZ_PER_GHZ:.2f} GHz")
    return ", ".join(found)

"""How a phone warms up as it works, and what it does against it, at a Pixel 4's thresholds."""

from __future__ import annotations

from dataclasses import dataclass

# Caps of the prime core in kHz as the skin warms, degC; and from when on which thermal status.
_CAPS = ((43.0, 2_131_200), (45.0, 1_804_800), (47.0, 1_401_600), (49.0, 1_056_000))
_STATUS = ((43.0, 1), (47.0, 2), (49.0, 3))


@dataclass
class Heat:
    """A skin that goes towards a temperature, the sooner the farther it is away from it."""

    skin_c: float = 33.0
    idle_c: float = 31.0
    busy_c: float = 52.0
    """Where it would end with a core at work throughout at its top clock."""
    tau_s: float = 20.0
    """After so long it has gone two thirds of the way."""

    def work(self, seconds: float, share: float) -> None:
        """Have passed some time, during a share of which the core was at work."""
        slowed = (self.cap_khz or 2_841_600) / 2_841_600
        goal_c = self.idle_c + (self.busy_c - self.idle_c) * share * slowed
        self.skin_c += (goal_c - self.skin_c) * min(1.0, seconds / self.tau_s)

    @property
    def cap_khz(self) -> int | None:
        """The prime core's highest clock now; None: the hardware's."""
        return next((khz for c, khz in reversed(_CAPS) if self.skin_c >= c), None)

    @property
    def status(self) -> int:
        """Android's thermal status."""
        return next((status for c, status in reversed(_STATUS) if self.skin_c >= c), 0)

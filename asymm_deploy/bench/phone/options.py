"""How to deal with phones: what the user may choose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhoneOptions:
    """Patience, pauses, and what to leave."""

    patience_s: float = 600.0
    """A phone that is gone is waited for as long as this."""
    cool_down_s: float = 90.0
    """AndroidX Microbenchmark's pause when a phone throttles."""
    keep: bool = False
    """Leave our files on the phone, so that the next bench need not push them."""
    allow: tuple[str, ...] = ()

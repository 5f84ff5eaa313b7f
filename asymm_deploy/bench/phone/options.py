"""How to deal with phones: what the user may choose."""

from __future__ import annotations

from dataclasses import dataclass

from asymm_deploy.bounds import DAY_S, require_within
from asymm_deploy.errors import UsageError


@dataclass(frozen=True, slots=True)
class PhoneOptions:
    """Patience, pauses, and what to leave. Raises UsageError for impossible numbers."""

    patience_s: float = 600.0
    """A phone that is gone is waited for as long as this."""
    cool_down_s: float = 90.0
    """AndroidX Microbenchmark's pause when a phone throttles."""
    keep: bool = False
    """Leave our files on the phone, so that the next bench need not push them."""
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        require_within("--patience", self.patience_s, 0.001, DAY_S, "seconds")
        require_within("--cool-down", self.cool_down_s, 0, DAY_S, "seconds")


def require_phones_engine(engine: str) -> None:
    """Raise UsageError for an engine that phones don't run."""
    if engine != "mnn":
        raise UsageError(f"phones run MNN only, not {engine}", "leave out --engine")

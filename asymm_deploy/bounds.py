"""Numbers that users give, and the range that each may be in."""

from __future__ import annotations

from asymm_deploy.errors import UsageError

DAY_S = 24 * 3600
"""No pause and no launch may be longer; a number of another unit would be found out by then."""
MOST_CLASSES = 100_000
"""Of a network. ImageNet has 21,841 in all; a number with more digits is surely none of classes."""
MOST_CORES = 65_535
"""What the runner's protocol can name."""


def require_within(option: str, value: float, least: float, most: float, why: str = "") -> None:
    """Raise UsageError unless ``least <= value <= most``, which is never so for NaN.

    ``option`` names it as the user does; ``why`` goes behind the range.
    """
    if not least <= value <= most:
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        raise UsageError(
            f"{option} {shown} is out of range",
            f"give {least} to {most}" + (f": {why}" if why else ""),
        )

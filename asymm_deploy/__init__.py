"""From a PyTorch definition to proven-equal mobile artifacts and a latency table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asymm_deploy.models.build import build

__version__ = "0.1.0"
__all__ = ["__version__", "build"]


def __getattr__(name: str) -> object:
    """Import torch only when a network is asked for, so that the commands start fast."""
    if name == "build":
        from asymm_deploy.models.build import build

        return build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

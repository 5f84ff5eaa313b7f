"""From a PyTorch definition to proven-equal mobile artifacts and a latency table."""

from __future__ import annotations

import os

# ONNX Runtime 1.32 reads this when it is imported. Without it, it keeps a database and an id of the
# user in ~/.cache and sends what it did, from the timed process as well. Every process of ours
# imports this file before anything else, and hands the variable on to those that it starts.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

TYPE_CHECKING = False  # as type checkers know it; typing takes longer than all else here
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

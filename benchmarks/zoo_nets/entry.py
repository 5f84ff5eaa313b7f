"""One architecture of the zoo: how it is built, and the inputs that a user would give it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Entry:
    """A net and its inputs; the weights are random, whatever its package could download."""

    name: str
    package: str
    """The package that it comes from; ``torch`` for nets written here."""
    build: Callable[[], nn.Module]
    """Imports its package when it is called, so that no other entry needs it."""
    inputs: tuple[str, ...]
    """Texts of ``--input-shape``, one for each argument of forward."""
    remark: str = ""
    """How it differs from what its name promises, such as fewer layers."""

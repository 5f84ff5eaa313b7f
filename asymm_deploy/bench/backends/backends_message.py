"""The runner's word on where operators ran: its message ``backends``."""

from __future__ import annotations

from typing import Annotated

import msgspec

MOST_ELSEWHERE = 100
"""Operators that ran elsewhere and are listed; the counts are of all."""

BACKEND_LIBRARIES = {"opencl": "libMNN_CL.so", "vulkan": "libMNN_Vulkan.so"}
"""Libraries of MNN's releases that the native runner loads when it is asked for a back end."""

_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=10**6)]


class BackendsUsed(msgspec.Struct, frozen=True, tag_field="type", tag="backends"):
    """Where a session that was asked for another back end than the CPU ran its operators."""

    asked: _Text
    session: _Text
    """The session's main back end, as the engine names it after it has chosen."""
    operators: Annotated[dict[_Text, _Count], msgspec.Meta(max_length=32)]
    """How many operators of a run each back end ran, by the memory that their outputs are in."""
    elsewhere_types: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=MOST_ELSEWHERE)] = ()
    """Of those that ran on another back end than was asked for, in the order of the run."""
    elsewhere_names: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=MOST_ELSEWHERE)] = ()
    loading: _Text | None = None
    """Why the library of the back end could not be loaded; None if it was, or there is none."""
    driver: _Text | None = None
    """How the driver names the device on which the back end computes; None where it isn't told."""
    driver_is_cpu: bool | None = None
    """Whether that device is the CPU, as it is of drivers made of software."""

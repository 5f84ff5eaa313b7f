"""The lines of sustained.jsonl: a launch that begins, each second of it, and how it ended."""

from __future__ import annotations

import msgspec

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.second_stream import Second, SecondFigures, Sustained

SUSTAINED_NAME = "sustained.jsonl"
SUSTAINED_SCHEMA_VERSION = 1
"""Newest version of a line. Incremented when older readers would misread new lines."""


class CurveReading(msgspec.Struct, frozen=True, kw_only=True):
    """What a device said of itself as a second ended; None for what it doesn't let us read."""

    hottest_c: float | None = None
    """Of its temperature sensors, but the battery's, the one that reads the most."""
    hottest: str | None = None
    """That sensor's name."""
    battery_c: float | None = None
    battery_percent: int | None = None
    thermal_status: int | None = None
    """0: not throttled. From 1 on the phone slows itself down to cool."""
    scaling_max_khz: int | None = None
    """Upper limit of the pinned core's clock."""
    clock_khz: int | None = None
    """The pinned core's clock."""
    power_save: bool | None = None
    screen_on: bool | None = None


class CurveStart(msgspec.Struct, frozen=True, kw_only=True):
    """A launch that begins."""

    launch: LaunchRecord
    """Without results: what is timed, where and how."""
    for_s: float
    every_ms: float | None
    """Frames come as often; None: a run follows the one before it at once."""


class CurveEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended."""

    launch: LaunchRecord
    """Judged, and without samples: those are in the seconds. ``error`` if it did not reach its end.

    Heat is what a curve is made to show, so flags that tell of it don't make it invalid.
    """
    loop: Sustained | None
    """None if it did not reach its end."""


class CurveLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: of ``started``, ``second`` and ``ended`` it has one."""

    schema_version: int
    curve: str
    """Which launch it is of: random letters and digits."""
    started: CurveStart | None = None
    second: SecondFigures | None = None
    reading: CurveReading | None = None
    """What the device said as the second was read; None where it was not asked then."""
    ended: CurveEnd | None = None


class WrittenLine(msgspec.Struct, frozen=True, kw_only=True):
    """The line of a second as it is written: with each of its runs, which few need to read."""

    schema_version: int
    curve: str
    second: Second
    reading: CurveReading | None

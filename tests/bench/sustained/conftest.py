"""Curves that are made up: seconds, readings and the launch that they are of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.curve_records import CurveReading
from asymm_deploy.bench.sustained.curves import Curve
from asymm_deploy.bench.sustained.second_stream import Second, Sustained
from tests import made_curves


@pytest.fixture
def a_second() -> Callable[..., Second]:
    """Make a second."""
    return made_curves.made_second


@pytest.fixture
def a_reading() -> Callable[..., CurveReading]:
    """Make a reading of a cool phone."""
    return made_curves.made_reading


@pytest.fixture
def a_record() -> Callable[..., LaunchRecord]:
    """Make a launch's record."""
    return made_curves.made_record


@pytest.fixture
def a_loop() -> Callable[[Curve], Sustained]:
    """Make what a runner says of the whole loop of a curve."""
    return made_curves.made_loop


@pytest.fixture
def a_curve() -> Callable[..., Curve]:
    """Make a curve."""
    return made_curves.made_curve

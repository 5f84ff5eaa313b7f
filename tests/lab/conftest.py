"""A lab with hosts as processes, phones that are simulated and real adb servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.bed import LabBed
from tests.phone.fixtures import (
    adb_server,  # noqa: F401 - fixtures are found by their names
    kept_server,  # noqa: F401
    missing,
    new_phone,  # noqa: F401
    phone,  # noqa: F401
)

NewBed = Callable[..., LabBed]


@pytest.fixture
def new_bed(tmp_path: Path) -> Iterator[NewBed]:
    """``new_bed(hosts=2, phones=2)`` starts a lab for this test alone."""
    if reason := missing():
        pytest.skip(reason)
    with ExitStack() as stack:

        def make(name: str = "lab", **named: Any) -> LabBed:
            folder = tmp_path / name
            folder.mkdir()
            return stack.enter_context(LabBed(folder, **named))

        yield make

"""Whatever a phone prints, no parser raises, and none takes long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given

from asymm_deploy.bench.phone.parse import (
    adb_output,
    dumpsys,
    proc,
    properties,
    sections,
    toybox,
)
from tests.bench.phone.parse.conftest import anything

PARSERS: list[Callable[[str], object]] = [
    adb_output.listed_phones,
    adb_output.connect_outcome,
    adb_output.program_version,
    adb_output.server_version,
    adb_output.adbd_features,
    lambda text: adb_output.push_failure(text, 0),
    lambda text: sections.split_sections(text, "M4RK"),
    properties.properties,
    properties.setting_value,
    dumpsys.battery,
    dumpsys.thermal_status,
    dumpsys.temperatures,
    dumpsys.screen_on,
    toybox.free_kb,
    toybox.digests,
    proc.soc,
    proc.cpu_list,
    proc.allowed_cpus,
]


@pytest.mark.parametrize("parser", PARSERS)
@given(text=anything)
def test_no_text_makes_a_parser_raise(parser: Callable[[str], object], text: str) -> None:
    parser(text)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "unit",
    ["device ", "[a]: [", "0", " ", "\n", "]\n", "M4RK ", "1 1 1 1% /", "A\tdevice\n", "0-1023,"],
)
def test_megabytes_are_no_trouble(parser: Callable[[str], object], unit: str) -> None:
    parser(unit * (5 * 2**20 // len(unit)))

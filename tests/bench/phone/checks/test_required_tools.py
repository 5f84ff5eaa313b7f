"""What a phone lacks is named at once, not after minutes of launches that never begin."""

from __future__ import annotations

import pytest

from asymm_deploy.bench.phone.attached import attached
from asymm_deploy.bench.phone.checks.required_tools import REQUIRED_TOOLS, missing_tools
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.phone_facts import read_phone
from tests.bench.phone.conftest import Bench
from tests.phone.faults import NoTool
from tests.phone.phone import Phone


def test_a_phone_without_setsid_is_refused_before_anything_is_changed(
    bench: Bench, phone: Phone
) -> None:
    phone.faults.add(NoTool(name="setsid"))
    ended = bench()
    assert ended.code == 3
    assert f"the shell of {phone.serial} has no `setsid`, which every launch needs" in ended.err
    assert "hint: Android 7 and newer have all that is needed" in ended.err
    assert not list(phone.path("/data/local/tmp").iterdir())
    phone.faults.clear()
    assert bench().code == 0


def test_each_tool_is_asked_for_and_all_that_are_missing_are_named(
    link: Link, phone: Phone
) -> None:
    assert read_phone(link).missing_tools == ()
    for tool in REQUIRED_TOOLS:
        if tool not in ("grep", "cat"):  # the phone's facts themselves need them
            phone.faults.add(NoTool(name=tool))
    found = read_phone(link).missing_tools
    assert found == tuple(tool for tool in REQUIRED_TOOLS if tool not in ("grep", "cat"))


def test_what_else_a_phone_prints_is_no_missing_tool() -> None:
    assert missing_tools("WARNING: linker\nmissing:setsid\nmissing:x;reboot\n") == ("setsid",)


@pytest.mark.usefixtures("adb_environment")
def test_devices_name_what_is_missing(phone: Phone) -> None:
    phone.faults.add(NoTool(name="taskset"))
    (found,) = attached(pytest.fail)
    assert found.state == "unfit"
    assert "has no `taskset`" in found.to_do

"""Rules are found by name or content; the group they name counts only where it decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asymm_deploy.doctor import usb
from asymm_deploy.doctor.environment import User

if TYPE_CHECKING:
    from asymm_deploy.doctor.checklist import Check
    from tests.doctor.conftest import Machine

BY_GROUP = 'SUBSYSTEM=="usb", ATTR{idVendor}=="18d1", MODE="0660", GROUP="plugdev"\n'
BY_SEAT = (
    'ENV{ID_USB_INTERFACES}=="*:ff4201:*", ENV{ID_DEBUG_APPLIANCE}="android"\nTAG+="uaccess"\n'
)


def look(machine: Machine) -> tuple[Check, Check]:
    rules, group = usb.usb_checks(machine.environment)
    assert (rules.name, group.name) == ("udev rules", "USB group")
    return rules, group


@pytest.mark.parametrize("folder", ["etc", "usr/lib", "lib"])
@pytest.mark.parametrize(
    ("name", "text"), [("51-android.rules", BY_GROUP), ("70-uaccess.rules", BY_SEAT)]
)
def test_rules_are_found_in_each_folder(
    machine: Machine, folder: str, name: str, text: str
) -> None:
    machine.file(f"root/{folder}/udev/rules.d/{name}", text)
    rules, _ = look(machine)
    assert (rules.status, rules.found) == ("ok", f"/{folder}/udev/rules.d/{name}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("70-uaccess.rules", 'TAG+="uaccess"\n'),
        ("51-android.rules", "# " + BY_GROUP),
        ("51-android.txt", BY_GROUP),
    ],
)
def test_other_rules_are_none(machine: Machine, name: str, text: str) -> None:
    machine.file(f"root/etc/udev/rules.d/{name}", text)
    rules, group = look(machine)
    assert rules.status == "missing"
    assert "android-sdk-platform-tools-common" in rules.to_do
    assert group.status == "not needed"


def test_a_file_in_etc_hides_its_namesake(machine: Machine) -> None:
    machine.file("root/etc/udev/rules.d/51-android.rules", "")
    machine.file("root/lib/udev/rules.d/51-android.rules", BY_GROUP)
    assert look(machine)[0].status == "missing"


@pytest.mark.parametrize(
    ("groups", "promised", "status", "to_do"),
    [
        ({"plugdev"}, {"plugdev"}, "ok", ""),
        ({"users"}, {"users", "plugdev"}, "wrong", "log out and in again"),
        (
            {"users"},
            {"users"},
            "missing",
            "`sudo usermod -aG plugdev jo`, then log out and in again",
        ),
    ],
)
def test_the_group_that_rules_name_is_needed(
    machine: Machine, groups: set[str], promised: set[str], status: str, to_do: str
) -> None:
    machine.file("root/etc/udev/rules.d/51-android.rules", BY_GROUP)
    machine.user = User("jo", False, frozenset(groups), frozenset(promised))
    _, group = look(machine)
    assert (group.status, group.to_do) == (status, to_do)


@pytest.mark.parametrize("rules", [BY_GROUP + BY_SEAT, BY_GROUP.replace("0660", "0666")])
def test_rules_that_let_everybody_in_need_no_group(machine: Machine, rules: str) -> None:
    machine.file("root/etc/udev/rules.d/51-android.rules", rules)
    assert look(machine)[1].status == "not needed"


def test_root_and_other_systems_need_neither(machine: Machine) -> None:
    machine.system = "Darwin"
    assert [check.status for check in look(machine)] == ["not needed", "not needed"]
    machine.system = "Linux"
    machine.user = User("root", True, frozenset(), frozenset())
    assert [check.status for check in look(machine)] == ["not needed", "not needed"]

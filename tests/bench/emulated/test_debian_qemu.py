"""QEMU is unpacked from apt's packages and started by its own loader; a failure changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asymm_deploy.bench.emulated import emulator_home

if TYPE_CHECKING:
    from tests.bench.emulated.conftest import Bench

DPKG = """\
mkdir -p "$3/usr/bin" "$3/lib/x"
cp {qemu} "$3/usr/bin/qemu-aarch64"
cp {loader} "$3/lib/x/ld-linux-x.so.2"
"""


@pytest.fixture
def apt(bench: Bench) -> Bench:
    """The machine, with an apt that has qemu-user, and no QEMU installed."""
    bench.remove("qemu-aarch64")
    packed = bench.qemu("7.2.9", name="packed")
    loader = bench.program("loader", 'shift 2; exec "$@"')
    bench.program("apt-cache", "echo qemu-user; echo '  Depends: libc6'; echo libc6")
    bench.program("apt-get", 'echo "$@" > asked.deb')
    bench.program("dpkg", DPKG.format(qemu=packed, loader=loader))
    return bench


def test_it_is_unpacked_and_counts_without_being_installed(apt: Bench) -> None:
    assert apt.run("setup", "--fetch-qemu", "--wheel", apt.wheel()) == 0
    found = emulator_home.find_emulator()
    assert found.qemu_version == "7.2.9"
    assert found.qemu[0] == str(apt.home / "qemu/lib/x/ld-linux-x.so.2")
    assert apt.run("setup", "--fetch-qemu") == 0  # again, over the former
    assert apt.left() == {"qemu", found.runner.parent.parent.name}


@pytest.mark.parametrize(
    ("name", "body", "what"),
    [
        ("apt-cache", "exit 0", "apt knows no package qemu-user"),
        ("apt-get", "echo 'E: no network' >&2; exit 100", "failed: E: no network"),
        ("dpkg", "echo 'dpkg: not an archive' >&2; exit 2", "failed: dpkg: not an archive"),
        ("dpkg", "true", "has no qemu-aarch64 in it"),
    ],
)
def test_a_step_that_fails_is_named_and_leaves_nothing(
    apt: Bench, name: str, body: str, what: str
) -> None:
    apt.program(name, body)
    assert apt.run("setup", "--fetch-qemu") == 3
    assert what in apt.said
    assert apt.left() == set()


def test_packages_whose_qemu_can_not_load_plugins_are_not_kept(apt: Bench) -> None:
    apt.qemu("10.0.2", options="-cpu", name="packed")
    assert apt.run("setup", "--fetch-qemu") == 3
    assert "the qemu-aarch64 10.0.2 of these package lists can't load plugins" in apt.said
    assert apt.left() == set()


def test_without_apt_it_says_what_is_missing(apt: Bench) -> None:
    apt.remove("apt-get")
    assert apt.run("setup", "--fetch-qemu") == 3
    assert "apt-get is not installed" in apt.said

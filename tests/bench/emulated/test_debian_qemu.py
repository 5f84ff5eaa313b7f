"""QEMU is unpacked from Debian 12's packages, each with its hash; a failure changes nothing."""

from __future__ import annotations

import hashlib
import platform
import re
from typing import TYPE_CHECKING

import pytest

from asymm_deploy.bench.emulated import debian_qemu, emulator_home

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.emulated.conftest import Bench

HELPER = """\
echo "$@" >> {folder}/asked
shift
while [ $# -gt 0 ]; do
  case "$1" in
    http://gone/*) echo 'E: Failed to fetch '"$1"'  Could not connect' >&2
                   echo 'E: Download Failed' >&2; exit 100 ;;
  esac
  printf %s "$2" > "$2"
  shift 3
done
"""
DPKG = """\
case "$2" in
  qemu*) mkdir -p "$3/usr/bin"; cp {qemu} "$3/usr/bin/qemu-aarch64" ;;
  libc*) mkdir -p "$3/lib/x/gconv" "$3/lib64"
         cp {loader} "$3/lib/x/ld-linux-x.so.2"
         echo libc > "$3/lib/x/libc.so.6.1"
         ln -s libc.so.6.1 "$3/lib/x/libc.so.6"
         ln -s /lib/x/ld-linux-x.so.2 "$3/lib64/ld-linux-x.so.2"
         echo no > "$3/lib/x/gconv/UTF-7.so" ;;
esac
"""
NAMES = ("qemu-user_7.2_x.deb", "libc6_2.36_x.deb")


@pytest.fixture
def apt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The machine, with an apt that reaches Debian's archive, and no QEMU installed."""
    bench.remove("qemu-aarch64")
    packed = bench.qemu("7.2.9", name="packed")
    loader = bench.program("loader", 'shift 2; exec "$@"')
    helper = bench.program("apt-helper", HELPER.format(folder=bench.folder))
    bench.program("dpkg", DPKG.format(qemu=packed, loader=loader))
    bench.link("ln")
    monkeypatch.setattr(debian_qemu, "_APT_HELPER", str(helper))
    monkeypatch.delenv("ASYMM_DEPLOY_DEBIAN", raising=False)
    listed = bench.folder / "list"
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in NAMES}
    listed.write_text("".join(f"{hashes[name]}  pool/{name}\n" for name in NAMES))
    monkeypatch.setattr(debian_qemu, "_LIST", listed)
    monkeypatch.setattr(debian_qemu, "_KINDS", {platform.machine(): "x"})
    return bench


def test_it_is_unpacked_and_counts_without_being_installed(apt: Bench) -> None:
    assert apt.run("setup", "--fetch-qemu", "--wheel", apt.wheel()) == 0
    found = emulator_home.find_emulator()
    assert found.qemu_version == "7.2.9"
    assert found.qemu[0] == str(apt.home / "qemu" / "ld-linux-x.so.2")
    names = {path.name for path in (apt.home / "qemu").iterdir()}
    assert names == {"qemu-aarch64", "ld-linux-x.so.2", "libc.so.6", "libc.so.6.1"}
    assert (apt.home / "qemu" / "libc.so.6").read_text() == "libc\n"
    assert apt.run("setup", "--fetch-qemu") == 0  # again, over the former
    assert apt.left() == {"qemu", found.runner.parent.parent.name}


def test_it_counts_in_a_folder_that_looks_like_a_variable(
    apt: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(apt.folder / "a=b, c"))
    assert apt.run("setup", "--fetch-qemu", "--wheel", apt.wheel()) == 0


def test_a_folder_that_the_loader_would_split_is_refused_before_anything_is_fetched(
    apt: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(apt.folder / "a:b"))
    assert apt.run("setup", "--fetch-qemu", "--wheel", apt.wheel()) == 2
    assert "its loader takes no path with a colon" in apt.said
    assert not (apt.folder / "asked").exists()


def test_another_archive_is_asked_if_one_does_not_answer_or_if_one_is_named(
    apt: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian_qemu, "_ARCHIVES", ("http://gone/debian", "http://there"))
    assert apt.run("setup", "--fetch-qemu", "--wheel", apt.wheel()) == 0
    asked = (apt.folder / "asked").read_text().splitlines()
    assert re.fullmatch(r"download-file (http://there/pool/\S+ \S+ SHA256:\w{64} ?){2}", asked[1])
    monkeypatch.setenv("ASYMM_DEPLOY_DEBIAN", "http://gone/own/")
    assert apt.run("setup", "--fetch-qemu") == 3
    assert "E: Failed to fetch http://gone/own/pool/qemu-user" in apt.said
    assert "Could not connect" in apt.said
    assert "hint: set ASYMM_DEPLOY_DEBIAN" in apt.said


@pytest.mark.parametrize(
    ("name", "body", "what"),
    [
        ("apt-helper", "echo 'E: no network' >&2; exit 100", "qemu-user: E: no network; E: no net"),
        ("apt-helper", "exit 1", "it said nothing"),
        ("apt-helper", "echo 'E: x - write (28: No space left on device)' >&2; exit 1", "no space"),
        ("dpkg", "echo 'tar: a: No space left on device' >&2; exit 2", "no space is left in"),
        ("apt-helper", HELPER.replace("%s", "%s-"), "is not the file that it should be"),
        ("dpkg", "echo 'dpkg: not an archive' >&2; exit 2", "failed: dpkg: not an archive"),
        ("dpkg", "true", "have no qemu-aarch64 in them"),
    ],
)
def test_a_step_that_fails_is_named_and_leaves_nothing(
    apt: Bench, name: str, body: str, what: str
) -> None:
    apt.program(name, body.replace("{folder}", str(apt.folder)))
    assert apt.run("setup", "--fetch-qemu") == 3
    assert what in apt.said
    assert apt.left() == set()


def test_what_was_unpacked_before_stays_if_the_next_time_fails(apt: Bench) -> None:
    assert apt.run("setup", "--fetch-qemu", "--wheel", apt.wheel()) == 0
    apt.program("dpkg", "exit 1")
    assert apt.run("setup", "--fetch-qemu") == 3
    assert apt.run("where") == 0


def test_packages_whose_qemu_can_not_load_plugins_are_not_kept(apt: Bench) -> None:
    apt.qemu("10.0.2", options="-cpu", name="packed")
    assert apt.run("setup", "--fetch-qemu") == 3
    assert "qemu-aarch64 can't load plugins here" in apt.said
    assert apt.left() == set()


@pytest.mark.parametrize("name", ["apt-helper", "dpkg"])
def test_without_apt_it_says_what_is_missing(apt: Bench, name: str) -> None:
    apt.remove(name)
    assert apt.run("setup", "--fetch-qemu") == 3
    assert f"{name}: only Debian and its like" in apt.said


def test_a_machine_of_another_kind_is_told_so(apt: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert apt.run("setup", "--fetch-qemu") == 3
    assert "no qemu-aarch64 is known for machines of kind riscv64" in apt.said


@pytest.mark.parametrize("kind", ["amd64", "arm64"])
def test_the_list_that_ships_has_the_same_packages_for_each_kind_of_machine(kind: str) -> None:
    path: Path = debian_qemu._LIST
    lines = path.read_text(encoding="ascii").splitlines()
    listed = re.compile(r"[0-9a-f]{64}  pool/main/\S+_(amd64|arm64)\.deb")
    assert all(listed.fullmatch(line) for line in lines)
    names = [line.rpartition("/")[2].split("_")[0] for line in lines if f"_{kind}." in line]
    assert len(names) == len(lines) // 2 == 21
    assert {"qemu-user", "libc6", "libglib2.0-0"} <= set(names)

"""A phone's paths are a folder here: turned inward in commands, outward in what they print."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.phone.profiles import MODERN, PIXEL_4
from tests.phone.services import Outward, Shell, shell_of
from tests.phone.world import World

ROOT = b"/tmp/phone-x/root"
words = st.lists(
    st.sampled_from([ROOT, ROOT + b"/", b"/", b"/tmp", b"a", b"\n", b"/data", b"\xff"])
)


@given(words, st.integers(1, 9))
def test_pieces_make_no_difference(words: list[bytes], length: int) -> None:
    # A root behind a root is no path, and comes out in more than one way.
    text = b" ".join(words)
    expected = b" ".join(_shown(word) for word in words)
    outward = Outward(ROOT)
    pieces = [text[at : at + length] for at in range(0, len(text), length)]
    assert b"".join(map(outward.feed, pieces)) + outward.rest() == expected


def _shown(word: bytes) -> bytes:
    return b"/" if word == ROOT else word.removeprefix(ROOT)


@given(st.binary())
def test_other_bytes_come_out_as_they_are(data: bytes) -> None:
    outward = Outward(ROOT)
    assert outward.feed(data) + outward.rest() == data


@pytest.mark.parametrize(
    ("service", "features", "shell"),
    [
        ("shell,v2,TERM=xterm,raw:ls", MODERN, Shell("ls", protocol=True, terminal=False)),
        ("shell,v2:ls", MODERN, Shell("ls", protocol=True, terminal=False)),
        ("shell:ls", MODERN, Shell("ls", protocol=False, terminal=False)),
        ("shell:ls", frozenset(), Shell("ls", protocol=False, terminal=True)),
        ("exec:ls", frozenset(), Shell("ls", protocol=False, terminal=False)),
        ("shell,v2:ls", frozenset(), None),
        ("reboot:", MODERN, None),
        ("shell", MODERN, None),
    ],
)
def test_a_services_name_says_how_its_command_runs(
    service: str, features: frozenset[str], shell: Shell | None
) -> None:
    assert shell_of(service, features) == shell


@pytest.mark.parametrize(
    ("command", "inward"),
    [
        ("cat /sys/class/x", "cat ROOT/sys/class/x"),
        ("ls /data", "ls ROOT/data"),
        ("a=/data/local/tmp;b='/sdcard'", "a=ROOT/data/local/tmp;b='ROOT/sdcard'"),
        ("cat </proc/cpuinfo >/dev/null", "cat <ROOT/proc/cpuinfo >/dev/null"),
        ("cat /proc/self/stat /proc/1/status", "cat /proc/self/stat /proc/1/status"),
        ("grep x /proc/self/status", "grep x ROOT/proc/self/status"),
        ("ls x/data /database $D/sys", "ls x/data /database $D/sys"),
    ],
)
def test_the_phones_paths_in_a_command_lead_into_its_folder(
    tmp_path: Path, command: str, inward: str
) -> None:
    world = World(PIXEL_4, tmp_path)
    assert world.inward(command) == inward.replace("ROOT", str(world.root))

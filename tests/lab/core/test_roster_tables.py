"""A roster is shown in lines that people can read, whatever other hosts have put into it."""

from __future__ import annotations

import pytest

from asymm_deploy.lab.joining.roster_tables import how_long, roster_text
from asymm_deploy.lab.roster import (
    LabHost,
    LabPhone,
    PhoneFacts,
    Roster,
    UnreadyPhone,
    WaitingJob,
)

EVIL = "\x1b[2J\u202e<script>`|\n::error::x" + "y" * 1000


def facts(text: str) -> PhoneFacts:
    return PhoneFacts(text, text, text, text, text, text, text, text, text, 1, text)


def test_nothing_of_other_hosts_controls_a_terminal_or_breaks_a_line() -> None:
    phone = LabPhone(EVIL, EVIL, facts(EVIL), "busy", EVIL, EVIL, 3.0)
    host = LabHost(EVIL, EVIL, EVIL, (UnreadyPhone(EVIL, EVIL, EVIL),), EVIL, (), 99.0, 1.0)
    text = roster_text(Roster((host,), (phone,), (WaitingJob(EVIL, EVIL, 2, EVIL, 5.0),)))
    assert all(line.isprintable() for line in text.splitlines())
    tables = [table.splitlines() for table in text.split("\n\n")]
    assert [len(table) for table in tables] == [3, 4, 3]


def test_what_is_unusual_about_a_host_is_remarked() -> None:
    hosts = (
        LabHost("slow", "1", "a", clock_ahead_s=-3600),
        LabHost("deaf", "1", "b", trouble="no adb program was found"),
        LabHost("good", "1", "c", clock_ahead_s=0.4),
    )
    phones = (LabPhone("good/A", "tcp://x", facts("good"), "lost", silent_s=400.0),)
    slow, deaf, good = roster_text(Roster(hosts, phones, ())).splitlines()[2:5]
    assert "adb sees no phone there; its clock is 60 min behind" in slow
    assert "no adb program was found" in deaf
    assert good.split() == ["good", "1", "phone", "0", "s", "ago"]
    text = roster_text(Roster(hosts, phones, ()))
    assert "nothing was heard of it for 6 min" in text
    assert roster_text(Roster((), (), ())) == "no host is in the lab yet"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_how_long_it_was(seconds: float, text: str) -> None:
    assert how_long(seconds) == text

"""A lab's roster for people: hosts, phones, and what waits. Pure."""

from __future__ import annotations

from asymm_deploy.lab.roster import LabHost, LabPhone, Roster
from asymm_deploy.safe import excerpt
from asymm_deploy.text import ListRow, counted, formatted

CLOCK_S = 5.0
"""A difference of clocks that is worth a word. Synchronised ones differ by much less."""


def roster_text(roster: Roster) -> str:
    """Return up to three tables."""
    parts = [
        formatted([_host_row(host, roster) for host in roster.hosts], "table"),
        formatted(_phone_rows(roster), "table"),
        formatted(
            [
                {
                    "waits": excerpt(job.who),
                    "for": f"{job.count} of {excerpt(job.kind)}",
                    "since": how_long(job.since_s),
                    "why": excerpt(job.why),
                }
                for job in roster.waiting
            ],
            "table",
        ),
    ]
    return "\n\n".join(part for part in parts if part) or "no host is in the lab yet"


def how_long(seconds: float) -> str:
    """Return ``5 s``, ``12 min``, ``3 h`` or ``2 d``."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // 86_400)} d"


def _host_row(host: LabHost, roster: Roster) -> ListRow:
    lent = sum(phone.facts.host == host.name for phone in roster.phones)
    remarks = [excerpt(host.trouble)] if host.trouble else []
    if not lent and not host.unready and not host.trouble:
        remarks.append("adb sees no phone there")
    if abs(host.clock_ahead_s) > CLOCK_S:
        way = "ahead" if host.clock_ahead_s > 0 else "behind"
        remarks.append(f"its clock is {how_long(abs(host.clock_ahead_s))} {way}")
    return {
        "host": excerpt(host.name),
        "phones": counted(lent, "phone"),
        "heard of": f"{how_long(host.silent_s)} ago",
        "remarks": "; ".join(remarks),
    }


def _phone_rows(roster: Roster) -> list[ListRow]:
    rows = [_phone_row(phone) for phone in roster.phones]
    rows += [
        {
            **dict.fromkeys(_COLUMNS, ""),
            "phone": f"{excerpt(host.name)}/{excerpt(phone.serial)}",
            "state": "not ready",
            "what": f"{excerpt(phone.what)}: {excerpt(phone.to_do)}",
        }
        for host in roster.hosts
        for phone in host.unready
    ]
    return rows


_COLUMNS = ("phone", "model", "chip", "state", "what", "for whom", "since")


def _phone_row(phone: LabPhone) -> ListRow:
    facts = phone.facts
    lost = f"nothing was heard of it for {how_long(phone.silent_s)}"
    return {
        "phone": excerpt(phone.name),
        "model": excerpt(facts.model or ""),
        "chip": excerpt(facts.soc or ""),
        "state": phone.state,
        "what": lost if phone.state == "lost" else excerpt(phone.what),
        "for whom": excerpt(phone.for_whom),
        "since": "" if phone.since_s is None else how_long(phone.since_s),
    }

"""Pure parsers of what adb, Android's tools and toybox print.

All of it is untrusted: LF or CRLF, other programs' noise between the lines, control characters, cut
off anywhere, megabytes or nothing. Nothing here raises, lengths are bounded, and what can't be told
for sure is None, never a value that looks good. Text that is passed on (a serial, a path, a
property) is as the phone sent it: put it through ``shown`` before people see it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from asymm_deploy.safe import excerpt

shown = excerpt
"""Untrusted text as one printable line, at most 200 characters unless told otherwise."""

MAX_CHARS = 2**20
"""Longest text that is looked at; the largest real one, ``dumpsys power``, is some 100 KiB."""
_MAX_LINE = 4096
_MAX_SERIAL = 256

Connected = Literal["connected", "already", "unauthorized", "refused", "unresolved", "failed"]


def lines(text: str) -> Iterator[str]:
    """Yield the lines of at most ``MAX_CHARS``, without their ends, CRLF or LF.

    Lines longer than any real one are left out, and so is the one that the bound cuts, since half
    a number is another number.
    """
    start = 0
    whole = len(text) <= MAX_CHARS
    bound = len(text) if whole else MAX_CHARS
    while start < bound:
        end = text.find("\n", start, bound)
        if end < 0:
            if not whole:
                return
            end = bound
        if end - start <= _MAX_LINE:
            # Terminals of old phones send \r\r\n.
            yield text[start:end].rstrip("\r")
        start = end + 1


def number(text: str, *, least: int = 0, most: int = 10**15) -> int | None:
    """Return a decimal number of ASCII digits within the bounds, else None."""
    text = text.strip()
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        return None
    value = int(text)
    return value if least <= value <= most else None


# --- adb ---------------------------------------------------------------------------------------

_STATE = re.compile(
    "(?<= )(device|offline|unauthorized|authorizing|connecting|recovery|sideload|bootloader|host|"
    "rescue|detached|unknown|no permissions)(?=[ ;]|$)"
)
_FIELD = re.compile(r"(?:^|(?<= ))(usb|product|model|device|transport_id):")


@dataclass(frozen=True, slots=True)
class Listed:
    """A phone as ``adb devices -l`` lists it."""

    serial: str
    state: str
    """As adb says it, ``no permissions`` without the advice."""
    model: str | None
    """With underscores where the phone's own name has other characters: ``Pixel_4``."""
    product: str | None
    transport: str | None
    advice: str | None
    """What adb believes to be the cause of ``no permissions``."""


def listed(text: str) -> tuple[Listed, ...]:
    """Parse ``adb devices``, with or without ``-l``, or the answer to ``host:devices-l``.

    A serial that no command line could hold (control characters) is left out.
    """
    found = (_entry(line) for line in lines(text) if len(line) <= 1024)
    return tuple(entry for entry in found if entry is not None)


def _entry(line: str) -> Listed | None:
    if line.startswith(("* ", "adb: ", "error: ")):
        return None
    # Without -l a tab, which no serial holds, stands in front of the state.
    tabbed = "\t" in line
    line = line.replace("\t", " ").rstrip()
    for state in _STATE.finditer(line):
        serial, rest = line[: state.start()].rstrip(), line[state.end() :].strip()
        entry = _with_rest(serial, state[1], rest, tabbed)
        if entry is not None:
            return entry
    # A state of a later adb: such a phone must not vanish.
    later = re.fullmatch(r"([^ ]+) +([^ ]+)( .*)? transport_id:[^ ]+", line)
    if later is None:
        return None
    rest = line[later.end(2) :].strip()
    return _with_rest(later[1], shown(later[2], 40), rest, tabbed, known=False)


def _with_rest(
    serial: str, state: str, rest: str, tabbed: bool, *, known: bool = True
) -> Listed | None:
    """Return the entry if what stands behind the state is what adb writes there, else None."""
    before, *pairs = (part.strip() for part in _FIELD.split(rest))
    if before and known and state != "no permissions":
        return None
    fields: dict[str, str] = {}
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        fields.setdefault(key, value)
    # Last and adb's own; what stands before it was partly sent by the phone.
    transport = pairs[-1] if pairs[-2:-1] == ["transport_id"] else None
    if not (0 < len(serial) <= _MAX_SERIAL and serial.isprintable()):
        return None
    # A serial may hold spaces, as names found by mDNS do; then something else must prove the line.
    if " " in serial and transport is None and not tabbed:
        return None
    advice = re.match(r"\((.*)\)", before)
    return Listed(
        serial=serial,
        state=state,
        model=fields.get("model"),
        product=fields.get("product"),
        transport=transport,
        advice=shown(advice[1]) if advice else None,
    )


def connected(text: str) -> Connected:
    """Tell what came of ``adb connect``, which exits with 0 whatever it was."""
    for line in lines(text):
        said = line.strip()
        if said.startswith("connected to "):
            return "connected"
        if said.startswith("already connected to "):
            return "already"
        if said.startswith("failed to authenticate to "):
            return "unauthorized"
        if said.startswith("failed to resolve host"):
            return "unresolved"
        if said.startswith(("failed to connect", "cannot connect", "unable to connect")):
            return "refused" if said.endswith("Connection refused") else "failed"
    return "failed"


# --- a compound command --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Section:
    """What one part of a compound command printed, and its exit code."""

    text: str
    code: int


def sections(text: str, mark: str) -> dict[str, Section]:
    """Split at each ``MARK NAME CODE``, which ends a section, by the sections' names.

    The mark may stand at the end of a line that has no end of its own. A section whose mark is not
    there in full, with the end of its line, is left out: the output was cut short within it.
    """
    end_of_section = re.compile(
        re.escape(mark) + r" ([A-Za-z0-9_.:/-]{1,100}) ([0-9]{1,3})\r{0,4}\n"
    )
    found: dict[str, Section] = {}
    start = 0
    for match in end_of_section.finditer(text):
        found[match[1]] = Section(text[start : match.start()], int(match[2]))
        start = match.end()
    return found


# --- Android's tools -----------------------------------------------------------------------------

_PROPERTY = re.compile(r"\[([^\]]{1,256})\]: \[(.*)")


def properties(text: str) -> dict[str, str]:
    """Parse ``getprop``: ``[key]: [value]``, where a value may hold newlines and brackets."""
    found: dict[str, str] = {}
    key: str | None = None
    value: list[str] = []
    closed = 0
    """How many lines of ``value`` there are up to the last that ends with a bracket."""

    def keep() -> None:
        if key is not None and closed:
            found.setdefault(key, "\n".join(value[:closed])[:-1])

    for line in lines(text):
        begins = _PROPERTY.fullmatch(line)
        if begins and (key is None or closed):
            keep()
            key, value, closed = begins[1], [begins[2]], 0
        elif key is None:
            continue
        else:
            value.append(line)
        if line.endswith("]"):
            closed = len(value)
    keep()
    return {key: value for key, value in found.items() if len(value) <= _MAX_LINE}


def setting(text: str) -> str | None:
    """Parse ``settings get``; None for ``null``, and for anything but one line with a value."""
    said = [line.strip() for line in lines(text) if line.strip()]
    said = [line for line in said if not line.startswith("WARNING: linker:")]
    # A colon and a space stand in complaints: "cmd: Can't find service: settings".
    if len(said) != 1 or said[0] == "null" or ": " in said[0]:
        return None
    return said[0]


@dataclass(frozen=True, slots=True)
class Battery:
    """The battery as ``dumpsys battery`` tells it."""

    level_percent: int | None
    temperature_c: float | None
    powered: bool | None
    """By a cable, a dock or without a wire."""


def battery(text: str) -> Battery:
    """Parse ``dumpsys battery``.

    Nothing is known where there is no battery (``present: false``), nor where the values were
    set by hand (``dumpsys battery set``, which says ``UPDATES STOPPED``).
    """
    fields: dict[str, str] = {}
    for line in lines(text):
        if "UPDATES STOPPED" in line:
            return Battery(None, None, None)
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    cables = [
        {"true": True, "false": False}.get(fields[key])
        for key in ("AC powered", "USB powered", "Wireless powered", "Dock powered")
        if key in fields
    ]
    powered = True if True in cables else None if None in cables or not cables else False
    if fields.get("present") == "false":
        return Battery(None, None, powered)
    scale = number(fields.get("scale", ""), least=1, most=10**6)
    level = None if scale is None else number(fields.get("level", ""), most=scale)
    tenths = number(fields.get("temperature", ""), least=-400, most=1500)
    return Battery(
        level_percent=None if level is None or scale is None else 100 * level // scale,
        temperature_c=None if tenths is None else tenths / 10,
        powered=powered,
    )


def thermal_status(text: str) -> int | None:
    """Parse ``dumpsys thermalservice``: 0 (none) to 6 (shutdown).

    None where the status means nothing: it was set by hand, or the hardware's side isn't there
    (``HAL Ready: false``), with which Android says 0 however hot the phone is.
    """
    fields: dict[str, str] = {}
    for line in lines(text):
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    if fields.get("HAL Ready") != "true" or fields.get("IsStatusOverride") == "true":
        return None
    return number(fields.get("Thermal Status", ""), most=6)


_TEMPERATURE = re.compile(
    r"\s*Temperature\{mValue=(-?[0-9]{1,6}(?:\.[0-9]{1,20})?), mType=(-?[0-9]{1,4}), "
    r"mName=(.{1,100}), mStatus=-?[0-9]{1,4}\}\s*"
)
_NO_TEMPERATURES = frozenset({6, 7, 8})
"""Types that are voltage, current and percentage of the battery (Android's TemperatureType)."""


def temperatures(text: str) -> dict[str, float]:
    """Parse the current temperatures of ``dumpsys thermalservice``: degC, by the sensor's name.

    Rounded to 0.01: the phone's binary fractions read 33.800003. What no phone survives is left
    out; of sensors with one name the hottest counts.
    """
    found: dict[str, float] = {}
    current = False
    for line in lines(text):
        if line.rstrip().endswith(":"):
            current = line.strip() == "Current temperatures from HAL:"
        match = _TEMPERATURE.fullmatch(line) if current else None
        if match is None or int(match[2]) in _NO_TEMPERATURES:
            continue
        celsius = round(float(match[1]), 2)
        if -40 <= celsius <= 150:
            found[match[3]] = max(celsius, found.get(match[3], celsius))
    return found


def screen_on(text: str) -> bool | None:
    """Parse ``dumpsys power``: awake, and the display lit, as far as either is told."""
    wakefulness = display = None
    for line in lines(text):
        key, _, value = line.strip().partition("=")
        if key == "mWakefulness" and wakefulness is None:
            wakefulness = {"Awake": True, "Asleep": False, "Dozing": False}.get(value)
        elif key == "Display Power: state" and display is None:
            display = {"ON": True, "OFF": False, "DOZE": False, "DOZE_SUSPEND": False}.get(value)
    if False in (wakefulness, display):
        return False
    return True if True in (wakefulness, display) else None


# --- toybox and /proc ----------------------------------------------------------------------------


def free_kb(text: str) -> int | None:
    """Parse ``df -k PATH``: KiB that can still be written. A long name may wrap its line."""
    words: list[str] = []
    headed = False
    for line in lines(text):
        if not headed:
            headed = "1K-blocks" in line or "1024-blocks" in line
        else:
            words += line.split()
    free = [
        number(words[at - 1])
        for at in range(4, len(words) - 1)
        if re.fullmatch(r"[0-9]{1,3}%", words[at]) and words[at + 1].startswith("/")
    ]
    return free[0] if len(free) == 1 else None


def digests(text: str) -> dict[str, str]:
    """Parse ``sha256sum``: the hash by path. Complaints about files are passed over."""
    found: dict[str, str] = {}
    for line in lines(text):
        match = re.fullmatch(r"(\\?)([0-9a-f]{64}) [ *](.+)", line)
        if match is not None:
            found[_unescaped(match[3]) if match[1] else match[3]] = match[2]
    return found


def _unescaped(path: str) -> str:
    escapes = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
    return re.sub(r"\\[\\nr]", lambda match: escapes[match[0]], path)


def soc(text: str) -> str | None:
    """Parse /proc/cpuinfo: its ``Hardware`` line, which names the chip on some phones."""
    for line in lines(text):
        key, colon, value = line.partition(":")
        if colon and key.strip() == "Hardware":
            return shown(value) or None
    return None

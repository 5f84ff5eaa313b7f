"""adb's own words: the phones it lists, and how connecting and pushing went."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from asymm_deploy.bench.phone.parse.text_lines import lines
from asymm_deploy.safe import excerpt

_MAX_LISTED_LINE = 1024
_MAX_SERIAL = 256

ConnectOutcome = Literal["connected", "already", "unauthorized", "refused", "unresolved", "failed"]

# 99091FFAZ001AB         device usb:1-2 product:flame model:Pixel_4 device:flame transport_id:1
#                        ^^^^^^
_STATE = re.compile(
    "(?<= )(device|offline|unauthorized|authorizing|connecting|recovery|sideload|bootloader|host|"
    "rescue|detached|unknown|no permissions)(?=[ ;]|$)"
)
# 99091FFAZ001AB         device usb:1-2 product:flame model:Pixel_4 device:flame transport_id:1
#                               ^^^^    ^^^^^^^^      ^^^^^^        ^^^^^^^      ^^^^^^^^^^^^^
_FIELD = re.compile(r"(?:^|(?<= ))(usb|product|model|device|transport_id):")
# A1                     dreaming usb:1-3 transport_id:7
_UNKNOWN_STATE = re.compile(r"([^ ]+) +([^ ]+)( .*)? transport_id:[^ ]+")


@dataclass(frozen=True, slots=True)
class ListedPhone:
    """A phone as ``adb devices -l`` lists it."""

    serial: str
    state: str
    """adb's word for it; ``no permissions`` stands without the advice behind it."""
    model: str | None
    """With an underscore for each character but letters and digits: ``Pixel_4``."""
    product: str | None
    transport: str | None
    advice: str | None
    """What adb takes to be the cause of ``no permissions``."""


def listed_phones(text: str) -> tuple[ListedPhone, ...]:
    """Parse ``adb devices``, with or without ``-l``, or the answer to ``host:devices-l``.

    ::

        List of devices attached
        99091FFAZ001AB         device product:flame model:Pixel_4 device:flame transport_id:1
        127.0.0.1:40555        offline transport_id:12
        0123456789ABCDEF       no permissions (missing udev rules? user is in the plugdev group; see
        [http://developer.android.com/tools/device.html]) usb:1-1 transport_id:1

    (The last is one line.) Without ``-l`` a tab stands before the state, and nothing behind it. A
    serial number that no command line could hold (control characters) is left out.
    """
    found = (_entry(line) for line in lines(text) if len(line) <= _MAX_LISTED_LINE)
    return tuple(entry for entry in found if entry is not None)


def _entry(line: str) -> ListedPhone | None:
    """Parse one line: ``99091FFAZ001AB         device usb:1-2 product:flame``..."""
    if line.startswith(("* ", "adb: ", "error: ")):
        return None
    # Without -l a tab, which no serial number holds, stands before the state.
    tabbed = "\t" in line
    line = line.replace("\t", " ").rstrip()
    for state in _STATE.finditer(line):
        serial, rest = line[: state.start()].rstrip(), line[state.end() :].strip()
        entry = _with_rest(serial, state[1], rest, tabbed)
        if entry is not None:
            return entry
    # A state that a later adb may add: such a phone must not vanish.
    later = _UNKNOWN_STATE.fullmatch(line)
    if later is None:
        return None
    rest = line[later.end(2) :].strip()
    return _with_rest(later[1], excerpt(later[2], 40), rest, tabbed, known=False)


def _with_rest(
    serial: str, state: str, rest: str, tabbed: bool, *, known: bool = True
) -> ListedPhone | None:
    """Return the phone if ``rest`` is what adb writes behind a state, else None.

    That is ``usb:1-2 product:flame model:Pixel_4 device:flame transport_id:1``.
    """
    before, *pairs = (part.strip() for part in _FIELD.split(rest))
    if before and known and state != "no permissions":
        return None
    fields: dict[str, str] = {}
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        fields.setdefault(key, value)
    # The last field is adb's own; some of those before it are the phone's words.
    transport = pairs[-1] if pairs[-2:-1] == ["transport_id"] else None
    if not (0 < len(serial) <= _MAX_SERIAL and serial.isprintable()):
        return None
    # A serial number may hold spaces, as names found by mDNS do; then something else must show
    # that this line is an entry.
    if " " in serial and transport is None and not tabbed:
        return None
    advice = re.match(r"\((.*)\)", before)
    return ListedPhone(
        serial=serial,
        state=state,
        model=fields.get("model"),
        product=fields.get("product"),
        transport=transport,
        advice=excerpt(advice[1]) if advice else None,
    )


def connect_outcome(text: str) -> ConnectOutcome:
    """Parse what ``adb connect`` prints; it exits with 0 whatever happened.

    One of::

        connected to 127.0.0.1:40555
        already connected to 127.0.0.1:40555
        failed to authenticate to 127.0.0.1:40555
        failed to connect to '127.0.0.1:1': Connection refused
        failed to resolve host: 'x': Name or service not known
    """
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


def push_failure(text: str, code: int) -> str | None:
    """Parse what ``adb push`` prints, and its exit code; None where it says that all went well.

    ::

        adb: error: failed to copy 'net.mnn' to '/data/local/tmp/x': remote couldn't create file:
        Read-only file system

    (That is one line.) The last line that tells of a failure is returned. On success it prints::

        net.mnn: 1 file pushed, 0 skipped. 35.5 MB/s (1048576 bytes in 0.028s)
    """
    said = text.strip().splitlines()
    wrong = [line for line in said if "error" in line.lower() or "failed" in line.lower()]
    if code == 0 and not wrong:
        return None
    return excerpt((wrong or said or [f"adb push ended with {code}"])[-1])


# Android Debug Bridge version 1.0.41
_PROGRAM_VERSION = re.compile(r"version 1\.0\.([0-9]{1,4})\b")


def program_version(text: str) -> int | None:
    """Parse ``adb version``: 41 of ``Android Debug Bridge version 1.0.41``; None for other text."""
    found = _PROGRAM_VERSION.search(text)
    return int(found[1]) if found else None


def server_version(answer: str) -> int | None:
    """Parse the answer to ``host:version``: 41 of ``0029``, which is hexadecimal."""
    found = re.fullmatch(r"[0-9a-fA-F]{4}", answer)
    return int(found[0], 16) if found else None


def adbd_features(answer: str) -> frozenset[str]:
    """Parse the answer to ``host-serial:SERIAL:features``.

    ``shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir,sendrecv_v2``
    """
    return frozenset(answer.split(","))

"""Text that phones print, and text that is meant to break a parser."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

PHONES = Path(__file__).parents[3] / "data" / "phones"
SD855 = PHONES / "sd855"
NOISE = (
    "* daemon not running; starting now at tcp:5037\n"
    "* daemon started successfully\n"
    "adb server version (40) doesn't match this client (41); killing...\n"
    "WARNING: linker: /system/lib64/libx.so has text relocations\n"
    "\x1b[31m\x00\x07 not ours\n"
    "\n"
)


def text_of(path: Path) -> str:
    """Return a file's text with its line ends as they are."""
    return path.read_bytes().decode()


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


LONG_LISTING = (
    "List of devices attached\n"
    "99091FFAZ001AB         device usb:1-2 product:flame model:Pixel_4 device:flame"
    " transport_id:1\n"
    "127.0.0.1:40555        offline transport_id:12\n"
    "0123456789ABCDEF       unauthorized usb:1-3 transport_id:3\n"
    "\n"
)
DF = (
    "Filesystem     1K-blocks     Used Available Use% Mounted on\n"
    "/dev/block/dm-5 52505580 21110272  31379096  41% /data\n"
)

pieces = st.sampled_from(
    [
        *NOISE.splitlines(keepends=True),
        *LONG_LISTING.splitlines(keepends=True),
        *DF.splitlines(keepends=True),
        *text_of(SD855 / "battery.txt").splitlines(keepends=True),
        *text_of(SD855 / "thermalservice.txt").splitlines(keepends=True),
        "M4RK a 0\n",
        "[a]: [",
        "]",
        "no permissions",
        "\t",
        "\r",
        "٣",
        "9" * 5000,
        "-",
        "%",
        "/",
    ]
)
anything = st.one_of(
    st.text(st.characters()),
    st.lists(st.one_of(pieces, st.text(st.characters(), max_size=5)), max_size=20).map("".join),
)

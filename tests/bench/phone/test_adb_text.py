"""What adb and phones print is read right, noise and CRLF included; what is unclear is unknown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.phone import adb_text

PHONES = Path(__file__).parents[2] / "data" / "phones"
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
    return path.read_bytes().decode()


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


# --- adb ---------------------------------------------------------------------------------------

LONG_LISTING = (
    "List of devices attached\n"
    "99091FFAZ001AB         device usb:1-2 product:flame model:Pixel_4 device:flame"
    " transport_id:1\n"
    "127.0.0.1:40555        offline transport_id:12\n"
    "0123456789ABCDEF       unauthorized usb:1-3 transport_id:3\n"
    "\n"
)
# fmt: off
STATES = (
    "device", "offline", "unauthorized", "authorizing", "connecting", "recovery", "sideload",
    "bootloader", "host", "rescue", "detached",
)
# fmt: on
NO_PERMISSIONS = "no permissions (missing udev rules? user is in the plugdev group)"
HELP = "; see [http://developer.android.com/tools/device.html]"


@pytest.mark.parametrize("text", [LONG_LISTING, crlf(LONG_LISTING), NOISE + LONG_LISTING + NOISE])
def test_a_long_listing_gives_each_phone_its_fields(text: str) -> None:
    phones = adb_text.listed(text)
    assert phones == (
        adb_text.Listed("99091FFAZ001AB", "device", "Pixel_4", "flame", "1", None),
        adb_text.Listed("127.0.0.1:40555", "offline", None, None, "12", None),
        adb_text.Listed("0123456789ABCDEF", "unauthorized", None, None, "3", None),
    )


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("serial", ["A1", "(no serial number)", "adb-A (2)._adb._tcp", "device"])
def test_every_state_is_read_with_or_without_l(state: str, serial: str) -> None:
    for text in (f"{serial}\t{state}\n", f"{serial:<22} {state} transport_id:4\n"):
        (phone,) = adb_text.listed(text)
        assert (phone.serial, phone.state) == (serial, state)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (NO_PERMISSIONS + HELP, "missing udev rules? user is in the plugdev group"),
        (
            "no permissions (user jo is not in the plugdev group)" + HELP,
            "user jo is not in the plugdev group",
        ),
        ("no permissions" + HELP, None),
        (
            "no permissions (missing udev rules? user is in the plugdev group; see [http://x])",
            "missing udev rules? user is in the plugdev group; see [http://x]",
        ),
    ],
)
@pytest.mark.parametrize("form", ["{:<22} {} usb:1-3 transport_id:7\n", "{}\t{}\n"])
def test_missing_permissions_keep_adbs_advice(said: str, advice: str | None, form: str) -> None:
    (phone,) = adb_text.listed(form.format("8A3X0N5QK", said))
    assert (phone.serial, phone.state) == ("8A3X0N5QK", "no permissions")
    assert phone.advice == advice


def test_a_state_that_we_do_not_know_does_not_hide_the_phone() -> None:
    (phone,) = adb_text.listed("A1                     dreaming usb:1-3 transport_id:7\n")
    assert (phone.serial, phone.state, phone.transport) == ("A1", "dreaming", "7")


def test_a_phone_can_not_give_itself_another_transport() -> None:
    (phone,) = adb_text.listed("A1  device product:x transport_id:9 model:m transport_id:2\n")
    assert phone.transport == "2"


@pytest.mark.parametrize(
    "line",
    [
        "adb: device offline",
        "error: device offline",
        "error: offline",
        "adb: device unauthorized.",
        "List of devices attached",
        "adb server is out of date.  killing...",
        "* device",
        "device",
        "the phone is a device and not offline",
        "A\x00B\tdevice",
        "A" * 300 + "\tdevice",
    ],
)
def test_what_is_no_phone_is_not_listed(line: str) -> None:
    assert adb_text.listed(line + "\n") == ()


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("connected to 127.0.0.1:40555", "connected"),
        ("already connected to 127.0.0.1:40555", "already"),
        ("failed to authenticate to 127.0.0.1:40555", "unauthorized"),
        ("failed to connect to '127.0.0.1:1': Connection refused", "refused"),
        ("failed to resolve host: 'x': Name or service not known", "unresolved"),
        ("failed to connect to '10.0.0.9:5555': No route to host", "failed"),
        ("failed to connect to 10.0.0.9:5555", "failed"),
        ("unable to connect to 10.0.0.9:5555: Connection refused", "refused"),
        ("empty address ''", "failed"),
        ("not connected to anything", "failed"),
        ("", "failed"),
    ],
)
def test_connecting_is_judged_by_its_text(said: str, what: str) -> None:
    assert adb_text.connected(said) == what
    assert adb_text.connected(NOISE + crlf(said + "\n")) == what


# --- a compound command ------------------------------------------------------------------------


def test_sections_end_at_their_marks_with_their_codes() -> None:
    text = "75\nM4RK battery 0\nno newlineM4RK low 1\nM4RK empty 127\n"
    assert adb_text.sections(text, "M4RK") == {
        "battery": adb_text.Section("75\n", 0),
        "low": adb_text.Section("no newline", 1),
        "empty": adb_text.Section("", 127),
    }


@pytest.mark.parametrize(
    "tail", ["half a sec", "half\nM4RK", "half\nM4RK b", "half\nM4RK b 12", "half\nM4RK b 12\r"]
)
def test_a_section_that_was_cut_short_is_left_out(tail: str) -> None:
    assert set(adb_text.sections("x\r\nM4RK a 0\r\n" + tail, "M4RK")) == {"a"}


def test_a_mark_is_taken_literally() -> None:
    assert adb_text.sections("xM.RK a 0\nxMxRK b 0\n", "M.RK").keys() == {"a"}


names = st.from_regex(r"[a-z0-9_]{1,10}", fullmatch=True)


@given(
    st.dictionaries(names, st.tuples(st.text(), st.integers(0, 255))).filter(
        lambda parts: not any("M4RK" in text for text, _ in parts.values())
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_was_printed_in_sections_comes_back(
    parts: dict[str, tuple[str, int]], end: str
) -> None:
    text = "".join(f"{said}M4RK {name} {code}{end}" for name, (said, code) in parts.items())
    found = adb_text.sections(text, "M4RK")
    assert {name: (part.text, part.code) for name, part in found.items()} == parts


# --- Android's tools -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phone", "model", "soc", "release"),
    [
        ("pixel4", "Pixel 4", "SM8150", "13"),
        ("mi9", "MI 9", None, "11"),
        ("oneplus7pro", "GM1911", "SM8150", "12"),
    ],
)
def test_properties_of_a_phone(phone: str, model: str, soc: str | None, release: str) -> None:
    text = text_of(PHONES / phone / "getprop.txt")
    found = adb_text.properties(text)
    assert found["ro.product.model"] == model
    assert found.get("ro.soc.model") == soc
    assert found["ro.build.version.release"] == release
    assert found["ro.board.platform"] == "msmnile"
    assert adb_text.properties(NOISE + crlf(text) + NOISE) == found


def test_a_propertys_value_may_hold_newlines_and_brackets() -> None:
    text = "[a]: [one\ntwo]\n[b]: [x] [y]]\n[c]: []\n[d]: [\n\n]\n[e]: [first]\nsecond]\n"
    assert adb_text.properties(text) == {
        "a": "one\ntwo",
        "b": "x] [y]",
        "c": "",
        "d": "\n\n",
        "e": "first]\nsecond",
    }


def test_a_line_like_a_property_within_a_value_is_no_property() -> None:
    text = "[evil]: [\n[ro.soc.model]: [SM8150]\n"
    assert adb_text.properties(text) == {"evil": "\n[ro.soc.model]: [SM8150"}


def test_a_property_that_was_cut_short_is_left_out() -> None:
    assert adb_text.properties("[a]: [1]\n[ro.soc.model]: [SM81") == {"a": "1"}


# A value whose own line ends with a bracket before one that looks like a key can't be told apart.
values = st.text(st.characters(exclude_characters="[]\r", codec="utf-8"), max_size=50)


@given(st.dictionaries(st.from_regex(r"[a-z.]{1,20}", fullmatch=True), values))
def test_printed_properties_come_back(expected: dict[str, str]) -> None:
    text = "".join(f"[{key}]: [{value}]\n" for key, value in expected.items())
    assert adb_text.properties(text) == expected


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("3\n", "3"),
        ("null\n", None),
        ("", None),
        ("\n", None),
        ("WARNING: linker: x: unused DT entry\n0\n", "0"),
        ("cmd: Can't find service: settings\n", None),
        ("Exception occurred while executing\njava.lang.SecurityException\n", None),
    ],
)
def test_a_setting_is_one_line_or_unknown(said: str, value: str | None) -> None:
    assert adb_text.setting(said) == value
    assert adb_text.setting(crlf(said)) == value


@pytest.mark.parametrize("change", [str, crlf, lambda text: NOISE + text + NOISE])
def test_the_battery_of_a_phone(change: Callable[[str], str]) -> None:
    text = change(text_of(SD855 / "battery.txt"))
    assert adb_text.battery(text) == adb_text.Battery(75, 28.0, True)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("scale: 100", "scale: 200", adb_text.Battery(37, 28.0, True)),
        ("scale: 100", "scale: 0", adb_text.Battery(None, 28.0, True)),
        ("  scale: 100\n", "", adb_text.Battery(None, 28.0, True)),
        ("level: 75", "level: 175", adb_text.Battery(None, 28.0, True)),
        ("level: 75", "level: \u0667\u0665", adb_text.Battery(None, 28.0, True)),
        ("level: 75", "level: " + "9" * 5000, adb_text.Battery(None, 28.0, True)),
        ("temperature: 280", "temperature: -15", adb_text.Battery(75, -1.5, True)),
        ("temperature: 280", "temperature: 28000", adb_text.Battery(75, None, True)),
        ("USB powered: true", "USB powered: false", adb_text.Battery(75, 28.0, False)),
        ("USB powered: true", "USB powered: perhaps", adb_text.Battery(75, 28.0, None)),
        (
            "USB powered: true\n",
            "USB powered: false\n  Dock powered: true\n",
            adb_text.Battery(75, 28.0, True),
        ),
        ("present: true", "present: false", adb_text.Battery(None, None, True)),
        (
            "state:\n",
            "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n",
            adb_text.Battery(None, None, None),
        ),
    ],
)
def test_a_battery_that_does_not_tell_is_unknown(
    old: str, new: str, expected: adb_text.Battery
) -> None:
    text = text_of(SD855 / "battery.txt")
    assert old in text
    assert adb_text.battery(text.replace(old, new)) == expected


@pytest.mark.parametrize("change", [str, crlf, lambda text: NOISE + text + NOISE])
def test_the_thermal_service_of_a_phone(change: Callable[[str], str]) -> None:
    text = change(text_of(SD855 / "thermalservice.txt"))
    assert adb_text.thermal_status(text) == 0
    assert adb_text.temperatures(text) == {"cpu-1-3-usr": 33.8}


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("Status: 0", "Status: 3", 3),
        ("Status: 0", "Status: 7", None),
        ("Status: 0", "Status: ", None),
        ("HAL Ready: true", "HAL Ready: false", None),
        ("HAL Ready: true\n", "", None),
        ("IsStatusOverride: false", "IsStatusOverride: true", None),
    ],
)
def test_a_thermal_status_that_means_nothing_is_unknown(
    old: str, new: str, status: int | None
) -> None:
    text = text_of(SD855 / "thermalservice.txt")
    assert old in text
    assert adb_text.thermal_status(text.replace(old, new, 1)) == status


def test_only_current_temperatures_that_a_phone_survives_count() -> None:
    text = (
        "Cached temperatures:\n"
        "\tTemperature{mValue=99.0, mType=0, mName=cached, mStatus=0}\n"
        "HAL Ready: true\n"
        "Current temperatures from HAL:\n"
        "\tTemperature{mValue=NaN, mType=0, mName=nan, mStatus=0}\n"
        "\tTemperature{mValue=-273.0, mType=0, mName=cold, mStatus=0}\n"
        "\tTemperature{mValue=4000.0, mType=0, mName=absurd, mStatus=0}\n"
        "\tTemperature{mValue=4.1, mType=6, mName=voltage, mStatus=0}\n"
        "\tTemperature{mValue=31.5, mType=3, mName=skin, mStatus=0}\n"
        "\tTemperature{mValue=30.5, mType=3, mName=skin, mStatus=0}\n"
        "Current cooling devices from HAL:\n"
        "\tTemperature{mValue=20.0, mType=0, mName=late, mStatus=0}\n"
    )
    assert adb_text.temperatures(text) == {"skin": 31.5}


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("  mWakefulness=Awake\n", True),
        ("  mWakefulness=Asleep\n", False),
        ("  mWakefulness=Dozing\n", False),
        ("  mWakefulness=Dreaming\n", None),
        ("  mWakefulness=Dreaming\nDisplay Power: state=ON\n", True),
        ("Display Power: state=ON\n", True),
        ("Display Power: state=OFF\n", False),
        ("  mWakefulness=Awake\nDisplay Power: state=OFF\n", False),
        ("  mWakefulnessChanging=false\n", None),
        ("Can't find service: power\n", None),
        ("", None),
    ],
)
def test_the_screen_is_on_only_where_the_phone_says_so(text: str, on: bool | None) -> None:
    assert adb_text.screen_on(text) is on
    assert adb_text.screen_on(NOISE + crlf(text)) is on


# --- toybox and /proc ----------------------------------------------------------------------------

DF = (
    "Filesystem     1K-blocks     Used Available Use% Mounted on\n"
    "/dev/block/dm-5 52505580 21110272  31379096  41% /data\n"
)


@pytest.mark.parametrize(
    ("text", "kb"),
    [
        (DF, 31379096),
        (DF.replace("dm-5 ", "by-name/a-long-name-that-wraps-its-line\n  "), 31379096),
        (DF.replace("31379096", "-"), None),
        (DF.replace("1K-blocks", "Size"), None),
        (DF + "tmpfs 10 0 10 0% /tmp\n", None),
        ("df: /data/local/tmp/x: No such file or directory\n", None),
        ("", None),
    ],
)
def test_free_space_is_read_or_unknown(text: str, kb: int | None) -> None:
    assert adb_text.free_kb(text) == kb
    assert adb_text.free_kb(NOISE + crlf(text)) == kb


def test_digests_by_path() -> None:
    one, two = "ab" * 32, "01" * 32
    text = (
        f"{one}  /data/local/tmp/a b  c\n"
        f"{two} */data/local/tmp/binary\n"
        f"\\{one}  /data/a\\nb\\\\n\n"
        "sha256sum: /data/x: No such file or directory\n"
        f"{'ab' * 31}  /data/short\n"
        f"{'AB' * 32}  /data/loud\n"
    )
    expected = {
        "/data/local/tmp/a b  c": one,
        "/data/local/tmp/binary": two,
        "/data/a\nb\\n": one,
    }
    assert adb_text.digests(text) == expected
    assert adb_text.digests(NOISE + crlf(text)) == expected


def test_the_chip_is_the_hardware_line() -> None:
    text = text_of(SD855 / "cpuinfo.txt")
    assert adb_text.soc(text) == "Qualcomm Technologies, Inc SM8150"
    assert adb_text.soc(crlf(text)) == "Qualcomm Technologies, Inc SM8150"
    assert adb_text.soc(text.replace("Hardware", "Software")) is None
    assert adb_text.soc("Hardware\t: \n") is None
    assert adb_text.soc("Hardware : a\x1b]0;b\x07\n") == "a\ufffd]0;b\ufffd"


# --- all of them ---------------------------------------------------------------------------------

PARSERS: list[Callable[[str], object]] = [
    adb_text.listed,
    adb_text.connected,
    lambda text: adb_text.sections(text, "M4RK"),
    adb_text.properties,
    adb_text.setting,
    adb_text.battery,
    adb_text.thermal_status,
    adb_text.temperatures,
    adb_text.screen_on,
    adb_text.free_kb,
    adb_text.digests,
    adb_text.soc,
]
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


@pytest.mark.parametrize("parser", PARSERS)
@given(text=anything)
def test_no_text_makes_a_parser_raise(parser: Callable[[str], object], text: str) -> None:
    parser(text)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    "unit", ["device ", "[a]: [", "0", " ", "\n", "]\n", "M4RK ", "1 1 1 1% /", "A\tdevice\n"]
)
def test_megabytes_are_no_trouble(parser: Callable[[str], object], unit: str) -> None:
    parser(unit * (5 * 2**20 // len(unit)))


def test_a_line_that_the_bound_cuts_is_not_read_in_part() -> None:
    text = "x\n" * (adb_text.MAX_CHARS // 2 - 1) + "12345"
    assert list(adb_text.lines(text))[-1] == "x"
    assert list(adb_text.lines("12345"))[-1] == "12345"

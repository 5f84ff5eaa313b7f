"""What adb prints is understood, noise and CRLF included; what is unclear is unknown."""

from __future__ import annotations

import pytest

from asymm_deploy.bench.phone.parse import adb_output
from asymm_deploy.bench.phone.parse.adb_output import ListedPhone
from tests.bench.phone.parse.conftest import LONG_LISTING, NOISE, crlf

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
    phones = adb_output.listed_phones(text)
    assert phones == (
        ListedPhone("99091FFAZ001AB", "device", "Pixel_4", "flame", "1", None),
        ListedPhone("127.0.0.1:40555", "offline", None, None, "12", None),
        ListedPhone("0123456789ABCDEF", "unauthorized", None, None, "3", None),
    )


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("serial", ["A1", "(no serial number)", "adb-A (2)._adb._tcp", "device"])
def test_every_state_is_read_with_or_without_l(state: str, serial: str) -> None:
    for text in (f"{serial}\t{state}\n", f"{serial:<22} {state} transport_id:4\n"):
        (phone,) = adb_output.listed_phones(text)
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
    (phone,) = adb_output.listed_phones(form.format("8A3X0N5QK", said))
    assert (phone.serial, phone.state) == ("8A3X0N5QK", "no permissions")
    assert phone.advice == advice


def test_a_state_that_we_do_not_know_does_not_hide_the_phone() -> None:
    (phone,) = adb_output.listed_phones("A1                     dreaming usb:1-3 transport_id:7\n")
    assert (phone.serial, phone.state, phone.transport) == ("A1", "dreaming", "7")


def test_a_phone_can_not_give_itself_another_transport() -> None:
    (phone,) = adb_output.listed_phones(
        "A1  device product:x transport_id:9 model:m transport_id:2\n"
    )
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
    assert adb_output.listed_phones(line + "\n") == ()


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
    assert adb_output.connect_outcome(said) == what
    assert adb_output.connect_outcome(NOISE + crlf(said + "\n")) == what


REFUSED = (
    "adb: error: failed to copy 'net.mnn' to '/data/local/tmp/x': remote couldn't create file: "
    "Read-only file system"
)


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        ("net.mnn: 1 file pushed, 0 skipped. 35.5 MB/s (1048576 bytes in 0.028s)\n", 0, None),
        ("", 0, None),
        (f"{REFUSED}\n", 1, REFUSED),
        (f"{REFUSED}\nnet.mnn: 0 files pushed, 0 skipped.\n", 1, REFUSED),
        (f"{REFUSED}\n", 0, REFUSED),
        ("adb: device offline\n", 1, "adb: device offline"),
        ("", 1, "adb push ended with 1"),
    ],
)
def test_a_push_has_failed_where_code_or_words_say_so(
    said: str, code: int, why: str | None
) -> None:
    assert adb_output.push_failure(said, code) == why
    assert adb_output.push_failure(crlf(said), code) == why


def test_versions_are_adbs_last_number() -> None:
    said = (
        "Android Debug Bridge version 1.0.41\nVersion 36.0.0-13206524\nInstalled as /usr/bin/adb\n"
    )
    assert adb_output.program_version(said) == 41
    assert adb_output.program_version("Android Debug Bridge version 2.0.41\n") is None
    assert adb_output.server_version("0029") == 41
    assert adb_output.server_version("29") is None
    assert adb_output.server_version("-029") is None


def test_what_an_adbd_can_do_is_a_list() -> None:
    said = "shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir,sendrecv_v2"
    assert adb_output.adbd_features(said) >= {"shell_v2", "sendrecv_v2"}
    assert "shell_v2" not in adb_output.adbd_features("shell_v22")

"""Each of adb's words for a state is explained, and an unknown one is passed on, made printable."""

from __future__ import annotations

import pytest

from asymm_deploy.bench.phone.states import explained, not_ready


@pytest.mark.parametrize(
    ("state", "what", "to_do"),
    [
        (None, "is not attached", "plug it in"),
        ("", "is not attached", "plug it in"),
        ("unauthorized", "has not authorized this computer", "accept 'Allow USB debugging'"),
        ("authorizing", "is asking for authorization", "accept 'Allow USB debugging'"),
        ("offline", "does not answer", "plug it in again"),
        ("connecting", "is still connecting", "try again in a few seconds"),
        ("no permissions", "may not be opened by this user", "install the udev rules"),
        ("recovery", "is in recovery mode", "`adb reboot`"),
        ("sideload", "is in sideload mode", "`adb reboot`"),
        ("bootloader", "is in its bootloader", "`fastboot reboot`"),
        ("dreaming", "is in state 'dreaming'", "plug it in again"),
    ],
)
def test_a_state_has_a_meaning_and_a_remedy(state: str | None, what: str, to_do: str) -> None:
    meaning, remedy = explained(state)
    assert meaning == what
    assert to_do in remedy
    error = not_ready("R58M", state)
    assert error.what == f"R58M {what}"
    assert error.hint == remedy
    assert error.exit_code == 3


def test_what_a_phone_calls_itself_controls_no_terminal() -> None:
    error = not_ready("a\x1b[2Jb", "c\x07d")
    assert error.what == "a\ufffd[2Jb is in state 'c\ufffdd'"

"""adb's words for a phone's state: what each means, and what to do about it."""

from __future__ import annotations

from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

_STATES = {
    "": ("is not attached", "plug it in; `asymm-deploy devices` lists the phones that adb sees"),
    "unauthorized": (
        "has not authorized this computer",
        "unlock it and accept 'Allow USB debugging'; if it doesn't ask, plug it in again",
    ),
    "authorizing": ("is asking for authorization", "unlock it and accept 'Allow USB debugging'"),
    "offline": ("does not answer", "plug it in again, or turn USB debugging off and on"),
    "connecting": ("is still connecting", "try again in a few seconds"),
    "no permissions": (
        "may not be opened by this user",
        "install the udev rules (`asymm-deploy doctor` says how), then plug it in again",
    ),
    "recovery": ("is in recovery mode", "restart it: `adb reboot`"),
    "sideload": ("is in sideload mode", "restart it: `adb reboot`"),
    "bootloader": ("is in its bootloader", "restart it: `fastboot reboot`"),
}


def explained(state: str | None) -> tuple[str, str]:
    """Return what a phone's state means and what to do; None is a phone that is not attached."""
    known = _STATES.get(state or "")
    if known is not None:
        return known
    return (
        f"is in state {excerpt(state or '')!r}",
        "plug it in again; `asymm-deploy devices` lists the phones that adb sees",
    )


def not_ready(serial: str, state: str | None) -> HarnessError:
    """Return the error for a phone that adb can't use."""
    what, to_do = explained(state)
    return HarnessError(f"{excerpt(serial)} {what}", to_do)

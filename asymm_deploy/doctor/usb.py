"""Who may open a phone on USB: udev's rules and the group they name. Linux only.

A phone over TCP needs neither, so nothing here fails; a phone that can't be opened says so itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from asymm_deploy.doctor.checklist import Check
from asymm_deploy.doctor.environment import Environment
from asymm_deploy.safe import excerpt

_FOLDERS = ("etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
_MAX_RULES = 2**20


def usb_checks(environment: Environment) -> Iterator[Check]:
    """Yield whether there are rules, and whether they let this user in."""
    if environment.system != "Linux":
        why = f"{environment.system} lets every user open a phone"
    elif environment.user.is_root:
        why = "root may open every device"
    else:
        rules = _rules(environment)
        yield _present(rules)
        yield _group(environment, "\n".join(rules.values()))
        return
    yield Check("udev rules", "option", "not needed", why)
    yield Check("USB group", "option", "not needed", why)


def _rules(environment: Environment) -> dict[str, str]:
    """Return the rules that are about Android, by file; a file in /etc hides its namesakes."""
    found: dict[str, str] = {}
    hidden: set[str] = set()
    for folder in _FOLDERS:
        for path in sorted((environment.root / folder).glob("*.rules")):
            if path.name in hidden:
                continue
            hidden.add(path.name)
            try:
                with path.open(encoding="utf-8", errors="replace") as file:
                    text = file.read(_MAX_RULES)
            except OSError:
                continue
            text = re.sub(r"(?m)^\s*#.*$", "", text)
            # ff42 is the class of adb's interface, by which systemd itself finds phones.
            if "android" in path.name or "adb" in path.name or "ff42" in text:
                found[f"/{folder}/{path.name}"] = text
    return {path: text for path, text in found.items() if text.strip()}


def _present(rules: dict[str, str]) -> Check:
    if rules:
        return Check("udev rules", "option", "ok", excerpt(", ".join(rules)))
    to_do = (
        "for a phone on USB: `sudo apt install android-sdk-platform-tools-common` (or your "
        "system's android udev rules), then plug it in again"
    )
    return Check("udev rules", "option", "missing", "none for Android", to_do)


def _group(environment: Environment, rules: str) -> Check:
    user = environment.user
    groups = sorted(set(re.findall(r'GROUP\s*:?=\s*"([\w-]{1,32})"', rules)))
    if "uaccess" in rules or re.search(r'MODE\s*:?=\s*"0?666"', rules) or not groups:
        why = "the rules let in whoever sits at this machine" if rules else "no rules name one"
        return Check("USB group", "option", "not needed", why)
    named = " or ".join(groups)
    if user.groups & set(groups):
        return Check("USB group", "option", "ok", f"in {named}")
    if user.promised_groups & set(groups):
        to_do = "log out and in again"
        return Check("USB group", "option", "wrong", f"in {named} from the next login", to_do)
    to_do = f"`sudo usermod -aG {groups[0]} {excerpt(user.name)}`, then log out and in again"
    return Check("USB group", "option", "missing", f"not in {named}", to_do)

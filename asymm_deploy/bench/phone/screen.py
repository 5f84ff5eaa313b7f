"""The one setting of a phone that we change, its screen stays on, and how all is undone."""

from __future__ import annotations

from pathlib import PurePosixPath

from asymm_deploy.bench.phone.phone_launch import kill_all
from asymm_deploy.bench.phone.readings import WITHIN_10_S

_SETTING = "stay_on_while_plugged_in"


def keep_awake(base: PurePosixPath) -> str:
    """Return the command that keeps the screen on, and saves the setting of before in ``base``."""
    saved = f"{base}/stayon"
    return (
        f"[ -e {saved} ] || {{ {WITHIN_10_S} settings get global {_SETTING} "
        f">{saved}.part && mv {saved}.part {saved} && {WITHIN_10_S} svc power stayon true; }} "
        "2>/dev/null"
    )


def restore(base: PurePosixPath, *, keep_files: bool) -> str:
    """Return the command that ends our launches, gives the setting back and removes our files."""
    saved = f"{base}/stayon"
    return (
        f"{kill_all(base)}; if [ -e {saved} ]; then was=$(cat {saved}); case $was in "
        f"[0-9]|[0-9][0-9]) {WITHIN_10_S} settings put global {_SETTING} $was;; "
        f"null) {WITHIN_10_S} settings delete global {_SETTING};; esac >/dev/null 2>&1; "
        f"rm -f {saved}; fi; rm -rf {base}{'/run' if keep_files else ''}"
    )

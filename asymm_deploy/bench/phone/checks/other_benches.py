"""Whether another benchmark used the phone during a launch: `--allow busy` lets two share it."""

from __future__ import annotations

from pathlib import PurePosixPath

from asymm_deploy.bench.phone.lock import FOLDER
from asymm_deploy.bench.phone.parse.sections import Section

_SEEN = "another-bench"


def looking_for_others(base: PurePosixPath, folder: PurePosixPath, check_lock: str) -> str:
    """Return the command whose output ``saw_another`` reads.

    ``base`` is our folder on the phone, ``folder`` that of the launch, ``check_lock`` the command
    that fails where the lock is not ours. Another bench is seen by its lock, by a launch of its
    that runs, and by one that has ended since ours began.
    """
    runs = f"{base.parent}/asymm-deploy*/run"
    running = (
        f"for p in {runs}/*/pid; do case $p in {base}/*) continue;; esac; d=${{p%/pid}}; "
        '[ ! -e "$d/code" ] && n=$(cat "$p") && grep -q asymm-deploy /proc/$n/cmdline && '
        f"echo {_SEEN}; done"
    )
    ended = (
        f"find {runs} -name code -newer {folder}/pid | "
        f"while read -r it; do case $it in {base}/*) ;; *) echo {_SEEN};; esac; done"
    )
    locked = f"if [ -e {FOLDER}/owner ]; then {check_lock} || echo {_SEEN}; fi"
    return f"{{ {running}; {ended}; {locked}; }} 2>/dev/null"


def saw_another(section: Section) -> bool:
    """Whether another bench was seen: ``another-bench`` on a line of its own."""
    return _SEEN in section.text.split()

"""Debian 12's qemu-user with its libraries, unpacked beside the rest without installing it.

It can load plugins; those of later releases can't, or not ours. ``debian-12-qemu.sha256`` names its
package and those that it needs, as Debian 12's last point release has them. Each has to have its
hash, wherever it comes from. ``apt-cache depends --recurse qemu-user`` and ``apt-cache show`` say
them, where apt knows Debian 12 alone.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.emulated.emulator_home import SETUP_PREFIX
from asymm_deploy.bench.emulated.qemu import QEMU, QEMU_VARIABLE, UNPACKED, ask, unpacked_command
from asymm_deploy.bench.native.programs import Growth, Said, lacks_space, run_program
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.files import sha256_of, take_place
from asymm_deploy.locks import scratch_folder
from asymm_deploy.safe import excerpt

ARCHIVE_VARIABLE = "ASYMM_DEPLOY_DEBIAN"
"""Names another address of Debian's archive than the usual ones."""
_ARCHIVES = (
    "http://deb.debian.org/debian",
    "http://snapshot.debian.org/archive/debian/20260901T000000Z",
)
"""Without TLS, as Debian's own default: the hashes are known."""
_LIST = Path(__file__).with_name("debian-12-qemu.sha256")
_APT_HELPER = "/usr/lib/apt/apt-helper"
_KINDS = {"x86_64": "amd64", "aarch64": "arm64"}
_LONGEST_S = 1200.0
_HINT = f"set {QEMU_VARIABLE} to a {QEMU} of version 4.2 to 8.2 that can load plugins"


def unpack_qemu(home: Path, say: Tell) -> None:
    """Download qemu-user and all that it needs by apt's helper, and unpack it into ``home``.

    Nothing is installed, and apt's package lists play no part. Raises HarnessError if a step fails,
    or if what was unpacked can't load plugins; the folder then is as it was.
    """
    wanted = _wanted()
    for tool in (_APT_HELPER, "dpkg"):
        if shutil.which(tool) is None:
            raise HarnessError(
                f"there is no {tool}: only Debian and its like can fetch and unpack packages", _HINT
            )
    if ":" in str(home):
        raise UsageError(
            f"what is unpacked can't be started in {home}: its loader takes no path with a colon",
            "set XDG_DATA_HOME to another folder",
        )
    with scratch_folder(home, SETUP_PREFIX) as scratch:
        say("fetching qemu-user of Debian 12 and its libraries (20 MB)")
        _fetch(wanted, scratch, say)
        for name in map(os.path.basename, wanted):
            done = _told(["dpkg", "-x", name, "unpacked"], scratch)
            if done.returncode != 0:
                _require_space(done, home)
                raise HarnessError(f"unpacking {name} failed: {_reason(done)}", _HINT)
        _keep_needed(scratch / "unpacked", scratch / UNPACKED)
        command = unpacked_command(scratch)
        if command is None:
            raise HarnessError(f"the packages have no {QEMU} in them", _HINT)
        if not ask(command).has_plugins:
            raise HarnessError(f"Debian 12's {QEMU} can't load plugins here", _HINT)
        take_place(scratch / UNPACKED, home / UNPACKED)


def _wanted() -> Mapping[str, str]:
    """Return the SHA-256 of each file for machines of this kind, by its path in the archive."""
    kind = _KINDS.get(platform.machine())
    listed = [line.split() for line in _LIST.read_text(encoding="ascii").splitlines()]
    found = {path: sha256 for sha256, path in listed if path.endswith(f"_{kind}.deb")}
    if not found:
        raise HarnessError(f"no {QEMU} is known for machines of kind {platform.machine()}", _HINT)
    return found


def _fetch(wanted: Mapping[str, str], scratch: Path, say: Tell) -> None:
    named = os.environ.get(ARCHIVE_VARIABLE)
    archives = (named.rstrip("/"),) if named else _ARCHIVES
    complaints = []
    for archive in archives:
        command = [_APT_HELPER, "download-file"]
        for path, sha256 in wanted.items():
            command += [f"{archive}/{path}", Path(path).name, f"SHA256:{sha256}"]
        done = _told(command, scratch, Growth(scratch, say))
        if done.returncode != 0:
            _require_space(done, scratch.parent)
            complaints.append(_reason(done))
            continue
        for path, sha256 in wanted.items():
            if sha256_of(scratch / Path(path).name) != sha256:
                raise HarnessError(f"{archive}/{path} is not the file that it should be", _HINT)
        return
    raise HarnessError(
        f"can't fetch Debian 12's qemu-user: {'; '.join(complaints)}",
        f"set {ARCHIVE_VARIABLE} to the address of a mirror of Debian's archive; or {_HINT}",
    )


def _reason(done: Said) -> str:
    errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
    return excerpt((errors or done.stderr.splitlines() or ["it said nothing"])[0], 300)


def _require_space(done: Said, home: Path) -> None:
    if lacks_space(done.stderr):
        raise HarnessError(
            f"no space is left in {home} for Debian 12's qemu-user", "leave 300 MB free there"
        )


def _told(command: Sequence[str], folder: Path, growth: Growth | None = None) -> Said:
    try:
        return run_program(
            command,
            limit_s=_LONGEST_S,
            folder=folder,
            starts_others=True,
            meanwhile=growth.tell if growth else lambda: None,
        )
    except OSError as error:
        raise HarnessError(f"{command[0]} failed: {error.strerror or error}", _HINT) from error


def _keep_needed(root: Path, into: Path) -> None:
    """Move the emulator and all libraries into one folder, as the loader looks for them."""
    into.mkdir()
    program = root / "usr" / "bin" / QEMU
    links = []
    for path in [program, *sorted(root.rglob("*.so.*"))]:
        if path.is_symlink():
            links.append(path)
        elif path.is_file():
            path.rename(into / path.name)
    for link in links:
        if not (into / link.name).exists():
            (into / link.name).symlink_to(link.readlink().name)

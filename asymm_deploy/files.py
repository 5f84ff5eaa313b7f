"""Files that appear whole or not at all, and the hashes that tell them apart."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from asymm_deploy.errors import DeployError, HarnessError, UsageError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def opened_regular(path: Path) -> BufferedReader:
    """Open a file to read its bytes; it must be a regular one, or a link to one.

    Pipes and some devices would keep us waiting for ever, and others never end. Raises OSError, of
    which ``strerror`` is one line for a user, also for a path with a null character.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:
        raise OSError(errno.EINVAL, "its name has a null character", str(path)) from error
    except OSError as error:
        if error.errno == errno.ENXIO:  # what opening a socket says
            raise _not_regular(path, "a socket or a device") from error
        raise
    try:
        _require_regular(path, os.fstat(number).st_mode)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def require_regular(path: Path) -> None:
    """Raise OSError, as ``opened_regular`` does, if ``path`` leads to no regular file."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:
        raise OSError(errno.EINVAL, "its name has a null character", str(path)) from error
    _require_regular(path, mode)


def read_regular(path: Path) -> bytes:
    """Return the bytes of a regular file; raises OSError as ``opened_regular`` does."""
    with opened_regular(path) as file:
        return file.read()


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes; raise OSError if it is no file, or can't be read.

    Between its pieces of 256 KiB, Ctrl-C is heard.
    """
    with opened_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise _not_regular(path, next((word for is_it, word in _KINDS if is_it(mode)), "special"))


def _not_regular(path: Path, what: str) -> OSError:
    kind = errno.EISDIR if what == "a folder" else errno.EINVAL
    return OSError(kind, f"it is {what}, not a file", str(path))


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; on success it replaces ``target`` in one step.

    The content is synced before the rename, so that a crash leaves the old file or the new one.
    On any exception the temporary file is removed and ``target`` stays as it was. If the process is
    killed, the next one that writes ``target`` removes it.
    """
    prefix = f".{target.name[:40]}."  # with what is added it must not become too long
    _remove_abandoned(target.parent, prefix)
    handle, aside = _locked_part(target.parent, prefix)
    try:
        yield aside
        aside.chmod(0o666 & ~_umask())
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
        os.close(handle)


_PART = ".part"


def _locked_part(folder: Path, prefix: str) -> tuple[int, Path]:
    """Make a temporary file, locked for as long as its handle is open: somebody writes it."""
    while True:
        handle, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=_PART)
        with suppress(OSError):  # a file system without locks; then it isn't taken for abandoned
            fcntl.flock(handle, fcntl.LOCK_EX)
        if Path(name).exists():  # else it was removed before it was locked
            return handle, Path(name)
        os.close(handle)


def _remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove the temporary files of writers that were killed: nobody holds their locks."""
    for path in folder.glob(f"{glob.escape(prefix)}{'?' * 8}{_PART}"):
        with suppress(OSError):  # locked, gone, or none of ours
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)


def write_whole(target: Path, content: bytes) -> None:
    """Write ``content`` so that ``target`` is never seen half-written.

    A link stays one, and the file that it names is replaced. Devices and pipes are written to.
    """
    number = _descriptor(target)
    if number is not None:  # opened anew, a log would be overwritten from its start
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(content)
        return
    if is_special(target):
        _write_into(target, content)
        return
    with written_aside(followed(target)) as aside:
        aside.write_bytes(content)


def _write_into(target: Path, content: bytes) -> None:
    """Write to a device or to a pipe that somebody reads; raise OSError if nobody does."""
    try:
        number = os.open(target, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nobody reads from it", str(target)) from error
        raise
    os.set_blocking(number, True)
    with os.fdopen(number, "wb") as file:
        file.write(content)


def is_special(path: Path) -> bool:
    """Whether a device, a pipe or a folder is at ``path``: what no file may take the place of.

    So it is with /dev/stdout, whatever file that is.
    """
    return _descriptor(path) is not None or (path.exists() and not path.is_file())


def _descriptor(path: Path) -> int | None:
    """Return which of this process's open files ``path`` is another name of; None if of none."""
    name = os.path.abspath(path)  # noqa: PTH100  links stay
    if name in _STREAMS:
        return _STREAMS[name]
    found = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", name)
    return int(found[1]) if found else None


_SCARCE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # <fcntl.h>, <linux/fs.h>
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}


def require_text(path: Path, hint: str) -> None:
    """Raise UsageError for a path that is no text: the engines and their converters want UTF-8."""
    if any("\ud800" <= character <= "\udfff" for character in str(path.absolute())):
        raise UsageError(f"{path.absolute()} is not UTF-8, as the engines need it", hint)


def resolved(path: Path) -> Path:
    """Return ``path`` without links, as far as they lead anywhere: those in a circle stay."""
    return Path(os.path.realpath(path))


def followed(path: Path) -> Path:
    """Return where ``path`` leads; raise OSError where links lead in a circle."""
    target = resolved(path)
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


def refused_by_system(error: OSError) -> DeployError | None:
    """Return what to tell of what the system refused; None if the error names no path.

    A path may be too long, kept from us, or on a disk or a server that doesn't answer.
    """
    if error.errno in _SCARCE:
        return HarnessError(
            f"the system refuses more: {error.strerror}",
            "end other programs, or raise the limits that `ulimit -a` shows",
        )
    named = error.filename if error.filename2 is None else error.filename2  # of a renaming
    if not isinstance(named, str | bytes | os.PathLike) or not error.strerror:
        return None
    return UsageError(
        f"can't use {os.fsdecode(named)}: {error.strerror}",
        "move away what is there, and repeat the command"
        if is_in_the_way(error)
        else "check the path, its permissions, and whether the disk that it is on answers",
    )


def is_in_the_way(error: OSError) -> bool:
    """Whether something that is no file, or no folder, is in its place: writing won't help."""
    return error.errno in {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.EINVAL, errno.ELOOP}


def unwritable(what: str, error: OSError, hint: str) -> DeployError:
    """Return what to raise where ``what`` can't be written: HarnessError if the disk is full."""
    return (HarnessError if is_full(error) else UsageError)(
        f"can't write {what}: {error.strerror or error}", hint
    )


def is_full(error: OSError) -> bool:
    """Whether it was for want of space: then the request was right, and the disk is not."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def ensure_folder(path: Path, purpose: str) -> Path:
    """Create ``path`` and prove that it can be written; raise UsageError saying why it can't."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise unwritable(
            f"{purpose} to {path}",
            error,
            "give a folder that you may write to, with space left, with --out",
        ) from error
    return path


def take_place(new: Path, place: Path) -> None:
    """Rename the folder ``new`` to ``place``; what was there before is then at ``new``.

    On Linux there is no moment without either, whatever kills us. Raises OSError, with all as it
    was.
    """
    if not place.exists():
        new.rename(place)
        return
    if _exchanged(new, place):
        return
    former = new.with_name(f"{new.name}.former")
    place.rename(former)
    try:
        new.rename(place)
    except OSError:
        former.rename(place)
        raise
    former.rename(new)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names in one step, if the system and the file system can."""
    try:
        exchange = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    done: int = exchange(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )
    return done == 0


def data_folder() -> Path:
    """Return the folder for what is kept for the user: below $XDG_DATA_HOME, or the system's own.

    It is absolute, and may not exist. XDG's specification has a relative one ignored.
    """
    from platformdirs import user_data_path

    return user_data_path("asymm-deploy").absolute()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""What a client asks of a phone's session, and what it is answered: msgpack, decoded by its type.

Dask carries these bytes, and never objects of ours.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec

from asymm_deploy.bench.phone.lock import PhoneTakenError
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.records import Engine
from asymm_deploy.bench.sustained.following import KillAfter
from asymm_deploy.bench.wire import MAX_STREAM_BYTES
from asymm_deploy.errors import DeployError, ExitCode, HarnessError, UsageError
from asymm_deploy.safe import excerpt

MessageT = TypeVar("MessageT")

FileHash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
LeaseToken = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
LaunchName = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-z-]{1,64}\Z")]
"""Of a folder on the phone: nothing in it means anything to a shell, or to a path."""
MOST_BYTES = MAX_STREAM_BYTES + 2**24
"""Of an answer: what a runner may print, and all that is said besides."""
_LONGEST_TEXT = 2000


class Opening(msgspec.Struct, frozen=True):
    """Asks for a phone, for as long as the lease is renewed."""

    lease: LeaseToken
    serial: str
    whom: Annotated[str, msgspec.Meta(max_length=200)]
    """Who asks, in words for others who wait for the phone."""
    options: PhoneOptions


class FactsAsked(msgspec.Struct, frozen=True, tag="facts"):
    """As ``Device.facts``."""

    cpus: tuple[int, ...]


class CoresAsked(msgspec.Struct, frozen=True, tag="cores"):
    """As ``Device.choose_cpus``."""

    wanted: int | None
    threads: int
    earlier: tuple[int, ...]


class RunnerAsked(msgspec.Struct, frozen=True, tag="runner"):
    """As ``Device.runner``."""

    engine: Engine


class HoldAsked(msgspec.Struct, frozen=True, tag="hold"):
    """As ``Device.held``, until the lease ends; the files are in the host's store."""

    cpus: tuple[int, ...]
    files: tuple[FileHash, ...]


class PutAsked(msgspec.Struct, frozen=True, tag="put"):
    """As ``Device.put``, of a file in the host's store."""

    sha256: FileHash


class RunAsked(msgspec.Struct, frozen=True, tag="run"):
    """As ``Device.run``."""

    argv: tuple[str, ...]
    timeout_s: float
    doing: str = ""
    """What it is, in words for others: ``asymmnet_small_035 launch 3/10``."""


class CoolAsked(msgspec.Struct, frozen=True, tag="cool"):
    """As ``Device.cool_down``."""

    is_hot: bool


class GoesOnAsked(msgspec.Struct, frozen=True, tag="goes-on"):
    """As ``PhoneFollower.goes_on``; asked before the phone is held, which ends all but this one."""

    launch: LaunchName


class FollowAsked(msgspec.Struct, frozen=True, tag="follow"):
    """Asks for a look at a launch that lasts: a ``FollowedStep``.

    Asked again, it starts nothing twice, and brings what is behind ``known`` once more.
    """

    launch: LaunchName
    argv: tuple[str, ...]
    limits: KillAfter
    known: Annotated[int, msgspec.Meta(ge=0)]
    """Bytes of its output that the client has."""
    begins: bool
    """Whether to start it, unless it goes on. If not, a launch that is gone is lost."""
    doing: str = ""
    """As in ``RunAsked``."""


class EndAsked(msgspec.Struct, frozen=True, tag="end"):
    """As ``PhoneFollower.end``."""


class RestAsked(msgspec.Struct, frozen=True, tag="rest"):
    """As ``PhoneFollower.rest``, after launches on ``cpus``."""

    cpus: tuple[int, ...]
    doing: str = ""


FollowRequest: TypeAlias = GoesOnAsked | FollowAsked | EndAsked | RestAsked
SessionRequest: TypeAlias = (
    FactsAsked
    | CoresAsked
    | RunnerAsked
    | HoldAsked
    | PutAsked
    | RunAsked
    | CoolAsked
    | FollowRequest
)

FailureKind = Literal["usage", "harness", "busy", "ended", "absent"]
"""``busy``: somebody else has the phone. ``ended``: there is no such lease any more. ``absent``:
the host's store lacks a file."""


class RemoteFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer."""

    kind: FailureKind
    what: str
    hint: str = ""
    exit_code: int = int(ExitCode.HARNESS)


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What comes back for any request."""

    value: bytes = b""
    """Of the type that the request promises."""
    failure: RemoteFailure | None = None
    said: tuple[str, ...] = ()
    """Remarks for people that have come up meanwhile."""


class PhoneBusyError(HarnessError):
    """Somebody else has the phone: it may be free later."""


class LeaseEndedError(HarnessError):
    """The worker knows no such lease: it was not renewed in time, or the worker is another one."""


class FileAbsentError(HarnessError):
    """The host's store lacks a file that was sent there before."""


_ERRORS: dict[FailureKind, type[DeployError]] = {
    "usage": UsageError,
    "harness": HarnessError,
    "busy": PhoneBusyError,
    "ended": LeaseEndedError,
    "absent": FileAbsentError,
}


def packed(value: object) -> bytes:
    """Return a request, or the value of an answer, as bytes."""
    return msgspec.msgpack.encode(value)


def unpacked(data: object, kind: type[MessageT]) -> MessageT:
    """Return what ``packed`` made bytes of; raise HarnessError for anything else."""
    if not isinstance(data, bytes) or len(data) > MOST_BYTES:
        raise _unreadable()
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise _unreadable() from error


def request_in(data: bytes) -> SessionRequest:
    """Return the request in some bytes; raise HarnessError if there is none."""
    kind: Any = SessionRequest
    found: SessionRequest = unpacked(data, kind)
    return found


def failure_of(error: BaseException) -> RemoteFailure:
    """Return what to tell a client of an error."""
    if isinstance(error, DeployError):
        kinds = {known: name for name, known in _ERRORS.items()}
        kind: FailureKind = kinds.get(type(error), "harness")
        if isinstance(error, UsageError):
            kind = "usage"
        elif isinstance(error, PhoneTakenError):
            kind = "busy"
        return RemoteFailure(
            kind=kind,
            what=error.what[:_LONGEST_TEXT],
            hint=error.hint[:_LONGEST_TEXT],
            exit_code=int(error.exit_code),
        )
    said = excerpt(f"{type(error).__name__}: {error}")
    return RemoteFailure(
        kind="harness",
        what=f"the phone's worker failed: {said}",
        hint="look at what `asymm-deploy lab worker` printed on that host, and repeat the command",
    )


def raised(failure: RemoteFailure) -> DeployError:
    """Return the error that a failure tells of."""
    try:
        code = ExitCode(failure.exit_code)
    except ValueError:
        code = ExitCode.HARNESS
    kind = _ERRORS[failure.kind]
    what, hint = (excerpt(text, _LONGEST_TEXT) for text in (failure.what, failure.hint))
    return kind(what, hint or "repeat the command: what was finished is kept", exit_code=code)


def _unreadable() -> HarnessError:
    return HarnessError(
        "a worker of the lab answered what this program can't read",
        "make sure that all hosts of the lab have the same version of asymm-deploy",
    )

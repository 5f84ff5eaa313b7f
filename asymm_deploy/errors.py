"""Every failure a user can act on: its exit code, what happened, and what to try."""

from __future__ import annotations

from enum import IntEnum

INTERRUPTED = "interrupted; everything that was finished is kept"
"""What the user is told after Ctrl-C, and its like."""


class ExitCode(IntEnum):
    """What the process returns; a contract that CI scripts rely on."""

    OK = 0
    REGRESSION = 1
    USAGE = 2
    HARNESS = 3
    UNSTABLE = 4
    NUMERICS = 5
    CONVERSION = 6
    INTERRUPTED = 130


# When several models fail in different ways, the process exits for the worst. A wrong number is
# worse than a missing file, and either is worse than a measurement that only has to be repeated.
# check/findings.py has the order of verdicts, which agrees with this one.
_SEVERITY = (
    ExitCode.OK,
    ExitCode.UNSTABLE,
    ExitCode.REGRESSION,
    ExitCode.USAGE,
    ExitCode.HARNESS,
    ExitCode.CONVERSION,
    ExitCode.NUMERICS,
)


def worst(codes: list[ExitCode]) -> ExitCode:
    """Return the most severe of ``codes``, or OK if there is none."""
    return max(codes, key=_SEVERITY.index, default=ExitCode.OK)


class DeployError(Exception):
    """A failure with a cause (``what``) and a next step (``hint``), shown without a traceback.

    The process ends with ``exit_code``: the class's own, unless another one is given.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, hint: str, *, exit_code: ExitCode | None = None) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def about(self, subject: str) -> DeployError:
        """Return the same failure with ``subject``, what it happened to, in front."""
        again = type(self).__new__(type(self))  # kinds of failure differ in what makes one
        again.__dict__ |= self.__dict__ | {"what": f"{subject}: {self.what}"}
        again.args = (again.what, *self.args[1:])
        return again

    def __str__(self) -> str:
        return self.what


class UsageError(DeployError):
    """The request itself can't be met: an unknown model, a bad flag, an unreadable file."""

    exit_code = ExitCode.USAGE


class HarnessError(DeployError):
    """The device, the runner or the files that the harness keeps let us down."""

    exit_code = ExitCode.HARNESS


class NumericsError(DeployError):
    """An exported stage disagrees with its reference, or can't be proven to agree."""

    exit_code = ExitCode.NUMERICS


class ConversionError(DeployError):
    """A conversion step failed or left no usable file."""

    exit_code = ExitCode.CONVERSION

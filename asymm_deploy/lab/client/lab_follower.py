"""Launches that last, followed on a phone of a lab: the client asks its worker for look after look.

It knows up to which byte it has the output. So what is lost on the way is asked for again; and if
the worker is lost, the next one takes up the launch, which has gone on without either.
"""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench import wire
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.sustained.followed_launch import FollowedStep
from asymm_deploy.bench.sustained.following import KillAfter, LostLaunchError, Take
from asymm_deploy.bench.sustained.following_phone import flagged
from asymm_deploy.lab.client.lab_calls import UnansweredError
from asymm_deploy.lab.client.lab_device import LabDevice
from asymm_deploy.lab.session_messages import EndAsked, FollowAsked, GoesOnAsked, RestAsked


class LabFollower:
    """A ``Follower`` of a phone that is ours for as long as its lease is renewed."""

    def __init__(self, device: LabDevice) -> None:
        """Take a phone."""
        self.device = device
        self.cpus: Sequence[int] = ()

    def goes_on(self, name: str) -> bool:
        """Whether it runs, or has left its result: its command, or its worker, was killed."""
        self.device.spared = None
        there: bool = self.device.until_done(
            lambda: self.device.phone.in_turn(GoesOnAsked(name), bool)
        )
        self.device.spared = name if there else None
        return there

    @property
    def can_rest(self) -> bool:
        """Return True."""
        return True

    def rest(self) -> None:
        """Have the phone's worker wait until it is cool; if that is lost, the next one."""
        asked = RestAsked(tuple(self.cpus), self.device.doing)
        self.device.until_done(lambda: self.device.phone.in_turn(asked, type(None)))

    def follow(self, argv: Sequence[str], name: str, *, limits: KillAfter, take: Take) -> Completed:
        """Have it started, unless it goes on already, and looked at as often as its worker says."""
        begins = self.device.spared != name
        self.device.spared = name
        known, is_shared = 0, False
        try:
            while True:
                step = self.device.until_done(
                    lambda: self._looked(argv, name, limits, known, begins=begins)  # noqa: B023
                )
                begins = False
                is_shared = is_shared or step.is_shared
                if step.out:
                    take(step.out, step.reading)
                    known += len(step.out)
                _require_stream(step)
                if step.completed is not None:
                    return flagged(step.completed, is_shared=is_shared)
                self.device.phone.calls.pause(step.pause_s)
        except wire.WireError:
            self.device.spared = None
            self.device.until_done(lambda: self.device.phone.in_turn(EndAsked(), type(None)))
            raise
        finally:
            self.device.spared = None

    def _looked(
        self, argv: Sequence[str], name: str, limits: KillAfter, known: int, *, begins: bool
    ) -> FollowedStep:
        words = self.device.words(argv)
        asked = FollowAsked(name, words, limits, known, begins, self.device.doing)
        while True:
            try:
                step: FollowedStep = self.device.phone.now(asked, FollowedStep)
            except UnansweredError:  # the phone may be away, and the worker waits for it
                if not self.device.phone.is_ours:
                    raise
            else:
                return step


def _require_stream(step: FollowedStep) -> None:
    """Raise what a look tells of where nothing more will come."""
    if step.unreadable:
        raise wire.WireError(step.unreadable)
    if step.lost:
        raise LostLaunchError(step.lost)

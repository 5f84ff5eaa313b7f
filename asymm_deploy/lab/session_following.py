"""What a phone's session does for a client that follows a launch which lasts: look after look.

The client asks for each look, and says up to which byte it has the output. So an answer that is
lost on the way is asked for again, and a worker that is new takes up the launch where another one
has left it.
"""

from __future__ import annotations

from collections.abc import Callable

from asymm_deploy.bench.device import Device
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.sustained.followed_launch import FollowedLaunch, FollowedStep
from asymm_deploy.bench.sustained.following_phone import PhoneFollower
from asymm_deploy.bench.wire import WireError
from asymm_deploy.errors import HarnessError
from asymm_deploy.lab.session_messages import (
    EndAsked,
    FollowAsked,
    FollowRequest,
    GoesOnAsked,
    RestAsked,
)
from asymm_deploy.safe import excerpt


class SessionFollowing:
    """The launches of one session; in the session's thread."""

    def __init__(self, device: Device, tell_doing: Callable[[str], None]) -> None:
        """Take the session's phone; raise HarnessError for what is none."""
        if not isinstance(device, AdbDevice):
            raise HarnessError("it can't follow a launch", "use a phone")
        self._device = device
        self._follower = PhoneFollower(device)
        self._tell_doing = tell_doing
        self._name = ""
        self._launch: FollowedLaunch | None = None

    def done(self, request: FollowRequest) -> object:
        """Do what is asked; return the value of the answer."""
        match request:
            case GoesOnAsked():
                return self._follower.goes_on(request.launch)
            case FollowAsked():
                return self._looked(request)
            case EndAsked():
                self._launch = None
                self._follower.end()
            case RestAsked():
                self._tell_doing(excerpt(request.doing))
                self._follower.cpus = request.cpus
                self._follower.rest()
        return None

    def _looked(self, asked: FollowAsked) -> FollowedStep:
        launch = self._launch if self._name == asked.launch else None
        if launch is None:
            if not asked.begins and self._device.spared != asked.launch:
                return FollowedStep(lost="it ended when its worker died, or let the phone go")
            self._tell_doing(excerpt(asked.doing))
            launch = self._follower.begun(asked.argv, asked.launch, asked.limits)
            self._launch, self._name = launch, asked.launch
        launch.known = asked.known
        try:
            return launch.look()
        except WireError as error:
            return FollowedStep(unreadable=str(error))

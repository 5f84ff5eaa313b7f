"""Follows runners that go on for minutes on a phone, without us: ``followed_launch`` is one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from asymm_deploy.bench import wire
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.judge.conditions import OF_HEAT, reading_flags
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.phone_launch import kill_all
from asymm_deploy.bench.phone.pushed_files import BASE
from asymm_deploy.bench.phone.readings import parse_reading
from asymm_deploy.bench.sustained.followed_launch import SELDOM, FollowedLaunch, alive_command
from asymm_deploy.bench.sustained.following import KillAfter, LostLaunchError, Take

_MOST_REST_S = 1800.0


class PhoneFollower:
    """On a phone a runner goes on without us."""

    def __init__(self, device: AdbDevice) -> None:
        """Take a phone."""
        self.device = device
        self.cpus: Sequence[int] = ()

    def goes_on(self, name: str) -> bool:
        """Whether it runs, or has left its result; if so, the phone is told to leave it alone."""
        folder = BASE / "run" / name
        said = self.device.link.run_with_retries(
            f"if [ -e {folder}/code ]; then echo yes; else {alive_command(folder)} && echo yes; fi"
        )
        there = said.last_word == "yes"
        self.device.spared = name if there else None
        return there

    @property
    def can_rest(self) -> bool:
        """Return True."""
        return True

    def rest(self) -> None:
        """Pause, and again and again while it is still hot, for half an hour at most."""
        launcher = self.device.launcher
        assert launcher is not None
        deadline = time.monotonic() + _MOST_REST_S
        while True:
            self.device.cool_down(is_hot=True)
            said = launcher.link.run_sections(
                {name: what for name, what in launcher.readings.items() if name not in SELDOM}
            )
            top_khz = self.device.facts(self.cpus).cpu_max_khz
            told = reading_flags(parse_reading(said), top_khz)
            if not {*OF_HEAT}.intersection(told) or time.monotonic() > deadline:
                return

    def follow(self, argv: Sequence[str], name: str, *, limits: KillAfter, take: Take) -> Completed:
        """Start it, unless it goes on already, and look at it every two seconds."""
        launch = self.begun(argv, name, limits)
        is_shared = False
        try:
            while True:
                step = launch.look()
                if step.out:
                    take(step.out, step.reading)
                if step.lost:
                    raise LostLaunchError(step.lost)
                is_shared = is_shared or step.is_shared
                if step.completed is not None:
                    return flagged(step.completed, is_shared=is_shared)
                time.sleep(step.pause_s)
        except wire.WireError:
            self.end()
            raise

    def begun(self, argv: Sequence[str], name: str, limits: KillAfter) -> FollowedLaunch:
        """Start a launch, or take up the one that the phone was told to leave alone."""
        launcher = self.device.launcher
        assert launcher is not None
        self.device.reclaim_if_lost()
        spared, self.device.spared = self.device.spared, None
        if spared not in (None, name):  # it goes on, and nobody follows it any more
            self.end()
        launch = FollowedLaunch(launcher, launcher.base / "run" / name, argv, limits)
        if spared != name:
            launch.start()
        return launch

    def end(self) -> None:
        """Kill what runs."""
        launcher = self.device.launcher
        assert launcher is not None
        launcher.link.run_with_retries(kill_all(launcher.base))


def flagged(completed: Completed, *, is_shared: bool) -> Completed:
    """Return how a launch ended, with the flag of a phone that another bench used meanwhile."""
    return replace(completed, flags=(*completed.flags, "busy")) if is_shared else completed

"""A launch that goes on is followed, or has ended before another one begins."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from asymm_deploy.bench.sustained.followed_launch import FollowedLaunch
from asymm_deploy.bench.sustained.following import KillAfter
from asymm_deploy.bench.sustained.following_phone import PhoneFollower


@pytest.mark.parametrize(
    ("spared", "done"), [("one", []), ("other", ["kill", "start"]), (None, ["start"])]
)
def test_no_launch_begins_beside_one_that_was_spared(
    spared: str | None, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(FollowedLaunch, "start", lambda _launch: made.append("start"))
    launcher = SimpleNamespace(base=PurePosixPath("/base"), check_lock="true")
    device: Any = SimpleNamespace(spared=spared, launcher=launcher, reclaim_if_lost=lambda: None)
    monkeypatch.setattr(PhoneFollower, "end", lambda _follower: made.append("kill"))
    PhoneFollower(device).begun(["runner"], "one", KillAfter(total_s=9, silent_s=9))
    assert made == done
    assert device.spared is None

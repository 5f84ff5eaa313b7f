"""A runner that tells of nothing for too long hangs; one that nobody could hear does not."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from asymm_deploy.bench.phone.parse.sections import Section
from asymm_deploy.bench.sustained import followed_launch
from asymm_deploy.bench.sustained.followed_launch import FollowedLaunch
from asymm_deploy.bench.sustained.following import KillAfter
from asymm_deploy.bench.sustained.sustain_models import Lasting, kill_after
from asymm_deploy.bench.wire import WireError


@pytest.mark.parametrize(
    ("every_ms", "silent_s"), [(None, 301.0), (33.0, 301.0), (60_000.0, 360.0)]
)
def test_a_run_may_take_as_long_as_a_launch_and_wait_for_its_frame(
    every_ms: float | None, silent_s: float
) -> None:
    expected = KillAfter(total_s=28_800 + 300, silent_s=silent_s)
    assert kill_after(Lasting(28_800, every_ms), 300) == expected


def test_a_cable_that_is_out_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(followed_launch, "time", SimpleNamespace(monotonic=lambda: clock.now))
    launcher: Any = SimpleNamespace(
        base=PurePosixPath("/base"), check_lock="true", link=SimpleNamespace(losses=0)
    )
    limits = KillAfter(total_s=9_000, silent_s=301)
    launch = FollowedLaunch(launcher, launcher.base / "run", ["runner"], limits)

    def looked(*, takes_s: float, out: bytes = b"") -> object:
        def look() -> object:
            clock.now += takes_s
            said = {"state": Section("running", 0), "others": Section("", 0)}
            return followed_launch._Look(said, out, is_last=True)

        monkeypatch.setattr(launch, "_look", look)
        monkeypatch.setattr(followed_launch, "_reading", lambda *_args, **_more: None)
        return launch.look()

    looked(takes_s=1, out=b"{}\n")
    looked(takes_s=2_000, out=b"{}\n")  # it has told of seconds all the time
    looked(takes_s=2_000)  # its file was read at the end, or at the beginning: nobody knows
    looked(takes_s=1, out=b"{}\n")
    looked(takes_s=302)
    with pytest.raises(WireError, match=r"told of nothing for 301 s and was killed \(--launch-"):
        looked(takes_s=1)

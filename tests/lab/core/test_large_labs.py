"""A lab of thousands of phones is spoken of as a small one is."""

from __future__ import annotations

import pytest
from distributed.scheduler import heartbeat_interval

from asymm_deploy.lab.scheduling.lab_scheduler import lost_after_s


@pytest.mark.parametrize("phones", [1, 12, 100, 1_900, 10_000])
def test_a_phone_is_lost_after_several_heartbeats_and_never_between_two(phones: int) -> None:
    assert lost_after_s(phones) >= max(10, 2 * heartbeat_interval(phones))

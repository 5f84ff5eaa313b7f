"""The kernel is asked, answers within reason, and a refusal is said."""

from __future__ import annotations

import os
import platform

import pytest

from asymm_deploy.bench.runner import cores
from asymm_deploy.bench.runner.calibration import Multiplier

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="needs Linux's /proc")


def test_a_core_that_is_not_there_is_refused() -> None:
    with pytest.raises(cores.RefusedError, match="can't pin to core 4095: "):
        cores.pin([4095])


def test_a_pinned_process_is_on_its_core() -> None:
    allowed = os.sched_getaffinity(0)
    wanted = max(allowed)
    try:
        cores.pin([wanted])
        assert cores.core_now() == wanted
    finally:
        os.sched_setaffinity(0, allowed)


def test_whoever_is_no_parent_is_gone() -> None:
    with pytest.raises(cores.RefusedError, match="the program that started the runner is gone"):
        cores.die_with(os.getpid())


def test_waiting_and_stolen_time_never_go_back() -> None:
    for read in (cores.waited_ns, lambda: cores.steal_ns([min(os.sched_getaffinity(0))])):
        before, after = read(), read()
        assert before is not None
        assert after is not None
        assert 0 <= before <= after
    assert cores.steal_ns([4095]) is None


def test_memory_is_the_most_that_was_resident() -> None:
    before = cores.peak_memory_mb()
    held = bytearray(64 * 2**20)
    after = cores.peak_memory_mb()
    assert before is not None
    assert after is not None
    assert len(held) == 64 * 2**20
    assert before <= after < 1e5


def test_a_core_multiplies_within_reason() -> None:
    assert 1e8 < Multiplier().mac_per_s() < 1e13

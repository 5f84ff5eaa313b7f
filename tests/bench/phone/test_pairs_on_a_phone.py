"""Two models in one launch on a phone: one adb command, and what slows one of a pair slows both."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from asymm_deploy.bench import launch
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.judge.pair_difference import pair_difference
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.paired.pair_order import PairOrder
from asymm_deploy.bench.paired.paired_launch import PairSide, launch_pair
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import RecordPair
from asymm_deploy.errors import HarnessError
from tests.phone.faults import SwappedModel, Throttles
from tests.phone.phone import Phone

PAIRS = 60


@pytest.fixture
def sides(unverified: Artifact, tmp_path: Path) -> list[PairSide]:
    """The same network in two files."""
    content = unverified.path.read_bytes() + b"\0"
    path = tmp_path / "other.mnn"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return [
        PairSide(unverified),
        PairSide(dataclasses.replace(unverified, path=path, sha256=sha256)),
    ]


@pytest.fixture
def launched(
    phone: Phone,
    adb_environment: object,
    phone_runner: Path,
    told: list[str],
    sides: list[PairSide],
) -> Callable[[], RecordPair]:
    """Launch both, the second of them first in each pair."""
    conduct = PhoneOptions(patience_s=20, cool_down_s=0.0, keep=False, allow=())
    server = Server(address(os.environ))
    device = AdbDevice(server, phone.serial, phone_runner, conduct, told.append)

    def run() -> RecordPair:
        plan = Plan(runs=PAIRS, launches=1, warmup=1)
        command = device.runner("mnn").command
        bench = Bench(device, plan, "the plan", device.facts((7,)), (7,), command, "check")
        one, other = (launch.blank(bench, side.artifact, 0, at) for at, side in enumerate(sides))
        with device.held((7,), [path for side in sides for path in side.artifact.files]):
            return launch_pair(bench, (one, other), sides, PairOrder(loads=0, runs=1))

    return run


def test_both_are_timed_by_one_command_and_each_has_a_record(
    launched: Callable[[], RecordPair], sides: list[PairSide], phone: Phone
) -> None:
    one, other = launched()
    assert (one.error, other.error) == (None, None)
    assert [x.artifact_sha256 for x in (one, other)] == [x.artifact.sha256 for x in sides]
    assert one.output_sha256 == other.output_sha256
    assert len(one.samples_ns) == len(other.samples_ns) == PAIRS
    assert one.paired is not None
    assert other.paired is not None
    assert (one.paired.loaded_first, one.paired.runs_first) == (True, False)
    assert one.paired.start_ns[0] > other.paired.start_ns[0]
    (seen,) = phone.launches
    assert seen.model != seen.second_model


def test_throttling_in_mid_launch_flags_both_and_is_no_difference_between_them(
    launched: Callable[[], RecordPair], phone: Phone
) -> None:
    phone.faults.add(Throttles(khz=825_600))  # of 2841600
    one, other = launched()
    for record in (one, other):
        assert record.error is None
        assert "throttled" in record.flags
        assert median(record.samples_ns[PAIRS // 2 :]) > 3 * median(record.samples_ns[: PAIRS // 2])
    assert abs(pair_difference(one, other).wall) < 0.02


def test_another_file_in_the_place_of_the_second_one_is_noticed_and_named(
    launched: Callable[[], RecordPair], sides: list[PairSide], phone: Phone
) -> None:
    content = sides[0].artifact.path.read_bytes()
    phone.faults.add(SwappedModel(content=content, second=True))
    with pytest.raises(HarnessError, match=r"other\.mnn-.* is not the file that was pushed"):
        launched()

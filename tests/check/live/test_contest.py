"""Blocks of earlier checks are used only if they fit their launches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.block_store import BLOCKS_FILE
from asymm_deploy.check.live.contest import ContestArm
from asymm_deploy.check.live.latency_change import change_of_outcome
from asymm_deploy.check.live.time_pairs import CheckResumed

NS = 10_000_000


Script = Callable[[Any], Any]
Slower = Callable[[float, Any], Script]


def first_block(**changes: Any) -> Callable[[bytes], bytes]:
    """Edit the first line of blocks.jsonl."""

    def edit(content: bytes) -> bytes:
        first, _, rest = content.partition(b"\n")
        line = {**msgspec.json.decode(first), **changes}
        if line["order"] == "the other":
            line["order"] = {"ABBA": "BAAB", "BAAB": "ABBA"}[msgspec.json.decode(first)["order"]]
        return msgspec.json.encode(line) + b"\n" + rest

    return edit


def test_blocks_are_judged_anew_by_what_is_allowed_now(
    slower: Slower, check: Any, told: Any
) -> None:
    def disturbed(launch: Any) -> Any:
        return told(flags=("bimodal",) if launch.count % 4 == 0 else ())

    assert check(disturbed, allow=("bimodal",)).outcomes["net"].verdict == "pass"
    found = check(slower(0.0, told))
    assert found.discarded != ()
    assert all("bimodal" in discarded.reason for discarded in found.discarded)
    assert found.outcomes["net"].verdict == "pass"


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "AAAA"},
        {"order": "XY"},
        {"order": ""},
        {"order": "the other"},
        {"launches": [-5, 1, 2, 3]},
        {"launches": []},
        {"launches": [0, 1, 2, 999]},
        {"launches": [0, 1, 2, 3, 4]},
        {"launches": [0, 1, 2]},
        {"launches": [0, 1, 1, 0]},
        {"launches": [4, 5, 6, 7]},
    ],
    ids=str,
)
def test_a_block_that_does_not_fit_its_launches_is_taken_again_and_that_is_said(
    slower: Slower, check: Any, told: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    check(slower(0.0, told))
    path = tmp_path / "out" / BLOCKS_FILE
    path.write_bytes(first_block(**changes)(path.read_bytes()))
    found = check(slower(0.0, told))
    assert len(check.device.launched) == 4
    assert check.events[0] == CheckResumed(28)
    said = "1 block in blocks.jsonl did not fit the lines of runs.jsonl and did not count."
    assert found.notes == (said,)
    assert check(slower(0.0, told)).notes == ()  # once: it is there now
    assert check.device.launched == []


@pytest.mark.parametrize("same_file", [False, True])
@pytest.mark.parametrize(("removed", "kept"), [(0, 0), (13, 12), (31, 28)])
def test_after_a_line_was_removed_no_launch_is_taken_for_another(
    slower: Slower,
    check: Any,
    told: Any,
    tmp_path: Path,
    removed: int,
    kept: int,
    *,
    same_file: bool,
) -> None:
    check(slower(0.02, told), same_file=same_file)
    path = tmp_path / "out" / store.NAME
    kept_lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(kept_lines[:removed] + kept_lines[removed + 1 :]))
    found = check(slower(0.02, told), same_file=same_file)
    assert len(check.device.launched) == 32 - kept
    assert change_of_outcome("net", found.outcomes["net"]).change_percent == pytest.approx(2)
    assert "did not fit" in found.notes[0]


def test_an_arm_remembers_the_launch_that_was_compared_with_the_reference(
    good: LaunchRecord, pair: Callable[[str], Pair]
) -> None:
    failed = msgspec.structs.replace(good, error="it hung", output_error=None)
    unverified = msgspec.structs.replace(good, output_error=None)

    def first_of(*records: LaunchRecord) -> LaunchRecord | None:
        arm = ContestArm(pair("net").baseline)
        for record in records:
            arm.remember(record)
        return arm.first

    assert first_of(failed) is None
    assert first_of(failed, unverified, failed) is unverified
    assert first_of(unverified, good, unverified) is good

"""Both versions in one process, run by run: what disturbs both alike moves no verdict."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asymm_deploy.bench import store
from asymm_deploy.check.live.block_store import BlockLine
from asymm_deploy.check.live.latency_change import change_of_outcome
from asymm_deploy.check.live.load_changes import LOAD_METRICS, load_changes
from asymm_deploy.check.live.time_pairs import CheckResumed, LiveComparison
from asymm_deploy.check.policy import DEFAULT_PERCENT
from asymm_deploy.errors import UsageError

NS = 10_000_000
Check = Callable[..., LiveComparison]
LATENCY_LAUNCHES = 4
"""Until the first look."""


def paired(check: Check, script: Any, *models: str, **changes: Any) -> LiveComparison:
    return check(script, *models, design="paired", **{"runs": 20, **changes})


def in_turns(device: Any) -> list[list[str]]:
    return [argv for argv in device.asked if "--second-model" in argv]


def noisy(told: Any, slower: float, spread: float = 0.005, seed: int = 0) -> Any:
    """Say what a machine says on which launches of either version differ by ``spread``."""
    rng = np.random.default_rng(seed)
    factors = {(arm, n): float(np.exp(spread * rng.normal())) for arm in "AB" for n in range(99)}
    return lambda launch: told(
        ns=NS * factors[launch.arm, launch.count] * (1 + slower * (launch.arm == "B"))
    )


def test_the_same_speed_passes_after_four_launches(check: Check, told: Any) -> None:
    found = paired(check, noisy(told, 0))
    outcome = found.outcomes["net"]
    assert (outcome.verdict, len(outcome.blocks)) == ("pass", LATENCY_LAUNCHES)
    device = check.device  # type: ignore[attr-defined]
    assert len(in_turns(device)) == LATENCY_LAUNCHES
    assert not found.in_blocks


def test_a_slower_candidate_regresses_once_fresh_launches_confirm_it(
    check: Check, told: Any
) -> None:
    outcome = paired(check, noisy(told, 0.08)).outcomes["net"]
    assert outcome.verdict == "regressed"
    assert outcome.first is not None
    assert len(outcome.first.blocks) == len(outcome.blocks) == LATENCY_LAUNCHES
    assert outcome.judgement is not None
    assert outcome.judgement.interval.estimate == pytest.approx(math.log(1.08), abs=0.01)


def test_a_machine_that_is_twice_as_slow_now_and_then_moves_no_verdict(
    check: Check, told: Any
) -> None:
    """Both versions of a launch are as fast as the machine; in blocks, this stays undecided."""
    rng = np.random.default_rng(3)
    speeds = rng.uniform(1, 2, 99)

    def script(launch: Any) -> Any:
        return told(ns=NS * speeds[launch.count] * (1 + 0.05 * (launch.arm == "B")))

    def alone(launch: Any) -> Any:
        speed = speeds[2 * launch.count + (launch.arm == "B")]
        return told(ns=NS * speed * (1 + 0.05 * (launch.arm == "B")))

    assert paired(check, script).outcomes["net"].verdict == "regressed"
    assert check(alone, max_blocks=8, runs=20).outcomes["net"].verdict == "inconclusive"


def test_what_comes_first_is_balanced_whenever_a_look_is_taken(check: Check, told: Any) -> None:
    def undecided(launch: Any) -> Any:
        return told(ns=NS * (1 + 0.1 * (-1) ** launch.count * (launch.arm == "B")))

    paired(check, undecided)
    device = check.device  # type: ignore[attr-defined]
    seen = []
    for argv in in_turns(device):
        asked = dict(itertools.pairwise(argv))
        loaded = Path(asked["--model"]).parent.name
        other = Path(asked["--second-model"]).parent.name
        seen.append((loaded, loaded if asked["--starts"] == "first" else other))
    for start in range(0, len(seen) - 3, 4):
        assert Counter(seen[start : start + 4]) == Counter(itertools.product("AB", "AB"))
        first, second = seen[start : start + 2]
        assert first[0] != second[0]
        assert first[1] != second[1]
    assert len(seen) == 40


def test_another_seed_draws_another_order(check: Check, told: Any, tmp_path: Path) -> None:
    orders = set()
    for seed in range(4):
        paired(check, noisy(told, 0), seed=seed)
        device = check.device  # type: ignore[attr-defined]
        orders.add(
            tuple(
                (argv[argv.index("--model") + 1], argv[argv.index("--starts") + 1])
                for argv in in_turns(device)
            )
        )
    assert len(orders) > 1


def test_each_launch_leaves_a_record_of_each_version_and_one_line(
    check: Check, told: Any, tmp_path: Path, lines: Callable[[Path], list[BlockLine]]
) -> None:
    paired(check, noisy(told, 0))
    records = store.load(tmp_path / "out")
    blocks = [line for line in lines(tmp_path) if line.series == 0]
    assert len(blocks) == LATENCY_LAUNCHES
    for line in blocks:
        both = [records[number] for number in line.launches]
        assert [record.launch for record in both] == list(line.launches)
        one, other = both
        assert one.started_at == other.started_at
        assert one.paired is not None
        assert other.paired is not None
        assert (one.paired.runs_first, other.paired.runs_first) == (True, False)
        assert one.paired.loaded_first is not other.paired.loaded_first
        assert one.paired.partner_sha256 == other.artifact_sha256
        assert len(one.paired.start_ns) == len(one.samples_ns) == one.runs == 20


def test_time_that_others_take_from_the_core_is_not_the_models(check: Check, told: Any) -> None:
    """By the wall clock a busy process on the core adds as much to both, and hides a regression."""

    def script(launch: Any) -> Any:
        own = NS * (1 + 0.08 * (launch.arm == "B"))
        return told(ns=own + NS, cpu_ns=own)

    found = paired(check, script).outcomes["net"]
    change = change_of_outcome("net", found)
    assert change.verdict == "regressed"
    assert change.change_percent == pytest.approx(8, abs=0.1)
    assert "By the wall clock +4.0 %: other programs took time from the core." in change.why


def test_a_candidate_that_waits_never_passes(check: Check, told: Any) -> None:
    def script(launch: Any) -> Any:
        return told(ns=NS * (1 + 0.2 * (launch.arm == "B")), cpu_ns=NS)

    change = change_of_outcome("net", paired(check, script).outcomes["net"])
    assert change.verdict == "unstable"
    assert change.why.startswith("By the wall clock +20.0 %, by processor time ")
    assert "the candidate waits" in change.why


def test_a_quarter_of_disturbed_pairs_moves_nothing(check: Check, told: Any) -> None:
    stops = dict.fromkeys(range(5), 3 * NS)

    def script(launch: Any) -> Any:
        return told(
            ns=NS * (1 + 0.05 * (launch.arm == "B")),
            stops_ns=stops if launch.arm == "A" else {},
        )

    change = change_of_outcome("net", paired(check, script).outcomes["net"])
    assert change.verdict == "regressed"
    assert change.change_percent == pytest.approx(5, abs=0.1)


def test_a_launch_that_was_stopped_again_and_again_does_not_count(check: Check, told: Any) -> None:
    stops = dict.fromkeys(range(7), 200000000)
    found = paired(check, lambda launch: told(stops_ns=stops if launch.count == 0 else {}))
    assert found.outcomes["net"].verdict == "pass"
    (lost,) = found.discarded
    assert "split-pairs" in lost.reason


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"knows_pairs": False}, "the runner knows no paired launches: it is older than they are"),
        ({"together": "bad alloc"}, "each version runs alone, but a launch of both gave no result"),
    ],
)
def test_what_can_not_be_paired_is_timed_in_blocks_and_that_is_said(
    check: Check, told: Any, changes: dict[str, Any], why: str
) -> None:
    found = paired(check, noisy(told, 0.08), "net", "other", **changes)
    assert found.in_blocks
    for outcome in found.outcomes.values():
        assert (outcome.verdict, len(outcome.blocks)) == ("regressed", 8)
    assert any(
        note.startswith("Timed in blocks of four launches: net, other; ") for note in found.notes
    )
    assert why in " ".join(found.notes)
    device = check.device  # type: ignore[attr-defined]
    assert len(in_turns(device)) == (1 if "knows_pairs" in changes else 2)
    assert set(found.loads) == {"net", "other"}
    assert "not compared" not in " ".join(found.notes)


def test_blocks_in_the_place_of_pairs_are_those_that_one_would_have_asked_for(
    check: Check, told: Any
) -> None:
    """As long, and kept for either: a check in blocks goes on from there."""
    changes = {"runs_alone": 30, "knows_pairs": False}
    found = paired(check, noisy(told, 0), **changes)
    device = check.device  # type: ignore[attr-defined]
    runs = [argv[argv.index("--runs") + 1] for argv in device.asked]
    assert runs == ["20", *["30"] * 32]
    assert paired(check, noisy(told, 0), **changes).kept == 32
    again = check(noisy(told, 0), runs=30)
    assert (found.outcomes["net"].verdict, again.outcomes["net"].verdict) == ("pass", "pass")
    assert again.kept == 32


@pytest.mark.parametrize(("arm", "side"), [("A", "baseline"), ("B", "candidate")])
def test_the_version_that_dies_is_named(check: Check, told: Any, arm: str, side: str) -> None:
    def script(launch: Any) -> Any:
        return told(error="out of memory" if launch.arm == arm else None)

    outcome = paired(check, script).outcomes["net"]
    assert (outcome.verdict, outcome.blocks) == ("failed", ())
    assert outcome.stopped is not None
    assert outcome.stopped.why == f"The {side} failed: the runner: out of memory"
    assert outcome.stopped.exit_code == 3


def test_ctrl_c_keeps_finished_launches(
    check: Check, told: Any, tmp_path: Path, lines: Callable[[Path], list[BlockLine]]
) -> None:
    good = noisy(told, 0)

    def script(launch: Any) -> Any:
        if launch.count == 3:
            raise KeyboardInterrupt
        return good(launch)

    with pytest.raises(KeyboardInterrupt):
        paired(check, script)
    assert len(lines(tmp_path)) == 3
    again = paired(check, good)
    device = check.device  # type: ignore[attr-defined]
    assert (again.kept, len(in_turns(device))) == (6, 1)
    assert again.outcomes["net"].verdict == "pass"


def test_a_record_without_its_partner_does_not_count(
    check: Check, told: Any, tmp_path: Path
) -> None:
    paired(check, noisy(told, 0))
    path = tmp_path / "out" / store.NAME
    held = [json.loads(line) for line in path.read_text().splitlines()]
    held[1]["started_at"] = "2020-01-01T00:00:00.000+00:00"
    path.write_text("".join(json.dumps(line) + "\n" for line in held))
    again = paired(check, noisy(told, 0))
    device = check.device  # type: ignore[attr-defined]
    assert len(in_turns(device)) == 1
    assert any("1 block in blocks.jsonl did not fit" in note for note in again.notes)


def test_blocks_and_paired_launches_of_one_folder_are_not_mixed(check: Check, told: Any) -> None:
    paired(check, noisy(told, 0))
    found = check(noisy(told, 0), runs=20)
    assert found.kept == 0
    assert len(found.outcomes["net"].blocks) == 8


def test_loads_are_compared_by_short_launches_of_their_own(check: Check, told: Any) -> None:
    rng = np.random.default_rng(1)

    def script(launch: Any) -> Any:
        slow = 1.5 if launch.arm == "B" else 1.0
        return told(init_ns=int(5e6 * slow * np.exp(0.05 * rng.normal())), memory_mb=50 * slow)

    found = paired(check, script)
    device = check.device  # type: ignore[attr-defined]
    short = [argv for argv in device.asked if "--second-model" not in argv]
    assert len(short) == 16
    assert {argv[argv.index("--runs") + 1] for argv in short} == {"1"}
    for metric in LOAD_METRICS:
        (change,) = load_changes(metric, found.loads, DEFAULT_PERCENT)
        assert change.verdict == "regressed"
        assert change.change_percent == pytest.approx(50, abs=10)
    check.events.clear()  # type: ignore[attr-defined]
    again = paired(check, script)
    resumed = [x for x in check.events if isinstance(x, CheckResumed)]  # type: ignore[attr-defined]
    assert resumed == [CheckResumed(again.kept)]  # of both kinds, told once
    assert again.kept > 16


def test_a_regression_is_told_without_waiting_for_the_loads(check: Check, told: Any) -> None:
    found = paired(check, noisy(told, 0.08))
    assert found.loads == {}
    assert (
        "Load time and peak memory were not compared, as latency has regressed already: net."
        in (found.notes)
    )


@pytest.mark.parametrize("flag", ["throttled", "wrong-core"])
def test_what_still_spoils_a_paired_launch(check: Check, told: Any, flag: str) -> None:
    def script(launch: Any) -> Any:
        if flag == "wrong-core":
            return told(cpu=0)
        return told(flags=(flag,) if launch.count == 1 else ())

    found = paired(check, script)
    if flag == "throttled":
        assert found.outcomes["net"].verdict == "pass"
        assert [lost.block for lost in found.discarded] == [1]
    else:
        assert found.outcomes["net"].verdict == "failed"


def test_another_output_is_told_of_the_version_that_has_it(check: Check, told: Any) -> None:
    def script(launch: Any) -> Any:
        return told(output="b" if (launch.arm, launch.count) == ("B", 2) else "a")

    outcome = paired(check, script).outcomes["net"]
    assert outcome.stopped is not None
    assert outcome.stopped.exit_code == 5
    assert outcome.stopped.why.startswith("The candidate failed: output-mismatch")


def test_a_runner_whose_processor_times_are_made_up_fails(check: Check, told: Any) -> None:
    def script(launch: Any) -> Any:
        return told(cpu_ns=NS * (1 + 0.6 * (launch.arm == "B")))

    found = paired(check, script)
    assert found.outcomes["net"].verdict == "failed"
    why = change_of_outcome("net", found.outcomes["net"]).why
    assert why.startswith("A launch failed: the runner's times are made up")
    assert not found.in_blocks


def test_a_failure_in_a_short_launch_alone_is_one(check: Check, told: Any) -> None:
    def script(launch: Any) -> Any:
        late = launch.count > LATENCY_LAUNCHES + 2
        return told(cpu=0) if late and launch.arm == "B" else noisy(told, 0)(launch)

    found = paired(check, script)
    change = change_of_outcome("net", found.outcomes["net"])
    assert (change.verdict, change.exit_code) == ("failed", 3)
    assert "wrong-core" in change.why


@pytest.mark.parametrize(
    "edit",
    [
        lambda line: line["paired"].update(start_ns=[0] * 20),
        lambda line: line["paired"].update(partner_sha256="0" * 64),
        lambda line: line["paired"].update(cpu_ns=[8 * ns for ns in line["paired"]["cpu_ns"]]),
        lambda line: line["paired"].update(runs_first=not line["paired"]["runs_first"]),
    ],
)
def test_a_pair_that_was_edited_is_taken_again(
    check: Check, told: Any, tmp_path: Path, edit: Callable[[Any], None]
) -> None:
    paired(check, noisy(told, 0))
    path = tmp_path / "out" / store.NAME
    lines = path.read_text().splitlines()
    edited = json.loads(lines[1])
    edit(edited)
    lines[1] = json.dumps(edited)
    path.write_text("\n".join(lines) + "\n")
    found = paired(check, noisy(told, 0))
    assert "did not fit" in found.notes[0]
    assert len(in_turns(check.device)) == 1  # type: ignore[attr-defined]


def test_a_pair_that_no_runner_reports_is_refused_with_its_line(
    check: Check, told: Any, tmp_path: Path
) -> None:
    paired(check, noisy(told, 0))
    path = tmp_path / "out" / store.NAME
    lines = path.read_text().splitlines()
    edited = json.loads(lines[1])
    edited["paired"]["cpu_ns"] = [1] * 3
    lines[1] = json.dumps(edited)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UsageError, match="line 2: net: it has 3 processor times of 20 runs"):
        paired(check, noisy(told, 0))


@pytest.mark.parametrize("changes", [{"cpu_before": 0}, {"precision_in_force": "fp16"}])
def test_kept_launches_are_judged_by_what_they_hold(
    check: Check, told: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    paired(check, noisy(told, 0))
    path = tmp_path / "out" / store.NAME
    lines = path.read_text().splitlines()
    lines[2] = json.dumps({**json.loads(lines[2]), **changes})
    path.write_text("\n".join(lines) + "\n")
    assert paired(check, noisy(told, 0)).outcomes["net"].verdict == "failed"

"""What proves paired launches: kept as recorded, judged without overlap, disturbances told."""

from __future__ import annotations

import random
import time
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench import launch
from asymm_deploy.bench.paired.pair_order import PairOrder
from asymm_deploy.bench.paired.paired_launch import PairSide
from asymm_deploy.bench.records import LaunchRecord, PairedRuns
from benchmarks.gate import cache
from benchmarks.gate.paired import (
    flags_of_pairs,
    judge_pairs,
    pair_comparisons,
    record_pairs,
    simulated_pairs,
)
from benchmarks.gate.paired.pair_comparisons import (
    ANY,
    CPU,
    WALL,
    Case,
    Compared,
    launches_of,
    pair_data,
    paired_comparisons,
)
from benchmarks.gate.paired.pair_recording import (
    ARMS,
    PairedLaunches,
    PairedRecording,
    SeparateLaunches,
    load_pairs,
    save_pairs,
)

PAIRS = 20
SAME = Case("same model", "again")
SLOWER = Case("5 % slower", "plus5")


def paired(count: int, noise: float = 0.002) -> PairedLaunches:
    """Return launches of each arm in turn; of 2 ms by the wall, half of it off the core."""
    rng = np.random.default_rng(0)
    arm = np.array([ARMS[1:][i % 4] for i in range(count)])
    slower = np.select([arm == "plus3", arm == "plus5", arm == "plus10"], [0.03, 0.05, 0.1], 0.0)
    datum = slower + noise * rng.normal(size=count)
    base = 1e6 * np.exp(0.01 * rng.normal(size=(count, 1, 1, PAIRS)))
    sides = np.concatenate([base, base * np.exp(datum)[:, None, None, None]], axis=1)
    times = np.concatenate([2 * sides, sides], axis=2)
    empty = np.full(count, "", dtype="U20")
    return PairedLaunches(
        arm=arm,
        order=np.array([[i // 4 % 2, i // 8 % 2] for i in range(count)]),
        times_ns=np.round(times, -2).astype(np.int64),
        flags=empty,
        alone=empty.copy(),
        split=np.zeros(count),
        stolen=np.zeros(count),
        load=np.ones(count),
        seconds=np.full(count, 1.5),
    )


def separate(rounds: int, noise: float = 0.002) -> SeparateLaunches:
    rng = np.random.default_rng(1)
    slower = np.array([0, 0, 0.03, 0.05, 0.1])[None, :, None, None]
    launches = noise * rng.normal(size=(rounds, len(ARMS), 2, 1))
    runs = 0.01 * rng.normal(size=(rounds, len(ARMS), 2, PAIRS))
    return SeparateLaunches(
        samples_ns=np.round(1e6 * np.exp(slower + launches + runs), -2).astype(np.int64),
        flags=np.full((rounds, len(ARMS), 2), ""),
        seconds=np.full((rounds, len(ARMS), 2), 0.5),
    )


@pytest.fixture
def recording() -> PairedRecording:
    """A recording of 96 paired launches, 24 of each arm, and ten rounds of separate ones."""
    return PairedRecording(
        "quiet", paired(96), separate(10), np.array([0.25, 0.5]), {"network": "net"}
    )


def compared(launches: PairedLaunches, case: Case, pairs: int = PAIRS) -> list[Compared]:
    data = pair_data(launches, pairs)
    return paired_comparisons(data.only(launches.arm == case.arm), case)


def test_a_recording_is_read_as_it_was_saved(recording: PairedRecording, tmp_path: Path) -> None:
    file = tmp_path / "data" / "paired.npz"
    save_pairs([recording, replace(recording, scenario="same core loaded")], file)
    quiet, loaded = load_pairs(file)
    assert (quiet.scenario, loaded.scenario) == ("quiet", "same core loaded")
    assert quiet.facts == recording.facts
    assert quiet.short_s.tolist() == [0.25, 0.5]
    for saved, found in ((recording.paired, quiet.paired), (recording.separate, loaded.separate)):
        for each in fields(saved):
            np.testing.assert_array_equal(getattr(found, each.name), getattr(saved, each.name))


def test_comparisons_of_paired_launches_share_none() -> None:
    found = compared(paired(96), SAME)
    assert [each.verdict for each in found] == ["pass"] * 6
    assert sum(each.launches for each in found) == 24
    assert all(each.seconds == 1.5 * each.launches for each in found)


def test_a_comparison_that_the_recording_cuts_short_does_not_count() -> None:
    assert len(compared(paired(92), SAME)) == 5


def test_a_slower_model_and_a_multiplied_one_are_found_with_a_confirming_series() -> None:
    for case in (SLOWER, Case("x 1.05", "again", 1.05), Case("3 %", "plus3", percent=2.0)):
        found = compared(paired(96), case)
        assert [(each.verdict, each.launches) for each in found] == [("regressed", 8)] * 3
    assert {each.verdict for each in compared(paired(96), Case("x 1.02", "again", 1.02))} == {
        "pass"
    }


def test_any_arm_is_like_the_base_once_what_it_costs_is_taken_off() -> None:
    launches = paired(96)
    case = Case("alike", ANY, alike=True)
    parts = launches_of(launches, pair_data(launches, PAIRS), case)
    ends = [each.verdict for part in parts for each in paired_comparisons(part, case)]
    assert ends == ["pass"] * 24
    overlapping = paired_comparisons(parts[0], case, step=2)
    assert len(overlapping) == (24 - 4) / 2 + 1


def test_all_scenarios_are_summed_up_with_what_so_few_comparisons_can_say(
    recording: PairedRecording,
) -> None:
    rows = {row[0]: row[1:] for row in judge_pairs.summary_rows([recording, recording], PAIRS)}
    assert rows["same model"] == [12, "0.0 (0.0 to 26.5)", "0.0 (0.0 to 26.5)", "4", "6", "6"]
    assert rows["about 5 % slower"][:2] == [6, "100.0 (54.1 to 100.0)"]


def test_a_table_of_settings_has_a_row_for_each(recording: PairedRecording) -> None:
    rows = judge_pairs.settings_rows(recording)
    settings = [(n, m, most) for n in (7, 20, 50, 100) for m in (4, 5, 6) for most in (20, 40)]
    assert [tuple(row[1:4]) for row in rows] == settings
    assert rows[0][5] == "0.0 slower, 0.0 undecided, 6 s (6)"
    assert rows[4][5] == "0.0 slower, 0.0 undecided, 9 s (9)"


def test_a_comparison_goes_on_for_as_many_launches_as_its_case_says() -> None:
    launches = paired(400, noise=0.1)
    few, many = (
        compared(launches, replace(SAME, percent=1.0, max_blocks=most)) for most in (10, 30)
    )
    assert min(each.launches for each in few if each.verdict == "inconclusive") == 10
    assert min(each.launches for each in many if each.verdict == "inconclusive") == 30


def test_void_launches_take_time_and_do_not_count() -> None:
    launches = paired(96)
    wild = (launches.arm == "again") & (np.arange(96) % 3 == 0)
    launches.times_ns[wild, 1] *= 2
    launches.flags[wild] = "split-pairs"
    found = compared(launches, SAME)
    assert {each.verdict for each in found} == {"pass"}
    assert found[0].launches == 6
    assert found[0].seconds == 9.0


def test_fewer_pairs_are_the_first_ones_and_take_less_time() -> None:
    launches = paired(8)
    launches.times_ns[:, 1, :, 5:] *= 3
    few, all_of_them = (pair_data(launches, pairs) for pairs in (5, PAIRS))
    assert few.pairs.tolist() == [5] * 8
    assert abs(few.difference[0, CPU]) < 0.01
    assert all_of_them.difference[0, CPU] > 1.0
    late_s = launches.times_ns[0, :, WALL, 5:].sum() / 1e9
    assert few.seconds[0] == pytest.approx(1.5 - late_s)


def test_pairs_that_a_launch_had_no_time_for_are_no_runs_of_zero() -> None:
    launches = paired(8)
    launches.times_ns[0, ..., 12:] = 0
    assert pair_data(launches, PAIRS).pairs.tolist() == [12, *[PAIRS] * 7]


def test_the_tables_hold_each_case_and_each_rule(
    recording: PairedRecording,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pair_comparisons, "_OVERLAPPING", 10)
    judge_pairs.report(recording, PAIRS)
    text = " ".join(capsys.readouterr().out.split())
    assert "| same model | paired | 6 pass | 6 | 4 | 6 | 6 |" in text
    assert "| same model | blocks | 10 pass | 10 | 32 | 16 | 16 |" in text
    assert "| check, paired | 0.0 | 0.0 | 0.0 | 100.0 | 100.0 | 100.0 | 100.0 |" in text
    assert "| github-action-benchmark (200 %) | 0.0 | 0.0 |" in text
    assert "16 short launches for load time and memory take 6.0 s more." in text


def test_a_disturbance_is_told_with_how_far_launches_are_off(recording: PairedRecording) -> None:
    launches = recording.paired
    launches.alone[:10] = "bimodal stolen-time"
    launches.stolen[:5] = 0.3
    launches.times_ns[0, 1, :, : int(0.35 * PAIRS)] *= 2
    chosen = flags_of_pairs.disturbances(launches)
    counts = {name: int(each.sum()) for name, each in chosen.items()}
    assert counts["bimodal, if alone"] == counts["stolen-time (2 %), if alone"] == 10
    assert (counts["20 % stolen"], counts["40 % stolen"]) == (5, 0)
    assert (counts["30 % of pairs disturbed"], counts["40 % of pairs disturbed"]) == (1, 0)
    assert counts["void: anything"] == 0
    rows = {row[1]: row[2:] for row in flags_of_pairs.flag_rows(recording)}
    assert rows["bimodal, if alone"][0] == "10 of 96"
    assert rows["30 % of pairs disturbed"][1] == ""
    assert float(str(rows["30 % of pairs disturbed"][2])) < 0.3  # what an arm costs is no noise


def test_the_bias_is_told_by_both_clocks(recording: PairedRecording) -> None:
    recording.paired.times_ns[:, :, WALL] += 10**6
    rows = flags_of_pairs.bias_rows([recording])[2:]
    by_cpu = [float(str(row[1]).split()[0]) for row in rows]
    by_wall = [float(str(row[2]).split()[0]) for row in rows]
    assert by_cpu == pytest.approx([5.0, 10.0], abs=0.3)
    assert by_wall == pytest.approx([3.3, 6.7], abs=0.3)


def test_what_the_order_of_loading_does_is_told(recording: PairedRecording) -> None:
    late = recording.paired.order[:, 0] == 0
    cpu = recording.paired.times_ns[:, :, CPU]
    cpu[late, 1] = np.round(1.01 * cpu[late, 1], -2)
    rows = flags_of_pairs.order_rows(recording)
    loaded, runs = ([float(str(cell).split()[0]) for cell in row[2:]] for row in rows)
    assert loaded[0] - loaded[1] == pytest.approx(1.0, abs=0.2)
    assert runs[0] == pytest.approx(runs[1], abs=0.2)


@pytest.mark.parametrize(
    ("case", "verdict", "launches"), [("same model", "pass", 4), ("5 % slower", "regressed", 8)]
)
def test_drawn_launches_go_through_the_rule_of_check(
    case: str, verdict: str, launches: int
) -> None:
    draw = simulated_pairs.NOISES["normal, 0.5 %"]
    (drawn,) = (each for each in simulated_pairs.CASES if each.name == case)
    verdicts, median = simulated_pairs.simulated(draw, drawn, 20, 20)
    assert (dict(verdicts), median) == ({verdict: 20}, launches)


def test_ratios_in_turns_and_alone_are_compared_with_intervals() -> None:
    near = [0.10, 0.11, 0.12, 0.11]
    far = [0.20, 0.21, 0.22, 0.21]
    ratio = cache.Ratio("a", "b", (1.0, 2.0), near, near, far, near)
    row = cache.table([ratio]).splitlines()[-1]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "b over a",
        "2.0 and 1.0",
        "4",
        *["+11.0 ± 1.3"] * 2,
        "+21.0 ± 1.3",
        "+11.0 ± 1.3",
        "+10.0 ± 1.4",
        "+0.0 ± 1.4",
    ]


def test_a_round_has_each_arm_in_turns_and_separate_ones_forwards_and_back(
    good: LaunchRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    orders: dict[str, list[PairOrder]] = {}

    def launch_pair(
        _bench: object, blanks: object, sides: list[PairSide], order: PairOrder
    ) -> tuple[LaunchRecord, LaunchRecord]:
        del blanks
        orders.setdefault(str(sides[1].artifact), []).append(order)
        runs = PairedRuns(
            partner_sha256="",
            loaded_first=True,
            runs_first=True,
            cpu_ns=good.samples_ns,
            start_ns=tuple(range(0, 100 * 10**8, 10**8)),
        )
        both = msgspec.structs.replace(good, paired=runs)
        return both, both

    def put_and_launch(
        _bench: object, blank: LaunchRecord, artifact: object, *_: object
    ) -> tuple[LaunchRecord, None]:
        made.append(f"{artifact} {blank.runs}")
        return good, None

    bench: Any = SimpleNamespace(plan=SimpleNamespace(runs=100), facts=good.device_facts)
    monkeypatch.setattr(record_pairs, "launch_pair", launch_pair)
    monkeypatch.setattr(launch, "put_and_launch", put_and_launch)
    monkeypatch.setattr(launch, "blank", lambda *_: good)
    times = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(times)))
    arms: Any = {arm: arm for arm in ARMS}
    taken = record_pairs.Taken(bench, arms, random.Random(0))
    taken.take(60.0)
    found = taken.recording("quiet", others=False)
    separate_ones = [text.split()[0] for text in made if text.endswith(" 100")]
    half = len(ARMS)
    for start in range(0, len(separate_ones), 2 * half):
        of_round = separate_ones[start : start + 2 * half]
        assert sorted(of_round[:half]) == sorted(ARMS)
        assert of_round[half:] == of_round[:half][::-1]
    for each in orders.values():
        for start in range(len(each) - 3):
            assert len(set(each[start : start + 4])) == 4
    assert found.paired.times_ns.shape == (len(taken.pairs), 2, 2, 100)
    assert len(found.separate.samples_ns) == len(separate_ones) // (2 * half) > 0
    assert (found.paired.arm == "again").mean() == pytest.approx(0.4)
    assert set(found.paired.flags) == {""}
    of_again = found.paired.order[found.paired.arm == "again"].tolist()
    assert of_again == [[each.loads, each.runs] for each in orders["again"]]

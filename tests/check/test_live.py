"""Blocks on a device: their order, what voids one, what fails an arm, and going on after a loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.plan import Plan
from asymm_deploy.check import blocks as block_lines
from asymm_deploy.check import folders, latency, live
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live import Comparison, Spoilt
from asymm_deploy.check.policy import Policy
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import ExitCode, HarnessError, UsageError

NS = 10_000_000
Script = Callable[[Any], Any]


@pytest.fixture
def check(
    tmp_path: Path,
    fake: Callable[[Script], Any],
    pair: Callable[[str], Pair],
    plan: Plan,
) -> Callable[..., Comparison]:
    """Compare with a script in the place of a device; keeps device and events for questions."""

    def run(script: Script, *models: str, **changes: Any) -> Comparison:
        run.device = fake(script)  # type: ignore[attr-defined]
        run.events = []  # type: ignore[attr-defined]
        policy = Policy(**{k: v for k, v in changes.items() if k in ("seed", "max_blocks")})
        plan_changes = {k: v for k, v in changes.items() if k in ("allow", "fresh", "runs")}
        chosen = {**{k: getattr(plan, k) for k in ("runs", "launches", "warmup")}, **plan_changes}
        pairs = [pair(model) for model in models or ("net",)]
        if changes.get("same_file"):
            pairs = [same_file(pair) for pair in pairs]
        with store.opened(tmp_path / "out", print) as runs:
            return live.run(
                run.device,  # type: ignore[attr-defined]
                pairs,
                Plan(**chosen),
                policy,
                runs,
                tmp_path / "out",
                run.events.append,  # type: ignore[attr-defined]
            )

    return run


def same_file(pair: Pair) -> Pair:
    """Put the baseline's file in the candidate's place too: it no longer tells the arms apart."""
    pair.candidate.path.write_bytes(pair.baseline.path.read_bytes())
    return dataclasses.replace(
        pair, candidate=dataclasses.replace(pair.candidate, sha256=pair.baseline.sha256)
    )


def lines(folder: Path) -> list[block_lines.BlockLine]:
    raw = (folder / "out" / block_lines.NAME).read_bytes().splitlines()
    return [msgspec.json.decode(line, type=block_lines.BlockLine) for line in raw]


def slower(share: float, told: Any) -> Script:
    return lambda launch: told(ns=NS * (1 + share * (launch.arm == "B")))


@pytest.mark.parametrize(
    ("share", "verdict", "launches"),
    [(0.0, "pass", 32), (0.02, "pass", 32), (0.05, "regressed", 64), (-0.05, "improved", 32)],
)
def test_a_difference_without_noise_is_settled_at_the_first_look(
    check: Any, told: Any, share: float, verdict: str, launches: int
) -> None:
    found = check(slower(share, told))
    assert found.outcomes["net"].verdict == verdict
    assert len(check.device.launched) == launches
    change = latency.change("net", found.outcomes["net"])
    assert change.baseline == pytest.approx(10)
    assert change.candidate == pytest.approx(10 * (1 + share))
    assert change.change_percent == pytest.approx(100 * share)


def test_arms_take_turns_in_both_orders_and_a_seed_repeats_them(
    check: Any, told: Any, tmp_path: Path
) -> None:
    check(slower(0.05, told))
    first = [line.order for line in lines(tmp_path)]
    assert set(first) == {"ABBA", "BAAB"}
    launched = "".join(launch.arm for launch in check.device.launched)
    assert launched == "".join(first)
    for pair in zip(first[::2], first[1::2], strict=True):
        assert set(pair) == {"ABBA", "BAAB"}  # as many of the one as of the other, at every look
    assert len(set(first[::2])) == 2  # and which comes first is drawn
    (tmp_path / "out" / block_lines.NAME).unlink()
    check(slower(0.05, told))
    assert [line.order for line in lines(tmp_path)] == first
    check(slower(0.05, told), seed=1)
    assert [line.order for line in lines(tmp_path)[len(first) :]] != first


def test_a_drift_of_10_percent_falls_on_both_arms_alike(check: Any, told: Any) -> None:
    def drifting(launch: Any) -> Any:
        return told(ns=NS * (1 + 0.1 * len(check.device.launched) / 32))

    assert check(drifting).outcomes["net"].verdict == "pass"


def test_a_spoilt_block_keeps_its_order(check: Any, told: Any, tmp_path: Path) -> None:
    check(lambda launch: told(flags=("stolen-time",) if launch.count % 5 == 1 else ()), seed=3)
    orders: dict[int, set[str]] = {}
    for line in lines(tmp_path):
        orders.setdefault(line.block, set()).add(line.order)
    assert any(line.redone for line in lines(tmp_path))
    assert all(len(found) == 1 for found in orders.values())


def test_several_models_are_interleaved_block_by_block(check: Any, told: Any) -> None:
    found = check(slower(0.0, told), "one", "two")
    assert [launch.model for launch in check.device.launched[:12]] == (
        ["one"] * 4 + ["two"] * 4 + ["one"] * 4
    )
    assert {outcome.verdict for outcome in found.outcomes.values()} == {"pass"}


def test_a_regression_that_fresh_launches_do_not_show_passes_and_says_so(
    check: Any, told: Any
) -> None:
    def at_first(launch: Any) -> Any:
        return told(ns=NS * (1.1 if launch.arm == "B" and launch.count < 16 else 1.0))

    change = latency.change("net", check(at_first).outcomes["net"])
    assert change.verdict == "pass"
    assert "First +10.0 % in 8 blocks, not confirmed" in change.why
    assert change.candidate == pytest.approx(10)


def test_the_launches_of_both_series_are_returned(check: Any, told: Any) -> None:
    first, second = check(slower(0.05, told)).launches["net"]
    assert len(first.baseline) == len(second.candidate) == 16
    assert not set(first.baseline) & set(second.baseline)


def test_a_disturbed_launch_voids_its_block_which_is_done_again(check: Any, told: Any) -> None:
    def once(launch: Any) -> Any:
        disturbed = launch.arm == "A" and launch.count == 3
        return told(flags=("stolen-time",) if disturbed else ())

    found = check(once)
    assert found.outcomes["net"].verdict == "pass"
    (discarded,) = found.discarded
    assert (discarded.model, discarded.block) == ("net", 1)
    assert "baseline: stolen-time" in discarded.reason
    (event,) = [event for event in check.events if isinstance(event, Spoilt)]
    assert event.redone
    (counted,) = found.launches["net"]
    assert len(counted.baseline) == len(counted.candidate) == 16
    assert all(record.valid for record in counted.baseline)


def test_a_machine_that_spoils_every_block_is_unstable(check: Any, told: Any) -> None:
    found = check(lambda launch: told(flags=("stolen-time",) if launch.arm == "B" else ()))
    outcome = found.outcomes["net"]
    assert outcome.verdict == "unstable"
    assert len(found.discarded) == 18  # six blocks, three times each
    change = latency.change("net", outcome)
    assert "spoilt 3 times" in change.why
    assert "stolen-time" in change.why
    assert "give the same command again, or --fresh" in change.why


def test_on_a_quiet_machine_the_same_command_gets_over_a_disturbance(
    check: Any, told: Any, tmp_path: Path
) -> None:
    noisy = check(lambda launch: told(flags=("stolen-time",) if launch.arm == "B" else ()))
    assert noisy.outcomes["net"].verdict == "unstable"
    spoilt = (tmp_path / "out" / store.NAME).read_bytes()
    quiet = check(slower(0.0, told))
    assert quiet.outcomes["net"].verdict == "pass"
    assert len(check.device.launched) == 32
    assert quiet.discarded == noisy.discarded  # they still are no secret
    assert all(event.redone for event in check.events if isinstance(event, Spoilt))
    assert (tmp_path / "out" / store.NAME).read_bytes().startswith(spoilt)
    again = check(slower(0.05, told))
    assert check.device.launched == []
    assert again.outcomes["net"].verdict == "pass"


def test_a_block_lost_twice_over_is_lost_again_where_the_disturbance_stays(
    check: Any, told: Any
) -> None:
    for checks in (1, 2):
        found = check(lambda launch: told(flags=("stolen-time",)))
        assert found.outcomes["net"].verdict == "unstable"
        assert len(check.device.launched) == 18
        assert len(found.discarded) == 18 * checks


def test_an_interruption_gives_a_block_no_further_tries(check: Any, told: Any) -> None:
    def until_lost(launch: Any) -> Any:
        if len(check.device.launched) >= 4:
            raise KeyboardInterrupt
        return told(flags=("hot",))

    with suppress(KeyboardInterrupt):
        check(until_lost)
    # Block 0 was spoilt three times in a row, and block 1 once: two tries are left to it.
    check(lambda launch: told(flags=("hot",)), max_blocks=8)
    tries = [event.discarded.block for event in check.events if isinstance(event, Spoilt)]
    assert tries[:9] == [0] * 6 + [1] * 3


def test_an_allowed_flag_spoils_nothing(check: Any, told: Any) -> None:
    found = check(lambda launch: told(flags=("stolen-time",)), allow=("stolen-time",))
    assert (found.outcomes["net"].verdict, found.discarded) == ("pass", ())


def test_a_slow_launch_counts(check: Any, told: Any) -> None:
    found = check(lambda launch: told(ns=NS * (3 if (launch.arm, launch.count) == ("A", 5) else 1)))
    assert found.discarded == ()
    medians = [median for block in found.outcomes["net"].blocks for median in block.baseline]
    assert 3 * NS in medians


def test_launches_of_two_speeds_are_unstable(check: Any, told: Any) -> None:
    def two(launch: Any) -> Any:
        return told(ns=NS * (1.2 if (launch.count * 7) % 16 < 8 else 1.0))

    outcome = check(two, max_blocks=8).outcomes["net"]
    assert outcome.verdict == "unstable"
    assert "two groups" in latency.change("net", outcome).why


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({"error": "no such operator"}, ExitCode.HARNESS, "no such operator"),
        ({"cpu": 0}, ExitCode.HARNESS, "wrong-core"),
    ],
)
def test_an_arm_that_can_not_be_timed_fails_and_the_others_go_on(
    check: Any, told: Any, answer: dict[str, Any], code: ExitCode, said: str
) -> None:
    def broken(launch: Any) -> Any:
        return told(**(answer if (launch.model, launch.arm) == ("one", "B") else {}))

    found = check(broken, "one", "two")
    change = latency.change("one", found.outcomes["one"])
    assert (change.verdict, change.exit_code) == ("failed", code)
    assert "The candidate failed" in change.why
    assert said in change.why
    assert found.outcomes["two"].verdict == "pass"
    assert len([x for x in check.device.launched if x.model == "one"]) <= 3


def test_an_output_that_changes_between_launches_fails_its_arm(check: Any, told: Any) -> None:
    # Each arm by itself: two versions of a model need not agree.
    assert check(lambda x: told(output=x.arm.lower())).outcomes["net"].verdict == "pass"
    found = check(lambda x: told(output="b" if (x.arm, x.count) == ("A", 3) else "a"), fresh=True)
    change = latency.change("net", found.outcomes["net"])
    assert (change.verdict, change.exit_code) == ("failed", ExitCode.NUMERICS)
    assert "output-mismatch" in change.why


def test_a_file_that_is_not_what_was_exported_fails_its_arm(
    check: Any, told: Any, pair: Callable[[str], Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asymm_deploy.bench.artifact.sha256_of", lambda path: "0" * 64)
    change = latency.change("net", check(slower(0, told)).outcomes["net"])
    assert change.verdict == "failed"
    assert "SHA-256 differs" in change.why


@pytest.mark.parametrize(
    "loss", [HarnessError("the phone is gone", "plug it in"), KeyboardInterrupt()]
)
def test_after_a_loss_the_same_command_goes_on_with_the_next_block(
    check: Any, told: Any, loss: BaseException
) -> None:
    def until_lost(launch: Any) -> Any:
        if len(check.device.launched) == 14:
            raise loss
        return told(ns=NS * 1.02 if launch.arm == "B" else NS)

    with suppress(KeyboardInterrupt, HarnessError):
        check(until_lost)
        pytest.fail("it went on")
    assert not check.device.is_held
    found = check(slower(0.02, told))
    # Three blocks of four were finished; the two launches of the fourth are done again.
    assert len(check.device.launched) == 32 - 12
    assert check.events[0] == live.Resumed(12)
    assert found.outcomes["net"].verdict == "pass"
    assert latency.change("net", found.outcomes["net"]).change_percent == pytest.approx(2)


def test_what_is_finished_is_not_timed_again_unless_it_is_asked_for(check: Any, told: Any) -> None:
    check(slower(0.05, told))
    again = check(slower(0.0, told))
    assert check.device.launched == []
    assert again.outcomes["net"].verdict == "regressed"
    fresh = check(slower(0.0, told), fresh=True)
    assert fresh.outcomes["net"].verdict == "pass"
    assert len(check.device.launched) == 32
    check(slower(0.05, told))
    assert check.device.launched == []  # the fresh ones are in use


def test_other_circumstances_are_timed_anew(check: Any, told: Any) -> None:
    check(slower(0.0, told))
    check(slower(0.0, told), runs=5)
    assert len(check.device.launched) == 32


def test_blocks_are_judged_anew_by_what_is_allowed_now(check: Any, told: Any) -> None:
    def disturbed(launch: Any) -> Any:
        return told(flags=("bimodal",) if launch.count % 4 == 0 else ())

    assert check(disturbed, allow=("bimodal",)).outcomes["net"].verdict == "pass"
    found = check(slower(0.0, told))
    assert found.discarded != ()
    assert all("bimodal" in discarded.reason for discarded in found.discarded)
    assert found.outcomes["net"].verdict == "pass"


def test_a_phone_that_is_hot_gets_its_pause_before_the_block_is_done_again(
    check: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asymm_deploy.bench.verdicts.worth_repeating", lambda record: True)
    check(lambda x: told(flags=("hot",) if (x.arm, x.count) == ("A", 0) else ()))
    assert check.device.cooled == 1


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda line: line.replace(b"10000000,", b"-10000000,", 1), "-10000000 ns"),
        (lambda line: line.replace(b"10000000,", b"NaN,", 1), "damaged in line 1"),
        (lambda line: line.replace(b"[10000000,", b"[", 1), "2 samples of 3 runs"),
        (lambda line: line.replace(b"[10000000,", b"[1" + b"0" * 400 + b",", 1), "a run of 10+"),
        (lambda line: line.replace(b'"init_ns":5', b'"init_ns":-5', 1), "an init_ns of -50"),
        (lambda line: line.replace(b'_mb":50', b'_mb":-50', 1), "a peak_memory_mb of -50"),
        (lambda line: line.replace(b'"exit_code":0', b'"exit_code":77', 1), "an exit_code of 77"),
    ],
)
def test_launches_that_can_not_have_been_measured_are_refused(
    check: Any, told: Any, tmp_path: Path, edit: Callable[[bytes], bytes], said: str
) -> None:
    check(slower(0.0, told))
    path = tmp_path / "out" / store.NAME
    path.write_bytes(edit(path.read_bytes()))
    with pytest.raises(UsageError, match=said):
        check(slower(0.0, told))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda text: text.replace('"schema_version":1', '"schema_version":2', 1),
            "schema_version 2",
        ),
        (lambda text: "{}\n" + text, "line 1"),
        (lambda text: "[" * 10_000 + "\n" + text, "line 1"),
    ],
)
def test_a_damaged_list_of_blocks_is_refused(
    check: Any, told: Any, tmp_path: Path, edit: Callable[[str], str], said: str
) -> None:
    check(slower(0.0, told))
    path = tmp_path / "out" / block_lines.NAME
    path.write_text(edit(path.read_text()))
    with pytest.raises(UsageError, match=said):
        check(slower(0.0, told))


def test_a_block_whose_line_was_cut_short_is_taken_again(
    check: Any, told: Any, tmp_path: Path
) -> None:
    check(slower(0.0, told))
    path = tmp_path / "out" / block_lines.NAME
    path.write_bytes(path.read_bytes()[:-20])
    check(slower(0.0, told))
    assert len(check.device.launched) == 4
    assert len(lines(tmp_path)) == 8


def first_block(**changes: Any) -> Callable[[bytes], bytes]:
    """Edit the first line of blocks.jsonl."""

    def edit(content: bytes) -> bytes:
        first, _, rest = content.partition(b"\n")
        line = {**msgspec.json.decode(first), **changes}
        if line["order"] == "the other":
            line["order"] = {"ABBA": "BAAB", "BAAB": "ABBA"}[msgspec.json.decode(first)["order"]]
        return msgspec.json.encode(line) + b"\n" + rest

    return edit


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
    check: Any, told: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    check(slower(0.0, told))
    path = tmp_path / "out" / block_lines.NAME
    path.write_bytes(first_block(**changes)(path.read_bytes()))
    found = check(slower(0.0, told))
    assert len(check.device.launched) == 4
    assert check.events[0] == live.Resumed(28)
    said = "1 block in blocks.jsonl did not fit the lines of runs.jsonl and did not count."
    assert found.notes == (said,)
    assert check(slower(0.0, told)).notes == ()  # once: it is there now
    assert check.device.launched == []


@pytest.mark.parametrize("same_file", [False, True])
@pytest.mark.parametrize(("removed", "kept"), [(0, 0), (13, 12), (31, 28)])
def test_after_a_line_was_removed_no_launch_is_taken_for_another(
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
    assert latency.change("net", found.outcomes["net"]).change_percent == pytest.approx(2)
    assert "did not fit" in found.notes[0]


def test_a_model_file_that_is_not_there_is_no_whole_export(pair: Callable[[str], Pair]) -> None:
    missing = pair("net")
    missing.candidate.path.unlink()
    with pytest.raises(UsageError, match=r"B holds no whole export: there is no net\.mnn"):
        folders.require_comparable(missing)


def test_versions_for_other_input_shapes_are_refused(pair: Callable[[str], Pair]) -> None:
    def taking(*shape: int) -> tuple[TensorSpec, ...]:
        return (TensorSpec("input", (1, 3, *shape)),)

    old, new = pair("net").baseline, pair("net").candidate
    small = dataclasses.replace(old, inputs=taking(96, 96))
    folders.require_comparable(Pair("net", small, dataclasses.replace(new, inputs=taking(96, 96))))
    folders.require_comparable(Pair("net", small, new))  # of a bare file nothing is known
    large = Pair("net", small, dataclasses.replace(new, inputs=taking(224, 224)))
    said = "the input shape is 1x3x96x96 in the baseline and 1x3x224x224 in the candidate"
    with pytest.raises(UsageError, match=f"net can't be compared: {said}"):
        folders.require_comparable(large)

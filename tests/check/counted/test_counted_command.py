"""``check --device a76`` and ``baseline save`` from start to end, with counts that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.emulated.counts import CostKey, CostRecord
from asymm_deploy.check.baseline.kept_counts import read_counts
from asymm_deploy.check.counted.kept_counter import CHECK_COUNTS
from asymm_deploy.commands.counting import check_counted
from asymm_deploy.errors import HarnessError

Export = Callable[..., Path]
Record = Callable[..., CostRecord]
Output = pytest.CaptureFixture[str]

NO_EMULATOR = HarnessError("there is no emulator", "run `asymm-deploy emulator setup`")


@pytest.fixture
def emulator(counter: Any, record: Record, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Set up an emulator that counts the same for all, but what is said."""

    def set_up(**records: CostRecord) -> Any:
        named = {f"{side}/net": record() for side in ("old", "new", "baseline")}
        made = counter(named | {name.replace("_", "/"): found for name, found in records.items()})
        monkeypatch.setattr(check_counted, "emulated_counter", lambda _precision, _jobs=None: made)
        return made

    return set_up


@pytest.fixture
def no_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_precision: str, _jobs: int | None = None) -> Any:
        raise NO_EMULATOR

    monkeypatch.setattr(check_counted, "emulated_counter", missing)


@pytest.fixture
def check(export: Export, tmp_path: Path) -> Callable[..., int]:
    """Run the command on old and new, which have one model; return its exit code."""
    export("net", b"1", "old")
    export("net", b"2", "new")

    def run(*arguments: str, a: str = "old", b: str = "new") -> int:
        folders = ["--baseline", str(tmp_path / a), "--candidate", str(tmp_path / b)]
        return cli.run(["check", *folders, "--out", str(tmp_path / "out"), *arguments])

    return run


COUNTED = ("--device", "a76")


def test_more_instructions_are_exit_code_1_and_nothing_is_timed(
    check: Callable[..., int],
    emulator: Callable[..., Any],
    record: Record,
    tmp_path: Path,
    capsys: Output,
) -> None:
    emulator(new_net=record(1_020_000))
    assert check(*COUNTED, "--json", str(tmp_path / "check.json")) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("regressed (1 regressed, 5 pass)")
    assert "+2.00 %" in printed.out
    document = json.loads((tmp_path / "check.json").read_text())
    assert (document["mode"], document["device"], document["exit_code"]) == ("counted", "a76", 1)
    assert [path.name for path in (tmp_path / "out").glob("*.jsonl")] == [CHECK_COUNTS]
    assert check(*COUNTED, "--insn-threshold", "2%") == 0


def test_more_misses_are_exit_code_1(
    check: Callable[..., int], emulator: Callable[..., Any], record: Record
) -> None:
    emulator(new_net=record(l3=60_000))
    assert check(*COUNTED) == 1
    assert check(*COUNTED, "--miss-threshold", "20%") == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--runs", "10"),
        ("--design", "blocks"),
        ("--warmup", "3"),
        ("--cpu", "0"),
        ("--seed", "1"),
        ("--max-blocks", "8"),
        ("--threads", "2"),
        ("--threshold", "3%"),
        ("--init-threshold", "3%"),
        ("--memory-threshold", "3%"),
        ("--sentinel", "net"),
    ],
    ids=lambda options: options[0],
)
def test_options_of_timing_are_refused_in_words(
    check: Callable[..., int], emulator: Callable[..., Any], capsys: Output, options: tuple[str]
) -> None:
    emulator()
    assert check(*COUNTED, *options) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"error: {options[0]} is for timing, and --device a76 counts" in printed.err


@pytest.mark.parametrize("option", ["--insn-threshold=3%", "--miss-threshold=3%", "--jobs=1"])
def test_options_of_counting_are_refused_where_nothing_is_counted(
    check: Callable[..., int], capsys: Output, option: str
) -> None:
    assert check(option) == 2
    assert "nothing is counted" in capsys.readouterr().err


def test_ctrl_c_loses_no_count_of_either_version(
    check: Callable[..., int], emulator: Callable[..., Any], capsys: Output
) -> None:
    made = emulator()
    made.interrupted_at = "old/net"  # the candidate was counted by then
    assert check(*COUNTED) == 130
    made.interrupted_at = None
    made.asked.clear()
    assert check(*COUNTED) == 0
    assert made.asked == ["old/net"]
    assert "1 of 2 were counted before" in capsys.readouterr().err
    made.asked.clear()
    assert check(*COUNTED) == 0
    assert made.asked == []
    assert check(*COUNTED, "--fresh") == 0
    assert made.asked == ["new/net", "old/net"]


def test_counts_of_another_emulator_or_precision_are_made_anew(
    check: Callable[..., int], emulator: Callable[..., Any], key: CostKey
) -> None:
    assert (emulator(), check(*COUNTED))[1] == 0
    other = emulator()
    other.key = msgspec.structs.replace(key, emulator="8.2.0")
    assert check(*COUNTED) == 0
    half = emulator()
    half.precision = "fp16"
    assert check(*COUNTED, "--precision", "fp16") == 0
    assert other.asked == half.asked == ["new/net", "old/net"]


def test_damaged_counts_are_named_and_stay_as_they_are(
    check: Callable[..., int], emulator: Callable[..., Any], tmp_path: Path, capsys: Output
) -> None:
    emulator()
    (tmp_path / "out").mkdir()
    kept = tmp_path / "out" / CHECK_COUNTS
    kept.write_text("nonsense\n")
    assert check(*COUNTED) == 2
    assert f"{kept} is damaged in line 1" in capsys.readouterr().err
    assert kept.read_text() == "nonsense\n"


def test_counts_go_into_none_of_the_folders_that_are_compared(
    check: Callable[..., int], emulator: Callable[..., Any], tmp_path: Path, capsys: Output
) -> None:
    emulator()
    assert check(*COUNTED, "--out", str(tmp_path / "old")) == 2
    assert "one of the folders to compare" in capsys.readouterr().err


def test_counts_are_not_for_a_history(capsys: Output) -> None:
    assert cli.run(["check", "--history", "--cost", "a.jsonl"]) == 2
    assert "--cost is not for --history" in capsys.readouterr().err


def test_without_an_emulator_it_is_exit_code_3_and_the_hint_says_how_to_get_one(
    check: Callable[..., int], no_emulator: None, capsys: Output
) -> None:
    assert check(*COUNTED) == 3
    assert "hint: run `asymm-deploy emulator setup`" in capsys.readouterr().err


def test_the_same_file_needs_no_emulator(
    check: Callable[..., int], no_emulator: None, capsys: Output
) -> None:
    assert check(*COUNTED, b="old") == 0
    assert "The same file in both" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a76", "A76", "cortex-a76"])
def test_a_bench_says_that_this_is_no_device_to_time_on(
    tmp_path: Path, capsys: Output, name: str
) -> None:
    assert cli.run(["bench", "mbv3_small_035", "--device", name, "--out", str(tmp_path)]) == 2
    assert "check --device a76" in capsys.readouterr().err


def test_a_baseline_keeps_its_counts_and_check_uses_them(
    check: Callable[..., int], emulator: Callable[..., Any], tmp_path: Path, capsys: Output
) -> None:
    made = emulator()
    saved = tmp_path / "baseline"
    save = ["baseline", "save", str(tmp_path / "old"), "--into", str(saved)]
    assert cli.run(save) == 0
    assert "counts of 1 model are kept" in capsys.readouterr().err
    assert made.asked == ["old/net"]
    assert check(*COUNTED, a="baseline") == 0
    assert made.asked == ["old/net", "new/net"]
    assert "Counts that the baseline kept" in capsys.readouterr().out
    assert cli.run([*save, "--force", "--no-cost"]) == 0
    assert read_counts(saved) == ()
    assert check(*COUNTED, "--fresh", a="baseline") == 0
    assert made.asked[2:] == ["new/net", "baseline/net"]


def test_a_baseline_is_saved_without_an_emulator_too(
    check: Callable[..., int], no_emulator: None, tmp_path: Path, capsys: Output
) -> None:
    save = ["baseline", "save", str(tmp_path / "old"), "--into", str(tmp_path / "baseline")]
    assert cli.run(save) == 0
    assert "counts are not kept: there is no emulator" in capsys.readouterr().err


def test_growth_that_the_baseline_accepts_is_no_alarm(
    check: Callable[..., int],
    emulator: Callable[..., Any],
    record: Record,
    tmp_path: Path,
    capsys: Output,
) -> None:
    emulator(new_net=record(1_020_000))
    saved = str(tmp_path / "baseline")
    assert cli.run(["baseline", "save", str(tmp_path / "old"), "--into", saved]) == 0
    accept = ["baseline", "accept", saved, "--model", "net", "--reason", "a better head"]
    assert cli.run([*accept, "--metric", "instructions", "--up-to", "2%"]) == 0
    capsys.readouterr()
    assert check(*COUNTED, a="baseline") == 0
    assert "Accepted: a better head" in " ".join(capsys.readouterr().out.split())
    emulator(new_net=record(1_020_001))
    assert check(*COUNTED, "--fresh", a="baseline") == 1

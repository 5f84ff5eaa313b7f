"""The report of a live comparison has every metric, model by model, and says how it was made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench.plan import Plan
from asymm_deploy.check import folders
from asymm_deploy.check.check_request import CheckRequest, chosen_pairs
from asymm_deploy.check.findings import GateReport
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.live_report import compare_live, launches_before
from asymm_deploy.check.live.time_pairs import LiveEvent
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import UsageError

Script = Callable[[Any], Any]
Slower = Callable[[float, Any], Script]


class Watcher:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.blocks: list[int] = []
        self.events: list[LiveEvent] = []
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)

    @contextmanager
    def watching(self, blocks: int) -> Iterator[Callable[[LiveEvent], None]]:
        self.blocks.append(blocks)
        yield self.events.append


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def compare(
    tmp_path: Path,
    fake: Callable[[Script], Any],
    pair: Callable[[str], Pair],
    plan: Plan,
    watcher: Watcher,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., GateReport]:
    """Compare made-up models; ``only`` are models that one folder has."""

    def run(
        script: Script,
        *models: str,
        only: tuple[list[str], list[str]] = ([], []),
        edit: Callable[[Pair], Pair] = lambda made: made,
        **more: Any,
    ) -> GateReport:
        made = [edit(pair(name)) for name in models]
        monkeypatch.setattr(folders, "pairs", lambda *_: (made, *only))
        request = CheckRequest(
            **{"baseline": Path("old"), "candidate": Path("new"), "out": tmp_path / "out"} | more
        )
        return compare_live(request, plan, GatePolicy(seed=7), lambda: fake(script), watcher)

    return run


def test_the_report_says_what_was_compared_and_how(
    compare: Any, told: Any, slower: Slower, watcher: Watcher
) -> None:
    found = compare(slower(0.05, told), "net")
    assert (found.mode, found.verdict, found.device) == ("live", "regressed", "fake")
    assert (found.baseline, found.candidate) == ("old", "new")
    assert found.circumstances == (
        "core 1, fp32, 1 thread",
        "mnn 0, runner fake 1",
        "3 runs per launch, after 0 to warm up",
        "3 % slower is allowed, and at least 20 us",
        "blocks of 4 launches in random order, seed 7, at most 20 blocks per model",
    )
    assert found.notes == ()
    assert watcher.blocks == [8]
    assert len(watcher.events) == 2 * (8 + 1)
    assert found.inconclusive_fails


def test_changes_are_model_by_model_with_every_metric(compare: Any, told: Any) -> None:
    def heavier(launch: Any) -> Any:
        more = 1.5 if launch.arm == "B" else 1.0
        return told(init_ns=int(5e6 * more), memory_mb=50.0 * more)

    found = compare(heavier, "b", "a")
    metrics = ["latency", "mnn_size", "init", "peak_memory"]
    assert [(c.model, c.metric) for c in found.changes] == [(m, x) for m in "ba" for x in metrics]
    assert {c.metric: c.verdict for c in found.changes} == {
        "latency": "pass",
        "mnn_size": "pass",
        "init": "regressed",
        "peak_memory": "regressed",
    }


def test_what_the_runner_does_not_tell_is_named(compare: Any, told: Any) -> None:
    found = compare(lambda launch: told(memory_mb=None if launch.arm == "B" else 50.0), "net")
    assert [change.metric for change in found.changes] == ["latency", "mnn_size", "init"]
    assert found.notes == (
        "Peak memory was not compared, as the runner did not tell it in every launch: net.",
    )


def test_launches_of_an_earlier_check_are_said_and_kept(
    compare: Any, told: Any, slower: Slower
) -> None:
    compare(slower(0.0, told), "net")
    again = compare(slower(0.0, told), "net")
    assert again.notes == ("32 launches are from an earlier run of this command.",)


def test_models_are_chosen_and_those_in_one_folder_are_ignored_on_demand(
    compare: Any, told: Any, slower: Slower, watcher: Watcher
) -> None:
    only = (["gone"], ["added"])
    with pytest.raises(UsageError, match="gone only in old; added only in new"):
        compare(slower(0.0, told), "net", only=only)
    found = compare(slower(0.0, told), "net", "other", only=only, ignore_missing=True)
    assert found.notes == ("Ignored: gone only in old.", "Ignored: added only in new.")
    assert watcher.blocks == [16]
    chosen = compare(slower(0.0, told), "net", "other", only=only, models=("net",))
    assert {change.model for change in chosen.changes} == {"net"}
    with pytest.raises(UsageError, match="--models nothing matches no model"):
        compare(slower(0.0, told), "net", only=only, models=("nothing",))
    with pytest.raises(UsageError, match="no model in common that matches gone"):
        compare(slower(0.0, told), "net", only=only, models=("gone",), ignore_missing=True)


def test_nothing_is_timed_of_what_can_not_be_compared(compare: Any, told: Any) -> None:
    def incomplete(made: Pair) -> Pair:
        made.candidate.path.unlink()
        return made

    with pytest.raises(UsageError, match=r"there is no net\.mnn"):
        compare(lambda launch: pytest.fail("it was timed"), "net", edit=incomplete)


def test_a_sentinel_is_for_recorded_results(compare: Any, told: Any) -> None:
    with pytest.raises(UsageError, match="--sentinel is for recorded results"):
        compare(lambda launch: told(), "net", sentinel="net")


def same_file(made: Pair) -> Pair:
    return dataclasses.replace(made, candidate=made.baseline)


def test_the_same_file_in_both_is_said_and_not_timed(
    compare: Any, told: Any, watcher: Watcher
) -> None:
    found = compare(lambda launch: pytest.fail("it was timed"), "net", edit=same_file)
    said = (
        "The same file in both, so not timed: net. To compare a file with itself, give --same-file."
    )
    assert (found.notes, watcher.remarks) == ((said,), [said])
    assert (found.verdict, found.exit_code, found.device) == ("same", 0, "none")
    assert [(c.metric, c.verdict) for c in found.changes] == [
        ("latency", "same"),
        ("mnn_size", "pass"),
    ]
    assert watcher.blocks == []


def test_a_file_with_other_recorded_inputs_is_the_same_file_and_with_another_interface_is_not(
    compare: Any, told: Any, slower: Slower
) -> None:
    def other(**changes: Any) -> Callable[[Pair], Pair]:
        return lambda made: dataclasses.replace(
            made, candidate=dataclasses.replace(made.baseline, **changes)
        )

    found = compare(slower(0.0, told), "net", edit=other(inputs_sha256="0" * 64))
    assert found.changes[0].why.endswith("nothing was timed. Only their recorded inputs differ.")
    timed = compare(lambda launch: told(error="no module"), "net", edit=other(api="module"))
    assert timed.verdict == "failed"


def test_failed_launches_are_no_circumstances(compare: Any, told: Any) -> None:
    found = compare(lambda launch: told(error="no operator"), "net", edit=same_file, same_file=True)
    assert found.notes == ()
    assert found.circumstances[0] == "3 % slower is allowed, and at least 20 us"
    assert found.verdict == "failed"


def test_what_the_folder_has_of_these_very_files_is_found(
    compare: Any, told: Any, slower: Slower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = CheckRequest(baseline=Path("old"), candidate=Path("new"), out=tmp_path / "out")
    assert launches_before(request) == []
    compare(slower(0.05, told), "net")
    found = launches_before(request)
    assert {record.model for record in found} == {"net"}
    (both,), _ = chosen_pairs(request)
    others = dataclasses.replace(both, baseline=dataclasses.replace(both.baseline, sha256="0" * 64))
    monkeypatch.setattr(folders, "pairs", lambda *_: ([others], [], []))
    assert 0 < len(launches_before(request)) < len(found)

"""An accepted change is recorded with who and why, and changes nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.check.baseline.accept_change import (
    accept_candidate,
    accept_growth,
    accept_into_baseline,
)
from asymm_deploy.check.baseline.baseline_contents import baseline_rows
from asymm_deploy.check.baseline.baseline_file import load_baseline
from asymm_deploy.check.baseline.save_baseline import save_baseline
from asymm_deploy.errors import UsageError

Export = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_an_accepted_candidate_takes_the_models_place_and_leaves_a_record(
    saved: Path, export: Export
) -> None:
    newer = export("small", b"wanted weights", into="newer")
    changed, remarks = accept_candidate(saved, "small", newer, reason="a larger head", by="Ada")
    assert (saved / "small" / "model.mnn").read_bytes() == b"wanted weights"
    assert (saved / "large" / "model.mnn").read_bytes() == b"large weights"
    assert changed == load_baseline(saved)
    (accepted,) = changed.accepted
    assert (accepted.reason, accepted.by) == ("a larger head", "Ada")
    assert accepted.former_sha256 == sha256(b"small weights")
    assert accepted.sha256 == sha256(b"wanted weights")
    assert changed.launches == 0, "they were of the former file"
    assert "2 launches of the former small were dropped" in remarks[1]


def test_a_candidate_that_is_the_baseline_or_is_not_there_is_refused(
    saved: Path, export: Export
) -> None:
    same = export("small", b"small weights", into="same")
    with pytest.raises(UsageError, match="already has"):
        accept_candidate(saved, "small", same, reason="x", by="Ada")
    with pytest.raises(UsageError, match="has no large"):
        accept_candidate(saved, "large", same, reason="x", by="Ada")
    with pytest.raises(UsageError, match="has no tiny"):
        accept_candidate(saved, "tiny", same, reason="x", by="Ada")
    with pytest.raises(UsageError, match="has no model 'tiny'"):
        accept_growth(saved, "tiny", "latency", 5.0, reason="x", by="Ada")


def test_a_new_model_is_added_and_what_was_accepted_stands(saved: Path, export: Export) -> None:
    accept_growth(saved, "small", "latency", 10.0, reason="x", by="Ada")
    newer = export("another", b"its weights", into="newer")
    changed, _ = accept_candidate(saved, "another", newer, reason="a new size", by="Ben")
    assert changed == load_baseline(saved)
    assert changed.models == ("another", "large", "small")
    assert changed.launches == 2
    assert [found.model for found in changed.accepted] == ["small", "another"]
    shown = {str(row["model"]): str(row["accepted"]) for row in baseline_rows(changed)}
    assert shown["another"].startswith("added: a new size (Ben, ")


def test_a_folder_of_somebody_elses_is_not_replaced_by_a_model(
    tree: Tree, saved: Path, export: Export
) -> None:
    (saved / "notes").mkdir()
    (saved / "notes" / "thesis.tex").write_text("years of work")
    newer = export("notes", into="newer")
    before = tree(saved)
    with pytest.raises(UsageError, match="notes is in the way"):
        accept_candidate(saved, "notes", newer, reason="x", by="Ada")
    with pytest.raises(UsageError, match="notes is in the way"):
        save_baseline(newer, saved, force=True)
    assert tree(saved) == before


@pytest.mark.parametrize("percent", [0.0, -1.0, float("nan"), float("inf")])
def test_only_a_size_can_be_allowed(saved: Path, percent: float) -> None:
    with pytest.raises(UsageError, match="can't be accepted"):
        accept_growth(saved, "small", "latency", percent, reason="x", by="Ada")


@pytest.mark.parametrize("reason", ["", " \n", "\x1b", "x" * 1001])
def test_a_reason_is_needed_that_can_be_shown(tree: Tree, saved: Path, reason: str) -> None:
    before = tree(saved)
    with pytest.raises(UsageError, match="reason"):
        accept_growth(saved, "small", "latency", 5.0, reason=reason, by="Ada")
    assert tree(saved) == before


def test_accept_takes_new_files_or_a_size(saved: Path, export: Export) -> None:
    remarks = accept_into_baseline(saved, "large", reason="x", by="Ada", metric="init", up_to="50%")
    assert remarks == [f"{saved}: init of large may grow by up to 50 %"]
    newer = export("small", b"wanted weights", into="newer")
    accept_into_baseline(saved, "small", reason="y", by="Ada", candidate=newer)
    found = [(entry.model, entry.metric) for entry in load_baseline(saved).accepted]
    assert found == [("large", "init"), ("small", None)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "not clear what to accept"),
        ({"candidate": Path("x"), "up_to": "5%"}, "not clear what to accept"),
        ({"candidate": Path("x"), "metric": "latency"}, "goes with --up-to"),
        ({"up_to": "5%", "metric": "beauty"}, "no metric 'beauty'"),
        ({"up_to": "five"}, "--up-to"),
        ({"up_to": "0%"}, "0"),
    ],
)
def test_what_is_accepted_must_be_clear(
    tree: Tree, saved: Path, given: dict[str, Any], says: str
) -> None:
    before = tree(saved)
    with pytest.raises(UsageError, match=says):
        accept_into_baseline(saved, "small", reason="x", by="Ada", **given)
    assert tree(saved) == before

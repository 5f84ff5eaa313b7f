"""A baseline is saved from complete exports, and replaced only on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench import artifact, store
from asymm_deploy.check.baseline.accept_change import accept_candidate
from asymm_deploy.check.baseline.baseline_contents import baseline_remarks
from asymm_deploy.check.baseline.baseline_file import load_baseline
from asymm_deploy.check.baseline.kept_counts import kept_counts
from asymm_deploy.check.baseline.save_baseline import save_baseline
from asymm_deploy.errors import UsageError
from tests.bench.paired_lines import add_paired_launches

Export = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_baseline_has_the_models_their_launches_and_what_they_are(
    tree: Tree, saved: Path
) -> None:
    assert sorted(tree(saved)) == [
        "baseline.json",
        *(f"large/{name}" for name in ("manifest.json", "model.mnn", "reference.npz")),
        "runs.jsonl",
        *(f"small/{name}" for name in ("manifest.json", "model.mnn", "reference.npz")),
    ]
    found = load_baseline(saved)
    assert found.models == ("large", "small")
    assert found.launches == 2
    assert found.settings[0].device == "here"
    assert found.settings[0].runner == "python"
    assert found.files["small/model.mnn"] == sha256(b"small weights")


def test_it_is_a_folder_of_artifacts_and_of_results(saved: Path) -> None:
    assert len(store.load(saved)) == 2
    assert artifact.exported(saved / "small", "mnn").sha256 == sha256(b"small weights")


def test_its_size_and_what_was_left_out_are_said(
    export: Export, results: Callable[..., Path], tmp_path: Path
) -> None:
    export("a", b"1")
    artifacts = export("b", b"2")
    launches = results(("a", b"1"), ("a", b"an older file"), ("other", b"1"))
    _, remarks = save_baseline(artifacts, tmp_path / "baseline", results=launches)
    assert remarks[0].startswith(f"{tmp_path / 'baseline'}: 2 models, 2 launches, 0.0 MB")
    assert remarks[1:] == [
        "launches of other files, which are left out: 4",
        "without launches: b",
    ]


def test_a_baseline_needs_no_launches(export: Export, tmp_path: Path) -> None:
    made, _ = save_baseline(export("a"), tmp_path / "baseline")
    assert made == load_baseline(tmp_path / "baseline")
    assert made.launches == 0
    assert not (tmp_path / "baseline" / "runs.jsonl").exists()


def test_results_of_other_files_are_refused(
    export: Export, results: Callable[..., Path], tmp_path: Path
) -> None:
    artifacts = export("a", b"1")
    with pytest.raises(UsageError, match="no finished launch of these models' files"):
        save_baseline(artifacts, tmp_path / "baseline", results=results(("a", b"2")))
    assert not (tmp_path / "baseline").exists()


def test_a_baseline_is_replaced_only_on_demand_and_foreign_files_stay(
    tree: Tree, saved: Path, export: Export
) -> None:
    (saved / ".gitattributes").write_text("* -text\n")
    newer = export("small", b"newer weights", into="newer")
    before = tree(saved)
    with pytest.raises(UsageError, match="holds a baseline") as caught:
        save_baseline(newer, saved)
    assert "--force" in caught.value.hint
    assert tree(saved) == before
    save_baseline(newer, saved, force=True)
    assert load_baseline(saved).models == ("small",)
    assert (saved / ".gitattributes").read_text() == "* -text\n"
    assert not (saved / "large").exists()
    assert not (saved / "runs.jsonl").exists()


def test_a_folder_that_is_no_baseline_is_never_replaced(
    tree: Tree, export: Export, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is not a baseline"):
        save_baseline(export("a"), home, force=True)
    assert tree(home) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("content", [b'{"schema_version": 2}', b"{"])
def test_what_force_refuses_no_hint_sends_to_force(
    saved: Path, export: Export, content: bytes
) -> None:
    (saved / "baseline.json").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        save_baseline(export("small", into="newer"), saved, force=True)
    assert "move it away and save it anew" in caught.value.hint
    saved.rename(saved.with_name("away"))
    save_baseline(saved.parent / "newer", saved)


def test_paired_launches_are_left_out_and_said(
    export: Export, results: Callable[..., Path], tmp_path: Path
) -> None:
    artifacts = export("a", b"1")
    launches = results(("a", b"1"))
    count = add_paired_launches(launches / store.NAME)
    _, remarks = save_baseline(artifacts, tmp_path / "baseline", results=launches)
    assert remarks[1:] == [f"launches in turns with another model, which are left out: {count}"]
    kept = store.load(tmp_path / "baseline")
    assert len(kept) == count
    assert all(record.paired is None for record in kept)


def test_the_counts_of_the_models_are_kept_with_their_key(
    export: Export, tree: Tree, count: Callable[..., Any], tmp_path: Path
) -> None:
    export("a", b"1")
    artifacts = export("b", b"2")
    folder = tmp_path / "baseline"
    saved, remarks = save_baseline(artifacts, folder, count=count())
    assert "costs.jsonl" in saved.files
    assert "counts of 2 models are kept" in remarks
    kept = kept_counts(folder, load_baseline(folder))
    assert [(record.model, record.artifact_sha256) for record in kept] == [
        ("a", sha256(b"1")),
        ("b", sha256(b"2")),
    ]
    assert kept_counts(folder / "a", saved) == kept
    assert baseline_remarks(folder, saved)[-1] == f"counts of 2 models: {kept[0].key.text()}"
    save_baseline(artifacts, folder, force=True)
    assert "costs.jsonl" not in tree(folder)


def test_a_model_that_can_t_be_counted_is_saved_without_counts(
    export: Export, count: Callable[..., Any], tmp_path: Path
) -> None:
    export("a", b"1")
    artifacts = export("b", b"2")
    _, remarks = save_baseline(artifacts, tmp_path / "baseline", count=count(b="no memory"))
    assert "b: counts are not kept: no memory" in remarks
    assert "counts of 1 of 2 models are kept" in remarks


def test_counts_that_nobody_saved_are_refused(saved: Path) -> None:
    (saved / "costs.jsonl").touch()
    with pytest.raises(UsageError, match="was not saved with the baseline"):
        load_baseline(saved)


def test_counts_of_a_model_whose_files_are_replaced_are_dropped(
    export: Export, count: Callable[..., Any], tmp_path: Path
) -> None:
    export("a", b"1")
    artifacts = export("b", b"2")
    folder = tmp_path / "baseline"
    save_baseline(artifacts, folder, count=count())
    new = export("b", b"3", "new")
    changed, remarks = accept_candidate(folder, "b", new, reason="wanted", by="A. Person")
    assert [record.model for record in kept_counts(folder, changed)] == ["a"]
    assert "the counts of the former b were dropped: check counts it again" in remarks

"""A baseline is whole or not there, believed only if unchanged, and says who accepted what."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench import artifact, store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import baseline, baseline_file, baseline_show, who
from asymm_deploy.check.records import UNITS, Change, Report
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.export.manifest import Manifest, Stages
from asymm_deploy.export.proof.parity import ParityReport

Export = Callable[..., Path]


SAME = ParityReport(0.0, 0.0, 1.0, 1.0, 10)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Write what export leaves of a model; its model files hold what is said."""

    def write(model: str, mnn: bytes = b"weights", into: str = "artifacts") -> Path:
        folder = tmp_path / into / model
        folder.mkdir(parents=True)
        outputs = io.BytesIO()
        np.savez(outputs, output_0=np.zeros((1, 10), np.float32))
        files = {"model.onnx": b"", "model.mnn": mnn, "reference.npz": outputs.getvalue()}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        manifest = Manifest(
            schema_version=1,
            model=model,
            source=model,
            input_shape=(1, 3, 8, 8),
            inputs=(TensorSpec("input", (1, 3, 8, 8)),),
            outputs=(TensorSpec("output", (1, 10)),),
            opset=17,
            madds=100,
            madds_m=0.0001,
            floor_madds=50,
            params=10,
            params_m=0.00001,
            uncounted=(),
            weights="seed",
            seed=0,
            weights_path=None,
            weights_sha256=None,
            statistics_set=True,
            reference="module",
            spread=1.0,
            stages=Stages(SAME, SAME, SAME),
            files={name: sha256(content) for name, content in files.items()},
            tools={},
            fingerprint="0" * 64,
            sources={},
        )
        (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        return tmp_path / into

    return write


@pytest.fixture
def results(tmp_path: Path, good: LaunchRecord) -> Callable[..., Path]:
    """Write two launches of each (model, content of its file)."""

    def write(*models: tuple[str, bytes], **more: object) -> Path:
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        with (folder / "runs.jsonl").open("ab") as file:
            for model, mnn in models:
                for launch in range(2):
                    record = msgspec.structs.replace(
                        good, model=model, launch=launch, artifact_sha256=sha256(mnn)
                    )
                    file.write(msgspec.json.encode(msgspec.structs.replace(record, **more)) + b"\n")
        return folder

    return write


@pytest.fixture
def saved(export: Export, results: Callable[..., Path], tmp_path: Path) -> Path:
    """A baseline of two models with launches of one."""
    export("small", b"small weights")
    artifacts = export("large", b"large weights")
    folder = tmp_path / "baseline"
    baseline.save(artifacts, folder, results=results(("small", b"small weights")))
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def regression(model: str = "small", percent: float = 8.0, **more: object) -> Report:
    change = Change(
        model=model,
        metric="latency",
        unit=UNITS["latency"],
        baseline=10.0,
        candidate=10 + percent / 10,
        change_percent=percent,
        low_percent=percent - 1,
        high_percent=percent + 1,
        threshold_percent=3.0,
        verdict="regressed",
        why="It is slower.",
    )
    return Report(
        mode="live",
        device="here",
        circumstances=(),
        baseline="a",
        candidate="b",
        changes=(msgspec.structs.replace(change, **more),),
        started_at="2026-11-23T09:00:00+00:00",
    )


# save


def test_a_baseline_has_the_models_their_launches_and_what_they_are(saved: Path) -> None:
    assert sorted(tree(saved)) == [
        "baseline.json",
        *(f"large/{name}" for name in ("manifest.json", "model.mnn", "reference.npz")),
        "runs.jsonl",
        *(f"small/{name}" for name in ("manifest.json", "model.mnn", "reference.npz")),
    ]
    found = baseline_file.load(saved)
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
    _, remarks = baseline.save(artifacts, tmp_path / "baseline", results=launches)
    assert remarks[0].startswith(f"{tmp_path / 'baseline'}: 2 models, 2 launches, 0.0 MB")
    assert remarks[1:] == [
        "launches of other files, which stay behind: 4",
        "without launches: b",
    ]


def test_a_baseline_needs_no_launches(export: Export, tmp_path: Path) -> None:
    made, _ = baseline.save(export("a"), tmp_path / "baseline")
    assert made == baseline_file.load(tmp_path / "baseline")
    assert made.launches == 0
    assert not (tmp_path / "baseline" / "runs.jsonl").exists()


def test_results_of_other_files_are_refused(
    export: Export, results: Callable[..., Path], tmp_path: Path
) -> None:
    artifacts = export("a", b"1")
    with pytest.raises(UsageError, match="no finished launch of these models' files"):
        baseline.save(artifacts, tmp_path / "baseline", results=results(("a", b"2")))
    assert not (tmp_path / "baseline").exists()


def test_a_baseline_is_replaced_only_on_demand_and_foreign_files_stay(
    saved: Path, export: Export
) -> None:
    (saved / ".gitattributes").write_text("* -text\n")
    newer = export("small", b"newer weights", into="newer")
    before = tree(saved)
    with pytest.raises(UsageError, match="holds a baseline") as caught:
        baseline.save(newer, saved)
    assert "--force" in caught.value.hint
    assert tree(saved) == before
    baseline.save(newer, saved, force=True)
    assert baseline_file.load(saved).models == ("small",)
    assert (saved / ".gitattributes").read_text() == "* -text\n"
    assert not (saved / "large").exists()
    assert not (saved / "runs.jsonl").exists()


def test_a_folder_that_is_no_baseline_is_never_replaced(export: Export, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is no baseline"):
        baseline.save(export("a"), home, force=True)
    assert tree(home) == {"thesis.tex": b"years of work"}


def test_a_save_that_fails_leaves_what_was_there(
    saved: Path, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = export("small", b"newer weights", into="newer")
    before = tree(saved)

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(baseline_file, "write_whole", full)
    with pytest.raises(HarnessError, match="No space left on device"):
        baseline.save(newer, saved, force=True)
    assert tree(saved) == before
    assert [path.name for path in saved.parent.iterdir() if "baseline" in path.name] == ["baseline"]


def test_a_swap_that_fails_puts_the_former_back(
    saved: Path, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = export("small", b"newer weights", into="newer")
    before = tree(saved)
    rename = Path.rename

    def refuse_the_new(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new)
    with pytest.raises(UsageError, match="Permission denied"):
        baseline.save(newer, saved, force=True)
    assert tree(saved) == before


def test_only_what_was_renamed_is_removed(saved: Path, export: Export) -> None:
    newer = export("small", b"newer weights", into="newer")
    theirs = saved.with_name("baseline.former")
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("years of work")
    baseline.save(newer, saved, force=True)
    baseline.save(export("other", into="fresh"), saved.parent / "another")
    assert (theirs / "thesis.tex").exists()
    found = {path.name for path in saved.parent.iterdir() if "baseline" in path.name}
    assert found == {"baseline", "baseline.former"}


def test_a_link_to_a_baseline_stays_one(saved: Path, export: Export) -> None:
    newer = export("small", b"newer weights", into="newer")
    link = saved.parent / "link"
    link.symlink_to("baseline")
    for _ in range(2):
        baseline.save(newer, link, force=True)
        assert link.is_symlink()
        assert baseline_file.load(saved).models == ("small",)
    baseline.accept_candidate(
        link, "small", export("small", b"3", into="newest"), reason="x", by="Ada"
    )
    assert link.is_symlink()
    assert (saved / "small" / "model.mnn").read_bytes() == b"3"


def test_a_baseline_is_saved_where_one_is(
    saved: Path, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = export("small", b"newer weights", into="newer")
    (tmp_path / "new").mkdir()
    for folder in (tmp_path / "new", saved):
        monkeypatch.chdir(folder)
        baseline.save(newer, Path(), force=True)
        assert baseline_file.load(folder).models == ("small",)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="loop: "):
        baseline.save(newer, tmp_path / "loop")


@pytest.mark.parametrize("name", ["model.mnn", "reference.npz"])
def test_a_damaged_export_is_refused(export: Export, tmp_path: Path, name: str) -> None:
    artifacts = export("a")
    (artifacts / "a" / name).write_bytes(b"other")
    with pytest.raises(UsageError, match="holds no whole export"):
        baseline.save(artifacts, tmp_path / "baseline")


def test_folders_without_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't read"):
        baseline.save(tmp_path / "missing", tmp_path / "baseline")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no exported models"):
        baseline.save(tmp_path / "empty", tmp_path / "baseline")


# load


@pytest.mark.parametrize("name", ["small/model.mnn", "small/manifest.json", "runs.jsonl"])
def test_a_file_that_was_changed_or_is_gone_is_noticed(saved: Path, name: str) -> None:
    path = saved / name
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b" ")
    with pytest.raises(UsageError, match="its SHA-256 differs"):
        baseline_file.load(saved)
    path.unlink()
    with pytest.raises(UsageError, match="no whole baseline"):
        baseline_file.load(saved)


def test_a_model_that_was_put_there_by_hand_is_refused(saved: Path, export: Export) -> None:
    shutil.copytree(export("another", into="newer") / "another", saved / "another")
    with pytest.raises(UsageError, match="another was not saved with the baseline") as caught:
        baseline_file.load(saved)
    assert "--model another" in caught.value.hint
    with pytest.raises(UsageError, match="was not saved"):
        baseline.save(saved.parent / "newer", saved, force=True)


def test_launches_that_were_put_there_by_hand_are_refused(
    export: Export, results: Callable[..., Path], tmp_path: Path
) -> None:
    baseline.save(export("small"), tmp_path / "baseline")
    shutil.copy(results(("small", b"weights")) / "runs.jsonl", tmp_path / "baseline")
    with pytest.raises(UsageError, match=r"runs.jsonl was not saved"):
        baseline_file.load(tmp_path / "baseline")


@pytest.mark.parametrize("content", [b'{"schema_version": 2}', b"{"])
def test_what_force_refuses_no_hint_sends_to_force(
    saved: Path, export: Export, content: bytes
) -> None:
    (saved / "baseline.json").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        baseline.save(export("small", into="newer"), saved, force=True)
    assert "move it away and save it anew" in caught.value.hint
    saved.rename(saved.with_name("away"))
    baseline.save(saved.parent / "newer", saved)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"schema_version": 2}', "schema_version 2; this program knows 1"),
        (b"{", "is damaged"),
        (b"\xff", "is damaged"),
        (b'{"schema_version": 1}', "is damaged"),
    ],
)
def test_a_baseline_of_a_newer_program_or_none_is_refused(
    saved: Path, content: bytes, says: str
) -> None:
    (saved / "baseline.json").write_bytes(content)
    with pytest.raises(UsageError, match=says):
        baseline_file.load(saved)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
def test_files_outside_of_the_folder_are_no_part_of_it(saved: Path, name: str) -> None:
    found = baseline_file.load(saved)
    evil = msgspec.structs.replace(found, files={**found.files, name: "0" * 64})
    (saved / "baseline.json").write_bytes(msgspec.json.encode(evil))
    with pytest.raises(UsageError, match="names files wrongly"):
        baseline_file.load(saved)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no baseline"):
        baseline_file.load(tmp_path)


# accept


def test_an_accepted_candidate_takes_the_models_place_and_leaves_a_record(
    saved: Path, export: Export
) -> None:
    newer = export("small", b"wanted weights", into="newer")
    changed, remarks = baseline.accept_candidate(
        saved, "small", newer, reason="a larger head", by="Ada"
    )
    assert (saved / "small" / "model.mnn").read_bytes() == b"wanted weights"
    assert (saved / "large" / "model.mnn").read_bytes() == b"large weights"
    assert changed == baseline_file.load(saved)
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
    with pytest.raises(UsageError, match="has already"):
        baseline.accept_candidate(saved, "small", same, reason="x", by="Ada")
    with pytest.raises(UsageError, match="has no large"):
        baseline.accept_candidate(saved, "large", same, reason="x", by="Ada")
    with pytest.raises(UsageError, match="has no tiny"):
        baseline.accept_candidate(saved, "tiny", same, reason="x", by="Ada")
    with pytest.raises(UsageError, match="has no model 'tiny'"):
        baseline.accept_change(saved, "tiny", "latency", 5.0, reason="x", by="Ada")


def test_a_new_model_is_added_and_what_was_accepted_stands(saved: Path, export: Export) -> None:
    baseline.accept_change(saved, "small", "latency", 10.0, reason="x", by="Ada")
    newer = export("another", b"its weights", into="newer")
    changed, _ = baseline.accept_candidate(saved, "another", newer, reason="a new size", by="Ben")
    assert changed == baseline_file.load(saved)
    assert changed.models == ("another", "large", "small")
    assert changed.launches == 2
    assert [found.model for found in changed.accepted] == ["small", "another"]
    shown = {str(row["model"]): str(row["accepted"]) for row in baseline_show.rows(changed)}
    assert shown["another"].startswith("added: a new size (Ben, ")


def test_a_folder_of_somebody_elses_is_not_replaced_by_a_model(saved: Path, export: Export) -> None:
    (saved / "notes").mkdir()
    (saved / "notes" / "thesis.tex").write_text("years of work")
    newer = export("notes", into="newer")
    before = tree(saved)
    with pytest.raises(UsageError, match="notes is in the way"):
        baseline.accept_candidate(saved, "notes", newer, reason="x", by="Ada")
    with pytest.raises(UsageError, match="notes is in the way"):
        baseline.save(newer, saved, force=True)
    assert tree(saved) == before


def test_an_allowed_change_stops_alarming_up_to_its_size(saved: Path) -> None:
    baseline.accept_change(saved, "small", "latency", 10.0, reason="a larger head", by="Ada")
    found = baseline_file.load(saved)
    accepted = baseline.applied(regression(percent=8.0), found)
    assert accepted.verdict == "pass"
    assert accepted.exit_code == 0
    why = accepted.changes[0].accepted
    assert why is not None
    assert why.startswith("a larger head (Ada, 20")
    assert why.endswith("up to 10 %)")
    assert baseline.applied(regression(percent=12.0), found).verdict == "regressed"
    assert baseline.applied(regression("large"), found).verdict == "regressed"
    assert baseline.applied(regression(metric="init"), found).verdict == "regressed"


def test_at_the_very_size_that_was_accepted_chance_raises_no_alarm(saved: Path) -> None:
    baseline.accept_change(saved, "small", "latency", 10.0, reason="x", by="Ada")
    found = baseline_file.load(saved)
    for percent in (9.4, 10.0, 10.6):  # of 10 %, and each 1 % to either side
        assert baseline.applied(regression(percent=percent), found).verdict == "pass"
    assert baseline.applied(regression(percent=11.1), found).verdict == "regressed"
    exact = regression(percent=10.6, low_percent=None, high_percent=None)
    assert baseline.applied(exact, found).verdict == "regressed"


@pytest.mark.parametrize("verdict", ["inconclusive", "unstable", "failed"])
def test_only_a_regression_can_be_accepted(saved: Path, verdict: str) -> None:
    baseline.accept_change(saved, "small", "latency", 10.0, reason="x", by="Ada")
    report = baseline.applied(regression(verdict=verdict), baseline_file.load(saved))
    assert report.verdict == verdict


def test_the_last_word_on_a_change_counts(saved: Path) -> None:
    baseline.accept_change(saved, "small", "latency", 10.0, reason="x", by="Ada")
    baseline.accept_change(saved, "small", "latency", 5.0, reason="y", by="Ben")
    found = baseline_file.load(saved)
    assert len(found.accepted) == 2
    assert baseline.applied(regression(percent=8.0), found).verdict == "regressed"


def test_what_was_allowed_ends_with_the_file_it_was_allowed_for(
    saved: Path, export: Export
) -> None:
    baseline.accept_change(saved, "small", "latency", 10.0, reason="x", by="Ada")
    newer = export("small", b"wanted weights", into="newer")
    changed, _ = baseline.accept_candidate(saved, "small", newer, reason="y", by="Ben")
    assert [found.reason for found in changed.accepted] == ["y"]
    assert baseline.applied(regression(), changed).verdict == "regressed"


@pytest.mark.parametrize("percent", [0.0, -1.0, float("nan"), float("inf")])
def test_only_a_size_can_be_allowed(saved: Path, percent: float) -> None:
    with pytest.raises(UsageError, match="can't be accepted"):
        baseline.accept_change(saved, "small", "latency", percent, reason="x", by="Ada")


@pytest.mark.parametrize("reason", ["", " \n", "\x1b", "x" * 1001])
def test_a_reason_is_needed_that_can_be_shown(saved: Path, reason: str) -> None:
    before = tree(saved)
    with pytest.raises(UsageError, match="reason"):
        baseline.accept_change(saved, "small", "latency", 5.0, reason=reason, by="Ada")
    assert tree(saved) == before


def test_accept_takes_new_files_or_a_size(saved: Path, export: Export) -> None:
    remarks = baseline.accept(saved, "large", reason="x", by="Ada", metric="init", up_to="50%")
    assert remarks == [f"{saved}: init of large may grow by up to 50 %"]
    newer = export("small", b"wanted weights", into="newer")
    baseline.accept(saved, "small", reason="y", by="Ada", candidate=newer)
    found = [(entry.model, entry.metric) for entry in baseline_file.load(saved).accepted]
    assert found == [("large", "init"), ("small", None)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "not clear"),
        ({"candidate": Path("x"), "up_to": "5%"}, "not clear"),
        ({"candidate": Path("x"), "metric": "latency"}, "goes with --up-to"),
        ({"up_to": "5%", "metric": "beauty"}, "no metric 'beauty'"),
        ({"up_to": "five"}, "--up-to"),
        ({"up_to": "0%"}, "0"),
    ],
)
def test_what_is_accepted_must_be_clear(saved: Path, given: dict[str, Any], says: str) -> None:
    before = tree(saved)
    with pytest.raises(UsageError, match=says):
        baseline.accept(saved, "small", reason="x", by="Ada", **given)
    assert tree(saved) == before


# show


def test_what_is_shown_says_what_was_accepted_by_whom(saved: Path, export: Export) -> None:
    baseline.accept_change(saved, "large", "mnn_size", 20.0, reason="a larger head", by="Ada")
    newer = export("small", b"wanted weights", into="newer")
    baseline.accept_candidate(saved, "small", newer, reason="distilled", by="Ben")
    large, small = baseline_show.rows(baseline_file.load(saved))
    assert large["model"] == "large"
    assert large["mnn_sha256"] == sha256(b"large weights")[:12]
    assert str(large["accepted"]).startswith("mnn_size up to +20 %: a larger head (Ada, ")
    assert str(small["accepted"]).startswith("files replaced: distilled (Ben, ")


def test_what_is_shown_says_where_the_launches_were_made(saved: Path) -> None:
    lines = baseline_show.remarks(saved, baseline_file.load(saved))
    assert "2 models, 2 launches" in lines[1]
    assert lines[2] == (
        "launches: here (chip), core 1, mnn 3.6.1, fp32, threads 1, runner python 0.1.0"
    )


# who


def test_ci_says_who_accepts_before_git_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    subprocess.run(["git", "init", "-q"], check=True, cwd=tmp_path)
    subprocess.run(["git", "config", "user.name", "Ada\tL."], check=True, cwd=tmp_path)
    assert who.accepts({}) == "Ada L."
    assert who.accepts({"GITHUB_ACTOR": "octo"}) == "octo"
    assert who.accepts({"GITLAB_USER_LOGIN": "fox"}) == "fox"


def test_without_ci_and_git_the_system_says_who(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "ada")
    assert who.accepts(dict(os.environ)) == "ada"

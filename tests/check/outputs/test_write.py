"""Every file that was asked for is proven writable first, and is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.check.outputs import write
from asymm_deploy.check.outputs.write import Wanted
from asymm_deploy.check.records import Report
from asymm_deploy.errors import UsageError


def everything(folder: Path) -> Wanted:
    return Wanted(
        junit=folder / "check.xml",
        markdown=folder / "check.md",
        json=folder / "check.json",
        benchmark_json=folder / "benchmark.json",
    )


def test_all_files_are_written_and_the_annotations_returned(report: Report, tmp_path: Path) -> None:
    wanted = everything(tmp_path / "new" / "folder")
    write.prove(wanted)
    summary = tmp_path / "summary"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    commands = write.written(report, wanted, environ, elapsed_s=1.0)
    assert all(path.stat().st_size for path in (*wanted.paths, summary))
    assert set((tmp_path / "new" / "folder").iterdir()) == set(wanted.paths)
    assert len(commands) == 5


def test_nothing_is_written_that_was_not_asked_for(report: Report, tmp_path: Path) -> None:
    wanted = Wanted(json=tmp_path / "check.json")
    assert write.written(report, wanted, {}, elapsed_s=1.0) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "check.json"]


def test_a_file_that_cant_be_written_is_said_before_the_timing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"can't write check.xml"):
        write.prove(Wanted(junit=tmp_path / "file" / "check.xml"))
    with pytest.raises(UsageError, match="is a folder"):
        write.prove(Wanted(junit=tmp_path))


def test_two_outputs_in_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one file"):
        write.prove(Wanted(junit=tmp_path / "x", json=tmp_path / "sub" / ".." / "x"))


def test_one_that_fails_leaves_the_others_written_and_none_half(
    report: Report, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    wanted = Wanted(junit=tmp_path / "taken", json=tmp_path / "check.json")
    with pytest.raises(UsageError, match=r"can't write .*taken"):
        write.written(report, wanted, {}, elapsed_s=1.0)
    assert {path.name for path in tmp_path.iterdir()} == {"check.json", "taken"}

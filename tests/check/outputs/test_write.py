"""Every file that was asked for is proven writable first, and is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.check.findings import GateReport
from asymm_deploy.check.outputs import write
from asymm_deploy.check.outputs.write import WantedOutputs, WrittenOutputs
from asymm_deploy.errors import UsageError
from asymm_deploy.safe import GitHubCommand


def everything(folder: Path) -> WantedOutputs:
    return WantedOutputs(
        junit=folder / "check.xml",
        markdown=folder / "check.md",
        json=folder / "check.json",
        benchmark_json=folder / "benchmark.json",
    )


def test_all_files_are_written_and_the_annotations_returned(
    report: GateReport, tmp_path: Path
) -> None:
    wanted = everything(tmp_path / "new" / "folder")
    write.prove_writable(wanted)
    summary = tmp_path / "summary"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    written = write.write_outputs(report, wanted, environ, elapsed_s=1.0)
    assert all(path.stat().st_size for path in (*wanted.paths, summary))
    assert set((tmp_path / "new" / "folder").iterdir()) == set(wanted.paths)
    assert len(written.annotations) == 5
    assert written.failure is None


def test_nothing_is_written_that_was_not_asked_for(report: GateReport, tmp_path: Path) -> None:
    wanted = WantedOutputs(json=tmp_path / "check.json")
    assert write.write_outputs(report, wanted, {}, elapsed_s=1.0) == WrittenOutputs((), None)
    assert list(tmp_path.iterdir()) == [tmp_path / "check.json"]


def test_a_file_that_cant_be_written_is_said_before_the_timing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match=r"can't write check.xml"):
        write.prove_writable(WantedOutputs(junit=tmp_path / "file" / "check.xml"))
    with pytest.raises(UsageError, match="is a folder"):
        write.prove_writable(WantedOutputs(junit=tmp_path))
    with pytest.raises(UsageError, match=r"can't write .*loop: "):
        write.prove_writable(WantedOutputs(junit=tmp_path / "loop"))
    with pytest.raises(UsageError, match=r"can't write .*xxx: File name too long"):
        write.prove_writable(WantedOutputs(junit=tmp_path / ("x" * 300)))


def test_a_name_as_long_as_the_system_takes_is_written(report: GateReport, tmp_path: Path) -> None:
    wanted = WantedOutputs(json=tmp_path / ("x" * 255))
    write.prove_writable(wanted)
    write.write_outputs(report, wanted, {}, elapsed_s=1.0)
    assert (tmp_path / ("x" * 255)).exists()


def test_a_summary_that_cant_be_written_is_said_before_the_timing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't add to the job's summary"):
        write.prove_writable(WantedOutputs(), {"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_two_outputs_in_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("x")
    with pytest.raises(UsageError, match="the same file"):
        write.prove_writable(
            WantedOutputs(junit=tmp_path / "x", json=tmp_path / "sub" / ".." / "x")
        )
    with pytest.raises(UsageError, match="the same file"):
        write.prove_writable(WantedOutputs(junit=tmp_path / "x", json=tmp_path / "link"))
    with pytest.raises(UsageError, match="the same file"):
        write.prove_writable(
            WantedOutputs(json=tmp_path / "x"), {"GITHUB_STEP_SUMMARY": str(tmp_path / "x")}
        )


@pytest.mark.parametrize(
    "name",
    [
        "model/model.mnn",
        "model/deep/new.json",
        "out/runs.jsonl",
        "out/blocks.jsonl",
        "link",
        "baseline.json",
    ],
)
def test_no_output_takes_the_place_of_what_is_compared(tmp_path: Path, name: str) -> None:
    (tmp_path / "model").mkdir()
    for file in ("manifest.json", "model.mnn"):
        (tmp_path / "model" / file).write_text("")
    (tmp_path / "link").symlink_to("model/model.mnn")
    with pytest.raises(UsageError, match=r"own folder|is for launches|is reserved for baselines"):
        write.prove_writable(WantedOutputs(json=tmp_path / name))
    assert not (tmp_path / "out").exists()


def test_a_manifest_of_something_else_forbids_nothing(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("of a web page")
    write.prove_writable(WantedOutputs(json=tmp_path / "check.json"))


def test_links_and_pipes_are_written_through(report: GateReport, tmp_path: Path) -> None:
    # a device would go the way of the pipe; whoever breaks this as root should still have his
    (tmp_path / "file").write_text("former")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    wanted = WantedOutputs(json=tmp_path / "link", markdown=tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    write.prove_writable(wanted)
    write.write_outputs(report, wanted, {}, elapsed_s=1.0)
    assert (tmp_path / "pipe").is_fifo()
    assert os.read(reader, 2**16).startswith(b"## Regression gate")
    os.close(reader)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text().startswith("{")


@pytest.mark.parametrize(("accepted", "code"), [(None, 1), ("wanted", 3)])
def test_one_that_fails_leaves_the_others_written_and_the_verdict_standing(
    report: GateReport, tmp_path: Path, accepted: str | None, code: int
) -> None:
    slow = msgspec.structs.replace(report.changes[2], accepted=accepted)
    report = msgspec.structs.replace(report, changes=(slow,))
    (tmp_path / "taken").mkdir()
    wanted = WantedOutputs(junit=tmp_path / "taken", json=tmp_path / "check.json")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path)}
    written = write.write_outputs(report, wanted, environ, elapsed_s=1.0)
    assert {path.name for path in tmp_path.iterdir()} == {"check.json", "taken"}
    assert written.failure is not None
    assert written.failure.exit_code == code
    assert "taken: Is a directory" in written.failure.what
    assert "the job's summary" in written.failure.what
    (note,) = written.annotations
    assert isinstance(note, GitHubCommand)
    assert "slow" in note

"""Folders and files in the places of ours: damaged, of another kind, edited by hand."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import onnx
import onnx.parser
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.records import LaunchRecord

Refused = Callable[..., Any]
QUICK = ["--runs", "1", "--launches", "1"]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a graph and its export."""
    folder = tmp_path_factory.mktemp("exported")
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> g (float[1,4] x) => (float[1,4] y) {y = Sin(x)}'
    )
    onnx.save(onnx.parser.parse_model(text), folder / "g.onnx")
    assert cli.run(["export", str(folder / "g.onnx"), "--out", str(folder / "artifacts")]) == 0
    return folder


@pytest.fixture
def artifacts(exported: Path, folder: Path) -> Path:
    """A copy of it in the current folder."""
    import shutil

    shutil.copytree(exported / "artifacts", folder / "artifacts")
    shutil.copy(exported / "g.onnx", folder / "g.onnx")
    return folder / "artifacts"


KINDS = ("a pipe", "a folder", "a socket", "a device", "a loop", "a dangling link")


@contextmanager
def in_its_place(path: Path, kind: str) -> Iterator[None]:
    """Put something that is no file where a file is expected."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    server = None
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a socket":
        server = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may have a hundred characters
        server.bind(path.name)
        os.chdir(here)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a loop":
        path.symlink_to(path.name)
    else:
        path.symlink_to("nowhere")
    try:
        yield
    finally:
        if server is not None:
            server.close()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "a dangling link"])
@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("results/runs.jsonl", ["report", "results"]),
        ("w.pt", ["export", "asymmnet_small_035", "--weights", "w.pt"]),
        ("s.npz", ["export", "asymmnet_small_035", "--inputs", "s.npz"]),
        ("h.onnx", ["export", "h.onnx"]),
        ("h.onnx", ["describe", "h.onnx"]),
        ("artifacts/.lock", ["export", "asymmnet_small_035"]),
        ("build.log", ["runner", "build", "--preset", "host", "--into", "build"]),
        ("runner", ["bench", "asymmnet_small_035", "--runner", "runner", *QUICK]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_is_no_file_is_refused(
    refused: Refused, folder: Path, kind: str, place: str, arguments: list[str]
) -> None:
    with in_its_place(folder / place, kind):
        refused(arguments, 2)


@pytest.mark.parametrize("kind", KINDS[:4])
@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("results/runs.jsonl", ["report", "results"]),
        ("results/runs.jsonl", ["report", "results/runs.jsonl"]),
        ("results/runs.jsonl", ["check", "--baseline", "results", "--candidate", "results"]),
        ("base/baseline.json", ["baseline", "save", "artifacts", "--into", "base", "--force"]),
        ("base/baseline.json", ["baseline", "show", "base"]),
        ("base/g/manifest.json", ["check", "--baseline", "base", "--candidate", "artifacts"]),
        ("artifacts/g/manifest.json", ["baseline", "save", "artifacts", "--into", "b"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_what_is_in_the_place_of_a_file_is_named(
    refused: Refused, artifacts: Path, kind: str, place: str, arguments: list[str]
) -> None:
    with in_its_place(artifacts.parent / place, kind):
        if arguments[1:] == ["results/runs.jsonl"] and kind == "a folder":
            pytest.skip("that is a folder without results")
        refused(arguments, 2, Path(place).name, kind)


def test_a_hint_names_no_option_that_the_command_lacks(refused: Refused, folder: Path) -> None:
    with in_its_place(folder / "results" / "runs.jsonl", "a pipe"):
        told = refused(["check", "--history", "results/runs.jsonl"], 2, "a pipe", "move it away")
    assert "--out" not in told.err


def test_links_in_a_circle_are_no_history(refused: Refused, folder: Path) -> None:
    with in_its_place(folder / "results" / "runs.jsonl", "a loop"):
        refused(["check", "--history", "results/runs.jsonl"], 2, "runs.jsonl")


def test_a_folder_in_the_place_of_an_exported_file_is_named(
    refused: Refused, artifacts: Path
) -> None:
    with in_its_place(artifacts / "g" / "reference.npz", "a folder"):
        refused(["export", "g.onnx"], 2, "artifacts/g/reference.npz: Is a directory")


def test_a_pipe_among_what_a_killed_export_left_is_not_waited_for(
    refused: Refused, artifacts: Path
) -> None:
    with in_its_place(artifacts / ".work-x", "a pipe"):
        refused(["export", "g.onnx"], 0)


@pytest.mark.parametrize("kind", KINDS)
def test_results_that_are_no_file_stop_a_bench_before_it_times(
    refused: Refused, artifacts: Path, kind: str
) -> None:
    with in_its_place(artifacts.parent / "results" / "runs.jsonl", kind):
        if kind == "a dangling link":
            pytest.skip("a link to a file that is yet to be written is none of these")
        told = refused(["bench", "g.onnx", *QUICK], 2, "runs.jsonl")
    assert "mean" not in told.out


@pytest.mark.parametrize("kind", KINDS)
def test_a_manifest_that_is_no_file_is_refused(
    refused: Refused, artifacts: Path, kind: str
) -> None:
    with in_its_place(artifacts / "g" / "manifest.json", kind):
        if kind == "a dangling link":
            pytest.skip("there is no manifest then, and the model is exported")
        refused(["bench", "g.onnx", *QUICK], 2, "manifest.json")


MANIFESTS: dict[str, bytes] = {
    "empty": b"",
    "half": b'{"schema_version": 2, "model"',
    "nested": b"[" * 100_000,
    "nested in it": b'{"schema_version": 2, "model": ' + b"[" * 100_000,
    "nested where nobody looks": b'{"x": ' + b"[" * 100_000,
    "a number": b"7",
    "not UTF-8": b'{"schema_version": "\xff"}',
    "a version of text": b'{"schema_version": "2"}',
    "a version of 2**70": b'{"schema_version": 1180591620717411303424}',
    "a newer one": b'{"schema_version": 99}',
    "less than a version": b'{"schema_version": -1}',
}


@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_damaged_manifest_is_refused(refused: Refused, artifacts: Path, content: bytes) -> None:
    (artifacts / "g" / "manifest.json").write_bytes(content)
    refused(["bench", "g.onnx", *QUICK], 2, "manifest.json")
    refused(["check", "--baseline", "artifacts", "--candidate", "artifacts"], 2, "manifest.json")


@pytest.mark.parametrize("content", [b"", b'{"x": ' + b"[" * 100_000, b"7", b"{}", b"\xff"])
def test_a_runner_of_which_nothing_is_known_is_refused(
    refused: Refused, folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    monkeypatch.delenv("ASYMM_DEPLOY_RUNNER", raising=False)
    there = folder / "asymm-deploy" / "runner" / "host"
    there.mkdir(parents=True)
    (there / "asymm-runner").write_bytes(b"")
    (there / "runner.json").write_bytes(content)
    refused(["runner", "where", "--preset", "host"], 3, "runner.json")


def edited(record: LaunchRecord, **changes: object) -> bytes:
    line = json.loads(msgspec.json.encode(record)) | changes
    return json.dumps(line).encode() + b"\n"


RECORDS: dict[str, dict[str, object]] = {
    "no samples": {"samples_ns": []},
    "a run of no time": {"samples_ns": [0] + [1] * 99},
    "a run of less": {"samples_ns": [-5] + [1] * 99},
    "a run of 1e30": {"samples_ns": [10**30] + [1] * 99},
    "a run of a float": {"samples_ns": [1.5] * 100},
    "a run of text": {"samples_ns": ["1"] * 100},
    "fewer samples than runs": {"samples_ns": [10**7] * 99},
    "a loop shorter than its runs": {"wall_ns": 5},
    "a process shorter than its loop": {"process_ns": 1000},
    "a load of a century": {"init_ns": 10**20},
    "less memory than none": {"peak_memory_mb": -1},
    "an exit code of a regression": {"exit_code": 1},
    "an unheard-of flag": {"flags": ["unheard-of"]},
    "an engine of its own": {"engine": "tvm"},
    "a precision of its own": {"precision": "fp7"},
    "another command": {"written_by": "somebody"},
    "a newer version": {"schema_version": 99},
    "a version of text": {"schema_version": "1"},
    "no model": {"model": None},
    "2**70 multiply-adds": {"madds": 2**70},
}


@pytest.mark.parametrize("changes", RECORDS.values(), ids=RECORDS.keys())
@pytest.mark.parametrize("command", ["report", "bench", "check"])
def test_a_launch_that_nothing_can_have_measured_is_refused(
    refused: Refused,
    artifacts: Path,
    good: LaunchRecord,
    command: str,
    changes: dict[str, object],
) -> None:
    results = artifacts.parent / "results"
    results.mkdir()
    (results / "runs.jsonl").write_bytes(edited(good) + edited(good, launch=1, **changes))
    before = (results / "runs.jsonl").read_bytes()
    arguments = {
        "report": ["report", "results"],
        "bench": ["bench", "g.onnx", *QUICK],
        "check": ["check", "--baseline", "results", "--candidate", "results"],
    }[command]
    refused(arguments, 2, "runs.jsonl", "line 2")
    assert (results / "runs.jsonl").read_bytes() == before


@pytest.mark.parametrize("content", [b"7\n", b"[" * 100_000 + b"\n", b"\xff\n", b"\x00\n", b"{}\n"])
def test_lines_that_are_no_launch_are_refused(
    refused: Refused, folder: Path, content: bytes
) -> None:
    (folder / "runs.jsonl").write_bytes(content)
    refused(["report", "."], 2, "runs.jsonl", "line 1")


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "nowhere"],
        ["report", "."],
        ["report", "a\x00b"],
        ["check"],
        ["check", "--baseline", "nowhere", "--candidate", "nowhere"],
        ["check", "--baseline", ".", "--candidate", "."],
        ["check", "--history"],
        ["check", "--history", "nowhere.jsonl"],
        ["check", "--history", "."],
        ["baseline", "save", "nowhere", "--into", "b"],
        ["baseline", "show", "nowhere"],
        ["baseline", "show", "."],
        ["bench"],
        ["bench", "asymmnet_small_035", "--device", "nowhere:1"],
        ["bench", "asymmnet_small_035", "--allow", "nonsense"],
        ["bench", "asymmnet_small_035", "--engine", "tvm"],
        ["bench", "asymmnet_small_035", "--precision", "fp7"],
        ["bench", "asymmnet_small_035", "--runner", "nowhere"],
        ["export"],
        ["export", "--unheard-of"],
        ["unheard-of"],
    ],
    ids=" ".join,
)
def test_what_names_nothing_is_refused(
    refused: Refused, folder: Path, arguments: list[str]
) -> None:
    del folder
    code = 3 if "nowhere:1" in arguments else 2
    refused(arguments, code)


LONG = "n" * 300
"""Longer than a file's name may be."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "asymmnet_small_035", "--inputs", LONG],
        ["export", "asymmnet_small_035", "--weights", LONG],
        ["export", "asymmnet_small_035", "--out", LONG],
        ["export", "asymmnet_small_035", "--out", "n/" * 2500],
        ["bench", "asymmnet_small_035", "--runner", LONG],
        ["bench", "asymmnet_small_035", "--runner", "n/" * 2500],
        ["check", "--history", LONG],
        ["check", "--baseline", LONG, "--candidate", LONG],
        ["report", LONG],
        ["report", "--table", "1", "--out", LONG],
        ["baseline", "show", LONG],
        ["runner", "build", "--preset", "host", "--into", LONG],
    ],
    ids=lambda arguments: " ".join(arguments)[:50],
)
def test_a_path_that_is_too_long_is_refused(
    refused: Refused, folder: Path, arguments: list[str]
) -> None:
    del folder
    refused(arguments, 2, "too long")


def test_a_folder_that_the_converters_can_not_name_is_refused(
    refused: Refused, folder: Path
) -> None:
    del folder
    refused(["export", "asymmnet_small_035", "--out", "\udcff"], 2, "not UTF-8")


def test_models_in_a_folder_that_the_engines_can_not_name_are_refused(
    refused: Refused, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = artifacts.parent / "\udcff"
    elsewhere.mkdir()
    for path in (artifacts, artifacts.parent / "g.onnx"):
        path.rename(elsewhere / path.name)
    model = f"{elsewhere.name}/artifacts/g/model.mnn"
    both = f"{elsewhere.name}/artifacts"
    refused(["export", f"{elsewhere.name}/g.onnx"], 2, "not UTF-8", "rename the folder")
    refused(["bench", model, *QUICK], 2, "not UTF-8")
    refused(["check", "--baseline", both, "--candidate", both], 2, "not UTF-8")
    monkeypatch.chdir(elsewhere)
    refused(["export", "g.onnx"], 2, "not UTF-8")
    refused(["bench", "artifacts/g/model.mnn", *QUICK], 2, "not UTF-8")
    monkeypatch.chdir(artifacts.parent)


@pytest.mark.parametrize("option", ["--out", "--artifacts"])
def test_a_file_in_the_place_of_a_folder_is_refused(
    refused: Refused, artifacts: Path, option: str
) -> None:
    (artifacts.parent / "file").write_text("")
    refused(["bench", "g.onnx", *QUICK, option, "file"], 2, "file")

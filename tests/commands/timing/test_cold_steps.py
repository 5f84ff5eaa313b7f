"""`bench --cold` on this machine: real starts of a real model, kept, and told in a table."""

from __future__ import annotations

import csv
import mmap
from pathlib import Path

import pytest

from asymm_deploy import cli
from tests.made_networks import made_network

NOISE = [f"--allow={name}" for name in ("stolen-time", "throttled")]
GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
tiny (float[1,3,8,8] x) => (float[1,8,8,8] y)
{
  y = Conv<pads=[1,1,1,1]>(x, weight)
}
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made_network(GRAPH, tmp_path / "tiny.onnx")
    return Path("tiny.mnn")


def row_of(results: Path) -> dict[str, str]:
    with (results / "cold.csv").open() as file:
        (row,) = csv.DictReader(file)
    return row


def test_a_model_is_started_and_told_of_and_the_same_again_starts_nothing(
    net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", str(net), "--cold", "--launches", "2", *NOISE]
    assert cli.run(command) == 0
    printed = capsys.readouterr()
    assert "wrote results/cold.jsonl and results/cold.csv" in printed.err
    assert "first run (ms)" in printed.out
    row = row_of(Path("results"))
    assert (row["model"], row["launches"], row["engine"]) == ("tiny", "2", "mnn")
    for name in ("create_ms", "first_ms", "second_ms", "steady_ms", "memory_created_mb"):
        assert float(row[name]) > 0, name
    assert row["cache"] in {"dropped", "kept", "unknown", "mixed"}
    assert bool(row["read_ms"]) == (row["cache"] in {"dropped", "mixed"})
    assert ("warm-cache" in row["flags"]) == (row["cache"] != "dropped")
    assert not Path("results/runs.jsonl").exists()
    content = Path("results/cold.jsonl").read_bytes()
    assert cli.run(command) == 0
    assert "4 launches were measured before and are kept" in capsys.readouterr().err
    assert Path("results/cold.jsonl").read_bytes() == content
    assert cli.run([*command, "--format", "csv"]) == 0
    assert capsys.readouterr().out == Path("results/cold.csv").read_text()


def test_a_file_in_memory_is_never_told_as_cold(
    net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with net.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) >= 0  # in memory, and in use
        assert cli.run(["bench", str(net), "--cold", "--launches", "1", *NOISE]) == 0
    row = row_of(Path("results"))
    assert (row["cache"], row["read_ms"], row["cold_ms"]) == ("kept", "", "")
    assert float(row["warm_read_ms"]) > 0
    assert "warm-cache" in row["flags"]
    assert "no time of reading it from the disk" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--paired"], "--paired means nothing with --cold"),
        (["--table", "5"], "--table means nothing with --cold"),
        (["--figure", "1"], "--figure means nothing with --cold"),
        (["--runs", "100"], "--runs means nothing with --cold"),
        (["--warmup", "0"], "--warmup means nothing with --cold"),
        (["--for", "30m"], "--for means nothing with --cold"),
        (["--every", "33ms"], "--every means nothing with --cold"),
        (["--launches", "0"], "--launches"),
        (["--launches", "100000000"], "--launches"),
        (["--device", "a76"], "a76 is an emulated processor"),
        (["--device", "host", "--device", "Cortex-A76"], "is an emulated processor"),
    ],
)
def test_what_means_nothing_with_it_is_refused(
    net: Path, capsys: pytest.CaptureFixture[str], more: list[str], why: str
) -> None:
    assert cli.run(["bench", str(net), "--cold", *more]) == 2
    told = capsys.readouterr().err
    assert why in told
    assert "hint: " in told
    assert not Path("results").exists()


def test_a_runner_that_knows_no_cold_starts_is_told_to_be_built_again(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = tmp_path / "old"
    refusal = '{"type":"error","reason":"unrecognized arguments: --cold"}'
    runner.write_text(f"#!/bin/sh\necho '{refusal}'\nexit 3\n")
    runner.chmod(0o755)
    assert cli.run(["bench", str(net), "--cold", "--launches", "1", "--runner", str(runner)]) == 3
    assert "asymm-deploy runner build" in capsys.readouterr().err

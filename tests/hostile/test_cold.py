"""Cold starts that can't be made or shown are refused with why, and change nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.records import LaunchRecord
from tests.made_cold import cold_record
from tests.made_networks import made_network

Refused = Callable[..., Any]
GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
tiny (float[1,3,8,8] x) => (float[1,8,8,8] y)
{
  y = Conv<pads=[1,1,1,1]>(x, weight)
}
"""
COLD = ["bench", "tiny.mnn", "--cold", "--launches", "1"]


@pytest.fixture
def net(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.mnn."""
    made = tmp_path_factory.getbasetemp() / "tiny"
    if not (made / "tiny.mnn").exists():
        made.mkdir(exist_ok=True)
        made_network(GRAPH, made / "tiny.onnx")
    (folder / "tiny.mnn").write_bytes((made / "tiny.mnn").read_bytes())
    return folder


NUMBERS = [
    *(f"--launches={value}" for value in ("0", "-1", "1.5", str(10**12), str(2**70), "ten")),
    *(f"--{name}=1" for name in ("runs", "warmup")),
    "--paired",
    "--table=5",
    "--figure=1",
    "--device=a76",
    "--device=cortex-A76",
    "--threads=0",
    "--cpu=99999",
]


@pytest.mark.parametrize("option", NUMBERS)
def test_what_no_cold_start_can_have_is_refused(net: Path, refused: Refused, option: str) -> None:
    refused([*COLD, option], 2, option.partition("=")[0].replace("--device", "emulated"))
    assert not (net / "results").exists()


def test_a_file_that_is_no_model_fails_in_its_row(net: Path, refused: Refused) -> None:
    (net / "bad.mnn").write_bytes(b"not a model")
    refused(["bench", "bad.mnn", "--cold"], 3, "bad", "can't load", in_its_row=True)


@pytest.mark.parametrize(
    "content",
    [
        b"7\n",
        b"[" * 100_000 + b"\n",
        b"\xff\n",
        b"\x00\n",
        b"{}\n",
        b"half",
        b'{"schema_version":9}\n',
    ],
    ids=lambda content: repr(content[:20]),
)
@pytest.mark.parametrize("command", ["bench", "page", "table"])
@pytest.mark.parametrize(
    ("name", "bench"), [("cold.jsonl", COLD), ("sustained.jsonl", [*COLD[:2], "--for=5s"])]
)
def test_a_damaged_file_of_launches_is_refused(
    net: Path, refused: Refused, content: bytes, name: str, bench: list[str], command: str
) -> None:
    results = net / "results"
    results.mkdir()
    (results / name).write_bytes(content)
    page = ["report", "results", "--page", "page.html"]
    told = refused({"bench": bench, "page": page, "table": page[:2]}[command], 2, name)
    assert "alone" not in told.err
    assert (results / name).read_bytes() == content
    assert not (net / "page.html").exists()


def test_what_is_no_file_is_refused(net: Path, refused: Refused) -> None:
    (net / "results").mkdir()
    (net / "results" / "cold.jsonl").mkdir()
    refused(COLD, 2, "cold.jsonl")
    (net / "results" / "cold.jsonl").rmdir()
    os.mkfifo(net / "results" / "cold.jsonl")
    refused(COLD, 2, "cold.jsonl")


def test_a_table_that_can_not_be_written_is_told_and_the_launches_are_kept(
    net: Path, refused: Refused
) -> None:
    (net / "results" / "cold.csv").mkdir(parents=True)
    refused([*COLD, "--allow=stolen-time"], 2, "cold.csv")
    assert (net / "results" / "cold.jsonl").read_bytes().count(b"\n") == 2


def test_names_are_data_on_a_page(folder: Path, good: LaunchRecord, refused: Refused) -> None:
    name = "=cmd|<script>alert(1)</script>\x1b[2J"
    launch = msgspec.structs.replace(good, model=name, device=name)
    (folder / "results").mkdir()
    line = msgspec.json.encode(cold_record(launch)) + b"\n"
    (folder / "results" / "cold.jsonl").write_bytes(line)
    refused(["report", "results", "--page", "page.html"], 0)
    page = (folder / "page.html").read_text()
    assert "<script>alert(1)" not in page
    assert "\x1b" not in page
    refused(["report", "results"], 2, "cold starts alone", "cold.csv")
    refused(["report", "page.html", "--verify"], 0)

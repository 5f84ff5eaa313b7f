"""What ``explain`` can't explain, compare or write is refused with why, before anything runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx.parser
import pytest

from tests.made_networks import mnn_of

NEG = "g (float[1,4] x) => (float[1,4] y) { y = Neg(x) }"
OTHER_INPUT = "g (float[1,4] z) => (float[1,4] y) { y = Neg(z) }"
OTHER_NAMES = "g (float[1,4] x) => (float[1,4] b) { a = Neg(x) b = Neg(a) }"
OPEN = "g (float[N,4] x) => (float[N,4] y) { y = Neg(x) }"
GARBAGE = b"\x10\x00\x00\x00 nothing that anybody would run " * 20


@dataclass(frozen=True)
class Refused:
    """What is given, what the command returns, and what it must name."""

    name: str
    arguments: Sequence[str]
    code: int
    names: tuple[str, ...]


ROWS = [
    Refused("nothing", [], 2, ("no model is named",)),
    Refused("nothing left", ["net.onnx", "--no-time", "--no-error"], 2, ("--no-error",)),
    Refused("a file that is not there", ["none.mnn"], 2, ("none.mnn", "No such file")),
    Refused("a pipe", ["pipe.mnn"], 2, ("pipe.mnn", "a pipe")),
    Refused("a damaged .onnx", ["garbage.onnx"], 2, ("garbage.onnx", "not a valid ONNX")),
    Refused(
        "several, one reference", ["net.mnn", "net.onnx", "--reference=net.onnx"], 2, ("2 are",)
    ),
    Refused("several, one graph", ["net.mnn", "net.onnx", "--graph=g"], 2, ("--graph",)),
    Refused("no such reference", ["net.mnn", "--reference=none.onnx"], 2, ("none.onnx",)),
    Refused("a reference of text", ["net.mnn", "--reference=text"], 2, ("text", ".onnx")),
    Refused("a damaged one", ["net.mnn", "--reference=garbage.onnx"], 2, ("garbage.onnx",)),
    Refused("a folder", ["net.mnn", "--reference=folder.onnx"], 2, ("folder.onnx", "folder")),
    Refused("one of open size", ["net.mnn", "--reference=open.onnx"], 2, ("open.onnx", "x")),
    Refused("one of other names", ["net.mnn", "--reference=names.onnx"], 2, ("no tensor",)),
    Refused("one of other inputs", ["net.mnn", "--reference=input.onnx"], 2, ("inputs z",)),
    Refused("a damaged file", ["damaged.mnn", "--reference=net.onnx"], 2, ("damaged.mnn",)),
    Refused("no errors, no times", ["net.mnn", "--no-time"], 2, ("no reference", "--reference")),
    Refused("against nothing", ["net.mnn", "--against=none"], 2, ("none",)),
    Refused("against a bare folder", ["net.mnn", "--against=bare"], 2, ("explained.jsonl",)),
    Refused("against damage", ["net.mnn", "--against=damaged"], 2, ("damaged in line 1",)),
    Refused("against the future", ["net.mnn", "--against=newer"], 2, ("schema_version 99",)),
    Refused("against no records", ["net.mnn", "--against=empty"], 2, ("no explanations",)),
    Refused("a damaged folder", ["net.mnn", "--out=damaged"], 2, ("damaged in line 1",)),
    Refused("a newer one", ["net.mnn", "--out=newer"], 2, ("schema_version 99",)),
    Refused("no folder", ["net.mnn", "--out=text"], 2, ("text",)),
    Refused("no place for a trace", ["net.mnn", "--trace=none/t.json"], 2, ("no folder",)),
    Refused("two in one", ["net.mnn", "--trace=t.json", "--graph=./t.json"], 2, ("same file",)),
    Refused("errors on it", ["net.mnn", "--trace=g.error.json", "--graph=g.json"], 2, ("same",)),
    Refused("results", ["net.mnn", "--trace=empty/explained.jsonl"], 2, ("it would be replaced",)),
    Refused("another's JSON", ["net.mnn", "--trace=other.json"], 2, ("it would be replaced",)),
    Refused("a model", ["net.mnn", "--graph=net.onnx"], 2, ("net.onnx", "it would be replaced")),
    Refused("no such core", ["net.mnn", "--cpu=9999"], 2, ("9999",)),
    Refused("no number of a core", ["net.mnn", "--cpu=x"], 2, ("--cpu x",)),
    Refused("too few runs", ["net.mnn", "--runs=0"], 2, ("--runs 0",)),
    Refused("too deep", ["net.mnn", "--by=module", "--depth=0"], 2, ("--depth 0",)),
    Refused("a depth of nothing", ["net.mnn", "--depth=2"], 2, ("--by module",)),
    Refused("no such flag", ["net.mnn", "--allow=noise"], 2, ("noise",)),
    Refused("what times on what counts", ["net.mnn", "--device=a76", "--cpu=1"], 2, ("--cpu",)),
    Refused("an input of a file", ["net.mnn", "--input-shape=1,4"], 2, ("--input-shape",)),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the rows name."""
    folder = tmp_path_factory.mktemp("made")
    graphs = {"net": NEG, "input": OTHER_INPUT, "names": OTHER_NAMES, "open": OPEN}
    for name, text in graphs.items():
        model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
        onnx.save(model, folder / f"{name}.onnx")
    (folder / "other.json").write_text('{"traceEvents": [], "more": 1}')
    mnn_of(folder / "net.onnx")
    (folder / "garbage.onnx").write_bytes(GARBAGE)
    (folder / "damaged.mnn").write_bytes(GARBAGE)
    (folder / "text").write_text("not an ONNX file")
    (folder / "folder.onnx").mkdir()
    for name, line in (("damaged", "{}\n"), ("newer", '{"schema_version":99}\n'), ("empty", "")):
        (folder / name).mkdir()
        (folder / name / "explained.jsonl").write_text(line)
    (folder / "bare").mkdir()
    return folder


@pytest.fixture
def here(folder: Path, made: Path) -> Path:
    """A folder of this test's own with links to them, and a pipe."""
    for path in made.iterdir():
        (folder / path.name).symlink_to(path)
    os.mkfifo(folder / "pipe.mnn")
    return folder


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_refused_with_why(row: Refused, here: Path, refused: Callable[..., object]) -> None:
    refused(["explain", *row.arguments], row.code, *row.names)
    assert not (here / "results" / "explained.jsonl").exists()

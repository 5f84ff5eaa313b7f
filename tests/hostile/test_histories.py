"""Results and stores that are damaged, newer or none: each is told, and nothing is added."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.records import LaunchRecord

OF = ("--commit", "1" * 40, "--time", "2026-01-01", "--store", "kept")
NEWER = b'{"schema_version":99}\n'


@dataclass(frozen=True)
class Bad:
    """A file of results that can't be added."""

    name: str
    content: bytes
    words: tuple[str, ...]


BAD = [
    Bad("runs.jsonl", b"\n", ("damaged in line 1",)),
    Bad("runs.jsonl", b"{}\n", ("damaged in line 1", "schema_version")),
    Bad("runs.jsonl", NEWER, ("schema_version 99", "update asymm-deploy")),
    Bad("runs.jsonl", b"\xff\xfe\n", ("damaged in line 1",)),
    Bad("runs.jsonl", b"[" * 10**5 + b"\n", ("damaged in line 1",)),
    Bad("runs.jsonl", b"what is this", ("did not write this line",)),
    Bad("costs.jsonl", NEWER, ("costs.jsonl", "schema_version 99")),
    Bad("costs.jsonl", b"{}\n", ("costs.jsonl is damaged",)),
    Bad("accuracy.csv", b"a,b\n1,2\n", ("accuracy.csv is damaged",)),
    Bad("accuracy.csv", b"\0" * 100, ("accuracy.csv is damaged",)),
    Bad("tasks.csv", b"\xff", ("tasks.csv is damaged",)),
    Bad("check.json", b"{", ("check.json is not what `asymm-deploy check` writes",)),
    Bad("check.json", b"[]", ("check.json is not what `asymm-deploy check` writes",)),
    Bad("check.json", NEWER, ("check.json has schema_version 99",)),
    Bad("baseline.json", b"{", ("baseline.json is damaged",)),
    Bad("baseline.json", NEWER, ("baseline.json has schema_version 99",)),
    Bad("net/manifest.json", NEWER, ("schema_version 99",)),
    Bad("net/manifest.json", b"{", ("there are no results",)),
    Bad("notes.txt", b"mine", ("there are no results",)),
    Bad("x.parquet", b"PAR1", ("there are no results",)),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.name} {bad.content[:12]!r}")
def test_no_bad_results_are_added(folder: Path, bad: Bad, refused: Callable[..., Any]) -> None:
    path = folder / "results" / bad.name
    path.parent.mkdir(parents=True)
    path.write_bytes(bad.content)
    refused(["history", "add", "results", *OF], 2, *bad.words)
    assert not (folder / "kept").exists()
    assert path.read_bytes() == bad.content


EDITS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no time": ({"started_at": "soon"}, ("line 1", "is no time")),
    "too many threads": ({"threads": 10**30}, ("too large",)),
    "a negative run": ({"samples_ns": (-1,) * 100}, ("can't have been measured",)),
    "an unknown flag": ({"flags": ("sunny",)}, ("flag 'sunny'",)),
}


@pytest.mark.parametrize("name", EDITS)
def test_no_edited_launch_is_added(
    folder: Path, good: LaunchRecord, name: str, refused: Callable[..., Any]
) -> None:
    changes, words = EDITS[name]
    record = msgspec.structs.replace(good, **changes)
    (folder / "runs.jsonl").write_bytes(msgspec.json.encode(record) + b"\n")
    refused(["history", "add", "runs.jsonl", *OF], 2, *words)
    assert not list((folder / "kept").glob("*.parquet"))


HOSTILE = "\x1b[31m\u202e::error::x\n=1+1|<b>"


def test_hostile_names_are_kept_as_data_and_shown_as_such(
    folder: Path, good: LaunchRecord, refused: Callable[..., Any]
) -> None:
    facts = msgspec.structs.replace(good.device_facts, soc=HOSTILE)
    record = msgspec.structs.replace(good, model=HOSTILE, device=HOSTILE, device_facts=facts)
    (folder / "runs.jsonl").write_bytes(msgspec.json.encode(record) + b"\n")
    told = refused(["history", "add", "runs.jsonl", *OF, "--branch", HOSTILE], 0)
    assert "\x1b" not in told.err
    assert "\n::error" not in told.err
    asked = "select model, branch, soc from launches"
    for output_format in ("table", "csv", "json"):
        words = ["history", "query", asked, "--store", "kept", "--format", output_format]
        out = refused(words, 0).out
        assert "\x1b" not in out
        assert "\u202e" not in out
    asked = f"select count(*) n from launches where length(model) = {len(HOSTILE)}"
    found = refused(["history", "query", asked, "--store", "kept", "--format", "json"], 0).out
    assert '"n": 1' in found, "what is kept is what was there"


STORES = {
    "a damaged file": (f"{'0' * 64}.parquet", b"PAR1", "is damaged"),
    "no Parquet": (f"{hashlib.sha256(b'x').hexdigest()}.parquet", b"x", "is damaged"),
    "a stray file": ("README", b"mine", "is no file of a history"),
}


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("command", ["add", "query", "export"])
def test_no_bad_store_is_used_or_changed(
    folder: Path, good: LaunchRecord, name: str, command: str, refused: Callable[..., Any]
) -> None:
    file, content, words = STORES[name]
    (folder / "kept").mkdir()
    (folder / "kept" / file).write_bytes(content)
    (folder / "runs.jsonl").write_bytes(msgspec.json.encode(good) + b"\n")
    arguments = {
        "add": ["add", "runs.jsonl", *OF],
        "query": ["query", "from entries", "--store", "kept"],
        "export": ["export", "out", "--store", "kept"],
    }[command]
    refused(["history", *arguments], 2, words, str(Path("kept") / file))
    assert {p.name: p.read_bytes() for p in (folder / "kept").iterdir()} == {file: content}
    assert not (folder / "out").exists()

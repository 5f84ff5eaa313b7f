"""``history show``: a model over commits, as text for people and programs, and as a picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy import cli
from tests.made_history import (
    commit_hash,
    cost,
    decision,
    launches,
    made_store,
    noisy,
    size,
    told_commit,
)

Shown = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one model: a step on the host that was accepted, and a phone without any."""
    values = noisy({0: 10, 6: 11}, 12, seed=1)
    rows = [row for number, ms in enumerate(values) for row in launches(number, ms)]
    rows += [row for number in range(3) for row in launches(number, 7.0, device="phone")]
    return made_store(
        tmp_path_factory.mktemp("shown") / "store",
        {
            "launches": rows,
            "costs": [cost(number, 1000 + 10 * (number > 2)) for number in range(5)],
            "sizes": [size(0, 10, model="other")],
            "accepted": [decision(7)],
        },
    )


@pytest.fixture
def shown(store: Path, capsys: pytest.CaptureFixture[str]) -> Shown:
    """Run the command; return its exit code and what it printed."""

    def show(model: str = "net", *options: str) -> tuple[int, str, str]:
        code = cli.run(["history", "show", model, "--store", str(store), *options])
        return (code, *capsys.readouterr())

    return show


def test_a_table_for_each_device_with_what_moved_and_who_accepted_it(shown: Shown) -> None:
    code, out, _ = shown()
    host, phone = out.split("net, latency (ms), ")[1:]
    assert code == 0
    assert host.startswith("host, mnn, fp32, 1 thread, 1x3x224x224\n")
    (row,) = [line for line in host.splitlines() if line.startswith("2026-01-07 00:00")]
    assert told_commit(6) in row
    assert "accepted: it sees better (Ada, 2026-01-08)" in row
    (marks,) = [line for line in host.splitlines() if line.strip() == "a"]
    (below,) = [line for line in host.splitlines() if line.endswith("+" + 12 * "-")]
    assert marks.index("a") == below.index("+") + 1 + 6
    assert f"from commit {told_commit(6)} on, accepted: it sees better" in host
    assert "It takes" in phone
    assert "2026-01-07" not in phone


def test_csv_and_json_have_every_commit_with_the_same_figures(shown: Shown) -> None:
    rows = list(csv.DictReader(io.StringIO(shown("net", "--format", "csv")[1])))
    document = json.loads(shown("net", "--format", "json")[1])
    assert document["schema_version"] == 1
    host, phone = document["series"]
    assert len(rows) == 15 == len(host["commits"]) + len(phone["commits"])
    assert rows[6]["commit"] == commit_hash(6) == host["commits"][6]["commit"]
    assert float(rows[6]["step"]) == pytest.approx(host["commits"][6]["step"])
    assert host["commits"][6]["step"] == pytest.approx(10, abs=1)
    assert rows[6]["accepted"] == "it sees better (Ada, 2026-01-08)"
    assert [row["step"] for row in rows[:6]] == [""] * 6
    assert host["device"] == rows[0]["device"] == "host"


def test_counts_are_whole_numbers_and_any_change_is_one(shown: Shown) -> None:
    code, out, _ = shown("net", "--metric", "insn")
    assert code == 0
    assert f"1 change: +1.0 % from commit {told_commit(3)} on" in out
    (series,) = json.loads(shown("net", "--metric", "insn", "--format", "json")[1])["series"]
    assert [each["value"] for each in series["commits"]] == [1000, 1000, 1000, 1010, 1010]


def test_one_device_or_branch_can_be_chosen(shown: Shown) -> None:
    assert shown("net", "--device", "phone")[1].count("net, latency") == 1
    assert shown("net", "--branch", "main")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (("nte",), "no model 'nte'", "did you mean net? there is: net, other"),
        (("net", "--metric", "top1"), "no top1 of net", "--metric latency, --metric insn"),
        (("net", "--metric", "size"), "no size of net", "--metric latency, --metric insn"),
        (("other",), "no latency of other", "--metric size"),
        (("net", "--device", "fone"), "on 'fone'", "did you mean phone? there is: host, phone"),
        (("net", "--branch", "mian"), "branch 'mian'", "did you mean main?"),
        (("net", "--picture", "x.gif"), "neither .svg nor .png", "history.svg"),
        (("n\x1b[31m\n",), "no model", "there is"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    shown: Shown, arguments: tuple[str, ...], what: str, hint: str
) -> None:
    code, out, err = shown(*arguments)
    assert code == 2
    assert out == ""
    assert what in err.splitlines()[0]
    assert hint in err.splitlines()[1]


def test_a_folder_that_is_no_store_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["history", "show", "net", "--store", str(tmp_path / "none")]) == 2
    assert "there is no history" in capsys.readouterr().err
    assert cli.run(["history", "show", "net", "--store", str(tmp_path)]) == 2
    assert "is empty" in capsys.readouterr().err


def test_a_picture_has_every_series_and_both_endings(shown: Shown, tmp_path: Path) -> None:
    drawn = tmp_path / "history.svg"
    assert shown("net", "--picture", str(drawn))[0] == 0
    text = drawn.read_text()
    assert text.startswith("<svg")
    assert ">net, latency (ms), host" in text
    assert ">net, latency (ms), phone" in text
    assert told_commit(6) in text
    small = tmp_path / "history.png"
    assert shown("net", "--metric", "insn", "--picture", str(small))[0] == 0
    assert small.read_bytes().startswith(b"\x89PNG")

"""``report --page``, ``--pictures`` and ``--verify``, from the command line."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.report.page import vega_library
from asymm_deploy.report.page.page_blocks import taken_apart

Report = Callable[..., tuple[int, str, str]]


@pytest.fixture
def report(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Report:
    """Run the command in an empty folder, without the two seconds of the real library."""
    monkeypatch.setattr(vega_library, "vega_library", lambda: "'draws'")

    def run(*arguments: object) -> tuple[int, str, str]:
        with contextlib.chdir(tmp_path):
            code = cli.run(["report", *map(str, arguments)])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def written(folder: Path, good: LaunchRecord, ms: float, file: str = "0") -> Path:
    """Write a results folder of two models with ten launches each."""
    folder.mkdir(parents=True)
    lines = [
        msgspec.json.encode(
            msgspec.structs.replace(
                good,
                model=model,
                launch=number,
                launches_planned=10,
                artifact_sha256=file * 64,
                samples_ns=tuple(
                    round(1e6 * (ms + place / 7 + number / 500 + run / 5000)) for run in range(100)
                ),
                wall_ns=round(1e8 * (ms + 1)),
                started_at=f"2026-01-01T00:{place:02}:{number * 5:02}+00:00",
            )
        )
        for place, model in enumerate(("asymmnet_large_100", "mbv3_large_100"))
        for number in range(10)
    ]
    (folder / "runs.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return folder


@pytest.fixture
def results(tmp_path: Path, good: LaunchRecord) -> Path:
    return written(tmp_path / "results", good, 10.0)


def test_a_page_is_written_and_verified_and_stdout_stays_for_data(
    report: Report, results: Path, tmp_path: Path
) -> None:
    code, out, err = report("results", "--page", "page.html")
    assert (code, out) == (0, "")
    assert "wrote page.html (" in err
    assert str(tmp_path) not in (tmp_path / "page.html").read_text()
    code, out, err = report("page.html")
    assert (code, out) == (2, "")
    assert "add --verify" in err
    code, out, err = report("page.html", "--verify")
    assert code == 0
    assert out.startswith("good: every table")
    assert (tmp_path / "page.html").read_text().count("<figure") == 3
    assert results.exists()


def test_against_an_earlier_folder_the_verdict_of_check_is_on_the_page(
    report: Report, results: Path, tmp_path: Path, good: LaunchRecord
) -> None:
    written(tmp_path / "before", good, 9.0, file="1")
    code, _, err = report("results", "--page", "page.html", "--against", "before")
    assert code == 0, err
    parts = taken_apart((tmp_path / "page.html").read_bytes(), "page")
    assert "no verdict" not in err
    told = json.loads(parts.blocks["against/check.json"])
    assert (told["verdict"], told["baseline"], told["candidate"]) == (
        *("regressed", "before", "results"),
    )
    assert "Regressed: asymmnet_large_100 and mbv3_large_100." in parts.text
    code, out, _ = report("page.html", "--verify")
    assert code == 0
    assert out.endswith("the verdict of check (recorded) follows from the launches inside, too\n")


@pytest.mark.parametrize(
    ("field", "value", "code", "said"),
    [
        ("verdict", "pass", 5, "mbv3_large_100, latency: the page says pass, the launches give r"),
        ("threshold_percent", 50.0, 0, "is shown as check gave it: it was not computed again"),
    ],
)
def test_a_verdict_that_the_launches_do_not_give_is_found(
    report: Report,
    results: Path,
    tmp_path: Path,
    good: LaunchRecord,
    field: str,
    value: object,
    code: int,
    said: str,
) -> None:
    before = written(tmp_path / "before", good, 9.0, file="1")
    assert report(results, "--page", "page.html", "--against", before)[0] == 0
    parts = taken_apart((tmp_path / "page.html").read_bytes(), "page")
    told = json.loads(parts.blocks["against/check.json"])
    change = next(
        each
        for each in told["changes"]
        if (each["model"], each["metric"]) == ("mbv3_large_100", "latency")
    )
    change[field] = value
    (before / "check.json").write_text(json.dumps(told))
    assert report(results, "--page", "page.html", "--against", before)[0] == 0
    found, out, err = report("page.html", "--verify")
    assert (found, said in out + err) == (code, True), err


def test_where_check_has_no_verdict_the_page_says_so_and_shows_both(
    report: Report, results: Path, tmp_path: Path
) -> None:
    code, _, err = report("results", "--page", "page.html", "--against", "results")
    assert code == 0
    assert "the page has no verdict: " in err
    parts = taken_apart((tmp_path / "page.html").read_bytes(), "page")
    assert "Before and now" in parts.text
    assert results.exists()


def test_without_the_extra_it_says_what_to_install(
    report: Report, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> object:
        return None if name == "vl_convert" else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    for arguments in (("--page", "page.html"), ("--pictures", "pictures"), ("--verify",)):
        code, _, err = report("results", *arguments)
        assert code == 2
        assert "need vl-convert-python, which is not installed" in err
        assert "hint: pip install 'asymm-deploy[page]'" in err
    assert report("results")[0] == 0
    assert results.exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--page", "p.html", "--table", "5"), "--table can't stand beside --page"),
        (("--page", "p.html", "--format", "html"), "--format can't stand beside --page"),
        (("--page", "p.html", "--figure", "1", "--out", "x"), "--figure and --out can't"),
        (("--pictures", "p", "--out", "x"), "--out can't stand beside --pictures"),
        (("--verify", "--page", "p.html"), "--page can't stand beside --verify"),
        (("--verify", "--device", "x"), "--device can't stand beside --verify"),
        (("--verify",), "can't read results: it is a folder"),
        (("--against", "results"), "--against is about pages"),
        (("--page", "."), "can't write ."),
        (("--page", "results/runs.jsonl"), "results/runs.jsonl does not end in .html"),
        (("--page", "nowhere/p.html"), "can't write nowhere/p.html"),
        (("--page", "p.html", "--against", "nowhere"), "nowhere"),
        (("--page", "p.html", "--device", "x"), "no result has the device"),
        (("--pictures", "results/runs.jsonl"), "can't write pictures to results/runs.jsonl"),
    ],
)
def test_what_can_not_be_done_is_said(
    report: Report, results: Path, arguments: tuple[str, ...], named: str
) -> None:
    before = (results / "runs.jsonl").read_bytes()
    code, out, err = report("results", *arguments)
    assert (code, out) == (2, ""), err
    assert f"error: {named}" in err or (named in err and "error: " in err)
    assert "hint: " in err
    assert (results / "runs.jsonl").read_bytes() == before


def test_a_page_that_was_changed_exits_with_5(
    report: Report, results: Path, tmp_path: Path
) -> None:
    report("results", "--page", "page.html")
    page = tmp_path / "page.html"
    page.write_text(page.read_text().replace("All of them count", "None of them counts"))
    code, out, err = report("page.html", "--verify")
    assert (code, out) == (5, "")
    assert "the page's text is not what its hash says" in err
    assert results.exists()

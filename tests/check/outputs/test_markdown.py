"""The summary shows a table, and shows names as they are instead of obeying them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt

from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.outputs import markdown
from asymm_deploy.errors import UsageError


def html_of(text: str) -> str:
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    return str(parser.render(text))


def test_it_is_a_table_with_a_heading(report: GateReport) -> None:
    page = html_of(markdown.rendered(report))
    assert "<h2>Regression gate: failed (" in page
    assert page.count("<tr>") == 1 + 7
    assert "<strong>regressed</strong>" in page
    assert "+8.0 % [+7.5, +8.5]" in page
    assert "<strong>accepted" not in page


def test_pictures_are_shown_with_their_words_which_format_nothing(report: GateReport) -> None:
    page = html_of(markdown.rendered(report, {"a b/c(1).png": "it](x) *is* @me"}))
    assert '<img src="a%20b/c%281%29.png" alt="it](x) *is* @' in page
    assert "<img" not in html_of(markdown.rendered(report))


def test_no_name_formats_links_embeds_or_mentions(
    report: GateReport, change: Callable[..., Change], hostile: str
) -> None:
    evil = msgspec.structs.replace(
        report,
        changes=(change(hostile + " **b** _i_ $x$ www.b.de #12", why=hostile, accepted=hostile),),
        notes=(hostile, "> quote", "# heading", "```"),
        device=hostile,
    )
    page = html_of(markdown.rendered(evil))
    for element in ("<img", "<a ", "<code", "<em>", "<blockquote", "<h1", "<s>"):
        assert element not in page
    assert page.count("<strong>") == 0
    assert "Accepted" in page, "a bar within a name is no column that pushes the last one out"
    assert "@all" not in page
    assert "#12" not in page
    assert "www." not in markdown.rendered(evil)


def test_a_summary_of_very_many_models_stays_within_githubs_limit(
    report: GateReport, change: Callable[..., Change]
) -> None:
    many = [change(f"net{i}" * 20, why="a reason " * 40) for i in range(5000)]
    slow = change("the_slow_one", verdict="regressed")
    text = markdown.rendered(msgspec.structs.replace(report, changes=(*many, slow)))
    assert len(text.encode()) < 1024 * 1024
    assert "the_slow_one" in text
    assert "4801 more rows" in text


def test_it_is_added_to_the_jobs_summary_only_where_there_is_one(
    report: GateReport, tmp_path: Path
) -> None:
    markdown.append_to_summary(markdown.rendered(report), {})
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    markdown.append_to_summary(markdown.rendered(report), {"GITHUB_STEP_SUMMARY": str(summary)})
    assert summary.read_text().startswith("before\n## Regression gate")


def test_a_summary_that_cant_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't add to the job's summary"):
        markdown.append_to_summary("", {"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_a_summary_that_is_a_pipe_which_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "summary")
    with pytest.raises(UsageError, match="can't add to the job's summary"):
        markdown.append_to_summary("", {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")})

"""Text from anybody is shown as it is, and commands no terminal, CI, Markdown or spreadsheet."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from asymm_deploy import safe

anything = st.text(st.characters(codec=None))


def html_of(text: str) -> str:
    return str(MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text))


@given(anything)
def test_one_line_is_one_printable_line(text: str) -> None:
    line = safe.one_line(text)
    assert line.isprintable()
    assert line == " ".join(line.split())
    assert safe.one_line(line) == line


def test_one_line_puts_a_space_where_something_was() -> None:
    assert safe.one_line("a\nb\r\n c\x1b[31md\u202ee\ud800f") == "a b c [31md e f"


@given(anything, st.integers(4, 300))
def test_an_excerpt_is_one_line_and_never_longer(text: str, limit: int) -> None:
    line = safe.excerpt(text, limit)
    assert line.isprintable()
    assert len(line) <= limit


@given(st.binary())
def test_an_excerpt_takes_any_bytes(raw: bytes) -> None:
    assert safe.excerpt(raw).isprintable()


def test_an_excerpt_shows_what_it_hides_and_what_it_leaves_out() -> None:
    assert safe.excerpt("a\x00b") == "a\N{REPLACEMENT CHARACTER}b"
    assert safe.excerpt("x" * 201) == "x" * 197 + "..."
    assert safe.excerpt("x" * 200) == "x" * 200
    assert safe.excerpt(b"x" * 10, 8) == "xxxxx..."


@given(anything)
def test_printable_keeps_lines_and_nothing_else_that_moves_a_cursor(text: str) -> None:
    shown = safe.printable(text)
    assert shown.count("\n") == text.count("\n")
    assert len(shown) == len(text)
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("::error::x", ": :error::x"),
        ("  ::error::x", "  : :error::x"),
        ("##[error]x", "## [error]x"),
        ("say ##[error]x", "say ## [error]x"),
        ("std::vector is fine", "std::vector is fine"),
        ("plain", "plain"),
    ],
)
def test_a_line_is_no_command_to_githubs_runner(line: str, shown: str) -> None:
    assert safe.no_command(line) == shown


@given(anything)
def test_a_line_for_logs_holds_no_command_anywhere(text: str) -> None:
    line = safe.log_line(f"{text}::error::{text}##[error]")
    assert "::" not in line
    assert "##[" not in line
    assert line.isprintable()


def test_names_are_shown_as_they_are() -> None:
    assert safe.markdown("asymmnet_small_035") == "asymmnet_small_035"
    assert "a|b <c> [d] _e_ `f` $g$" in html_of(safe.markdown("a|b <c> [d] _e_ `f` $g$")).replace(
        "&lt;", "<"
    ).replace("&gt;", ">")


@pytest.mark.parametrize(
    "text",
    [
        *("**b**", "_i_", "`c`", "[x](y)", "![x](y)", "<b>", "# h", "~~s~~", "$x$", "a|b"),
        *("http://a.de", "www.a.de", "&lt;", "\\*", "{x}"),
    ],
)
def test_nothing_is_marked_up(text: str) -> None:
    page = html_of(f"before {safe.markdown(text)} after")
    shown = page.strip().removeprefix("<p>").removesuffix("</p>").replace("<!-- -->", "")
    assert "<" not in shown
    assert html.unescape(shown) == f"before {text} after"
    assert "www." not in safe.markdown(text)
    assert "://" not in safe.markdown(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("@all", "@<!-- -->all"),
        ("net_035@w8", "net_035@w8"),
        ("net@int8-mixed is (net@w8)", "net@int8-mixed is (net@w8)"),
        ("a@b.de", "a@<!-- -->b.de"),
        ("a@b-.de", "a@<!-- -->b-.de"),
        ("a@", "a@<!-- -->"),
        ("(@w8", "(@<!-- -->w8"),
        ("#12", "#<!-- -->12"),
        ("owner/name#12", "owner/name#<!-- -->12"),
        ("# heading", "#<!-- --> heading"),
        ("a # b", "a # b"),
        ("launch #3", "launch #<!-- -->3"),
        ("3 : 4", "3 : 4"),
        ('the paper\'s "own"', 'the paper\'s "own"'),
        ("127.0.0.1:5555, 09:30:00", "127.0.0.1:5555, 09:30:00"),
        ("https://a.de", "https&#58;//a.de"),
        ("MAILTO:a", "MAILTO&#58;a"),
        ("xmpp:a", "xmpp&#58;a"),
        (":+1: :100:", "&#58;+1: &#58;100:"),
        ("a\nb", "a b"),
    ],
)
def test_nobody_is_mentioned_and_nothing_referred_to(text: str, written: str) -> None:
    assert safe.markdown(text) == written


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_a_formula_in_csv_is_text(start: str) -> None:
    assert safe.csv_cell(f"{start}x") == f"'{start}x"
    assert safe.csv_cell(f"x{start}") == f"x{start}"


def test_a_cell_of_csv_reaches_no_terminal_and_no_runner_as_more_than_text() -> None:
    hostile = "a\x1b[2J\u202e\n::error::b ##[error]c"
    assert (
        safe.csv_cell(hostile)
        == "a\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}\n: :error::b ## [error]c"
    )
    assert safe.csv_cell("std::vector, two\nlines") == "std::vector, two\nlines"


def test_json_without_commands_says_the_same() -> None:
    text = json.dumps({"##[error]a": ["b###[", "##"]})
    assert "##[" not in safe.no_command_in_json(text)
    assert json.loads(safe.no_command_in_json(text)) == json.loads(text)


def test_a_number_in_csv_stays_one() -> None:
    assert safe.csv_cell(-3) == -3
    for number in ("-0.148", "+2", "-1e-05"):
        assert safe.csv_cell(number) == number
    assert safe.csv_cell("-2+3") == "'-2+3"

"""What goes to stderr is for people, and nothing in it commands CI."""

from __future__ import annotations

import pytest

from asymm_deploy.commands import console
from asymm_deploy.errors import UsageError
from asymm_deploy.safe import GitHubCommand


def test_a_name_can_neither_give_a_command_nor_pass_for_a_remark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.say("::error title=x::pwned")
    console.say(" ::warning::x")
    console.say("net: a\n::error::b\nhint: curl | sh\r##[error]c")
    console.complain(UsageError("::stop-commands::x", "::add-mask::x"))
    lines = capsys.readouterr().err.split("\n")
    assert not any(line.strip().startswith("::") or "##[" in line for line in lines)
    assert [line for line in lines if line.startswith("hint")] == ["hint: ::add-mask::x"]
    console.say(GitHubCommand("::error title=slow::x"))
    assert capsys.readouterr().err == "::error title=slow::x\n"


def test_a_line_that_would_fill_the_screen_loses_its_middle(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.complain(UsageError(f"can't read {'n/' * 2500}x: too long", "shorten it"))
    error, hint = capsys.readouterr().err.splitlines()
    assert len(error) < 1700
    assert (error[:16], error[-12:], hint) == (
        "error: can't rea",
        "/x: too long",
        "hint: shorten it",
    )


def test_a_failure_is_said_with_its_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    console.complain(UsageError("it is gone", "bring it back"))
    printed = capsys.readouterr()
    assert printed.err == "error: it is gone\nhint: bring it back\n"
    assert printed.out == ""


def test_no_bar_is_drawn_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("timing", 2) as advance, console.waiting("looking"):
        advance("first")
        advance("second", 5)
    assert capsys.readouterr() == ("", "")

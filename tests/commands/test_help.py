"""Help teaches: every command and option says in whole sentences what it does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from asymm_deploy.cli import app


def commands(group: Any, path: str = "asymm-deploy") -> Iterator[tuple[str, Any]]:
    """Yield each command that does something, by its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))
PARAMETERS = [
    (path, parameter)
    for path, command in COMMANDS.items()
    for parameter in command.params
    if parameter.name != "help"
]


def test_the_commands_are_those_of_the_contract() -> None:
    assert {path.removeprefix("asymm-deploy ") for path in COMMANDS} == {
        *(
            "models",
            "describe",
            "export",
            "bench",
            "explain",
            "cost",
            "evaluate",
            "report",
            "variants",
        ),
        *("check", "devices", "doctor", "emulator setup", "emulator where"),
        *("history add", "history show", "history query", "history export"),
        *("baseline save", "baseline show", "baseline accept", "runner build", "runner where"),
        *("lab scheduler", "lab worker", "lab status", "lab stop"),
    }


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_begins_with_a_sentence(path: str) -> None:
    first = COMMANDS[path].help.split("\n\n")[0]
    assert re.fullmatch(r"[A-Z][^\n]*[.?]", first.replace("\n", " "))


@pytest.mark.parametrize(("path", "parameter"), PARAMETERS, ids=lambda x: getattr(x, "name", x))
def test_an_option_says_what_it_does_in_sentences_of_its_own(path: str, parameter: Any) -> None:
    text = parameter.help
    assert text, f"{path} {parameter.name} has no help"
    assert text[0].isupper() or text.startswith("1: ")
    assert text.rstrip(")")[-1] in ".?"
    assert not text.startswith(("Of ", "Or ", "And ", "Also for")), "it needs another to be read"
    assert not text.startswith("..."), "it needs another to be read"


def complete(words: str) -> list[str]:
    """Return what the shell would offer for the last of ``words``."""
    asked = {
        "_ASYMM_DEPLOY_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    command = [sys.executable, "-c", "from asymm_deploy.cli import main; main()"]
    done = subprocess.run(
        command, env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_the_shell_completes_commands_options_and_networks() -> None:
    assert complete("asymm-deploy exp") == ["export", "explain"]
    assert complete("asymm-deploy export --artif") == ["--artifacts"]
    assert complete("asymm-deploy bench asymmnet_small_03") == ["asymmnet_small_035"]
    assert complete("asymm-deploy export no_such") == []


def test_a_shells_completion_can_be_installed() -> None:
    options = {option for p in typer.main.get_command(app).params for option in p.opts}
    assert {"--install-completion", "--show-completion"} <= options

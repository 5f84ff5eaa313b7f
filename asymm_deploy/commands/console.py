"""What goes to stderr: errors with their next step, remarks, and progress while people wait."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from asymm_deploy.errors import DeployError
from asymm_deploy.safe import GitHubCommand, no_command, printable

_MOST_SHOWN = 1600
"""Characters of a line: more than ours have, and fewer than a name may have."""


def say(text: str) -> None:
    """Print a remark for people; GitHub's runner obeys a ``GitHubCommand`` and nothing else.

    Further lines are indented, so that no name with a line end in it looks like a remark of ours.
    """
    if not isinstance(text, GitHubCommand):
        text = "\n  ".join(no_command(_cut(line)) for line in text.split("\n"))
    show(text)


def show(text: str) -> None:
    """Print lines that are our own words alone: help. What nobody can read ends no work."""
    with suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201


def complain(error: DeployError) -> None:
    """Print what failed and what to try."""
    say(f"error: {error.what}")
    say(f"hint: {error.hint}")


def _cut(line: str) -> str:
    """Return a line without the middle of a name that would fill the screen."""
    if len(line) <= _MOST_SHOWN:
        return line
    return f"{line[: _MOST_SHOWN // 2]} ... {line[-_MOST_SHOWN // 2 :]}"


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on stderr, if that is a terminal, what takes a few seconds."""
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


class Advance(Protocol):
    """What to call after each step."""

    def __call__(self, what: str, total: int | None = None) -> None:
        """Say in a word what it was, and how many steps there are where that has changed."""
        ...


@contextmanager
def progress(description: str, total: int) -> Iterator[Advance]:
    """Show a bar with time left on stderr, if that is a terminal; it vanishes when done.

    Yields what to call after each step. Drawn only then, never from a thread of its own: that
    would disturb what is timed.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        auto_refresh=False,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(description, total=total)
        bar.refresh()

        def advance(what: str, total: int | None = None) -> None:
            described = f"{description}: {printable(what)}"
            bar.update(task, advance=1, description=described, total=total)
            bar.refresh()

        yield advance

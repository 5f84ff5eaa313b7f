"""The documentation is of this program: its help, flags and commands, and links that lead on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.errors import ExitCode

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
COMMANDS = ROOT / "docs" / "commands.md"
RESULTS = ROOT / "docs" / "results.md"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "android_harness").glob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
    ]
)
WITH_COMMANDS = (
    README,
    COMMANDS,
    *(ROOT / "docs" / name for name in ("tasks.md", "android.md", "explain.md")),
)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """Return the cells of each line of each table in ``text``, but for what a program printed."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines()
        if line.startswith("|")
    ]


def section(page: Path, heading: str) -> str:
    """Return what stands below ``## heading``, up to the next one."""
    return read(page).split(f"\n## {heading}\n")[1].split("\n## ")[0]


# the program's own words


def test_the_commands_page_shows_the_programs_own_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asymm_deploy", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "80"},
    )
    shown = read(COMMANDS).split("<!-- help begin -->")[1].split("<!-- help end -->")[0]
    body = shown.strip().removeprefix("```text").removeprefix("```").removesuffix("```")
    lines = [line.rstrip() for line in body.strip().splitlines()]
    assert lines == [line.rstrip() for line in done.stdout.strip().splitlines()]


def test_the_commands_page_has_each_flag_of_a_row_and_what_follows_from_it() -> None:
    text = section(COMMANDS, "Flags")
    shown = {cells[0].strip("`"): cells for cells in rows(text)[2:]}
    others = {name for name in FLAGS if name not in shown}
    assert set(shown) <= set(FLAGS)
    for name, (_, _, row, code) in shown.items():
        assert row == ("invalid" if FLAGS[name].invalidates else "valid")
        assert code.startswith(str(int(FLAGS[name].exit_code)))
    assert others == set(re.findall(r"`([\w-]+)`", text.split("starting:")[1]))
    assert f"[{len(shown)} flags](docs/commands.md#flags)" in read(README)


def test_the_commands_page_has_each_exit_code() -> None:
    shown = {int(cells[0]) for cells in rows(section(COMMANDS, "Exit codes"))[2:]}
    assert shown == {int(code) for code in ExitCode}


def commands_of(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of each ``asymm-deploy`` command in the page's shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", read(page), flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["asymm-deploy"]:
                yield words[1:]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_every_command_that_is_shown_is_one_that_the_program_takes(page: Path) -> None:
    from asymm_deploy.cli import app

    commands = list(commands_of(page))
    assert commands
    for arguments in commands:
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        command.make_context(command.name, arguments)  # raises for what it doesn't take


# the front page


def test_the_front_page_is_short_and_has_no_long_table() -> None:
    lines = read(README).splitlines()
    assert len(lines) < 150
    longest = max(
        len(table.splitlines()) for table in re.findall(r"(?:^\|.*\n)+", read(README), re.M)
    )
    assert longest <= 8


def test_the_front_page_names_the_two_commands_before_the_table() -> None:
    before = read(README).split("vs MBV3")[0]
    assert re.findall(r"^make (\w+)", before, re.M) == ["table5", "test"]


def test_the_three_rows_of_the_front_page_are_rows_of_the_results() -> None:
    header, _, *few = [cells for cells in rows(read(README)) if len(cells) > 2]
    all_rows = rows(section(RESULTS, "Table 5"))
    columns = [all_rows[0].index(name) for name in header]
    assert len(all_rows) - 2 == 30
    assert len(few) == 3
    shown = [[cells[column] for column in columns] for cells in all_rows]
    for cells in few:
        assert cells in shown


# links


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub gives the page's headings."""
    headings = re.findall(r"^#+ (.+)$", read(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_of_the_documentation_is_linked_from_the_front_page() -> None:
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)", read(README)))
    assert linked == {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}


def test_every_source_file_that_a_page_names_is_there() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    folders = (ROOT, ROOT / "asymm_deploy", *(ROOT / "asymm_deploy").iterdir())
    missing = {
        f"{page.relative_to(ROOT)}: {name}"
        for page in pages
        for name in re.findall(r"`([a-z_]+/[\w/]+\.(?:py|cpp|hpp))`", page.read_text("utf-8"))
        if not any((folder / name).exists() for folder in folders)
    }
    assert missing == set()

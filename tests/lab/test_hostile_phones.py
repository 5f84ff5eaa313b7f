"""What phones and hosts call themselves is data: it reaches no shell, no terminal and no page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from asymm_deploy import cli
from asymm_deploy.bench import store
from tests.lab.bed import make_models
from tests.lab.conftest import NewBed
from tests.phone.profiles import PIXEL_4

_SHELL = "$(touch pwned)`touch pwned`;touch pwned|touch pwned&"
SERIALS = (f"a\"b'c {_SHELL}<script>alert(1)</script> \u05d0\u05d1", "../../../pwned/" + 180 * "x")
HOST = "desk'3\"$(touch${IFS}pwned)`id`;<b>|&\u05d2"
PHONE = replace(
    PIXEL_4,
    model=f"M\"' {_SHELL}<script>alert(2)</script>\x1b[31m\u202e\x07",
    soc_model='=HYPERLINK("x")\x1b]0;owned\x07',
    fingerprint=300 * "f\u202e\x1b[2J",
)


def test_hostile_names_reach_no_shell_no_terminal_and_no_page(
    new_bed: NewBed, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    long = 80 * "l"  # longer than a socket's path may be
    bed = new_bed(
        long, hosts=1, phones=2, launch_s=0.2, profiles=(PHONE,), names=(HOST,), serials=SERIALS
    )
    bed.await_phones()
    (model,) = make_models(tmp_path / "models", 1)
    results = tmp_path / "results"
    plan = ("--runs", "10", "--launches", "2")
    said = [
        bed.run(*bed.bench([model], results, "--device", "any", "--count", "2", *plan)),
        bed.run("lab", "status", bed.address),
        bed.run(*bed.bench([model], tmp_path / "none", "--device", f"serial={SERIALS[0][:5]}")),
    ]
    assert [done.returncode for done in said] == [0, 0, 3], said
    capfd.readouterr()
    assert cli.run(["report", str(results), "--page", str(tmp_path / "page.html")]) == 0
    assert {record.device for record in store.load(results)} == set(SERIALS)
    printed = [text for done in said for text in (done.stdout, done.stderr)]
    printed += capfd.readouterr()
    for text in (*printed, bed.hosts[0].agent.printed(), bed.scheduler.printed()):
        assert all(line.isprintable() for line in text.splitlines()), text
    page = (tmp_path / "page.html").read_text()
    for tag in ("<script>alert", "<img src=x"):
        assert tag not in page
    for name in ("pwned", "*pwned*"):
        assert not list(tmp_path.rglob(name))
    for phone in bed.phones:
        assert not list(phone.path("/").rglob("pwned"))
        assert all(json.dumps(SERIALS[0]) not in command for command in phone.commands)

"""A machine as a program sees it: its PATH, its own variables, and what its programs print."""

from __future__ import annotations

import grp
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asymm_deploy.doctor.environment import here

if TYPE_CHECKING:
    from tests.doctor.conftest import Machine


def test_programs_are_looked_for_on_the_environments_own_path(machine: Machine) -> None:
    path = machine.program("cmake")

    assert machine.environment.which("cmake") == path
    assert machine.environment.which("ninja") is None
    machine.variables["PATH"] = ""
    assert machine.environment.which("cmake") is None


def test_what_a_program_prints_comes_with_its_code(machine: Machine) -> None:
    path = machine.program("it", "one", "two", code=3)
    path.write_text(path.read_text().replace("echo 'two'", "echo 'two' >&2"))

    assert machine.environment.said(path, timeout_s=5) == (3, "one\ntwo\n")


def test_a_program_sees_the_environments_variables_and_speaks_english(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "not to be seen")
    machine.variables["THEIRS"] = "seen"
    path = machine.program("it")
    path.write_text('#!/bin/sh\necho "[$OURS] [$THEIRS] $LC_ALL"\n')

    assert machine.environment.said(path, timeout_s=5) == (0, "[] [seen] C\n")


def test_a_program_that_can_not_run_or_does_not_end_says_nothing(machine: Machine) -> None:
    slow = machine.program("slow")
    slow.write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    began = time.monotonic()

    assert machine.environment.said(machine.folder / "missing", timeout_s=5) is None
    assert machine.environment.said(slow, timeout_s=0.2) is None
    assert time.monotonic() - began < 15


def test_of_a_flood_the_beginning_is_kept_and_other_bytes_do_no_harm(machine: Machine) -> None:
    path = machine.program("it")
    path.write_text("#!/bin/sh\nprintf '\\377x'\n/usr/bin/head -c 200000 /dev/zero\n")

    answer = machine.environment.said(path, timeout_s=10)
    assert answer is not None
    assert len(answer[1]) == 2**16
    assert answer[1].startswith("\ufffdx")


def test_here_is_this_process_on_this_machine() -> None:
    environment = here(Path("artifacts"), Path("results"))

    assert environment.system == platform.system()
    assert environment.variables is os.environ
    assert (environment.artifacts, environment.results) == (Path("artifacts"), Path("results"))
    assert environment.root == Path("/")
    assert environment.user.is_root == (os.geteuid() == 0)
    assert environment.user.groups <= environment.user.promised_groups


def test_a_group_that_counts_from_the_next_login_is_promised_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = here(Path(), Path()).user.name
    later = grp.struct_group(("plugdev", "x", 4242, [name]))
    other = grp.struct_group(("docker", "x", 4243, ["somebody-else"]))
    monkeypatch.setattr(grp, "getgrall", lambda: [later, other])
    user = here(Path(), Path()).user

    assert "plugdev" in user.promised_groups - user.groups
    assert "docker" not in user.promised_groups

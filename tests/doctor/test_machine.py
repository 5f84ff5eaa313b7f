"""Cores, affinity and space: each is told both where it is there and where it is not."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from asymm_deploy.doctor import machine as looked_at

if TYPE_CHECKING:
    from asymm_deploy.doctor.checklist import Check
    from tests.doctor.conftest import Machine

LINUX = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="it is Linux's")
MIB = 2**20


def by_name(machine: Machine) -> dict[str, Check]:
    return {check.name: check for check in looked_at.machine_checks(machine.environment)}


@LINUX
@pytest.mark.parametrize(("allowed", "status"), [({0, 3}, "ok"), ({3}, "wrong")])
def test_one_core_is_too_few(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, allowed: set[int], status: str
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed)
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    found = by_name(machine)["cores"]
    assert (found.status, found.found) == (status, f"{len(allowed)} of 4 may be used")
    assert bool(found.to_do) == (status == "wrong")


@LINUX
def test_a_core_is_pinned_to_and_left_again(machine: Machine) -> None:
    before = os.sched_getaffinity(0)
    found = by_name(machine)["core affinity"]
    assert (found.status, found.found) == ("ok", f"can pin to core {max(before)}")
    assert os.sched_getaffinity(0) == before


@LINUX
def test_a_refused_pin_is_wrong(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    found = by_name(machine)["core affinity"]
    assert found.status == "wrong"
    assert found.found.endswith("is refused: Operation not permitted")


def test_a_system_without_affinity_is_said_to_be_one(machine: Machine) -> None:
    machine.system = "Darwin"
    found = by_name(machine)["core affinity"]
    assert (found.status, found.need) == ("missing", "option")
    assert "'unpinned'" in found.to_do


@pytest.mark.parametrize(
    ("free_mib", "artifacts", "results"),
    [(1024, "ok", "ok"), (1023, "wrong", "ok"), (15, "wrong", "wrong")],
)
def test_space_is_enough_or_not(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    free_mib: int,
    artifacts: str,
    results: str,
) -> None:
    usage = shutil.disk_usage(machine.folder)._replace(free=free_mib * MIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = by_name(machine)
    assert found["space for artifacts"].status == artifacts
    assert found["space for results"].status == results
    assert f"{free_mib:,} MiB in {machine.folder}" in found["space for results"].found


def test_a_folder_that_can_not_be_written_to_is_wrong(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = by_name(machine)["space for results"]
    assert (found.status, "can't write" in found.found) == ("wrong", True)
    assert "--out" in found.to_do


def test_a_file_in_the_place_of_a_folder_is_wrong(machine: Machine) -> None:
    machine.file("artifacts", "not a folder")
    found = by_name(machine)
    assert found["space for artifacts"].status == "wrong"
    assert "--artifacts" in found["space for artifacts"].to_do
    assert found["space for results"].status == "ok"

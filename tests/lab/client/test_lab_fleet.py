"""Several phones of a lab at the same time: rows of their own, one writer, nothing twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import measure
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.cold.cold_store import opened_cold
from asymm_deploy.bench.cold.time_cold import cold_runs, time_cold
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.store import opened
from asymm_deploy.errors import HarnessError
from asymm_deploy.lab import phone_calls
from asymm_deploy.lab.client import lab_request, take_phones
from asymm_deploy.lab.client.choose_phones import kinds_of
from asymm_deploy.lab.client.lab_fleet import LabFleet
from asymm_deploy.lab.client.lab_request import LabRequest
from asymm_deploy.lab.client.take_phones import PhonesWanted
from asymm_deploy.lab.joining.lab_address import LabAddress
from tests.bench.fake_device import Launch, Told, fake_artifact
from tests.lab.client.conftest import FakeLab, named

PLAN = Plan(launches=2, runs=4)


def models(folder: Path) -> list[Artifact]:
    return [fake_artifact(folder, name, "A") for name in ("one", "two")]


def fleet(lab: FakeLab, *devices: str, count: int = 1) -> LabFleet:
    return LabFleet(lab.calls, PhonesWanted(kinds_of(devices), count), PhoneOptions())


def timed(
    fleet: LabFleet, folder: Path, events: list[Any] | None = None
) -> tuple[Sequence[LaunchRecord], list[Any]]:
    """Time two models into ``folder``."""
    shown: list[Any] = [] if events is None else events
    with opened(folder / "out", lambda _: None, "bench") as runs:
        outcomes = fleet.time(models(folder), PLAN, runs, lambda *event: shown.append(event))
        return runs.records, outcomes


def test_two_of_a_kind_each_have_rows_of_their_own_and_models_take_turns(
    lab: FakeLab, tmp_path: Path
) -> None:
    events: list[Any] = []
    records, outcomes = timed(fleet(lab, "soc=SM8150", count=2), tmp_path, events)
    assert [outcome.name for outcome in outcomes] == ["P1", "P2"]
    assert all(row.device == outcome.name for outcome in outcomes for row in outcome.rows)
    for serial in ("P1", "P2"):
        own = [each for each in records if each.device == serial]
        assert [(each.model, each.launch) for each in own] == [
            *(("one", 0), ("two", 0), ("one", 1), ("two", 1))
        ]
    assert {name for name, _ in events} == {"P1", "P2"}
    assert all(phone_calls.DESK.occupant(serial) is None for serial in ("P1", "P2"))


def test_a_bench_that_is_repeated_goes_back_to_the_phone_that_has_its_launches(
    lab: FakeLab, tmp_path: Path
) -> None:
    timed(fleet(lab, "serial=P2"), tmp_path)
    records, (outcome,) = timed(fleet(lab, "any"), tmp_path)
    assert outcome.name == "P2"
    assert len(records) == 4, "nothing is measured again"


def test_cold_starts_are_made_by_the_same_phone_until_they_are_done(
    lab: FakeLab, tmp_path: Path
) -> None:
    plan = Plan(launches=2, runs=cold_runs(2), warmup=3)
    work = partial(time_cold, subjects=models(tmp_path), plan=plan)
    for device in ("serial=P2", "any"):
        with opened_cold(tmp_path / "out", lambda _: None) as runs:
            (outcome,) = fleet(lab, device).perform(work, runs, lambda *_: None)
            assert outcome.failure is None
            assert [row.launches for row in outcome.made] == [2, 2]
            assert [each.device for each in runs.records] == 8 * ["P2"], "nothing is made again"


def test_work_of_another_kind_goes_back_to_the_same_phone_and_waits_for_no_host(
    lab: FakeLab, tmp_path: Path
) -> None:
    timed(fleet(lab, "serial=P2"), tmp_path)
    with opened(tmp_path / "out", lambda _: None, "bench") as runs:
        of_a_host = msgspec.structs.replace(
            runs.records[0],
            device="this machine",
            device_facts=msgspec.structs.replace(runs.records[0].device_facts, os="Linux"),
        )
        runs.append(of_a_host)
        for kind, there in (("any", "P2"), ("serial=Q1", "Q1")):
            (outcome,) = fleet(lab, kind).perform(
                lambda device, _runs, _show: [device.facts(()).device],
                runs,
                lambda *_: None,
            )
            assert (outcome.name, outcome.made) == (there, (there,))


def test_a_phone_that_fails_stops_no_other(lab: FakeLab, tmp_path: Path) -> None:
    def lost(launch: Launch) -> Told:
        raise HarnessError("its cable is out", "plug it in")

    lab.scripts["P1"] = lost
    records, outcomes = timed(fleet(lab, "soc=SM8150", count=2), tmp_path)
    assert [each.device for each in records] == 4 * ["P2"]
    assert outcomes[0].failure is not None
    assert outcomes[0].failure.what == "P1 on desk-1: its cable is out"


def test_ctrl_c_gives_every_phone_back_and_keeps_what_is_finished(
    lab: FakeLab, tmp_path: Path
) -> None:
    going = threading.Event()

    def endless(launch: Launch) -> Told:
        if launch.model == named("two"):
            going.set()
            while True:
                time.sleep(0.01)
        return Told()

    lab.scripts["P1"] = endless

    def interrupting(_name: str, event: object) -> None:
        if isinstance(event, measure.LaunchStarted) and event.model == "two":
            assert going.wait(60)
            raise KeyboardInterrupt

    with opened(tmp_path / "out", lambda _: None, "bench") as runs:
        with pytest.raises(KeyboardInterrupt):
            fleet(lab, "serial=P1").time(models(tmp_path), PLAN, runs, interrupting)
        assert Counter(each.model for each in runs.records) == {"one": 1}
    assert phone_calls.DESK.occupant("P1") is None
    assert not lab.devices["P1"][0].is_held


def test_ctrl_c_while_a_launch_is_written_leaves_nobody_waiting(
    lab: FakeLab, tmp_path: Path
) -> None:
    with opened(tmp_path / "out", lambda _: None, "bench") as runs:

        def append(_record: object) -> None:
            raise KeyboardInterrupt

        runs.append = append  # type: ignore[method-assign, assignment]
        with pytest.raises(KeyboardInterrupt):
            fleet(lab, "serial=P1").time(models(tmp_path), PLAN, runs, lambda *_: None)
    assert phone_calls.DESK.occupant("P1") is None


def test_two_who_want_the_same_phone_take_turns(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_phones, "_LOOK_S", 0.1)
    done: list[tuple[Sequence[LaunchRecord], list[Any]]] = []

    def slow(launch: Launch) -> Told:
        time.sleep(0.1)
        return Told()

    lab.scripts["P1"] = slow
    (tmp_path / "other").mkdir()
    other = threading.Thread(
        target=lambda: done.append(timed(fleet(lab, "serial=P1"), tmp_path / "other"))
    )
    other.start()
    done.append(timed(fleet(lab, "serial=P1"), tmp_path))
    other.join()
    assert [len(records) for records, _ in done] == [4, 4]
    assert any("P1 is busy" in line and "waiting" in line for line in lab.told)


def test_a_check_goes_on_with_the_phone_that_it_was_on(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = PhonesWanted(kinds_of(["soc=SM8150"]))
    records, _ = timed(fleet(lab, "P2"), tmp_path)
    asked = LabRequest(LabAddress("desk", 8786, False), None, wanted)
    monkeypatch.setattr(lab_request, "_calls", lambda *_: nullcontext(lab.calls))
    with lab_request.lab_phone(asked, PhoneOptions(), lab.told.append) as device:
        assert device.phone.serial == "P1"
    with lab_request.lab_phone(asked, PhoneOptions(), lab.told.append, records) as device:
        assert device.phone.serial == "P2"


def test_lab_status_is_told_what_is_lacking_and_people_what_there_is_besides(
    lab: FakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Any] = []

    def tell(_client: object, job: object) -> None:
        jobs.append(job)
        lab.calls.stop()

    monkeypatch.setattr(take_phones, "tell_waiting", tell)
    with pytest.raises(KeyboardInterrupt):
        take_phones.require_phones(lab.calls, PhonesWanted(kinds_of(["soc=X"]), 1, True))
    assert jobs[0].why == "the lab has no phone of soc=X"
    assert "there are: P1 (" in lab.told[-1]

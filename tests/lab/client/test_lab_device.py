"""A phone of a lab behaves as a device, and is found again where its worker was lost."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.measure import time_models
from asymm_deploy.bench.phone.lock import taken_error
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.server import LostError
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.store import opened
from asymm_deploy.errors import HarnessError
from asymm_deploy.lab import phone_calls
from asymm_deploy.lab.client.lab_calls import LabCalls, WorkerLostError
from asymm_deploy.lab.client.lab_device import LabDevice
from asymm_deploy.lab.client.leased_phone import LeasedPhone
from asymm_deploy.lab.roster import PhoneFacts
from asymm_deploy.lab.session_messages import FileAbsentError, RunAsked
from tests.bench.fake_device import Launch, Told, fake_artifact
from tests.lab.client.conftest import FakeLab, FakePhone, named


def test_it_times_models_like_any_device(lab: FakeLab, tmp_path: Path) -> None:
    device = device_of(lab)
    models = [fake_artifact(tmp_path, name, "A") for name in ("one", "two")]
    with opened(tmp_path / "out", lab.told.append, "bench") as runs:
        rows = time_models(device, models, Plan(launches=2, runs=4, allow=()), runs, lambda _: None)
    assert [(row.model, row.device) for row in rows] == [("one", "P1"), ("two", "P1")]
    assert [record.model for record in runs.records] == ["one", "two", "one", "two"]
    (made,) = lab.devices["P1"]
    assert not made.is_held
    assert phone_calls.DESK.occupant("P1") is None


def device_of(lab: FakeLab, serial: str = "P1", patience_s: float = 5.0) -> LabDevice:
    options = PhoneOptions(patience_s=patience_s)
    return LabDevice(LeasedPhone(lab.calls, lab.phone(serial), options, "me"))


def timed(device: LabDevice, folder: Path) -> list[LaunchRecord]:
    models = [fake_artifact(folder, name, "A") for name in ("one", "two")]
    with opened(folder / "out", lambda _: None, "bench") as runs:
        time_models(device, models, Plan(launches=2, runs=4), runs, lambda _: None)
        return list(runs.records)


def numbers(records: list[LaunchRecord]) -> list[tuple[str, int]]:
    return [(each.model, each.launch) for each in records if each.error is None]


ALL = [("one", 0), ("two", 0), ("one", 1), ("two", 1)]


def test_a_launch_whose_worker_lets_the_phone_go_is_repeated_with_files_put_anew(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(device: FakePhone, source: Path) -> str:
        """Each session of a phone has paths of its own."""
        there = tmp_path / f"phone-{device.number}" / source.name
        for earlier in tmp_path.glob("phone-*"):
            if earlier != there.parent:
                shutil.rmtree(earlier)
        there.parent.mkdir(exist_ok=True)
        there.write_bytes(source.read_bytes())
        device.placed.append(there)
        return str(there)

    ended: list[object] = []

    def losing(launch: Launch) -> Told:
        if len(lab.devices["P1"][-1].launched) == 2 and not ended:
            session = phone_calls.DESK.occupant("P1")
            assert session is not None
            ended.append(session)
            threading.Thread(target=session.end).start()
            time.sleep(5)  # it is ended in here
        return Told()

    monkeypatch.setattr(FakePhone, "put", put)
    lab.scripts["P1"] = losing
    assert numbers(timed(device_of(lab), tmp_path)) == ALL
    first, second = lab.devices["P1"]
    assert (len(first.launched), len(second.launched)) == (2, 2)
    assert not first.is_held
    assert any("looking for the phone" in line for line in lab.told)
    assert lab.told[-1] == "P1 is back, on desk-1"


def test_a_phone_is_found_on_another_host_and_only_if_it_is_the_same(
    lab: FakeLab, tmp_path: Path
) -> None:
    device = device_of(lab)
    elsewhere = msgspec.structs.replace(lab.phone("Q1"), facts=replace_host(lab, "P1", "desk-9"))

    def moving(launch: Launch) -> Told:
        if len(lab.devices["P1"]) == 1:
            lab.phones[:] = [elsewhere]
            session = phone_calls.DESK.occupant("P1")
            assert session is not None
            threading.Thread(target=session.end).start()
            time.sleep(5)
        return Told()

    lab.scripts["P1"] = moving
    assert numbers(timed(device, tmp_path)) == ALL
    assert lab.told[-1] == "P1 is back, on desk-9"


def replace_host(lab: FakeLab, serial: str, host: str) -> PhoneFacts:
    return msgspec.structs.replace(lab.phone(serial).facts, host=host)


def test_a_launch_that_kills_its_worker_twice_has_failed_and_others_go_on(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = LabCalls.in_turn
    deadly = str(lab.folder / named("one"))

    def in_turn(calls: LabCalls, lease: Any, request: Any) -> bytes:
        if isinstance(request, RunAsked) and deadly in request.argv:
            calls.give_back(lease)
            raise WorkerLostError("its worker died", died=True)
        return really(calls, lease, request)

    monkeypatch.setattr(LabCalls, "in_turn", in_turn)
    records = timed(device_of(lab), tmp_path)
    assert numbers(records) == [("two", 0), ("two", 1)]
    (failed,) = [each for each in records if each.error is not None]
    assert failed.model == "one"
    assert "killed the phone's worker 2 times" in (failed.error or "")


def test_a_phone_that_stays_away_is_waited_for_as_long_as_patience_lasts(
    lab: FakeLab, tmp_path: Path
) -> None:
    def last(launch: Launch) -> Told:
        lab.phones.clear()
        session = phone_calls.DESK.occupant("P1")
        assert session is not None
        threading.Thread(target=session.end).start()
        time.sleep(5)
        return Told()

    lab.scripts["P1"] = last
    with pytest.raises(HarnessError, match=r"P1 did not come back within 0.2 s"):
        timed_without(device_of(lab, patience_s=0.2), lab, tmp_path)


def timed_without(device: LabDevice, lab: FakeLab, folder: Path) -> None:
    """Time on a phone whose worker is never there again once it was lost."""
    really = lab.calls.now

    def now(worker: str, function: Any, *arguments: Any, **named: Any) -> bytes:
        if function is phone_calls.open_phone and not lab.phones:
            raise WorkerLostError("its worker can't be reached")
        return really(worker, function, *arguments, **named)

    lab.calls.now = now  # type: ignore[method-assign]
    timed(device, folder)


def test_a_phone_that_somebody_of_its_host_has_is_waited_for(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = [True]

    @contextmanager
    def held(device: FakePhone, cpus: Any, files: Any) -> Iterator[None]:
        if busy:
            busy.pop()
            raise taken_error(device.serial)
        device.is_held = True
        yield

    monkeypatch.setattr(FakePhone, "held", held)
    assert numbers(timed(device_of(lab, patience_s=0.5), tmp_path)) == ALL
    assert any("another benchmark has taken P1 meanwhile; waiting" in line for line in lab.told)


def test_files_go_to_a_host_once_and_a_part_that_is_spoilt_on_the_way_is_sent_again(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, parts = lab.store.receive, []

    def receive(sha256: str, sender: str, at: int, chunk: bytes, digest: str, size: int) -> int:
        parts.append(sha256)
        spoilt = b"X" + chunk[1:] if len(parts) == 1 else chunk
        return really(sha256, sender, at, spoilt, digest, size)

    monkeypatch.setattr(lab.store, "receive", receive)
    (tmp_path / "P2").mkdir()
    timed(device_of(lab), tmp_path)
    timed(device_of(lab, "P2"), tmp_path / "P2")
    assert len(parts) == 3, "one of two files came twice"


def test_a_file_that_never_arrives_intact_fails_in_words(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = lab.store.receive
    monkeypatch.setattr(
        lab.store, "receive", lambda sha, who, at, chunk, *rest: really(sha, who, at, b"?", *rest)
    )
    with pytest.raises(HarnessError, match=r"one.mnn did not arrive intact on desk-1 \(3 times\)"):
        timed(device_of(lab), tmp_path)
    assert not lab.folder.exists()


def test_files_that_are_spoilt_on_a_hosts_disk_are_sent_again_however_many(
    lab: FakeLab, tmp_path: Path
) -> None:
    timed(device_of(lab), tmp_path)
    stored = list(lab.folder.iterdir())
    assert len(stored) == 2
    for path in stored:
        path.write_bytes(b"spoilt")
    (tmp_path / "P2").mkdir()
    assert numbers(timed(device_of(lab, "P2"), tmp_path / "P2")) == ALL
    assert b"spoilt" not in {path.read_bytes() for path in stored}


def test_a_disk_that_keeps_nothing_intact_is_named(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_store: object, _sha256: str) -> None:
        raise FileAbsentError("the file is not on that host", "send it again")

    monkeypatch.setattr(type(lab.store), "in_use", absent)
    with pytest.raises(HarnessError, match="files do not stay intact on desk-1"):
        timed(device_of(lab), tmp_path)


def test_what_fails_on_a_phone_or_its_host_names_both(
    lab: FakeLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(*_given: object) -> tuple[int, ...]:
        raise LostError("the adb server is gone")

    monkeypatch.setattr(FakePhone, "choose_cpus", choose)
    with pytest.raises(HarnessError, match="P1 on desk-1: the adb server is gone"):
        timed(device_of(lab), tmp_path)

"""A lab in this process: Dask's own scheduler and workers, and devices that time nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.records import DeviceFacts
from asymm_deploy.lab import phone_calls
from asymm_deploy.lab.client.lab_calls import LabCalls
from asymm_deploy.lab.host_store import HostStore
from asymm_deploy.lab.joining.dask_settings import settle_dask
from asymm_deploy.lab.phone_session import MakeSessionDevice, PhoneDesk
from asymm_deploy.lab.roster import LabPhone, PhoneFacts
from tests.bench.fake_device import FakeDevice, Launch, Told

HOSTS = {"P1": "desk-1", "P2": "desk-1", "Q1": "desk-2"}


class FakePhone(FakeDevice):
    """A fake device with a serial number."""

    def __init__(self, serial: str, script: Callable[[Launch], Told]) -> None:
        super().__init__(script)
        self.serial = serial

    def facts(self, cpus: object) -> DeviceFacts:
        return DeviceFacts(
            device=self.serial,
            soc="SM8150" if self.serial.startswith("P") else "SM8550",
            cpu_max_khz=None,
            cores=2,
            abi="arm64-v8a",
            os="Android 13",
            product="Pixel 4" if self.serial.startswith("P") else "Galaxy",
            fingerprint="build",
        )


@dataclass
class FakeLab:
    """A scheduler and three workers, with a phone each: P1 and P2 are alike, Q1 is another kind."""

    calls: LabCalls
    cluster: Any
    told: list[str]
    store: HostStore
    folder: Path
    devices: dict[str, list[FakePhone]] = field(default_factory=dict)
    """What each phone's sessions have made, in order."""
    scripts: dict[str, Callable[[Launch], Told]] = field(default_factory=dict)
    phones: list[LabPhone] = field(default_factory=list)
    """What the roster says."""

    def offer(self, desk: PhoneDesk, serial: str) -> None:
        def make(options: PhoneOptions, tell: Tell) -> FakePhone:
            tell(f"made for {options.patience_s:g} s of patience")
            device = FakePhone(serial, self.scripts.get(serial, _told))
            self.devices.setdefault(serial, []).append(device)
            return device

        desk.offer(serial, make)

    def lend(self, serial: str, make: MakeSessionDevice) -> LabPhone:
        """Have a phone of the test's own in the lab; return where it is."""
        phone_calls.DESK.offer(serial, make)
        facts = msgspec.structs.replace(self.phones[0].facts, serial=serial)
        return msgspec.structs.replace(self.phones[0], facts=facts)

    def phone(self, serial: str) -> LabPhone:
        return next(phone for phone in self.phones if phone.facts.serial == serial)


def named(model: str) -> str:
    """What a phone's host calls the file of a model."""
    return hashlib.sha256(f"{model} A".encode()).hexdigest()


def _facts(host: str, serial: str) -> PhoneFacts:
    kind = ("SM8150", "Pixel 4", "flame") if serial.startswith("P") else ("SM8550", "Galaxy", "dm1")
    return PhoneFacts(
        host, serial, *kind, "arm64-v8a", "13", "build", "1", 1, "2026-01-01T00:00:00"
    )


def _told(launch: Launch) -> Told:
    return Told()


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[Any]:
    settle_dask()
    import distributed

    made: Any = distributed
    with made.LocalCluster(
        n_workers=3,
        processes=False,
        threads_per_worker=1,
        dashboard_address=":0",
        resources={"phone": 1},
        memory_limit=0,
    ) as cluster:
        yield cluster


@pytest.fixture
def lab(dask_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLab]:
    import distributed

    made: Any = distributed
    desk = PhoneDesk()
    store = HostStore(tmp_path / "store")
    monkeypatch.setattr(phone_calls, "DESK", desk)
    monkeypatch.setattr(phone_calls, "host_store", lambda: store)
    told: list[str] = []
    with made.Client(dask_cluster) as client:
        lab = FakeLab(
            LabCalls(client, "desk:8786", told.append),
            dask_cluster,
            told,
            store,
            tmp_path / "store",
        )
        workers = [worker.address for worker in dask_cluster.workers.values()]
        for (serial, host), address in zip(HOSTS.items(), workers, strict=True):
            lab.offer(desk, serial)
            lab.phones.append(LabPhone(f"{host}/{serial}", address, _facts(host, serial), "free"))
        for module in ("leased_phone", "take_phones"):
            monkeypatch.setattr(
                f"asymm_deploy.lab.client.{module}.phones", lambda _client: lab.phones
            )
        yield lab
        desk.end_all(5)

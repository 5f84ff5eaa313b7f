"""What judges a lab sees what is wrong with it: it would else call everything good."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from asymm_deploy.bench.records import LaunchRecord
from tests.lab.bed import left_on, make_lab_runner
from tests.lab.killing import wrong_records
from tests.phone.phone import Phone
from tests.phone.server import AdbServer


def test_a_launch_that_begins_during_another_is_noticed(
    phone: Phone, adb_server: AdbServer, tmp_path: Path
) -> None:
    runner = make_lab_runner(tmp_path / "runner", 1.0)
    remote = "/data/local/tmp/runner"
    for source, target in ((runner, remote), (Path(__file__), f"{remote}.mnn")):
        adb_server.adb("-s", phone.serial, "push", str(source), target)
    launch = f"{remote} --model {remote}.mnn --runs 1 --cpu 7 --precision fp32 --threads 1"
    both = f"{launch} >/dev/null & sleep 0.3; {launch}"
    said = adb_server.adb("-s", phone.serial, "shell", both).stdout
    assert json.loads(said.splitlines()[-1]) == {"type": "done", "count": 1}
    assert [one.overlaps for one in phone.launches] == [False, True]
    adb_server.adb("-s", phone.serial, "shell", launch)
    assert phone.launches[2].overlaps is False


def test_a_phone_that_is_left_locked_or_awake_or_busy_is_noticed(phone: Phone) -> None:
    assert left_on(phone) == []
    phone.path("/data/local/tmp/asymm-deploy.lock").mkdir()
    phone.world.put_setting("stay_on_while_plugged_in", "7")
    assert left_on(phone) == [f"{phone.serial} is locked", f"{phone.serial} is kept awake"]


def test_a_launch_that_is_lost_or_there_twice_or_of_another_phone_is_noticed(
    good: LaunchRecord, phone: Phone
) -> None:
    def record(launch: int, product: str = phone.profile.model) -> LaunchRecord:
        facts = msgspec.structs.replace(good.device_facts, product=product)
        return msgspec.structs.replace(
            good, model="net0", device=phone.serial, launch=launch, device_facts=facts
        )

    def wrong(*records: LaunchRecord) -> list[str]:
        return wrong_records(records, models=["net0"], phones=[phone], launches=2)

    assert wrong(record(0), record(1)) == []
    assert wrong(record(0)) == [f"('net0', '{phone.serial}', 1) is missing"]
    assert wrong(record(0), record(0), record(1)) == [
        f"('net0', '{phone.serial}', 0) is there 2 times"
    ]
    assert wrong(record(0), record(1, product="another")) == [
        f"{phone.serial} is said to be another"
    ]

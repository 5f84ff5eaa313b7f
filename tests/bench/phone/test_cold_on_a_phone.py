"""`bench --cold` on phones: each launch a process there, its file dropped by the runner itself."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy import cli
from asymm_deploy.bench.cold.cold_records import ColdRecord
from asymm_deploy.bench.cold.cold_store import COLD_NAME, cold_runs_of
from tests.phone.faults import Garbage, Meanwhile, Throttles
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, Profile
from tests.phone.server import AdbServer

Cold = Callable[..., tuple[int, str]]


@pytest.fixture
def cold(
    arguments: list[str],
    adb_environment: object,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> Cold:
    """Start it cold twice, in this process; return the exit code and what was told."""
    at = arguments.index("--runs")
    left = [*arguments[:at], *arguments[at + 6 :]]  # without runs, launches and warm-up

    def run(device: str = "auto") -> tuple[int, str]:
        capfd.readouterr()
        code = cli.run([*left, "--cold", "--launches", "2", "--device", device])
        return code, capfd.readouterr().err

    return run


def launches_in(folder: Path) -> list[ColdRecord]:
    return cold_runs_of((folder / COLD_NAME).read_bytes(), folder / COLD_NAME).records


def test_stages_are_those_of_the_phone_and_outputs_are_verified(
    cold: Cold, phone: Phone, tmp_path: Path, is_clean: Callable[[Phone], bool]
) -> None:
    phone.faults.add(Throttles(launch=1, khz=825_600))
    phone.faults.add(Meanwhile(launch=2, at="start", do=phone.world.cool))
    code, told = cold()
    assert code == 0, told
    assert "does not count (throttled): it is repeated after a pause" in told
    made = launches_in(tmp_path / "results")
    assert [(each.kind, each.launch.launch) for each in made] == [
        *(("times", 0), ("times", 1), ("times", 1), ("times", 1)),
        *(("memory", 0), ("memory", 1)),
    ]
    first = made[0]
    assert first.stages is not None
    assert (first.stages.read_ns, first.launch.cpu, first.cache) == (500_000, 7, "dropped")
    assert first.launch.output_error is not None
    assert first.launch.output_error < 1e-4
    assert {each.launch.output_sha256 for each in made} == {first.launch.output_sha256}
    with (tmp_path / "results/cold.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["device"], row["read_ms"], row["create_ms"]) == (phone.serial, "0.5", "1.0")
    assert float(row["first_over_steady"]) == pytest.approx(3, rel=0.05)
    assert (row["cache"], row["valid"]) == ("dropped", "true")
    assert is_clean(phone)
    assert cold()[0] == 0
    assert len(phone.launches) == 6


def test_phones_are_started_side_by_side_and_one_that_fails_stops_no_other(
    cold: Cold,
    phone: Phone,
    adb_server: AdbServer,
    new_phone: Callable[[Profile], Phone],
    tmp_path: Path,
) -> None:
    other = new_phone(MI_9)
    adb_server.connect(other)
    other.faults.add(Garbage(launch=1, at="stages"))
    code, told = cold(device="all")
    assert code == 3, told
    with (tmp_path / "results/cold.csv").open() as file:
        launches = {row["device"]: row["launches"] for row in csv.DictReader(file)}
    assert launches == {phone.serial: "2", other.serial: "1"}
    assert cold(device="all")[0] == 0  # finishes what is left
    assert {each.launch.device for each in launches_in(tmp_path / "results")} == set(launches)

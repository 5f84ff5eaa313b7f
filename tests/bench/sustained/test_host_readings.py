"""Temperatures and clocks of a host, from a /sys that is made up; unknown is None, never 0."""

from __future__ import annotations

from pathlib import Path

from asymm_deploy.bench.sustained.host_readings import HostSensors


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_hottest_sensor_counts_and_has_its_name(tmp_path: Path) -> None:
    put(tmp_path, class__thermal__thermal_zone0__type="acpitz\n")
    put(tmp_path, class__thermal__thermal_zone0__temp="41000\n")
    put(tmp_path, class__thermal__thermal_zone1__temp="-274000\n")
    put(tmp_path, class__hwmon__hwmon3__name="k10temp\n", class__hwmon__hwmon3__temp1_input="6250")
    put(
        tmp_path,
        class__hwmon__hwmon3__temp2_input="62500",
        class__hwmon__hwmon3__temp2_label="Tdie",
    )
    put(tmp_path, class__hwmon__hwmon3__temp3_input="999999")
    put(tmp_path, devices__system__cpu__cpu1__cpufreq__scaling_cur_freq="1800000\n")
    put(tmp_path, devices__system__cpu__cpu1__cpufreq__scaling_max_freq="2400000\n")
    found = HostSensors([1], tmp_path).reading()
    assert (found.hottest_c, found.hottest) == (62.5, "k10temp Tdie")
    assert (found.clock_khz, found.scaling_max_khz) == (1_800_000, 2_400_000)
    assert found.battery_c is None


def test_what_is_not_there_or_no_number_is_unknown(tmp_path: Path) -> None:
    empty = HostSensors([0], tmp_path).reading()
    assert empty == HostSensors([], tmp_path).reading()
    assert (empty.hottest_c, empty.clock_khz, empty.scaling_max_khz) == (None, None, None)
    put(tmp_path, class__thermal__thermal_zone0__temp="hot\n")
    put(tmp_path, devices__system__cpu__cpu0__cpufreq__scaling_cur_freq="0\n")
    assert HostSensors([0], tmp_path).reading() == empty


def test_one_that_vanishes_is_unknown_from_then_on(tmp_path: Path) -> None:
    put(tmp_path, class__thermal__thermal_zone0__temp="41000\n")
    sensors = HostSensors([0], tmp_path)
    assert sensors.reading().hottest_c == 41
    (tmp_path / "class/thermal/thermal_zone0/temp").unlink()
    assert sensors.reading().hottest_c is None

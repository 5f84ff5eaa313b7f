"""What Linux tells of this machine's temperature and of a core's clock. None is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from asymm_deploy.bench.sustained.curve_records import CurveReading
from asymm_deploy.files import read_regular

_SYS = Path("/sys")
_COLDEST_C, _HOTTEST_C = -40.0, 150.0
"""A sensor that says less or more is none."""


class HostSensors:
    """The sensors that there are; looked for once, and read as often as asked."""

    def __init__(self, cpus: Sequence[int], root: Path = _SYS) -> None:
        """Take the timed cores, of which the first one's clock counts; ``root`` is Linux's /sys."""
        first = next(iter(cpus), None)
        self._cpufreq = None if first is None else root / f"devices/system/cpu/cpu{first}/cpufreq"
        self._sensors = sorted(_sensors(root))

    def reading(self) -> CurveReading:
        """Return what they say now."""
        known = [
            (thousandths / 1000, name)
            for name, file in self._sensors
            if (thousandths := _number(file)) is not None
            and _COLDEST_C <= thousandths / 1000 <= _HOTTEST_C
        ]
        hottest_c, hottest = max(known, default=(None, None))
        clock = self._cpufreq
        return CurveReading(
            hottest_c=hottest_c,
            hottest=hottest,
            scaling_max_khz=None if clock is None else _number(clock / "scaling_max_freq") or None,
            clock_khz=None if clock is None else _number(clock / "scaling_cur_freq") or None,
        )


def _sensors(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and file of each temperature: thermal zones, and those of hwmon."""
    for zone in root.glob("class/thermal/thermal_zone*"):
        yield _text(zone / "type") or zone.name, zone / "temp"
    for file in root.glob("class/hwmon/hwmon*/temp*_input"):
        label = _text(file.with_name(file.name.replace("_input", "_label")))
        chip = _text(file.with_name("name")) or file.parent.name
        yield f"{chip} {label or file.name.removesuffix('_input')}", file


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode(errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None

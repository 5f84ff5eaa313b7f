"""--device names the host, phones, or several; what can't be used is refused at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench import measure
from asymm_deploy.bench.find_devices import device_makers, only_device, ready_devices
from asymm_deploy.bench.fleet import DeviceOutcome
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.phone import find
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.errors import HarnessError, UsageError


class FakeDevice:
    made = 0

    def __init__(self, tell: Callable[[str], None]) -> None:
        type(self).made += 1
        self.asked: list[tuple[int, ...]] = []
        tell("made")

    def facts(self, cpus: tuple[int, ...]) -> None:
        self.asked.append(cpus)


class Unusable(FakeDevice):
    def facts(self, cpus: tuple[int, ...]) -> None:
        raise HarnessError("it is not ready", "unlock it")


def makers(names: list[str], runner: Path | None = None) -> dict[str, Any]:
    return dict(device_makers(names, runner, PhoneOptions(), lambda _: None))


@pytest.mark.parametrize("names", [[], ["host"], ["host", "host"]])
def test_no_name_is_this_machine(names: list[str]) -> None:
    assert list(makers(names)) == ["host"]


def test_phones_and_the_host_are_found_in_the_order_host_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def serials(server: object, name: str, environ: object, tell: object) -> list[str]:
        asked.append(name)
        return ["A", "B"] if name == "all" else [name]

    monkeypatch.setattr(find, "serials", serials)
    assert list(makers(["all", "host", "B", "C"], tmp_path)) == ["host", "A", "B", "C"]
    assert asked == ["all", "B", "C"]


def test_a_phone_needs_a_native_runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("ASYMM_RUNNER", raising=False)
    with pytest.raises(HarnessError, match="no runner"):
        makers(["A"])


def test_one_device_is_made_once_and_asked_at_once() -> None:
    FakeDevice.made = 0
    told: list[str] = []
    with ready_devices({"A": FakeDevice}, told.append) as devices:  # type: ignore[dict-item]
        device: Any = devices._device  # type: ignore[attr-defined]
        assert device.asked == [()]
        timed: list[Any] = []

        def time_models(*given: Any) -> list[str]:
            timed.append(given)
            given[4]("event")
            return ["row"]

        heard: list[Any] = []
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(measure, "time_models", time_models)
            (outcome,) = devices.time(
                [],
                "plan",  # type: ignore[arg-type]
                "runs",  # type: ignore[arg-type]
                lambda name, event: heard.append((name, event)),
            )
    assert outcome == DeviceOutcome("A", ("row",))  # type: ignore[arg-type]
    assert timed[0][0] is device
    assert heard == [("A", "event")]
    assert told == ["made"]
    assert FakeDevice.made == 1


def test_one_that_cant_be_used_is_refused_before_anything_else() -> None:
    with (
        pytest.raises(HarnessError, match="not ready"),
        ready_devices({"A": Unusable}, lambda _: None),  # type: ignore[dict-item]
    ):
        pytest.fail("it was ready")


def test_a_comparison_runs_on_one_device() -> None:
    device: Any = only_device({"A": FakeDevice}, lambda _: None)  # type: ignore[dict-item]
    assert device.asked == [()]
    with pytest.raises(UsageError, match="several are meant: A, B") as refused:
        only_device({"A": FakeDevice, "B": FakeDevice}, lambda _: None)  # type: ignore[dict-item]
    assert refused.value.hint == "choose one with --device A"


def test_a_runner_that_is_none_is_refused_when_the_host_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        only_device(makers(["host"], tmp_path / "none"), lambda _: None)
    assert isinstance(only_device(makers(["host"]), lambda _: None), HostDevice)

"""Launches that last on a phone of a lab: no second is lost or there twice, whatever is lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy import cli
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.bench.sustained import followed_launch
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import Curve, CurveFile, curves_in
from asymm_deploy.bench.sustained.following_phone import PhoneFollower
from asymm_deploy.commands.timing.sustained_progress import SustainedProgress
from asymm_deploy.lab import phone_calls
from asymm_deploy.lab.client import lab_request, leased_phone
from asymm_deploy.lab.client.lab_calls import UnansweredError
from asymm_deploy.lab.client.lab_fleet import LabFleet
from asymm_deploy.lab.session_messages import FollowAsked, request_in
from tests.lab.client.conftest import FakeLab
from tests.made_networks import TWO_ENDED, made_network
from tests.phone.faults import Garbage, Meanwhile
from tests.phone.fixtures import adb_environment, phone_runner  # noqa: F401
from tests.phone.heat import Heat
from tests.phone.phone import Phone


@dataclass(frozen=True)
class Followed:
    """What a bench over a lab came to."""

    code: int
    said: str
    curves: list[Curve]


Bench = Callable[..., Followed]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files of one network."""
    folder = tmp_path_factory.mktemp("models")
    made_network(TWO_ENDED, folder / "net.onnx")
    (folder / "wide.mnn").write_bytes((folder / "net.mnn").read_bytes())
    return [folder / "net.mnn", folder / "wide.mnn"]


@pytest.fixture
def bench(
    lab: FakeLab,
    phone: Phone,
    models: list[Path],
    adb_environment: object,  # noqa: F811
    phone_runner: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Bench:
    """``bench --lab --for``, on a phone whose minutes pass quickly."""
    phone.world.hurry = 400
    monkeypatch.setattr(plausibility, "is_longer", lambda *_: False)
    monkeypatch.setattr(followed_launch, "_POLL_S", 0.05)
    monkeypatch.setattr(leased_phone, "_BUSY_LOOK_S", 0.1)
    lab.phones[:] = [
        lab.lend(
            phone.serial,
            lambda options, tell: AdbDevice(
                Server(address(os.environ)), phone.serial, phone_runner, options, tell
            ),
        )
    ]

    @contextmanager
    def lab_fleet(asked: Any, options: PhoneOptions, _tell: object) -> Iterator[LabFleet]:
        yield LabFleet(lab.calls, asked.wanted, options)

    monkeypatch.setattr(lab_request, "lab_fleet", lab_fleet)

    def run(*more: str, of: int = 1) -> Followed:
        capfd.readouterr()
        code = cli.run(
            [
                *("bench", *map(str, models[:of]), "--lab", "tcp://127.0.0.1:1"),
                *("--out", str(tmp_path / "results"), "--allow", "unverified", "--warmup", "1"),
                *("--patience", "20", "--cool-down", "0.1", "--launch-timeout", "30", *more),
            ]
        )
        path = tmp_path / "results" / SUSTAINED_NAME
        said = capfd.readouterr().err + "\n".join(lab.told)
        return Followed(code, said, curves_in(path.read_bytes(), path)[0])

    return run


def require_gapless(curve: Curve, for_s: float) -> None:
    """Each second follows the one before it, to the end."""
    ends = [0, *(x.at_ns + x.wall_ns for x in curve.seconds)]
    assert [x.at_ns for x in curve.seconds] == ends[:-1]
    assert abs(curve.reached_s - for_s) < 0.1
    assert curve.is_whole


def test_a_curve_is_that_of_the_phone_though_answers_are_lost_on_the_way(
    lab: FakeLab, phone: Phone, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.world.heat = Heat()
    writers: set[threading.Thread] = set()
    doing: set[str] = set()
    really, adds = lab.calls.now, CurveFile.add
    looks: list[int] = []

    def now(worker: str, function: Any, *arguments: Any, **named: Any) -> bytes:
        answer = really(worker, function, *arguments, **named)
        if function is phone_calls.ask_now:
            asked = request_in(arguments[1])
            if isinstance(asked, FollowAsked):
                doing.add(asked.doing)
                looks.append(asked.known)
                if len(looks) % 2:
                    raise UnansweredError("its worker does not answer")
        return answer

    def add(*arguments: Any) -> None:
        writers.add(threading.current_thread())
        adds(*arguments)

    lab.calls.now = now  # type: ignore[method-assign]
    monkeypatch.setattr(CurveFile, "add", add)
    done = bench("--for", "60s")
    assert done.code == 0, done.said
    (curve,) = done.curves
    require_gapless(curve, 60)
    assert curve.launch.flags[:2] == ("throttled", "hot")
    assert curve.launch.valid
    assert any(reading is not None for reading in curve.readings)
    assert len(looks) > len(set(looks))
    assert (len(phone.launches), doing) == (1, {"net for 1m"})
    assert writers == {threading.main_thread()}
    kept = bench("--for", "60s")
    assert "net was timed for 1m before, which is kept" in kept.said
    assert len(kept.curves) == 1


def at_second(phone: Phone, second: int, do: Callable[[], object]) -> None:
    phone.faults.add(Meanwhile(at="second", after_seconds=second, do=do))


def test_a_launch_goes_on_without_its_worker_and_the_next_one_takes_it_up(
    phone: Phone, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    puts_back = AdbDevice._put_back
    killed: list[object] = []

    def put_back(device: Any, *, is_changed: bool) -> None:
        """A process that is killed puts nothing back."""
        if len(killed) == 1:
            killed.append(device._lock.stop_touching())
        else:
            puts_back(device, is_changed=is_changed)

    def kill() -> None:
        killed.append(None)
        end_session(phone)

    monkeypatch.setattr(AdbDevice, "_put_back", put_back)
    phone.world.heat = Heat()
    at_second(phone, 30, kill)
    done = bench("--for", "60s")
    assert done.code == 0, done.said
    assert "looking for the phone" in done.said
    assert "is back, on desk-1" in done.said
    (curve,) = done.curves
    require_gapless(curve, 60)
    assert len(phone.launches) == 1
    assert len(killed) == 2


def end_session(phone: Phone) -> None:
    """Have the worker let the phone go, which takes the phone, too."""
    session = phone_calls.DESK.occupant(phone.serial)
    assert session is not None
    threading.Thread(target=session.end).start()


def test_one_that_ended_with_its_lease_is_marked_and_begun_anew_on_a_cool_phone(
    phone: Phone, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    heat = phone.world.heat = Heat()
    rests: list[float] = []

    def rest(_follower: PhoneFollower) -> None:
        rests.append(heat.skin_c)
        heat.skin_c = 33.0
        phone.world.work(0.0, 0.0)

    monkeypatch.setattr(PhoneFollower, "rest", rest)
    at_second(phone, 30, lambda: end_session(phone))
    done = bench("--for", "60s")
    assert done.code == 0, done.said
    lost, whole = done.curves
    assert lost.launch.error is not None
    assert lost.launch.error.startswith("the launch was lost: it ended when its worker ")
    assert 25 < lost.reached_s < 60
    require_gapless(whole, 60)
    assert whole.launch.valid
    (before_c,) = rests
    assert before_c > 35, "a hot phone was held again"
    assert [launch.overlaps for launch in phone.launches] == [False, False]


def test_what_is_no_stream_fails_and_has_ended_before_the_next_model(
    phone: Phone, bench: Bench
) -> None:
    running: list[bool] = []
    phone.faults.add(Garbage(at="second", after_seconds=5, launch=0))
    phone.faults.add(
        Meanwhile(at="start", launch=1, do=lambda: running.append(phone.launches[0].running))
    )
    done = bench("--for", "20s", of=2)
    assert done.code == 3
    assert "net: the runner printed no valid 'second'" in done.said
    assert running == [False]
    assert [curve.is_whole for curve in done.curves] == [False, True]


def test_ctrl_c_gives_the_phone_back_and_tells_what_is_kept(
    phone: Phone, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows = SustainedProgress.show

    def show(progress: SustainedProgress, event: Any) -> None:
        shows(progress, event)
        if event.curve.reached_s > 20 and not event.curve.ended:
            raise KeyboardInterrupt

    monkeypatch.setattr(SustainedProgress, "show", show)
    phone.world.hurry = 40
    done = bench("--for", "400s")
    assert done.code == 130
    (curve,) = done.curves
    assert curve.launch.error is not None
    assert curve.launch.error.startswith("interrupted, after ")
    assert "of 400 s are kept in" in done.said
    assert phone_calls.DESK.occupant(phone.serial) is None
    assert not any(launch.running for launch in phone.launches)

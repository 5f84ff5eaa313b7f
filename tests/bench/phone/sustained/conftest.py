"""Sustained benches on a simulated phone whose minutes pass quickly, and that gets warm."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from asymm_deploy import cli
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.bench.sustained import followed_launch
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import Curve, curves_in
from tests.phone.phone import Phone

HURRY = 400.0
"""How many of the phone's seconds pass in one of ours."""
_QUICK = """\
import sys
from asymm_deploy import cli
from asymm_deploy.bench.judge import plausibility
from asymm_deploy.bench.sustained import followed_launch
plausibility.is_longer = lambda *_: False
followed_launch._POLL_S = 0.05
sys.argv[0] = "asymm-deploy"
cli.main()
"""
"""A command as ``quick`` makes those of this process."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, phone: Phone) -> None:
    """Have the phone's time pass quickly, and nobody wonder about that."""
    phone.world.hurry = HURRY
    # By our clock its launches take less time than they say.
    monkeypatch.setattr(plausibility, "is_longer", lambda *_: False)
    monkeypatch.setattr(followed_launch, "_POLL_S", 0.05)


@dataclass(frozen=True)
class Sustained:
    """What a sustained bench came to."""

    code: int
    out: str
    err: str
    curves: list[Curve]
    csv: str


@pytest.fixture
def arguments(folder: Path, exports: Path, tmp_path: Path, phone_runner: Path) -> list[str]:
    """A sustained bench of a small network; how long comes behind."""
    return [
        *("bench", str(folder / "model.onnx"), "--artifacts", str(exports)),
        *("--out", str(tmp_path / "results"), "--runner", str(phone_runner), "--warmup", "1"),
        *("--patience", "20", "--cool-down", "0.1", "--launch-timeout", "30"),
    ]


@pytest.fixture
def curves(tmp_path: Path) -> Callable[[], list[Curve]]:
    """What is on disk."""

    def read() -> list[Curve]:
        path = tmp_path / "results" / SUSTAINED_NAME
        return curves_in(path.read_bytes(), path)[0] if path.exists() else []

    return read


@pytest.fixture
def sustained(
    arguments: list[str],
    adb_environment: object,
    quick: None,
    tmp_path: Path,
    curves: Callable[[], list[Curve]],
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., Sustained]:
    """Run it in this process."""

    def run(*more: str, device: str = "auto") -> Sustained:
        capfd.readouterr()
        code = cli.run([*arguments, "--device", device, *more])
        said = capfd.readouterr()
        csv = tmp_path / "results" / "sustained.csv"
        return Sustained(
            code, said.out, said.err, curves(), csv.read_text() if csv.exists() else ""
        )

    return run


@pytest.fixture
def sustained_process(
    arguments: list[str], adb_environment: object, quick: None
) -> Callable[..., subprocess.Popen[bytes]]:
    """Start it as a process of its own."""

    def start(*more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", _QUICK, *arguments, "--device", "auto", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    return start

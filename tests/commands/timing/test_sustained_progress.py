"""What a bench with --for says on stderr, of one phone and of several."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.sustained.curves import Curve
from asymm_deploy.bench.sustained.sustain_models import Resting
from asymm_deploy.commands.timing.sustained_progress import SustainedProgress
from asymm_deploy.commands.timing.sustained_steps import _Benches
from tests.made_curves import made_curve


def test_a_pause_says_how_long_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    advance: Any = None
    progress = SustainedProgress(advance, rest_s=90.0, several_devices=False)
    progress.show(Resting("net"))
    assert capsys.readouterr().err == "letting it cool before net: 90 s, or more if it is hot\n"


@pytest.mark.parametrize(("phones", "on"), [("A", [""]), ("AB", ["A: ", "B: "])])
def test_what_is_kept_of_several_phones_names_them(
    phones: str, on: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked: Any = SimpleNamespace(out=Path("results"))
    begun = {name: unfinished(name) for name in phones}
    _Benches(asked, asked, (), asked, begun=begun).tell_unfinished()
    kept = "net: 9 of 10 s are kept in results/sustained.jsonl"
    assert capsys.readouterr().err.splitlines() == [f"{each}{kept}" for each in on]


def unfinished(device: str) -> Curve:
    curve = made_curve([20.0] * 9)
    curve.ended = None
    launch = msgspec.structs.replace(curve.started.launch, device=device)
    curve.started = msgspec.structs.replace(curve.started, launch=launch, for_s=10.0)
    return curve

"""What is shown of a baseline says what it holds and who accepted what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from asymm_deploy.check.baseline.accept_change import (
    accept_candidate,
    accept_growth,
)
from asymm_deploy.check.baseline.baseline_contents import baseline_remarks, baseline_rows
from asymm_deploy.check.baseline.baseline_file import load_baseline

Export = Callable[..., Path]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_what_is_shown_says_what_was_accepted_by_whom(saved: Path, export: Export) -> None:
    accept_growth(saved, "large", "mnn_size", 20.0, reason="a larger head", by="Ada")
    newer = export("small", b"wanted weights", into="newer")
    accept_candidate(saved, "small", newer, reason="distilled", by="Ben")
    large, small = baseline_rows(load_baseline(saved))
    assert large["model"] == "large"
    assert large["mnn_sha256"] == sha256(b"large weights")[:12]
    assert str(large["accepted"]).startswith("mnn_size up to +20 %: a larger head (Ada, ")
    assert str(small["accepted"]).startswith("files replaced: distilled (Ben, ")


def test_what_is_shown_says_where_the_launches_were_made(saved: Path) -> None:
    lines = baseline_remarks(saved, load_baseline(saved))
    assert "2 models, 2 launches" in lines[1]
    assert lines[2] == (
        "launches: here (chip), core 1, mnn 3.6.1, fp32, threads 1, runner python 0.1.0"
    )

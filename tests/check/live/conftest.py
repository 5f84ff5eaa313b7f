"""A live comparison with a script in the place of a device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.plan import Plan
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.block_store import BLOCKS_FILE, BlockLine
from asymm_deploy.check.live.time_pairs import LiveComparison, time_pairs
from asymm_deploy.check.policy import GatePolicy

NS = 10_000_000


Script = Callable[[Any], Any]


@pytest.fixture
def check(
    tmp_path: Path,
    fake: Callable[[Script], Any],
    pair: Callable[[str], Pair],
    plan: Plan,
) -> Callable[..., LiveComparison]:
    """Compare with a script in the place of a device; keeps device and events for questions."""

    def run(script: Script, *models: str, **changes: Any) -> LiveComparison:
        run.device = fake(script)  # type: ignore[attr-defined]
        for name in ("knows_pairs", "together"):
            if name in changes:
                setattr(run.device, name, changes[name])  # type: ignore[attr-defined]
        run.events = []  # type: ignore[attr-defined]
        of_policy = ("design", "seed", "max_blocks", "runs_alone")
        policy = GatePolicy(**{k: v for k, v in changes.items() if k in of_policy})
        plan_changes = {k: v for k, v in changes.items() if k in ("allow", "fresh", "runs")}
        chosen = {**{k: getattr(plan, k) for k in ("runs", "launches", "warmup")}, **plan_changes}
        pairs = [pair(model) for model in models or ("net",)]
        if changes.get("same_file"):
            pairs = [same_file(pair) for pair in pairs]
        with store.opened(tmp_path / "out", print, "check") as runs:
            return time_pairs(
                run.device,  # type: ignore[attr-defined]
                pairs,
                Plan(**chosen),
                policy,
                runs,
                tmp_path / "out",
                run.events.append,  # type: ignore[attr-defined]
            )

    return run


def same_file(pair: Pair) -> Pair:
    """Put the baseline's file in the candidate's place too: it no longer tells the arms apart."""
    pair.candidate.path.write_bytes(pair.baseline.path.read_bytes())
    return dataclasses.replace(
        pair, candidate=dataclasses.replace(pair.candidate, sha256=pair.baseline.sha256)
    )


@pytest.fixture
def lines() -> Callable[[Path], list[BlockLine]]:
    """Read the blocks that a check left in a folder's ``out``."""

    def read(folder: Path) -> list[BlockLine]:
        raw = (folder / "out" / BLOCKS_FILE).read_bytes().splitlines()
        return [msgspec.json.decode(line, type=BlockLine) for line in raw]

    return read


@pytest.fixture
def slower() -> Callable[[float, Any], Script]:
    """Make a script by which the candidate is slower by a share."""

    def script(share: float, told: Any) -> Script:
        return lambda launch: told(ns=NS * (1 + share * (launch.arm == "B")))

    return script

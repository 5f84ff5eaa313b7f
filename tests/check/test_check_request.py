"""What can't be compared, or would be overwritten, is refused with what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.check_request import (
    CheckRequest,
    missing_models,
    nothing_in_both,
    refuse_out,
)
from asymm_deploy.check.live.block_store import BLOCKS_FILE
from asymm_deploy.errors import UsageError

Ask = Callable[..., CheckRequest]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def request(**changes: Any) -> CheckRequest:
        folders = {"baseline": tmp_path / "a", "candidate": tmp_path / "b", "out": tmp_path / "out"}
        return CheckRequest(**folders | changes)

    return request


def test_models_that_both_have_need_no_remark(ask: Ask) -> None:
    assert missing_models(ask(), [], []) == ()


def test_a_model_in_one_folder_only_is_refused_unless_that_is_allowed(ask: Ask) -> None:
    request = ask(baseline=Path("old"), candidate=Path("new"))
    with pytest.raises(UsageError, match="in both folders: a, b only in old; c only in new"):
        missing_models(request, ["a", "b"], ["c"])
    lenient = ask(baseline=Path("old"), candidate=Path("new"), ignore_missing=True)
    assert missing_models(lenient, ["a", "b"], []) == ("Ignored: a, b only in old.",)
    assert missing_models(lenient, [], ["c"]) == ("Ignored: c only in new.",)


def test_nothing_in_common_says_which_models_were_meant(ask: Ask) -> None:
    assert nothing_in_both(ask()).what.endswith("have no model in common")
    meant = nothing_in_both(ask(models=("face", "*_100")))
    assert meant.what.endswith("have no model in common that matches face or *_100")


@pytest.mark.parametrize("place", ["a", "b", "a/../b", "link"])
def test_launches_never_join_what_is_compared(ask: Ask, tmp_path: Path, place: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("b")
    with pytest.raises(UsageError, match="must stay as they are"):
        refuse_out(ask(out=tmp_path / place))
    refuse_out(ask())
    refuse_out(ask(out=tmp_path / "a" / "deeper"))


@pytest.mark.parametrize("file", ["baseline.json", "manifest.json"])
def test_launches_never_join_a_baseline_or_a_model(ask: Ask, tmp_path: Path, file: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / file).write_text("{}")
    with pytest.raises(UsageError, match="must stay as they are"):
        refuse_out(ask())


@pytest.mark.parametrize(
    ("changes", "has_blocks", "refused"),
    [
        ({"written_by": "check"}, False, False),
        ({"written_by": "bench"}, True, True),
        ({"written_by": "bench", "launches_planned": 1, "launch": 1}, True, True),
        ({"launches_planned": 1, "launch": 1}, True, False),  # older ones don't say who wrote them
        ({"launches_planned": 1, "launch": 1}, False, True),
        ({"launches_planned": 1, "launch": 0}, True, True),
        ({"launches_planned": 2, "launch": 1}, True, True),
    ],
)
def test_launches_join_those_of_a_check_and_never_those_of_a_bench(
    ask: Ask,
    tmp_path: Path,
    good: LaunchRecord,
    changes: dict[str, Any],
    *,
    has_blocks: bool,
    refused: bool,
) -> None:
    (tmp_path / "out").mkdir()
    if has_blocks:
        (tmp_path / "out" / BLOCKS_FILE).touch()
    own = msgspec.structs.replace(good, written_by="check", launches_planned=1)
    records = (own, msgspec.structs.replace(good, **changes))
    lines = [msgspec.json.encode(record) + b"\n" for record in records]
    (tmp_path / "out" / store.NAME).write_bytes(b"".join(lines))
    if refused:
        with pytest.raises(UsageError, match="the launches of a bench"):
            refuse_out(ask())
    else:
        refuse_out(ask())

"""The calibration that ships is what the script computes from the counts beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.emulated.counts import CostRecord, OperatorCounts
from asymm_deploy.bench.predicted import calibrations
from asymm_deploy.bench.predicted.cost_calibration import PREDICTORS
from asymm_deploy.models import names
from benchmarks import predict


@pytest.fixture(scope="module")
def data() -> predict.Table5Counts:
    return msgspec.json.decode(predict.DATA.read_bytes(), type=predict.Table5Counts)


def test_what_ships_is_what_is_fitted(data: predict.Table5Counts) -> None:
    shipped, fitted = calibrations.named(), predict.fitted(data)
    for name in ("ns_per", "low", "high", "mean_error", "worst_error"):
        assert getattr(shipped, name) == pytest.approx(getattr(fitted, name), rel=1e-5)
    numbers = {"ns_per": {}, "low": 0, "high": 0, "mean_error": 0, "worst_error": 0}
    replaced = [msgspec.structs.replace(one, **numbers) for one in (shipped, fitted)]
    assert replaced[0] == replaced[1]


def test_the_counts_are_of_table_5_and_their_classes_add_up(data: predict.Table5Counts) -> None:
    assert [one.model for one in data.models] == list(names.table_models(5))
    for one in data.models:
        own = one.counts
        classes = own.fma + own.vector + own.load + own.store + own.branch + own.integer
        assert classes == own.insn
        inside = sum(each.insn for each in one.by_type.values())
        assert 0.99 < inside / own.insn <= 1


def test_what_ships_is_better_than_instructions_alone_and_than_madds(
    data: predict.Table5Counts,
) -> None:
    ms = predict.paper_ms()

    def mean(candidate: str, which: int) -> float:
        return float(predict.tried(candidate, data, ms)[which].split(" / ")[0])

    chosen = " + ".join(PREDICTORS)
    for which in (1, 2, 3):  # left out alone, by family, by scale
        assert mean(chosen, which) < mean("insn", which) < mean("madds", which)


def test_the_page_has_the_table_that_the_script_prints(data: predict.Table5Counts) -> None:
    page = Path(predict.__file__).parent.parent / "docs" / "arm-cost.md"
    assert predict.table(data) in page.read_text(encoding="utf-8")
    assert predict.chosen_blindly(data, predict.paper_ms())[0] in page.read_text(encoding="utf-8")


def test_networks_are_predicted_in_the_papers_order(data: predict.Table5Counts) -> None:
    row = predict.tried(" + ".join(PREDICTORS), data, predict.paper_ms())
    assert row[4] == "30 of 30"


def test_new_counts_are_gathered_from_what_cost_wrote(
    data: predict.Table5Counts, tmp_path: Path
) -> None:
    lines = tmp_path / "costs.jsonl"
    records = [
        CostRecord(
            model=one.model,
            artifact_sha256=hashlib.sha256(one.model.encode()).hexdigest(),
            inputs_sha256=None,
            precision="fp32",
            key=data.key,
            counts=one.counts,
            operators=tuple(
                OperatorCounts(name=kind, type=kind, module=None, counts=each)
                for kind, each in one.by_type.items()
            ),
            output_sha256=None,
            relative_error=None,
            flags=(),
            valid=True,
        )
        for one in data.models
    ]
    lines.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    found = predict.gathered(lines)

    assert found.key == data.key
    for new, old in zip(found.models, data.models, strict=True):
        assert (new.counts, new.by_type) == (old.counts, old.by_type)
        assert (new.madds, new.params) == (old.madds, old.params)

    lines.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records[1:]))
    with pytest.raises(SystemExit, match="asymmnet_large_035"):
        predict.gathered(lines)

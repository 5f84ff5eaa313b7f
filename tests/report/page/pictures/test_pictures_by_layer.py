"""What pictures by layer, and of instructions, say."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.explain.explanation import MOST_SNR_DB, Explanation, OperatorError
from asymm_deploy.report.page.pictures.cost_picture import cost_picture
from asymm_deploy.report.page.pictures.layers_picture import layers_picture
from asymm_deploy.report.page.pictures.snr_picture import snr_picture

Explain = Callable[..., Explanation]


def test_time_by_layer_says_where_it_goes_beside_the_multiply_adds(explanation: Explain) -> None:
    picture = layers_picture([explanation()])
    assert picture is not None
    assert picture.title == "Milliseconds by layer"
    assert picture.sentence.startswith("Of 1.86 ms of asymmnet_large_100: activation 27 % ")
    assert picture.sentence.endswith("The largest single operator is blocks.11 with 11.3 %.")
    (choice,) = picture.choices
    assert [datum["key"] for datum in choice.data] == [f"#{number}" for number in range(12)]
    assert sum(float(datum["share"] or 0) for datum in choice.data) == pytest.approx(100, abs=0.01)
    assert {column.name for column in picture.table.columns} <= choice.data[0].keys()


def test_without_times_it_is_of_instructions(explanation: Explain) -> None:
    made = explanation(device="a76")
    counted = msgspec.structs.replace(
        made,
        operators=tuple(
            msgspec.structs.replace(each, time_ms=None, insn=1_000_000) for each in made.operators
        ),
    )
    picture = layers_picture([counted])
    assert picture is not None
    assert picture.title == "Instructions by layer"
    assert picture.sentence.startswith("Of 12.00 M instructions")


def test_what_spoilt_the_times_is_said(explanation: Explain) -> None:
    picture = layers_picture([explanation(flags=("stolen-time",), valid=False)])
    assert picture is not None
    assert "They are flagged: something else ran on the core" in picture.sentence


def test_the_first_operator_beyond_its_limit_is_named(explanation: Explain) -> None:
    picture = snr_picture([explanation()])
    assert picture is not None
    assert "the own error of blocks.7 (no. 7) is beyond its limit" in picture.sentence
    assert [datum["accused"] for datum in picture.choices[0].data].count("yes") == 1


def test_errors_that_no_number_tells_are_kept_apart(explanation: Explain) -> None:
    made = explanation()
    equal = OperatorError(snr_db=MOST_SNR_DB, over_deviation=0.0)
    endless = OperatorError(snr_db=float("-inf"), over_deviation=float("inf"))
    first, second, third, *_ = made.operators
    picture = snr_picture(
        [
            msgspec.structs.replace(
                made,
                operators=(
                    msgspec.structs.replace(first, own=equal, on_layer=equal),
                    msgspec.structs.replace(second, own=endless, on_layer=endless),
                    msgspec.structs.replace(
                        third, own=None, on_layer=None, unjudged="part of a HardSigmoid"
                    ),
                ),
            )
        ]
    )
    assert picture is not None
    rows = picture.choices[0].data
    assert [row["own_snr"] for row in rows] == [MOST_SNR_DB, -MOST_SNR_DB, None]
    assert [row["unjudged"] for row in rows] == [None, None, "part of a HardSigmoid"]


def test_what_failed_has_no_picture(explanation: Explain) -> None:
    failed = explanation(operators=(), median_ms=None, error="it can't be watched")
    assert layers_picture([failed]) is None
    assert snr_picture([failed]) is None


def test_the_last_count_of_a_model_counts_and_a_prediction_is_called_one(
    cost: Callable[..., CostRecord],
) -> None:
    former = cost("a")
    assert former.counts is not None
    more = msgspec.structs.replace(former.counts, insn=99_000_000)
    picture = cost_picture([former, cost("a", counts=more), cost("failed", counts=None)])
    assert picture is not None
    assert [row[:2] for row in picture.table.rows] == [("a", 99.0)]
    assert "nobody measured them" in picture.notes[0]
    assert cost_picture([cost(counts=None)]) is None

"""What an explanation comes to is said in a line: where the time goes, and whose error it is."""

from __future__ import annotations

import msgspec
import pytest

from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.explain.views.explain_table import explain_table
from asymm_deploy.explain.views.operator_groups import By
from asymm_deploy.explain.views.what_to_see import table1_shares, what_to_see


def test_the_costliest_kinds_are_named_beside_their_multiply_adds(explained: Explanation) -> None:
    assert what_to_see(explained) == (
        "net on host, fp32: 4 ms. Of the time: pointwise 50 % (80 % of the multiply-adds), "
        "depthwise 19 % (7 % of the multiply-adds), convolution 12 % (13 % of the multiply-adds). "
        "No own error is above its limit, of 5 operators that were judged."
    )


def test_the_first_accused_is_named(faulty: Explanation) -> None:
    assert what_to_see(faulty).endswith(
        "Own error above the limit: blocks.0.project.conv (Conv, number 3)."
    )


def test_instructions_stand_for_the_time_that_nobody_measured(counted: Explanation) -> None:
    text = what_to_see(counted)
    assert text.startswith("net on a76, fp32: 21.0 M instructions. Of the instructions: pointwise")
    assert text.endswith("No error was measured.")


def test_a_failure_and_an_empty_model_are_said(explained: Explanation) -> None:
    failed = msgspec.structs.replace(explained, operators=(), median_ms=None, error="it broke")
    assert what_to_see(failed) == "net on host, fp32: it broke"
    empty = msgspec.structs.replace(explained, operators=(), median_ms=None)
    assert what_to_see(empty) == "net on host, fp32. It has no operators."
    assert explain_table(empty, "kind", 2) == what_to_see(empty)


def test_table_1_by_time_stands_beside_table_1_by_multiply_adds(explained: Explanation) -> None:
    assert table1_shares(explained) == {
        "depthwise": (pytest.approx(6.667, abs=0.001), 18.75),
        "pointwise": (80, 50),
        "vanilla": (pytest.approx(13.333, abs=0.001), 12.5),
        "other": (0, 18.75),
    }
    assert "As in the paper's Table 1:" in explain_table(explained, "kind", 2)


@pytest.mark.parametrize("by", ["operator", "module", "kind"])
def test_a_table_fits_a_terminal_and_ends_with_the_sums(
    by: By, faulty: Explanation, counted: Explanation
) -> None:
    for explanation in (faulty, counted):
        long = msgspec.structs.replace(explanation.operators[0], module="x" * 300, node="\x1b[31m")
        odd = msgspec.structs.replace(
            explanation, operators=(long, *explanation.operators[1:]), model="a\nb"
        )
        lines = explain_table(odd, by, 2).splitlines()
        table = lines[2 : lines.index("", 2)] if "" in lines[2:] else lines[2:]
        assert max(map(len, table)) <= 130
        assert table[-1].split()[:1] == ["all"]
        assert "75.000" in table[-1]
        assert not any("\x1b" in line for line in lines)
    assert "> 1e-04" in explain_table(faulty, by, 2)
    assert "> 1e-04" not in explain_table(counted, by, 2)

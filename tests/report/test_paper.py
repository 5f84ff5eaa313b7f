"""The paper's tables come as printed, from the one place where they are kept."""

from __future__ import annotations

import pytest

from asymm_deploy.models import names
from asymm_deploy.report.paper import printed_table


@pytest.mark.parametrize(("number", "rows"), [(1, 3), (3, 20), (4, 16), (5, 30), (6, 6)])
def test_each_table_has_all_its_rows(number: int, rows: int) -> None:
    assert len(printed_table(number).to_dict("records")) == rows


def test_figures_keep_the_digits_that_are_printed() -> None:
    table = printed_table(5).to_dict("records")

    assert [table[index]["madds_m"] for index in (0, 18)] == ["43", "216.9"]
    assert [table[index]["latency_ms"] for index in (18, 23)] == ["27.1", "8.17"]
    assert printed_table(6).to_dict("records")[5]["top1_percent"] == "68.0"


def test_what_the_paper_leaves_out_is_an_empty_text() -> None:
    assert printed_table(3).to_dict("records")[0]["expanded"] == ""


@pytest.mark.parametrize("number", [5, 6])
def test_rows_stand_in_the_order_of_the_networks_that_they_are_about(number: int) -> None:
    networks = [model.split("_") for model in names.table_models(number)]

    assert [scale.lower() for scale in printed_table(number)["scale"]] == [
        net[1] for net in networks
    ]

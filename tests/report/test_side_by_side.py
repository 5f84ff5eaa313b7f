"""Ours joined with the paper's: each model keeps its place, and what is unknown stays unknown."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.report.side_by_side import ours, with_base, with_printed

MakeRow = Callable[..., RowSummary]


def counts(model: str) -> tuple[int, int]:
    return {"a": (1_000_000, 10), "b": (2_500_000, 20), "c": (3, 30)}[model]


def test_each_model_has_its_line_in_the_order_asked_for(row: MakeRow) -> None:
    frame = ours(["b", "c", "a"], [row("a", 3.0), row("z", 9.0), row("b", 4.0)], counts)

    assert list(frame.index) == ["b", "c", "a"]
    assert list(frame["madds"]) == [2_500_000, 3, 1_000_000]
    assert list(frame["madds_m"]) == [2.5, 3e-6, 1.0]
    assert list(frame["params_m"]) == [2e-5, 3e-5, 1e-5]
    assert list(frame["latency_ms"].dropna()) == [4.0, 3.0]


def test_what_was_never_timed_is_missing_and_not_invalid(row: MakeRow) -> None:
    frame = ours(["a", "b"], [row("a", flags=("hot",), valid=False)], counts)

    assert frame.loc["a", "valid"] is False
    assert frame.loc["a", "flags"] == "hot"
    assert frame.loc["b", ["latency_ms", "valid", "flags"]].isna().all()


def test_a_row_that_failed_has_no_latency_but_is_invalid(row: MakeRow) -> None:
    frame = ours(["a"], [row("a", samples_ns=(), error="died", flags=("failed",))], counts)

    assert frame["latency_ms"].isna().all()
    assert frame.loc["a", "valid"] is False


def test_without_any_row_all_columns_are_there() -> None:
    frame = ours(["a", "b"], [], counts)

    assert frame[["latency_ms", "valid", "flags"]].isna().all(axis=None)
    assert list(frame["madds"]) == [1_000_000, 2_500_000]


def test_of_two_rows_of_a_model_the_later_counts(row: MakeRow) -> None:
    frame = ours(["a"], [row("a", 3.0), row("a", 5.0)], counts)

    assert list(frame["latency_ms"]) == [5.0]


def test_the_papers_figures_get_a_prefix_and_its_keys_do_not() -> None:
    frame = with_printed(pd.DataFrame(index=[f"model {i}" for i in range(6)]), 6, ["scale"])

    assert list(frame.columns) == [
        *("scale", "paper_asymmetry_rate", "paper_top1_percent", "paper_madds_m"),
        "paper_params_m",
    ]
    assert list(frame["paper_top1_percent"]) == ["75.2", "75.4", "74.8", "67.4", "68.4", "68.0"]


@pytest.mark.parametrize("rows", [5, 7])
def test_a_table_of_other_rows_than_the_papers_is_refused(rows: int) -> None:
    with pytest.raises(ValueError, match="Length mismatch"):
        with_printed(pd.DataFrame(index=range(rows)), 6, ["scale"])


def timed(*lines: tuple[str, str, float | None, bool | None]) -> pd.DataFrame:
    frame = pd.DataFrame(lines, columns=["size", "kind", "latency_ms", "valid"], dtype=object)
    return frame.astype({"latency_ms": float})


@pytest.mark.parametrize(
    ("mine", "base", "ratio"),
    [
        ((6.0, True), (4.0, True), 1.5),
        ((6.0, False), (4.0, True), 1.5),
        ((6.0, False), (4.0, False), 1.5),
        ((6.0, True), (4.0, False), None),
        ((None, True), (4.0, True), None),
        ((6.0, True), (None, False), None),
        ((6.0, True), (None, None), None),
        ((None, None), (None, None), None),
    ],
)
def test_a_ratio_never_looks_better_than_its_halves(
    mine: tuple[float | None, bool | None],
    base: tuple[float | None, bool | None],
    ratio: float | None,
) -> None:
    frame = timed(("L", "mine", *mine), ("L", "base", *base))
    frame = with_base(frame, frame["kind"] == "base", ["size"])

    found = frame["ratio"].iloc[0]
    assert found == ratio or (ratio is None and pd.isna(found))


def test_each_row_is_over_the_base_of_its_own_size() -> None:
    frame = timed(
        *(("S", "base", 2.0, True), ("L", "mine", 30.0, True), ("S", "mine", 3.0, True)),
        *(("L", "base", 10.0, True), ("M", "mine", 7.0, True)),
    )
    frame = with_base(frame, frame["kind"] == "base", ["size"])

    assert list(frame["ratio"].fillna(0)) == [1.0, 3.0, 1.5, 1.0, 0]
    assert list(frame["kind"]) == ["base", "mine", "mine", "base", "mine"]

"""latency.csv: the contract's columns, a row for each model and setting, unknown stays empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.report import latency_table
from asymm_deploy.report.caption import caption
from asymm_deploy.report.report_table import to_csv, to_markdown

MakeRow = Callable[..., RowSummary]

HEADER = (
    "model,network,scale,multiplier,device,soc,cpu,cpu_max_khz,precision,threads,engine,"
    "engine_version,launches,runs,latency_mean_ms,latency_median_ms,latency_p90_ms,latency_p99_ms,"
    "latency_min_ms,latency_std_ms,launch_spread_percent,ci_low_ms,ci_high_ms,init_ms,"
    "peak_memory_mb,valid,flags,output_error,backend"
)


def read(*rows: RowSummary) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(latency_table.full(rows)))))


def test_the_columns_are_the_contracts(row: MakeRow) -> None:
    assert to_csv(latency_table.full([row()])).splitlines()[0] == HEADER


def test_the_cells_are_the_rows(row: MakeRow) -> None:
    (cells,) = read(row(ms=12.5, network="asymmnet", scale="large", multiplier=1.0))

    assert cells["model"] == "asymmnet_large_100"
    assert (cells["network"], cells["scale"], cells["multiplier"]) == ("asymmnet", "large", "1.0")
    assert (cells["cpu"], cells["cpu_max_khz"]) == ("7", "2840000")
    assert (cells["launches"], cells["runs"]) == ("1", "5")
    assert cells["latency_mean_ms"] == "12.5"
    assert (cells["valid"], cells["flags"]) == ("true", "")


def test_two_cores_are_one_text(row: MakeRow) -> None:
    assert read(row(cpus=(6, 7), threads=2))[0]["cpu"] == "6+7"


def test_unknown_is_empty_and_never_zero(row: MakeRow) -> None:
    (cells,) = read(row(init_ns=None, peak_memory_mb=None, engine_version=None))

    unknown = ("network", "multiplier", "init_ms", "peak_memory_mb", "engine_version", "ci_low_ms")
    assert {cells[name] for name in unknown} == {""}


def test_a_model_that_failed_keeps_its_row_and_its_reason(row: MakeRow) -> None:
    (cells,) = read(row(samples_ns=(), error="the runner died", flags=("failed",)))

    assert (cells["valid"], cells["flags"]) == ("false", "failed: the runner died")
    assert cells["latency_mean_ms"] == ""


def test_a_device_that_calls_itself_a_formula_is_quoted(row: MakeRow) -> None:
    assert read(row(device="=1+1"))[0]["device"] == "'=1+1"


def test_people_see_the_setting_once_where_all_rows_share_it(row: MakeRow) -> None:
    rows = [row("a"), row("b", 20.0)]
    text = to_markdown(latency_table.short(rows, caption(rows)))

    assert "Device: pixel (chip), core 7, at most 2.84 GHz" in text
    assert "Engine: mnn 3.6.1, fp32, 1 thread; 5 runs in 1 launch each; 2026-01-31 (UTC)" in text
    assert "| engine" not in text


def test_people_see_from_when_to_when_it_was_measured(row: MakeRow) -> None:
    rows = [row("a"), row("b", started_at="2026-02-02T00:00:00+00:00")]

    assert caption(rows)[1].endswith("; 2026-01-31 to 2026-02-02 (UTC)")


def test_people_see_in_what_rows_differ_where_they_do(row: MakeRow) -> None:
    rows = [row("a"), row("a", engine="onnxruntime", engine_version="1.20")]
    text = to_markdown(latency_table.short(rows, caption(rows)))

    assert "| model   | engine      |" in text
    assert "| a       | onnxruntime |" in text
    assert text.count("Device: ") == 2


def test_people_see_that_a_row_is_invalid_why_and_what_that_means(row: MakeRow) -> None:
    died = row("died", samples_ns=(), error="killed | by\nsomeone", flags=("failed",))
    hot = row("hot", flags=("hot",))
    text = to_markdown(latency_table.short([died, hot], ()))

    assert [
        line.split("|")[-3].strip() for line in text.splitlines() if line[:3] in ("| d", "| h")
    ] == ["NO", "NO"]
    assert "- died failed: killed &#124; by someone" in text
    assert "- hot: the device was too warm." in text


def test_a_flag_that_was_allowed_stays_and_says_so(row: MakeRow) -> None:
    text = to_markdown(latency_table.short([row(flags=("hot",), allowed=("hot",))], ()))

    assert "| yes     | hot (allowed) |" in text

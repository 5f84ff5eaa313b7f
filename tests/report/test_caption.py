"""Above a table stands where its latencies are from, two lines a setting, nothing invented."""

from __future__ import annotations

from collections.abc import Callable

from asymm_deploy.bench.records import DeviceFacts, RowSummary
from asymm_deploy.report.caption import caption

MakeRow = Callable[..., RowSummary]


def facts(soc: str | None, khz: int | None) -> DeviceFacts:
    return DeviceFacts(device="pixel", soc=soc, cpu_max_khz=khz, cores=8, abi="arm64", os="Linux")


def test_nothing_measured_is_said() -> None:
    assert caption([]) == ("No latency has been measured.",)


def test_one_setting_is_two_lines(row: MakeRow) -> None:
    assert caption([row("a"), row("b")]) == (
        "Device: pixel (chip), core 7, at most 2.84 GHz",
        "Engine: mnn 3.6.1, fp32, 1 thread; 5 runs in 1 launch each; 2026-01-31 (UTC)",
    )


def test_settings_come_in_the_order_in_which_they_appear(row: MakeRow) -> None:
    rows = [row("a", threads=2), row("a"), row("b", threads=2), row("a", precision="fp16")]

    lines = caption(rows)
    assert [line.split("; ")[0] for line in lines[1::2]] == [
        *("Engine: mnn 3.6.1, fp32, 2 threads", "Engine: mnn 3.6.1, fp32, 1 thread"),
        "Engine: mnn 3.6.1, fp16, 1 thread",
    ]
    assert len(lines) == 6


def test_what_is_not_known_is_left_out(row: MakeRow) -> None:
    (device, engine) = caption(
        [row(device_facts=facts(None, None), cpus=(), cpu=None, engine_version=None)]
    )

    assert device == "Device: pixel, not pinned"
    assert engine.startswith("Engine: mnn, fp32, 1 thread; ")


def test_what_differs_within_a_setting_is_listed_once_each(row: MakeRow) -> None:
    rows = [
        row("a", cpus=(4, 5)),
        row("b", device_facts=facts("other", 1_800_000), engine_version="3.6.2"),
        row("c"),
        row("d", device_facts=facts(None, None), samples_ns=(), error="died", flags=("failed",)),
    ]

    device, engine = caption(rows)
    assert device == (
        "Device: pixel (chip or other), core 4+5 or core 7, at most 2.84 GHz or 1.80 GHz"
    )
    assert engine.startswith("Engine: mnn 3.6.1 or 3.6.2, fp32, 1 thread; 5 runs in 1 launch each;")


def test_a_setting_in_which_all_failed_has_no_runs(row: MakeRow) -> None:
    _, engine = caption([row(samples_ns=(), error="died", flags=("failed",))])

    assert "; no runs; " in engine


def test_the_days_are_the_first_and_the_last(row: MakeRow) -> None:
    days = ("2026-02-03", "2026-01-31", "2026-03-01")
    rows = [row(day, started_at=f"{day}T23:59:00+00:00") for day in days]

    assert caption(rows)[1].endswith("; 2026-01-31 to 2026-03-01 (UTC)")
    assert caption(rows[:1])[1].endswith("; 2026-02-03 (UTC)")

"""Sustained curves on a page: what is drawn, what is said of it, and that it is verified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import Curve, lines_of_curves
from asymm_deploy.errors import NumericsError, UsageError
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.page import verify_page
from asymm_deploy.report.page.page_sources import sources_in, sources_of
from asymm_deploy.report.page.pictures.sustained_pictures import sustained_pictures
from asymm_deploy.report.page.write_page import PageRequest, made_page
from tests.made_curves import made_curve, made_reading, made_second


def hot(model: str = "net", **other: Any) -> Curve:
    """A curve of a phone that throttles after 40 of 100 s."""
    readings = [made_reading()] * 40 + [made_reading(thermal_status=1, battery_c=39.0)] * 60
    curve = made_curve([20.0] * 40 + [30.0] * 60, readings, model=model, **other)
    curve.name = model
    return curve


def layers(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """The layers of the first picture."""
    found: list[dict[str, Any]] = sustained_pictures(curves)[0].spec["layer"]
    return found


def data_of(curves: Sequence[Curve], layer: int) -> list[dict[str, Any]]:
    """What a layer of the first picture draws; altair keeps it wherever it likes."""
    spec = sustained_pictures(curves)[0].spec
    data = spec["layer"][layer].get("data", spec.get("data"))
    found: list[dict[str, Any]] = (
        data["values"] if "values" in data else spec["datasets"][data["name"]]
    )
    return found


def test_times_temperature_and_clock_are_drawn() -> None:
    pictures = sustained_pictures([hot()])
    assert [picture.name for picture in pictures] == ["sustained", "temperature", "clock"]
    times, heat, clock = pictures
    assert times.sentence == (
        "net took 20 ms at first and 30 ms in the end (+50 %), and slowed down in second 40."
    )
    assert heat.sentence == "net: 30 to 39 degC."
    assert clock.sentence == "net: 2.84 GHz."
    (row,) = times.table.rows
    assert row[:8] == ("net", 100.0, None, 3980, 20.0, 30.0, 1.5, 40.0)
    *_, rule = layers([hot()])
    assert rule["mark"]["type"] == "rule"
    assert data_of([hot()], -1) == [{"key": "net", "s": 40.0, "by": "slower"}]


def test_a_clock_that_stays_is_not_rounded_beside_its_axis() -> None:
    *_, clock = sustained_pictures([hot()])
    (line,) = clock.spec["layer"]
    assert line["encoding"]["y"]["axis"]["format"] == ".4~g"


def test_what_spoils_a_curve_is_named_and_what_it_was_made_to_show_is_not() -> None:
    curve = hot()
    assert curve.ended is not None
    flags = ("stolen-time", "wrong-core", "hot", "unwatched")
    launch = msgspec.structs.replace(curve.ended.launch, flags=flags, valid=False)
    curve.ended = msgspec.structs.replace(curve.ended, launch=launch)
    said = sustained_pictures([curve])[0].sentence
    assert said.endswith(" It does not count: stolen-time, wrong-core.")


def test_a_curve_that_hardly_fell_has_no_negative_zero() -> None:
    curve = made_curve([20.0] * 80 + [19.99] * 20)
    assert "in the end (+0 %)." in sustained_pictures([curve])[0].sentence


def test_what_nobody_could_read_is_not_drawn() -> None:
    curve = made_curve([20.0] * 20)
    curve.seconds = [type(x)(**{**fields(x), "khz": None}) for x in curve.seconds]
    (only,) = sustained_pictures([curve])
    assert only.name == "sustained"
    assert [layer["mark"]["type"] for layer in only.spec["layer"]] == ["area", "line", "point"]
    assert sustained_pictures([]) == []


def fields(second: Any) -> dict[str, Any]:
    return {name: getattr(second, name) for name in second.__struct_fields__}


def test_curves_of_one_model_are_told_apart_by_their_pace() -> None:
    pictures = sustained_pictures([hot(), hot(every_ms=33.0), hot("other")])
    assert pictures[0].keys == ("net", "net, every 33ms", "other")
    pictures = sustained_pictures([hot(), hot()])
    assert pictures[0].keys == ("net #1", "net #2")


def test_long_curves_have_no_more_points_than_anybody_sees() -> None:
    curve = made_curve([20.0] * 1800)
    assert len(data_of([curve], 0)) == 360
    assert "median of up to 5 seconds" in sustained_pictures([curve])[0].notes[0]


def test_a_few_disturbed_seconds_do_not_press_the_curve_flat() -> None:
    (area, *_) = layers([made_curve([20.0] * 99 + [900.0])])
    assert area["encoding"]["y"]["scale"]["domain"] == pytest.approx([18.0, 23.0])


def test_a_short_curve_is_shown_whole() -> None:
    (area, *_) = layers([made_curve([20.0, 21.0, 90.0, 22.0, 21.0, 20.0])])
    assert area["encoding"]["y"]["scale"]["domain"][1] > 90.0


def test_late_frames_that_all_are_by_waking_are_said_to_be() -> None:
    curve = made_curve([20.0] * 10, every_ms=33.0)
    for total, said in ((5, "5 of them"), (7, "all of them")):
        curve.seconds = [made_second(0, 20.0, late=7, late_by_waking=total), *curve.seconds[1:]]
        sentence = sustained_pictures([curve])[0].sentence
        assert f"7 frames came while it ran, {said} only because a run began late" in sentence


def test_one_that_did_not_reach_its_end_says_so() -> None:
    curve = made_curve([20.0] * 30, for_s=100, is_whole=False)
    assert sustained_pictures([curve])[0].sentence == (
        "net did not reach its end: the command that timed it stopped early."
    )


ASKED = PageRequest("results", None, RowFilter(), "2026-11-29T12:00:00+00:00")


def page(content: bytes) -> str:
    return made_page(sources_of({SUSTAINED_NAME: content}, Path("results")), ASKED, "'draws'")


def test_a_page_of_curves_is_verified_and_a_changed_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    text = page(lines_of_curves([hot(), hot("other")]))
    path.write_text(text)
    said = verify_page.verified(path).lines
    assert said[0].endswith("(0 rows and 0 launches, 2 sustained curves)")
    path.write_text(text.replace('<td class="n">30.000</td>', '<td class="n">29.000</td>'))
    with pytest.raises(NumericsError, match="sustained"):
        verify_page.verified(path)


def test_a_page_carries_the_last_curve_of_each_row_without_each_run(tmp_path: Path) -> None:
    first, second = hot(), hot()
    first.name = "first"
    (tmp_path / SUSTAINED_NAME).write_bytes(lines_of_curves([first, second]) + b'{"schema_ver')
    sources = sources_in(tmp_path, None)
    assert [curve.name for curve in sources.curves] == ["net"]
    assert sources.contents[SUSTAINED_NAME] == lines_of_curves(sources.curves)
    assert b'"first"' not in sources.contents[SUSTAINED_NAME]
    assert "ends in the middle of a line" in sources.remarks[0]
    (tmp_path / SUSTAINED_NAME).write_bytes(b'{"schema_version":1}\n')
    with pytest.raises(UsageError, match="damaged in line 1"):
        sources_in(tmp_path, None)


def test_names_from_elsewhere_are_escaped() -> None:
    text = page(lines_of_curves([hot("<script>alert(1)</script>", device="a<b>")]))
    assert "<script>alert" not in text
    assert "a<b>" not in text

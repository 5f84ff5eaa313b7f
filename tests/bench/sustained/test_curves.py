"""sustained.jsonl keeps what was read, whatever ends the command, and says what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME, CurveEnd
from asymm_deploy.bench.sustained.curves import curves_in, lines_of_curves, opened_curves
from asymm_deploy.errors import HarnessError, UsageError


def read(folder: Path) -> Any:
    path = folder / SUSTAINED_NAME
    return curves_in(path.read_bytes(), path)


@pytest.fixture
def written(tmp_path: Path, a_curve: Callable[..., Any], a_second: Callable[..., Any]) -> Path:
    """A file with one launch that ended, of three seconds."""
    model = a_curve([10.0] * 3)
    with opened_curves(tmp_path, pytest.fail) as file:
        curve = file.begin(model.started)
        file.add(curve, [a_second(0, 10.0)], None)
        file.add(curve, [a_second(1, 10.0), a_second(2, 10.0)], model.readings[0])
        file.end(curve, model.ended)
    return tmp_path


def test_what_was_added_is_read_again(written: Path) -> None:
    (curve,), torn = read(written)
    assert not torn
    assert curve.is_whole
    assert [x.at_ns for x in curve.seconds] == [0, 10**9, 2 * 10**9]
    assert curve.reached_s == 3
    text = (written / SUSTAINED_NAME).read_text()
    assert all(line.startswith('{"schema_version":1,"curve":"') for line in text.splitlines())


def test_a_cut_line_is_put_aside_and_the_launch_had_not_ended(written: Path) -> None:
    path = written / SUSTAINED_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    told: list[str] = []
    with opened_curves(written, told.append) as file:
        (curve,) = file.curves
        assert curve.ended is None
        assert len(curve.seconds) == 2
    assert "ended in the middle of a line" in told[0]


def test_the_last_end_counts(written: Path) -> None:
    import msgspec

    with opened_curves(written, pytest.fail) as file:
        (curve,) = file.curves
        launch = msgspec.structs.replace(curve.launch, allowed=("hot",))
        file.end(curve, CurveEnd(launch=launch, loop=None))
    (curve,), _ = read(written)
    assert curve.launch.allowed == ("hot",)


def test_without_each_run_it_is_the_same(written: Path) -> None:
    curves, _ = read(written)
    path = written / SUSTAINED_NAME
    assert curves_in(lines_of_curves(curves), path)[0] == curves
    assert b'"ns"' not in lines_of_curves(curves)


def lines_without(*dropped: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [line for at, line in enumerate(lines) if at not in dropped]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lines_without(0), "line 1: launch .* does not begin once"),
        (lambda lines: [lines[0], *lines], "line 2: launch .* does not begin once"),
        (lambda lines: [*lines, lines[3]], "line 6: launch .* had ended"),
        (lambda lines: [lines[0], lines[2], lines[1]], "line 3: its second is not behind"),
        (lambda lines: [lines[0], lines[1][:90] + b"}\n"], "line 2"),
        (lambda lines: [lines[0].replace(b'"for_s":3.0', b'"for_s":"x"')], "line 1"),
        (lambda _: [b'{"schema_version":1,"curve":"a"}\n'], "not one of"),
        (lambda _: [b'{"schema_version":9,"curve":"a"}\n'], "schema_version 9"),
        (lambda lines: [lines[0], lines[1].replace(b'"runs":50', b'"runs":-5')], "line 2"),
        (lambda lines: [*lines, lines[3], lines[3][:40]], "line 6: launch .* had ended"),
        (lambda lines: [*lines[:4], lines[4].replace(b'"flags":[]', b'"flags":["x"]')], "flag"),
        (lambda lines: [lines[0].replace(b'"exit_code":0', b'"exit_code":1')], "line 1: .* of 1,"),
        (lambda lines: [*lines[:4], lines[4].replace(b'"init_ns":', b'"init_ns":-9,"x":')], "-9"),
        (
            lambda lines: [lines[0].replace(b'"madds":', b'"madds":-9,"x":')],
            "line 1: .* madds of -9",
        ),
        (lambda lines: [lines[0], lines[1].replace(b'"median_ns":1', b'"median_ns":9')], "line 2"),
        (lambda lines: [*lines[:2], lines[4]], "line 3: it ended after 150 runs, and .* have 50"),
    ],
)
def test_damage_is_told_and_nothing_is_changed(
    written: Path, change: Callable[[list[bytes]], list[bytes]], reason: str
) -> None:
    path = written / SUSTAINED_NAME
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    before = path.read_bytes()
    with (
        pytest.raises(UsageError, match=reason),
        opened_curves(written, pytest.fail),
    ):
        pass
    assert path.read_bytes() == before


def test_one_command_at_a_time_adds_to_it(written: Path) -> None:
    with (
        opened_curves(written, pytest.fail),
        pytest.raises(HarnessError, match=f"process {os.getpid()}, since .* is writing to"),
        opened_curves(written, pytest.fail),
    ):
        pass

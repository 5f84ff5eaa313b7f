"""A small picture of letters shows points, levels, and where they change."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.history.told.text_plot import PlottedCommit, text_plot


def plotted(values: Sequence[float | None], changed: Sequence[int] = ()) -> list[PlottedCommit]:
    return [
        PlottedCommit(value, value, place in changed, place in changed[1:])
        for place, value in enumerate(values)
    ]


def test_points_stand_by_their_values_and_steps_below() -> None:
    lines = text_plot(plotted([1, 1, 2, 2, None, 8], changed=(2, 5)), ("8.0", "1.0"))
    assert lines == [
        "8.0 |     o",
        "    |      ",
        "    |      ",
        "    |      ",
        "    |      ",
        "    |      ",
        "    |  oo  ",
        "1.0 |oo    ",
        "    +------",
        "       ^  a",
    ]


def test_a_level_is_seen_where_no_point_lies_on_it() -> None:
    commits = [PlottedCommit(value, 5.0, False, False) for value in (0.0, 10.0)]
    assert any("--" in line for line in text_plot(commits, ("10", "0"))[:-1])


def test_the_last_commits_are_drawn_if_there_is_no_room_for_all() -> None:
    lines = text_plot(plotted([1.0] * 100 + [2.0] * 72), ("2", "1"))
    assert max(map(len, lines)) <= 80
    assert sum(line.count("o") for line in lines) == 72


def test_values_that_are_all_the_same_are_one_line_with_one_label() -> None:
    lines = text_plot(plotted([3.0] * 4), ("3.0", "3.0"))
    assert [line for line in lines if "o" in line] == ["3.0 |oooo"]


def test_one_value_is_no_picture() -> None:
    assert text_plot(plotted([1.0, None]), ("1", "1")) == []
    assert text_plot([], ("", "")) == []

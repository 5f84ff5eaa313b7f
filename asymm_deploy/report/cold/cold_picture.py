"""Cold starts as bars: from the file on disk to the first result, and the run behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from asymm_deploy.bench.cold.cold_records import ColdRow, StageMs
from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.report.cold.cold_table import COLD_COLUMNS, cold_cells, cold_remarks
from asymm_deploy.report.page.pictures.picture import WIDE, Datum, Picture, plain, spec_of
from asymm_deploy.report.report_table import ReportTable
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted

_ROW_PIXELS = 24
_READ, _WARM_READ = "read the file", "read it, from memory"
_CREATE, _FIRST, _SECOND = "create the session", "first run", "second run"
_COLOURS = {
    _READ: "#8a8f98",
    _WARM_READ: "#c3c7cd",
    _CREATE: "#d97706",
    _FIRST: "#3b82d6",
    _SECOND: "#2f9e6e",
}
_INTERVAL = "#d6498b"
_SHOWN = (
    *("launches", "read_ms", "warm_read_ms", "create_ms", "first_ms", "second_ms", "steady_ms"),
    *("first_over_steady", "first_over_steady_low", "first_over_steady_high"),
    *("cold_ms", "cold_low_ms", "cold_high_ms", "engine_ms"),
    *("read_cpu_ms", "create_cpu_ms", "first_cpu_ms", "second_cpu_ms", "steady_cpu_ms"),
    *("cache", "major_faults", "valid", "flags"),
)


def cold_picture(rows: Sequence[ColdRow]) -> Picture | None:
    """Return the picture of a tab's cold starts; None if there are none."""
    if not rows:
        return None
    keys = cold_keys(rows)
    data: list[Datum] = [
        {
            "key": key,
            "stage": stage,
            "rank": rank,
            "ms": found.median,
            "low": found.low,
            "high": found.high,
            "noticed": _noticed(row),
            "valid": row.valid,
        }
        for key, row in zip(keys, rows, strict=True)
        for rank, (stage, found) in enumerate(_stages(row))
        if found.median is not None
    ]
    by_name = {column.name: column for column in COLD_COLUMNS}
    columns = (by_name["model"], *(by_name[name] for name in _SHOWN))
    cells = [cold_cells(row) | {"model": key} for key, row in zip(keys, rows, strict=True)]
    wholes: list[Datum] = [
        {"key": key, "ms": row.cold.median, "low": row.cold.low, "high": row.cold.high}
        for key, row in zip(keys, rows, strict=True)
        if row.cold.low is not None
    ]
    table = ReportTable(
        "Cold starts",
        columns,
        tuple(tuple(each[column.name] for column in columns) for each in cells),
    )
    sentence = _sentence(keys, rows)
    notes = (
        "A bar is the median over launches, each a new process; a line is the 95 % interval of the "
        "time to the first result. Loading the engine and making the "
        "inputs belong to no stage. The engine reads the file once more as it creates the session, "
        "from memory.",
        *cold_remarks(rows),
    )
    spec = _spec(data, wholes, sentence) if data else {}
    return Picture("cold", "Cold starts", sentence, spec, table, keys, notes=notes)


def cold_table(
    title: str, keys: Sequence[str], rows: Sequence[ColdRow], shown: Sequence[str]
) -> ReportTable:
    """Return the table behind a picture: the rows' names, and these columns of cold.csv."""
    by_name = {column.name: column for column in COLD_COLUMNS}
    columns = (by_name["model"], *(by_name[name] for name in shown))
    cells = [cold_cells(row) | {"model": key} for key, row in zip(keys, rows, strict=True)]
    found = tuple(tuple(each[column.name] for column in columns) for each in cells)
    return ReportTable(title, columns, found)


def cold_keys(rows: Sequence[ColdRow]) -> tuple[str, ...]:
    """Return the rows' names in pictures, with the input's shape where two share one."""
    alike = Counter(row.model for row in rows)
    return tuple(
        one_line(row.model)
        if alike[row.model] < 2 or row.input_shape is None
        else f"{one_line(row.model)} ({'x'.join(map(str, row.input_shape))})"
        for row in rows
    )


def _stages(row: ColdRow) -> list[tuple[str, StageMs]]:
    read = (_READ, row.read) if row.read.median is not None else (_WARM_READ, row.warm_read)
    return [read, (_CREATE, row.create), (_FIRST, row.first), (_SECOND, row.second)]


def _whole(row: ColdRow) -> StageMs:
    """Return the time to the first result: of its cold starts, or the stages' own sum."""
    if row.cold.median is not None:
        return row.cold
    return StageMs(sum(found.median or 0.0 for _, found in _stages(row)[:3]))


def _noticed(row: ColdRow) -> str:
    words = [FLAGS[name].meaning for name in row.flags]
    return "; ".join([*words, *([row.reason] if row.reason else [])]) or "nothing"


def _sentence(keys: Sequence[str], rows: Sequence[ColdRow]) -> str:
    started = [(key, row) for key, row in zip(keys, rows, strict=True) if row.launches]
    if not started:
        return f"{counted(len(rows), 'model')} did not start."
    whole = sorted((_whole(row).median or 0.0, key) for key, row in started)
    cold = all(row.cold.median is not None for _, row in started)
    what = "from the file on disk" if cold else "from the file, in memory or not,"
    least, most = whole[0], whole[-1]
    if len(started) == 1:
        text = f"{least[1]} takes {least[0]:.1f} ms {what} to its first result. "
    else:
        text = (
            f"It takes from {least[0]:.1f} ms ({least[1]}) to {most[0]:.1f} ms ({most[1]}) {what} "
            "to the first result. "
        )
    ratios = [
        row.first_over_steady.median
        for _, row in started
        if row.first_over_steady.median is not None
    ]
    low, high = min(ratios), max(ratios)
    spread = f"{low:.2f}" if len(ratios) == 1 else f"{low:.2f} to {high:.2f}"
    text += f"The first run takes {spread} times as long as a steady one."
    flagged = sum(not row.valid for row in rows)
    if flagged:
        verb = "is" if flagged == 1 else "are"
        text += f" {flagged} of {counted(len(rows), 'row')} {verb} flagged (pale)."
    return text


def _spec(data: Sequence[Datum], wholes: Sequence[Datum], sentence: str) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    order = list(dict.fromkeys(str(each["key"]) for each in data))
    there = [stage for stage in _COLOURS if any(each["stage"] == stage for each in data)]
    y = alt.Y("key:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False))
    bars = (
        alt.Chart(alt.InlineData(values=plain(data)))
        .mark_bar(cursor="pointer")
        .encode(
            x=alt.X(
                "ms:Q",
                title="time (ms)",
                axis=alt.Axis(orient="top", tickCount=10, labelOverlap="greedy", labelSeparation=6),
            ),
            y=y,
            color=alt.Color(
                "stage:N",
                scale=alt.Scale(domain=there, range=[_COLOURS[stage] for stage in there]),
                legend=alt.Legend(title=None),
            ),
            order="rank:O",
            opacity=alt.condition(
                "(picked === '' || datum.key === picked) && datum.valid",
                alt.value(1),
                alt.value(0.55),
            ),
            tooltip=[
                alt.Tooltip("key:N", title="model"),
                alt.Tooltip("stage:N", title="stage"),
                alt.Tooltip("ms:Q", title="median (ms)", format=".3f"),
                alt.Tooltip("low:Q", title="95 % from (ms)", format=".3f"),
                alt.Tooltip("high:Q", title="to (ms)", format=".3f"),
                alt.Tooltip("noticed:N", title="noticed"),
            ],
        )
    )
    around = (
        alt.Chart(alt.InlineData(values=plain(wholes)))
        .mark_rule(strokeWidth=2, color=_INTERVAL, tooltip=False)
        .encode(x="low:Q", x2="high:Q", y=y)
    )
    layers = [bars, around] if wholes else [bars]
    chart = alt.layer(*layers).add_params(picked)
    return spec_of(
        chart.properties(width=WIDE, height=_ROW_PIXELS * len(order)), f"Cold starts. {sentence}"
    )

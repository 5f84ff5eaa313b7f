"""A page's HTML, from its tabs: every text is escaped here and nowhere else."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from asymm_deploy import __version__
from asymm_deploy.bench import store
from asymm_deploy.report.page.page_blocks import MANIFEST_ID, script_hash
from asymm_deploy.report.page.page_summary import summary
from asymm_deploy.report.page.page_tabs import Tab
from asymm_deploy.report.page.pictures.picture import Picture
from asymm_deploy.report.report_table import Cell, Column, ReportTable, shown_cell
from asymm_deploy.safe import one_line

_TALL = 1600
"""Pixels: eighty rows."""


@dataclass(frozen=True, slots=True)
class PageText:
    """What a page says besides its tabs."""

    folder: str
    other: str | None
    written_at: str
    library: str
    """The JavaScript that draws."""
    saved: Mapping[str, bytes]
    """The files that its buttons save, by name."""
    blocks: str
    """The elements that hold the data."""


def page_html(tabs: Sequence[Tab], said: PageText) -> str:
    """Return the page, with an empty manifest."""
    script = _asset("page.js")
    policy = (
        f"default-src 'none'; script-src {script_hash(script)} {script_hash(said.library)}; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="asymm-deploy {__version__}">
<meta name="color-scheme" content="light dark">
<title>Results in {_text(said.folder)}</title>
<style>
{_asset("page.css")}</style>
</head>
<body>
<header>
<h1>{_heading(said)}</h1>
{_lead(tabs)}
</header>
<main>
{_tab_list(tabs)}{"".join(_panel(tab, number, len(tabs)) for number, tab in enumerate(tabs))}</main>
{_footer(said)}
{said.blocks}
<script type="application/json" id="{MANIFEST_ID}"></script>
<script>{script}</script>
</body>
</html>
"""


def panel_id(number: int) -> str:
    """Return the id of a tab's panel; those of its pictures and tables begin with it."""
    return f"tab{number}"


def table_id(number: int, picture: Picture) -> str:
    """Return the id of the table behind a picture."""
    return f"{panel_id(number)}-{picture.name}-table"


def _heading(said: PageText) -> str:
    against = "" if said.other is None else f" against <bdi>{_text(said.other)}</bdi>"
    where = "" if said.folder == "results" else f" in <bdi>{_text(said.folder)}</bdi>"
    return f"Results{where}{against}"


def _lead(tabs: Sequence[Tab]) -> str:
    return "\n".join(f'<p class="lead">{_text(line)}</p>' for line in summary(tabs))


def _tab_list(tabs: Sequence[Tab]) -> str:
    if len(tabs) == 1:
        return ""
    buttons = "\n".join(
        f'<button role="tab" id="{panel_id(number)}-name" aria-controls="{panel_id(number)}" '
        f'aria-selected="{"false" if number else "true"}" tabindex="{-1 if number else 0}">'
        f"<bdi>{_text(tab.title)}</bdi></button>"
        for number, tab in enumerate(tabs)
    )
    return f"""<div role="tablist" aria-label="Devices and settings">
{buttons}
</div>
"""


def _panel(tab: Tab, number: int, tabs: int) -> str:
    role = ""
    if tabs > 1:
        hidden = ' class="hidden"' if number else ""
        role = f' role="tabpanel" aria-labelledby="{panel_id(number)}-name"{hidden}'
    lines = "<br>\n".join(_text(line) for line in tab.caption)
    remarks = "".join(f"<li>{_text(remark)}</li>\n" for remark in tab.remarks)
    return f"""<section id="{panel_id(number)}"{role} data-panel>
<h2><bdi>{_text(tab.title)}</bdi></h2>
<p class="how">{lines}</p>
{f'<ul class="remarks">{remarks}</ul>' if remarks else ""}
{"".join(_figure(picture, number) for picture in tab.pictures)}</section>
"""


def _figure(picture: Picture, number: int) -> str:
    own = f"{panel_id(number)}-{picture.name}"
    tall = ' tall" tabindex="0' if _is_tall(picture) else ""
    drawing = (
        f'<div class="picture{tall}" id="{own}" role="img" '
        f'aria-label="{_text(picture.spec["description"])}"></div>\n'
        if picture.spec
        else ""
    )
    notes = "".join(f'<p class="note">{_text(note)}</p>\n' for note in picture.notes)
    return f"""<figure data-figure="{picture.name}" aria-labelledby="{own}-title">
<h3 id="{own}-title">{_text(picture.title)}</h3>
{_chooser(picture, own)}<p class="see" id="{own}-see">{_text(picture.sentence)}</p>
{drawing}{notes}<details>
<summary>Table: <span id="{own}-name">{_text(picture.table.title)}</span></summary>
<div class="wide" tabindex="0" role="region" aria-labelledby="{own}-name">
{_table(picture.table, picture.keys, table_id(number, picture), bool(picture.choices))}
</div>
</details>
</figure>
"""


def _is_tall(picture: Picture) -> bool:
    """Whether a picture has so many rows that it is scrolled in a window of its own."""
    height = picture.spec.get("height")
    return isinstance(height, int) and height > _TALL


def _chooser(picture: Picture, own: str) -> str:
    """Return what chooses one of several data, which the page's script fills in."""
    if len(picture.choices) < 2:
        return ""
    options = "".join(
        f'<option value="{index}">{_text(choice.label)}</option>'
        for index, choice in enumerate(picture.choices)
    )
    return (
        f'<p class="choose"><label for="{own}-choice">Model</label> '
        f'<select id="{own}-choice" autocomplete="off">{options}</select></p>\n'
    )


def _table(table: ReportTable, keys: Sequence[str], own_id: str, drawn: bool) -> str:
    """Return a table; the script draws those of a choice, which would fill the page otherwise."""
    if drawn:
        return f'<table id="{own_id}" data-drawn></table>'
    head = "".join(
        f'<th scope="col"{_number(column)}>{_text(column.heading)}</th>' for column in table.columns
    )
    body = "\n".join(
        _row(row, table.columns, key) for row, key in zip(table.rows, keys, strict=True)
    )
    return f"""<table id="{own_id}">
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>"""


def _row(row: Sequence[Cell], columns: Sequence[Column], key: str) -> str:
    cells = []
    spoilt = ""
    for index, (cell, column) in enumerate(zip(row, columns, strict=True)):
        if column.name == "valid" and cell is False:
            spoilt = ' class="invalid"'
        text = _text(shown_cell(cell, column))
        if index == 0:
            pick = f'<button type="button" class="pick" aria-pressed="false">{text}</button>'
            cells.append(f'<th scope="row"{_number(column)}><bdi>{pick}</bdi></th>')
        elif column.is_key:
            cells.append(f'<th scope="row"{_number(column)}><bdi>{text}</bdi></th>')
        else:
            cells.append(f"<td{_number(column)}>{text}</td>")
    return f'<tr data-key="{html.escape(key)}"{spoilt}>{"".join(cells)}</tr>'


def _number(column: Column) -> str:
    return ' class="n"' if column.kind == "number" else ""


def _footer(said: PageText) -> str:
    buttons = "\n".join(
        f'<button type="button" data-save="{html.escape(name)}">Save {_text(name)} '
        f"<small>({_size(len(content))})</small></button>"
        for name, content in said.saved.items()
    )
    samples = ", each sample included" if store.NAME in said.saved else ""
    written = f"Written by asymm-deploy {__version__} on {_moment(said.written_at)} UTC"
    return f"""<footer>
<h2>The data</h2>
<p>Everything shown here is made from the files inside this page{samples}.
<code>asymm-deploy report PAGE.html --verify</code> makes it again from them and compares.</p>
<p class="saves">
{buttons}
</p>
<p class="note">{written}.
The page loads nothing from anywhere: its policy forbids it.</p>
<noscript><p>Pictures, and tables by layer, need JavaScript, which is off here.</p></noscript>
<p id="trouble" role="alert" hidden></p>
</footer>"""


def _moment(stamp: str) -> str:
    """Return date and minute of an ISO 8601 time."""
    return _text(stamp[:16].replace("T", " "))


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _text(text: object) -> str:
    return html.escape(one_line(str(text)))


def _asset(name: str) -> str:
    path = resources.files("asymm_deploy.report.page") / name
    return path.read_text(encoding="utf-8")

"""Whether a page says what the samples inside it say: it is made again from them, and compared.

Hashes tell what was changed after the page was written. Whoever changes a page can change its
hashes too; so nothing is believed that can be computed, and the sources' hashes are told, to be
compared with the files that they were.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias

from asymm_deploy import __version__
from asymm_deploy.errors import DeployError, NumericsError, UsageError
from asymm_deploy.files import read_regular
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.page.page_blocks import (
    BlockFacts,
    PageManifest,
    PageParts,
    sha256_hex,
    taken_apart,
)
from asymm_deploy.report.page.page_sources import INSIDE_NAMES, PageSources, sources_of
from asymm_deploy.report.page.write_page import (
    CSV_NAME,
    LIBRARY_NAME,
    PICTURES_NAME,
    ROWS_NAME,
    PageRequest,
    made_page,
    made_with,
)
from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted

_Tables: TypeAlias = Mapping[str, Sequence[Sequence[str]]]
_RESAMPLED = ("95 % from (ms)", "to (ms)")
"""Columns of intervals, which another numpy may draw otherwise."""
_MOST_TOLD = 12
"""Differences that are named one by one."""


@dataclass(frozen=True, slots=True)
class VerifiedPage:
    """What was found out about a page that says what its samples say."""

    program: str
    written_at: str
    sources: tuple[BlockFacts, ...]
    rows: int
    launches: int
    curves: int
    """Of sustained benches."""
    redrawn: bool
    """Whether text and pictures were compared: another version words and draws them otherwise."""
    contents: Mapping[str, bytes]
    """The sources, by name."""
    wanted: RowFilter

    @property
    def lines(self) -> list[str]:
        """What to tell people."""
        files = [
            f"  {each.name}  {each.bytes} bytes  sha256 {each.sha256}" for each in self.sources
        ]
        what = "every table, sentence and picture" if self.redrawn else "every figure in its tables"
        made = f"{counted(self.rows, 'row')} and {counted(self.launches, 'launch')}"
        made += f", {counted(self.curves, 'sustained curve')}" if self.curves else ""
        lines = [
            f"good: {what} follows from the samples inside ({made})",
            f"written by {self.program} at {self.written_at}, from:",
            *files,
        ]
        if not self.redrawn:
            lines.append(
                f"this is asymm-deploy {__version__} with {' and '.join(made_with())}, which may "
                "word, draw and resample otherwise: sentences, pictures and intervals were "
                "compared with their hashes alone"
            )
        return lines


def verified(path: Path) -> VerifiedPage:
    """Return what a page is, if all it says follows from the samples inside it.

    Raises UsageError if it can't be read, or is no whole page, and NumericsError, with what
    differs, if it doesn't.
    """
    try:
        page = read_regular(path)
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}",
            "give a file that `asymm-deploy report --page` wrote",
        ) from error
    parts = taken_apart(page, str(path))
    found = list(_wrong_hashes(parts))
    sources = _sources(parts, path, found)
    if sources is not None:
        found += _differences(parts, sources)
    if found or sources is None:
        told = "\n".join(found[:_MOST_TOLD])
        more = f"\nand {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
        raise NumericsError(
            f"{path} does not say what its samples say, or was changed after it was written:\n"
            f"{told}{more}",
            "make it again from the results folder with `asymm-deploy report RESULTS --page FILE`",
        )
    manifest = parts.manifest
    return VerifiedPage(
        manifest.program,
        manifest.written_at,
        tuple(block for block in manifest.blocks if block.kind == "source"),
        len(json.loads(parts.blocks.get(ROWS_NAME, b"[]"))),
        len(sources.launches)
        + len(sources.cold)
        + sum(each.count for each in sources.checked.values()),
        len(sources.curves),
        _made_as_here(parts),
        sources.contents,
        _wanted(manifest),
    )


def _wanted(manifest: PageManifest) -> RowFilter:
    return RowFilter(
        *(manifest.device, manifest.engine, manifest.precision, manifest.threads),
        manifest.backend,
    )


def _made_as_here(parts: PageParts) -> bool:
    """Whether the same programs wrote the page: then it can be made again to the byte."""
    written_by = parts.manifest.program, parts.manifest.made_with
    return written_by == (f"asymm-deploy {__version__}", made_with())


def _wrong_hashes(parts: PageParts) -> Iterator[str]:
    """Yield what differs from its hash, or is missing."""
    told = {block.name: block for block in parts.manifest.blocks}
    for name in parts.damaged:
        yield f"{excerpt(name)} can't be unpacked"
    for name, block in told.items():
        content = parts.blocks.get(name)
        if content is None and name not in parts.damaged:
            yield f"{excerpt(name)} is missing"
        elif content is not None and sha256_hex(content) != block.sha256:
            yield f"{excerpt(name)} is not what the page's hash of it says"
    for name in parts.blocks.keys() - told.keys():
        yield f"{excerpt(name)} was added"
    if sha256_hex(parts.text.encode()) != parts.manifest.text_sha256:
        yield "the page's text is not what its hash says"


def _sources(parts: PageParts, path: Path, found: list[str]) -> PageSources | None:
    """Return the files inside; None, with a line more in ``found``, if one of them is damaged."""
    names = [name for name in parts.blocks if name.rpartition("/")[2] in INSIDE_NAMES]
    contents = {name: parts.blocks[name] for name in names}
    try:
        return sources_of(contents, Path())
    except DeployError as error:
        found.append(f"what is inside {path.name} can't be read: {error.what}")
        return None


def _differences(parts: PageParts, sources: PageSources) -> Iterator[str]:
    """Yield what the page says and its sources don't."""
    manifest = parts.manifest
    asked = PageRequest(
        manifest.folder,
        manifest.other,
        _wanted(manifest),
        manifest.written_at,
    )
    library = parts.blocks.get(LIBRARY_NAME, b"").decode(errors="replace")
    try:
        again = taken_apart(made_page(sources, asked, library).encode(), "the page made again")
    except UsageError as error:
        yield f"it can't be made again from what is inside: {error.what}"
        return
    said, true = _tables_in(parts.text), _tables_in(again.text)
    if not _made_as_here(parts):
        yield from _figure_differences(said, true)
        yield from _row_differences(parts.blocks.get(ROWS_NAME), again.blocks.get(ROWS_NAME))
        return
    cells = list(_cell_differences(said, true))
    yield from cells
    for name in (ROWS_NAME, CSV_NAME):
        if parts.blocks.get(name) != again.blocks.get(name):
            yield f"{name} is not what the samples give"
    if parts.blocks.get(PICTURES_NAME) != again.blocks.get(PICTURES_NAME):
        yield "a picture shows other figures than the samples give"
    if parts.text != again.text and not cells:
        yield f"its text differs: {_first_difference(parts.text, again.text)}"


def _figure_differences(said: _Tables, true: _Tables) -> Iterator[str]:
    """Yield the cells that differ in columns that both have, but for those of intervals."""

    def kept(table: Sequence[Sequence[str]], columns: Collection[str]) -> list[list[str]]:
        chosen = [number for number, heading in enumerate(table[0]) if heading in columns]
        return [[row[number] for number in chosen if number < len(row)] for row in table]

    both = {
        name: [heading for heading in said[name][0] if heading in true[name][0]]
        for name in said.keys() & true.keys()
        if said[name] and true[name]
    }
    shared = {
        name: [heading for heading in headings if heading not in _RESAMPLED]
        for name, headings in both.items()
    }
    yield from _cell_differences(
        {name: kept(said[name], columns) for name, columns in shared.items()},
        {name: kept(true[name], columns) for name, columns in shared.items()},
    )


def _row_differences(said: bytes | None, true: bytes | None) -> Iterator[str]:
    """Yield the fields of rows that both versions know, but for intervals, where they differ."""
    own, right = (json.loads(content or b"[]") for content in (said, true))
    if len(own) != len(right):
        yield f"{ROWS_NAME} has {counted(len(own), 'row')}, and the samples give {len(right)}"
        return
    for row, wanted in zip(own, right, strict=True):
        for name in row.keys() & wanted.keys() - {"ci_low_ms", "ci_high_ms"}:
            if row[name] != wanted[name]:
                yield f"{ROWS_NAME}, {excerpt(str(wanted['model']), 80)}: {name} differs"


def _cell_differences(said: _Tables, true: _Tables) -> Iterator[str]:
    for name, rows in true.items():
        own = said.get(name)
        if own is None:
            yield f"the table {name} is missing"
            continue
        if len(own) != len(rows):
            there = counted(len(own) - 1, "row")
            yield f"the table {name} has {there}, and the samples give {len(rows) - 1}"
            continue
        for heading, row, right in zip([*rows[:1]] * len(rows), own, rows, strict=True):
            if len(row) != len(right):
                yield f"{_named(right)}: {len(row)} cells in place of {len(right)}"
                continue
            for column, cell, wanted in zip(heading, row, right, strict=True):
                if cell != wanted:
                    yield (
                        f"{_named(right)}, {excerpt(column, 40)}: the page says "
                        f"{excerpt(cell, 80)!r}, the samples {excerpt(wanted, 80)!r}"
                    )


def _named(row: Sequence[str]) -> str:
    return excerpt(row[0], 80) if row else "a row"


def _first_difference(said: str, true: str) -> str:
    pairs = zip(said.splitlines(), true.splitlines(), strict=False)
    one, other = next(
        ((one, other) for one, other in pairs if one != other), ("more lines", "its own")
    )
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    start = max(0, at - 20)
    return f"{excerpt(one[start:], 80)!r} where it should be {excerpt(other[start:], 80)!r}"


def _tables_in(text: str) -> dict[str, list[list[str]]]:
    reader = _TableReader()
    reader.feed(text)
    reader.close()
    return reader.tables


class _TableReader(HTMLParser):
    """Collects the text of each cell, by the table's id."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] | None = None
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._rows = self.tables.setdefault(dict(attrs).get("id") or "", [])
        elif self._rows is not None and tag == "tr":
            self._rows.append([])
        elif self._rows and tag in {"td", "th"}:
            self._rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._in_cell = False
        elif tag == "table":
            self._rows = None

    def handle_data(self, data: str) -> None:
        if self._in_cell and self._rows:
            self._rows[-1][-1] += data

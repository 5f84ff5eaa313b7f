"""A results folder as one HTML file, and as pictures in files of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from asymm_deploy import __version__
from asymm_deploy.files import unwritable, write_whole
from asymm_deploy.report import latency_table
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.page.page_blocks import (
    BlockFacts,
    DataKind,
    PageManifest,
    block_element,
    sha256_hex,
    with_manifest,
)
from asymm_deploy.report.page.page_html import PageText, page_html, panel_id
from asymm_deploy.report.page.page_sources import PageSources
from asymm_deploy.report.page.page_tabs import Tab, tabs_of
from asymm_deploy.report.page.pictures.picture import Datum, Picture, Spec, filled
from asymm_deploy.report.page.vega_library import picture_files
from asymm_deploy.report.report_table import to_csv

PICTURES_NAME = "pictures.json"
LIBRARY_NAME = "vega.js"
ROWS_NAME = "rows.json"
CSV_NAME = "latency.csv"
_OF_CHECK = ("versions", "verdicts")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a page is to show, and what it is called."""

    folder: str
    other: str | None
    wanted: RowFilter
    written_at: str
    """ISO 8601, UTC."""


def made_page(sources: PageSources, asked: PageRequest, library: str) -> str:
    """Return a page: the same arguments give the same one. ``library`` is `vega_library`'s.

    Raises UsageError if nothing passes ``asked.wanted``.
    """
    tabs = tabs_of(sources, asked.wanted)
    blocks: list[tuple[str, DataKind, bytes]] = [
        *((name, "table", content) for name, content in _tables(tabs).items()),
        *((name, "source", content) for name, content in sources.contents.items()),
        (PICTURES_NAME, "pictures", msgspec.json.encode(_drawn(tabs))),
        (LIBRARY_NAME, "library", library.encode()),
    ]
    text = page_html(
        tabs,
        PageText(
            asked.folder,
            asked.other,
            asked.written_at,
            library,
            {name: content for name, kind, content in blocks if kind in {"source", "table"}},
            "\n".join(block_element(*block) for block in blocks),
        ),
    )
    wanted = asked.wanted
    facts = PageManifest(
        program=f"asymm-deploy {__version__}",
        made_with=made_with(),
        folder=asked.folder,
        other=asked.other,
        device=wanted.device,
        engine=wanted.engine,
        precision=wanted.precision,
        threads=wanted.threads,
        backend=wanted.backend,
        written_at=asked.written_at,
        blocks=tuple(
            BlockFacts(name=name, kind=kind, bytes=len(content), sha256=sha256_hex(content))
            for name, kind, content in blocks
        ),
        text_sha256="",
    )
    return with_manifest(text, facts)


def made_with() -> tuple[str, ...]:
    """Return what figures and pictures depend on besides our own version.

    numpy draws the samples that intervals are made of; altair words the specifications.
    """
    return tuple(f"{name} {version(name)}" for name in ("numpy", "altair"))


def write_page(target: Path, page: str) -> None:
    """Write a page, whole or not at all; raise UsageError, or HarnessError if the disk is full."""
    try:
        write_whole(target, page.encode())
    except OSError as error:
        raise unwritable(str(target), error, "give another --page") from error


def write_pictures(folder: Path, sources: PageSources, wanted: RowFilter) -> list[Path]:
    """Write every picture as SVG and PNG into a folder, which is made; return the files.

    Raises UsageError, or HarnessError if the disk is full.
    """
    tabs = tabs_of(sources, wanted)
    drawn = [
        single
        for number, tab in enumerate(tabs, start=1)
        for picture in tab.pictures
        for single in _single(picture, number if tabs[1:] else None)
    ]
    return _write_drawn(folder, drawn)


def write_check_pictures(folder: Path, sources: PageSources, wanted: RowFilter) -> dict[Path, str]:
    """Write what shows a comparison of two versions; return the PNGs, with what there is to see.

    Raises UsageError, or HarnessError if the disk is full.
    """
    pictures = {
        picture.name: picture
        for tab in tabs_of(sources, wanted)
        for picture in tab.pictures
        if picture.name in _OF_CHECK and picture.spec
    }
    drawn = [single for each in pictures.values() for single in _single(each, None)]
    written = _write_drawn(folder, drawn)
    words = {name: f"{each.title}. {each.sentence}" for name, each in pictures.items()}
    return {path: words[path.stem] for path in written if path.suffix == ".png"}


def _write_drawn(folder: Path, drawn: Sequence[tuple[str, Spec]]) -> list[Path]:
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, spec in drawn:
            for ending, content in picture_files(spec).items():
                target = folder / f"{name}.{ending}"
                write_whole(target, content())
                written.append(target)
    except OSError as error:
        raise unwritable(
            f"pictures to {folder}", error, "give another folder with --pictures"
        ) from error
    return written


def _single(picture: Picture, tab: int | None) -> list[tuple[str, Spec]]:
    """Return a picture's files by name: one, or one for each of its choices."""
    stem = f"{tab}-{picture.name}" if tab else picture.name
    if not picture.spec:
        return []
    if len(picture.choices) < 2:
        data = picture.choices[0].data if picture.choices else None
        spec = picture.spec if data is None else filled(picture.spec, data)
        return [(stem, {**spec, "title": _title(picture.title)})]
    found: dict[str, Spec] = {}
    for number, choice in enumerate(picture.choices, start=1):
        title = _title(f"{picture.title}: {choice.label}")
        name = f"{stem}-{_file_word(choice.label)}"
        name = f"{name}-{number}" if name in found else name
        found[name] = {**filled(picture.spec, choice.data), "title": title}
    return list(found.items())


def _title(text: str) -> dict[str, object]:
    return {"text": text, "anchor": "start", "fontSize": 15, "offset": 12}


def _file_word(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", label)[:60].strip("_") or "model"


def _tables(tabs: Sequence[Tab]) -> dict[str, bytes]:
    """Return latency.csv and its rows as JSON, where something was timed."""
    rows = [model.row for tab in tabs for model in tab.models]
    if not rows:
        return {}
    return {
        CSV_NAME: to_csv(latency_table.full(rows)).encode(),
        ROWS_NAME: msgspec.json.format(msgspec.json.encode(rows), indent=1),
    }


def _drawn(tabs: Sequence[Tab]) -> dict[str, object]:
    """Return what the page's script draws, by tab.

    The data of choices stand there once, by label, as columns: two pictures of a tab share them.
    """
    return {
        panel_id(number): {
            "choices": {
                choice.label: _columns(choice.data)
                for picture in tab.pictures
                for choice in picture.choices
            },
            "pictures": {
                picture.name: {
                    "title": picture.title,
                    "spec": picture.spec,
                    "columns": [
                        {
                            "field": column.name,
                            "heading": column.heading,
                            "number": column.kind == "number",
                            "digits": column.digits,
                            "key": column.is_key,
                        }
                        for column in picture.table.columns
                    ]
                    if picture.choices
                    else [],
                    "choices": [
                        {"label": each.label, "sentence": each.sentence, "title": each.title}
                        for each in picture.choices
                    ],
                }
                for picture in tab.pictures
                if picture.spec
            },
        }
        for number, tab in enumerate(tabs)
    }


def _columns(data: Sequence[Datum]) -> dict[str, list[object]]:
    return {name: [datum[name] for datum in data] for name in data[0]} if data else {}

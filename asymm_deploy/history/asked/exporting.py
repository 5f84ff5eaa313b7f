"""A store's tables as files for other programs, each whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from asymm_deploy.errors import UsageError
from asymm_deploy.files import is_in_the_way, resolved, unwritable, written_aside
from asymm_deploy.history.adding import united_content
from asymm_deploy.history.asked.answer_text import answer_text
from asymm_deploy.history.asked.sealed_sql import answered_sql
from asymm_deploy.history.history_schema import HISTORY_TABLES, TableName
from asymm_deploy.history.history_store import HistoryStore
from asymm_deploy.history.store_files import NAMED_BY_HASH, put_file

if TYPE_CHECKING:
    import pyarrow as pa

ExportForm = Literal["parquet", "csv", "json", "store"]
_OTHERWISE = "free some space, or give a folder that you may write to"


def export_store(store: HistoryStore, out: Path, form: ExportForm) -> list[Path]:
    """Write a file for each table that has rows to the folder ``out``, which is made if need be.

    ``store`` writes one file, with all there is: a store of its own, in a folder of its own, that
    `history add` takes in elsewhere. Files of the same names are replaced. Raises UsageError if the
    folder can't be written or is a store, and HarnessError if the disk is full.
    """
    newer = [file.path for file in store.files if file.is_of_a_newer_program]
    if form == "store" and newer:
        raise UsageError(
            f"{newer[0]} is of a newer asymm-deploy, and holds what this one would leave out",
            "update asymm-deploy, or copy the folder: that moves a history as well",
        )
    made = _prepare(out, store.folder, form)
    try:
        if form == "store":
            return [put_file(out, united_content(store.files))]
        return _written(store, out, form)
    finally:
        with suppress(OSError):  # what has files stays
            for folder in made:
                folder.rmdir()


def _written(store: HistoryStore, out: Path, form: ExportForm) -> list[Path]:
    written = []
    for name in HISTORY_TABLES:
        table = store.table(name)
        if len(table):
            path = out / f"{name}.{form}"
            try:
                with written_aside(path) as aside:
                    _write(table, name, aside, form)
            except OSError as error:
                raise unwritable(str(path), error, _OTHERWISE) from error
            written.append(path)
    return written


def _prepare(out: Path, store: Path, form: ExportForm) -> list[Path]:
    """Make the folder, and return it with those above it that were made, the innermost first.

    A store takes no other files, and other files make a folder no store.
    """
    if resolved(out).is_relative_to(resolved(store)):
        raise UsageError(f"{out} is the history itself, or in it", "give another folder")
    try:
        made = [folder for folder in (out, *out.parents) if not folder.exists()]
        out.mkdir(parents=True, exist_ok=True)
        for path in out.iterdir():
            is_stores = NAMED_BY_HASH.fullmatch(path.name) is not None
            if is_stores or (form == "store" and not path.name.startswith(".")):
                raise UsageError(
                    f"{path} is there, and {'a history' if is_stores else 'an export'} stands "
                    "alone in its folder",
                    "give a new folder",
                )
    except OSError as error:
        if is_in_the_way(error):
            raise UsageError(f"{out} is no folder", "give one for the files") from error
        raise unwritable(f"to {out}", error, _OTHERWISE) from error
    return made


def _write(table: pa.Table, name: TableName, path: Path, form: ExportForm) -> None:
    if form == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        sink = pa.BufferOutputStream()  # Arrow's own words on a full disk are none
        parquet.write_table(table, sink, compression="zstd")
        path.write_bytes(sink.getvalue())
        return
    with (
        answered_sql({name: table}, f"from {name}") as answer,
        path.open("w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        for text in answer_text(answer, "json" if form == "json" else "csv", []):
            file.write(text)

"""What a page is made from: the files of a results folder, as they were, and what they hold.

The bytes are kept, since the page carries them: whoever has the page can make it again from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from asymm_deploy import jsonl
from asymm_deploy.bench import store
from asymm_deploy.bench.cold.cold_records import ColdRecord
from asymm_deploy.bench.cold.cold_store import COLD_NAME, cold_runs_of
from asymm_deploy.bench.emulated.counts import COSTS_NAME, COSTS_SCHEMA_VERSION, CostRecord
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import Curve, curves_in, lines_of_curves
from asymm_deploy.bench.sustained.sustained_rows import latest_curves
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy import ACCURACY_CSV
from asymm_deploy.evaluate.accuracy_rows import ACCURACIES, MeasuredTop1, evaluated_top1
from asymm_deploy.explain.explanation import (
    EXPLAINED_NAME,
    EXPLAINED_SCHEMA_VERSION,
    Explanation,
)
from asymm_deploy.files import read_regular
from asymm_deploy.history.history_store import HistoryStore
from asymm_deploy.report.page.check_verdicts import CHECK_NAME, CheckVerdicts, verdicts_of
from asymm_deploy.report.page.checked_launches import (
    BLOCKS_NAME,
    CheckedLaunches,
    checked_launches,
)
from asymm_deploy.report.page.over_commits.remembered import (
    HISTORY_NAME,
    RememberedHistory,
    history_in,
    remembered,
)

OTHER_PREFIX = "against/"
"""Before the name of a file of the other results folder."""
SOURCE_NAMES = (
    *(store.NAME, COSTS_NAME, EXPLAINED_NAME, CHECK_NAME, BLOCKS_NAME, ACCURACY_CSV),
    *(SUSTAINED_NAME, COLD_NAME),
)
"""The files of a results folder that a page shows, if they are there."""
INSIDE_NAMES = (*SOURCE_NAMES, HISTORY_NAME)
"""The files inside a page that all else is made from; history.json is made of a store."""

_OF_CHECK = b'"written_by":"check"'
_TO_TRY = "run `asymm-deploy bench` first, or give the folder that it wrote"


@dataclass(frozen=True, slots=True)
class PageSources:
    """The files by name, those of the other folder as ``against/runs.jsonl``, and their records."""

    contents: Mapping[str, bytes]
    """As they were, but for costs.jsonl, which is without its operators, and sustained.jsonl, which
    has the last curve of each row, without each run: no page shows more."""
    launches: tuple[LaunchRecord, ...]
    costs: tuple[CostRecord, ...]
    explained: tuple[Explanation, ...]
    verdicts: CheckVerdicts | None
    checked: Mapping[str, CheckedLaunches]
    """The launches that the verdicts of `check` are of, by model."""
    accuracies: Mapping[str, MeasuredTop1]
    """What `evaluate` measured, by model."""
    other_launches: tuple[LaunchRecord, ...]
    cold: tuple[ColdRecord, ...]
    """Cold launches, by stage."""
    curves: tuple[Curve, ...]
    """Of sustained benches, the last one of each row."""
    history: RememberedHistory | None
    """What they were over many commits, if that was asked for."""
    remarks: tuple[str, ...]
    """What was left out: a last line that is not whole."""


def sources_in(
    results: Path, other: Path | None, verdict: Callable[[], bytes | None] = lambda: None
) -> PageSources:
    """Read a results folder, and another one to compare with.

    ``verdict`` gives `check`'s document on the two, where the other folder has none.
    Raises UsageError if there is nothing to show, or a file can't be read or is damaged.
    """
    contents = _contents(results)
    if not contents:
        raise UsageError(f"there are no results in {results}", _TO_TRY)
    if other is not None:
        found = _contents(other)
        told = found.get(CHECK_NAME) or verdict()
        launches = found.get(store.NAME)
        if launches is None and told is None:
            raise UsageError(f"there are no results in {other}", _TO_TRY)
        if launches is not None:
            contents[f"{OTHER_PREFIX}{store.NAME}"] = launches
        if BLOCKS_NAME in found:
            contents[f"{OTHER_PREFIX}{BLOCKS_NAME}"] = found[BLOCKS_NAME]
        if told is not None:
            contents[f"{OTHER_PREFIX}{CHECK_NAME}"] = told
    sources = sources_of(contents, results, other)
    if sources.costs:
        contents[COSTS_NAME] = _without_operators(sources.costs)
    if sources.curves:
        contents[SUSTAINED_NAME] = lines_of_curves(sources.curves)
    return sources


def sources_with_history(sources: PageSources, store: HistoryStore) -> PageSources:
    """Return ``sources`` with what their models were over the commits of a store.

    Raises UsageError if the store can't be decoded, or has none of them.
    """
    verdicts = sources.verdicts
    models = {
        *(each.model for each in sources.launches),
        *(each.launch.model for each in sources.cold),
        *(each.launch.model for each in sources.curves),
        *(each.model for each in sources.costs),
        *(each.model for each in sources.explained),
        *sources.accuracies,
        *(each.model for each in (verdicts.changes if verdicts else ())),
    }
    content = remembered(store, models)
    return replace(
        sources,
        contents={**sources.contents, HISTORY_NAME: content},
        history=history_in(content, store.folder),
    )


def sources_of_check(
    check: bytes, launches: Path | None, folders: tuple[Path, Path] | None
) -> PageSources:
    """Return what there is to show of a comparison that has just been made.

    ``check`` is its document. ``launches`` is the folder of those that it made; ``folders`` are the
    baseline and the candidate, if earlier launches were compared. Raises UsageError if a file can't
    be read.
    """
    contents = {CHECK_NAME: check}
    if launches is not None:
        contents |= {name: _read(launches / name) for name in (store.NAME, BLOCKS_NAME)}
    for prefix, folder in zip((OTHER_PREFIX, ""), folders or (), strict=False):
        if store.NAME in (found := _contents(folder)):
            contents[f"{prefix}{store.NAME}"] = found[store.NAME]
    return sources_of(contents, launches or Path())


def _without_operators(costs: Sequence[CostRecord]) -> bytes:
    """Return the lines of a costs.jsonl, a tenth as long."""
    return b"".join(
        msgspec.json.encode(msgspec.structs.replace(record, operators=())) + b"\n"
        for record in costs
    )


def sources_of(
    contents: Mapping[str, bytes], where: Path, other: Path | None = None
) -> PageSources:
    """Return what the files hold; ``where`` and ``other`` are how messages call their folders.

    Raises UsageError if one is damaged, or of a newer version.
    """
    beside = other or where / "against"
    runs, theirs = contents.get(store.NAME, b""), contents.get(f"{OTHER_PREFIX}{store.NAME}", b"")
    found = store.runs_of(runs, where / store.NAME)
    before = store.runs_of(theirs, beside / store.NAME)
    counts = contents.get(COSTS_NAME, b"")
    costs = jsonl.lines_of(counts, where / COSTS_NAME, CostRecord, COSTS_SCHEMA_VERSION)
    seen = contents.get(EXPLAINED_NAME, b"")
    explained = jsonl.lines_of(seen, where / EXPLAINED_NAME, Explanation, EXPLAINED_SCHEMA_VERSION)
    cold = cold_runs_of(contents.get(COLD_NAME, b""), where / COLD_NAME)
    lasting = contents.get(SUSTAINED_NAME, b"")
    curves, torn_curve = curves_in(lasting, where / SUSTAINED_NAME)
    checked: dict[str, CheckedLaunches] = {}
    ours = [found.records, before.records]
    for place, (prefix, path) in enumerate((("", where), (OTHER_PREFIX, beside))):
        blocks = contents.get(f"{prefix}{BLOCKS_NAME}")
        if blocks is not None:  # launches of two versions, which are no rows
            checked |= checked_launches(blocks, path / BLOCKS_NAME, ours[place])
            ours[place] = []
        store.refuse_of_check(
            ours[place], path / store.NAME, "give a folder that `asymm-deploy bench` wrote"
        )
    told = [
        verdicts_of(contents[name], path / CHECK_NAME)
        for name, path in ((CHECK_NAME, where), (f"{OTHER_PREFIX}{CHECK_NAME}", beside))
        if name in contents
    ]
    there = (found.records, costs.records, explained.records, told, cold.records, curves)
    if not any(there):
        raise UsageError(f"{where / store.NAME} has no complete launch", _TO_TRY)
    shown = {each.model for each in told[-1].changes if each.verdict != "same"} if told else set()
    torn = {
        where / store.NAME: found.torn,
        beside / store.NAME: before.torn,
        where / COSTS_NAME: costs.torn,
        where / EXPLAINED_NAME: explained.torn,
        where / COLD_NAME: cold.torn,
        where / SUSTAINED_NAME: torn_curve,
    }
    return PageSources(
        contents=contents,
        launches=tuple(ours[0]),
        costs=tuple(costs.records),
        explained=tuple(explained.records),
        verdicts=told[-1] if told else None,
        accuracies=_accuracies(contents.get(ACCURACY_CSV), where / ACCURACY_CSV),
        checked={model: each for model, each in checked.items() if model in shown},
        other_launches=tuple(ours[1]),
        cold=tuple(cold.records),
        curves=tuple(latest_curves(curves)),
        history=history_in(contents[HISTORY_NAME], where / HISTORY_NAME)
        if HISTORY_NAME in contents
        else None,
        remarks=tuple(
            f"{path} ends in the middle of a line, which is left out"
            for path, rest in torn.items()
            if rest
        ),
    )


def _accuracies(content: bytes | None, path: Path) -> dict[str, MeasuredTop1]:
    if content is None:
        return {}
    try:
        return evaluated_top1(ACCURACIES.rows_in(content, path))
    except ValueError as error:
        raise UsageError(
            f"{path} is damaged: {error}",
            "move it away, and repeat `asymm-deploy evaluate`, which runs nothing again",
        ) from error


def _contents(results: Path) -> dict[str, bytes]:
    """Return the bytes of those files that are there, of a folder or beside a given runs.jsonl."""
    folder = results if results.is_dir() else results.parent
    if not results.is_dir() and results.name != store.NAME:
        raise UsageError(f"{results} is no results folder and no {store.NAME}", _TO_TRY)
    found = {
        name: _read(folder / name)
        for name in SOURCE_NAMES
        if (folder / name).is_symlink() or (folder / name).exists()
    }
    of_check = CHECK_NAME in found and _OF_CHECK in found.get(store.NAME, b"").partition(b"\n")[0]
    if of_check and BLOCKS_NAME not in found:
        del found[store.NAME]  # launches of two versions, and nobody knows which are whose
    if not of_check:
        found.pop(BLOCKS_NAME, None)
    return found


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except OSError as error:
        where = error.filename or path
        raise UsageError(f"can't read {where}: {error.strerror or error}", _TO_TRY) from error

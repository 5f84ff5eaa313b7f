"""The tabs of a page: one for each device and setting, since no picture may mix two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asymm_deploy.bench.cold.cold_records import ColdRow
from asymm_deploy.bench.cold.cold_rows import latest_cold_rows
from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.bench.sustained.curves import Curve
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy_rows import MeasuredTop1
from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.report.caption import caption
from asymm_deploy.report.cold.cold_picture import cold_picture
from asymm_deploy.report.cold.cold_table import cold_caption
from asymm_deploy.report.cold.stage_memory_picture import stage_memory_picture
from asymm_deploy.report.comparable import (
    RowFilter,
    TimingSetting,
    fitting,
    meets,
    setting_of,
    settings,
)
from asymm_deploy.report.page.check_verdicts import CheckVerdicts
from asymm_deploy.report.page.checked_launches import CheckedLaunches
from asymm_deploy.report.page.over_commits.history_pictures import history_pictures
from asymm_deploy.report.page.over_commits.remembered import RememberedHistory
from asymm_deploy.report.page.page_sources import PageSources
from asymm_deploy.report.page.pictures.accuracy_picture import accuracy_picture
from asymm_deploy.report.page.pictures.cost_picture import cost_picture
from asymm_deploy.report.page.pictures.launches_picture import launches_picture
from asymm_deploy.report.page.pictures.layers_picture import layers_picture
from asymm_deploy.report.page.pictures.picture import Picture
from asymm_deploy.report.page.pictures.roofline_picture import roofline_picture
from asymm_deploy.report.page.pictures.snr_picture import snr_picture
from asymm_deploy.report.page.pictures.sustained_pictures import sustained_pictures
from asymm_deploy.report.page.pictures.timed_model import TimedModel, timed_models
from asymm_deploy.report.page.pictures.verdicts_picture import verdicts_picture
from asymm_deploy.report.page.pictures.versions_picture import (
    benched_versions,
    checked_versions,
    versions_picture,
)
from asymm_deploy.safe import one_line


@dataclass(frozen=True, slots=True)
class Tab:
    """What was found out on one device in one way."""

    title: str
    caption: tuple[str, ...]
    """How it was measured."""
    models: tuple[TimedModel, ...]
    """Its rows of latency.csv; empty where nothing was timed."""
    explained: int
    """How many models were looked at operator by operator."""
    counted: int
    """How many were counted on an emulated processor."""
    pictures: tuple[Picture, ...]
    remarks: tuple[str, ...]
    """What is missing, and why."""
    started: int = 0
    """How many models were started cold."""
    lasting: int = 0
    """How many models had one long launch."""
    lead: str = ""
    """What the page says of it first, if that is not about rows."""


def tabs_of(sources: PageSources, wanted: RowFilter) -> list[Tab]:
    """Return the tabs, those with timings first, in the order in which they were measured.

    The last one is of the history, if there is one. Raises UsageError if nothing passes ``wanted``.
    """
    return [*_measured_tabs(sources, wanted), *_history_tab(sources.history, wanted)]


def _history_tab(history: RememberedHistory | None, wanted: RowFilter) -> list[Tab]:
    found = None if history is None else history_pictures(history, wanted)
    if found is None:
        return []
    return [
        Tab("Over commits", found.caption, (), 0, 0, found.pictures, found.remarks, lead=found.lead)
    ]


def _measured_tabs(sources: PageSources, wanted: RowFilter) -> list[Tab]:
    timed = timed_models(sources.launches)
    before = timed_models(sources.other_launches)
    explained = _latest(sources.explained)
    cold = latest_cold_rows(sources.cold)
    keys = list(
        dict.fromkeys(
            [
                *settings([model.row for model in timed]),
                *map(setting_of, cold),
                *(_explained_setting(each) for each in explained),
                *(_counted_setting(each, sources.costs) for each in sources.costs),
                *(_curve_setting(each) for each in sources.curves),
            ]
        )
    )
    kept = [key for key in keys if meets(key, wanted)]
    verdicts = sources.verdicts
    if verdicts and not keys:
        return [_of_check(verdicts, sources.checked)]
    if not kept:
        fitting([model.row for model in timed], wanted)  # names what there is
        raise UsageError(
            "nothing here has the device, engine, precision and threads asked for",
            f"there is: {'; '.join(map(str, keys))}",
        )
    tabs = [
        _tab(
            key,
            [model for model in timed if setting_of(model.row) == key],
            [model for model in before if _alike(setting_of(model.row), key)],
            [each for each in explained if _explained_setting(each) == key],
            [each for each in sources.costs if _counted_setting(each, sources.costs) == key],
            [each for each in sources.curves if _curve_setting(each) == key],
            verdicts if verdicts and verdicts.device == key.device else None,
            sources.checked,
            sources.accuracies,
            [row for row in cold if setting_of(row) == key],
        )
        for key in kept
    ]
    if verdicts and verdicts.device not in {key.device for key in keys}:
        tabs.append(_of_check(verdicts, sources.checked))
    return tabs


def _tab(
    key: TimingSetting,
    models: Sequence[TimedModel],
    before: Sequence[TimedModel],
    explained: Sequence[Explanation],
    costs: Sequence[CostRecord],
    curves: Sequence[Curve],
    verdicts: CheckVerdicts | None,
    checked: Mapping[str, CheckedLaunches],
    accuracies: Mapping[str, MeasuredTop1],
    cold: Sequence[ColdRow],
) -> Tab:
    rows = [model.row for model in models]
    pictures = [
        accuracy_picture(models, accuracies),
        roofline_picture(models),
        launches_picture(models) if models else None,
        cold_picture(cold),
        stage_memory_picture(cold),
        layers_picture(explained),
        snr_picture(explained),
        versions_picture(benched_versions(models, before), verdicts),
        *(_check_pictures(verdicts, checked) if verdicts and not before else ()),
        cost_picture(costs),
        *sustained_pictures(curves),
    ]
    remarks = [
        f"{one_line(each.model)} was not explained: {one_line(each.error)}"
        for each in explained
        if each.error
    ]
    remarks += [
        f"{one_line(each.model)}: {one_line(note)}" for each in explained for note in each.notes
    ]
    remarks += [
        f"{one_line(each.model)} was not counted: {one_line(each.error)}"
        for each in costs
        if each.error
    ]
    lines = caption(rows) if rows else ()
    if key.device == EMULATED:
        lines = (
            "Device: an emulated processor (Cortex-A76). Nothing is timed here: instructions are "
            "counted, and are the same on any machine.",
        )
    elif cold and not rows:
        lines = tuple(dict.fromkeys(line for row in cold for line in cold_caption(row)))
    elif not rows:
        what = "Long launches alone were made." if curves else "No bench was made."
        lines = (f"Device: {key.device}; engine: {key.engine}, {key.precision}. {what}",)
    return Tab(
        one_line(str(key)),
        lines,
        tuple(models),
        sum(not each.error for each in explained),
        len({each.model for each in costs if not each.error}),
        tuple(picture for picture in pictures if picture is not None),
        tuple(remarks),
        sum(row.launches > 0 for row in cold),
        len({curve.launch.model for curve in curves if curve.seconds}),
    )


def _check_pictures(
    verdicts: CheckVerdicts, checked: Mapping[str, CheckedLaunches]
) -> list[Picture | None]:
    """Return what `check` timed, and its verdicts."""
    versions = versions_picture(checked_versions(checked), verdicts, of_check=True)
    return [versions, verdicts_picture(verdicts)]


def _of_check(verdicts: CheckVerdicts, checked: Mapping[str, CheckedLaunches]) -> Tab:
    """Return the tab of a comparison on a device of which nothing else is known."""
    where = one_line(verdicts.device)
    line = f"Device: {where}. Both versions were compared by asymm-deploy check."
    pictures = tuple(each for each in _check_pictures(verdicts, checked) if each is not None)
    return Tab(f"{where}, check", (line,), (), 0, 0, pictures, ())


def _latest(explained: Sequence[Explanation]) -> list[Explanation]:
    """Return the last explanation of each model on each device, in the order of the first ones."""
    found: dict[tuple[str, ...], Explanation] = {}
    for each in explained:
        found[each.model, each.device, each.engine, each.precision] = each
    return list(found.values())


def _explained_setting(explained: Explanation) -> TimingSetting:
    build = explained.engine_version.partition(" ")[2]
    return TimingSetting(
        explained.device,
        explained.engine,
        explained.precision,
        1,
        "" if _emulated(explained) else build,
    )


def _emulated(explained: Explanation) -> bool:
    return explained.device == EMULATED


def _curve_setting(curve: Curve) -> TimingSetting:
    launch = curve.launch
    build = (launch.engine_version or "").partition(" ")[2]
    return TimingSetting(launch.device, launch.engine, launch.precision, launch.threads, build)


def _counted_setting(cost: CostRecord, costs: Sequence[CostRecord]) -> TimingSetting:
    """Return where counts belong; those by another emulator or engine can't be compared."""
    several = len({each.key for each in costs if each.precision == cost.precision}) > 1
    build = cost.key.text() if several else ""
    return TimingSetting(EMULATED, cost.key.engine, cost.precision, 1, build)


def _alike(one: TimingSetting, other: TimingSetting) -> bool:
    """Whether two settings differ in the engine's build at most."""
    return (one.device, one.engine, one.precision, one.threads, one.backend) == (
        other.device,
        other.engine,
        other.precision,
        other.threads,
        other.backend,
    )

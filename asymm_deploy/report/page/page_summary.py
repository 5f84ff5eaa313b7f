"""The first words of a page: what was measured, where, when, and how much of it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.bench.flags import FLAGS, gravest_first, leave_valid
from asymm_deploy.report.page.page_tabs import Tab
from asymm_deploy.report.page.pictures.picture import joined
from asymm_deploy.report.page.pictures.timed_model import TimedModel
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted

_ENGINES = {"mnn": "MNN", "onnxruntime": "ONNX Runtime"}


def summary(tabs: Sequence[Tab]) -> list[str]:
    """Return one paragraph for each tab."""
    return [
        tab.lead or (f"{_timed(tab)}{_beside(tab)}" if tab.models else _untimed(tab))
        for tab in tabs
    ]


def _timed(tab: Tab) -> str:
    rows = [model.row for model in tab.models]
    row = rows[0]
    chips = joined(list(dict.fromkeys(one_line(each.soc) for each in rows if each.soc)))
    cores = joined(list(dict.fromkeys(each.cpu for each in rows if each.cpu)))
    place = one_line(row.device)
    inside = [chips, f"core {cores}" if cores else ""]
    if any(inside):
        place += f" ({', '.join(part for part in inside if part)})"
    engine = _ENGINES.get(row.engine, row.engine)
    versions = joined(
        list(dict.fromkeys(one_line(each.engine_version) for each in rows if each.engine_version))
    )
    threads = "one thread" if row.threads == 1 else f"{row.threads} threads"
    on = "" if row.backend == "cpu" else f" asked to run on {row.backend}"
    first = min(each.first_started_at for each in rows)[:10]
    last = max(each.last_started_at for each in rows)[:10]
    when = f"on {first}" if first == last else f"from {first} to {last}"
    runs = sum(each.runs for each in rows)
    launches = sum(each.launches for each in rows)
    processes = f"{launches:,} {'process' if launches == 1 else 'processes'}"
    return (
        f"{counted(len(rows), 'model')} {_was(len(rows))} timed on {place} with {engine} "
        f"{versions}{on} in {row.precision}, by {threads}, {when}: {counted(runs, 'run')} in "
        f"{processes}. {_validity(tab.models)}"
    )


def _validity(models: Sequence[TimedModel]) -> str:
    valid = [model for model in models if model.row.valid]
    if len(valid) == len(models):
        return "It counts as a measurement." if len(models) == 1 else "All of them count."
    spoilt = Counter(
        name
        for model in models
        if not model.row.valid
        for name in model.row.flags
        if not leave_valid([name], model.row.allowed)
    )
    why = "; ".join(
        f"{spoilt[name]} because {FLAGS[name].meaning} ({name})"
        for name in sorted(gravest_first(spoilt), key=lambda name: -spoilt[name])
    )
    if len(models) == 1:
        return f"It doesn't count as a measurement: {why.partition(' because ')[2]}."
    others = f"None of the {len(models)} rows counts as a measurement"
    if valid:
        count = f"{len(valid)} of {len(models)} rows {'counts' if len(valid) == 1 else 'count'}"
        others = f"{count}; the others don't"
    several = sum(spoilt.values()) > len(models) - len(valid)
    return f"{others}: {why}{' (a row may have several reasons)' if several else ''}."


def _beside(tab: Tab) -> str:
    text = ""
    if tab.explained:
        text += (
            f" {counted(tab.explained, 'model')} {_was(tab.explained)} explained layer by layer."
        )
    if tab.started:
        text += f" {counted(tab.started, 'model')} {_was(tab.started)} started cold."
    if tab.lasting:
        text += f" {_lasting(tab)}."
    return text


def _untimed(tab: Tab) -> str:
    device = tab.title.partition(",")[0]
    parts = []
    if tab.counted:
        parts.append(
            f"The instructions of {counted(tab.counted, 'model')} {_was(tab.counted)} counted"
        )
    if tab.explained:
        parts.append(f"{counted(tab.explained, 'model')} {_was(tab.explained)} explained")
    if tab.started:
        engine = tab.title.rsplit(", ", 3)[1]
        parts.append(
            f"{counted(tab.started, 'model')} {_was(tab.started)} started cold with "
            f"{_ENGINES.get(engine, engine)}"
        )
    if parts and tab.lasting:
        parts.append(_lasting(tab))
    if not tab.pictures:
        return f"{tab.title}: nothing was finished."
    if not parts:
        return f"{tab.title}: {' '.join(picture.sentence for picture in tab.pictures)}"
    what = "; ".join(parts)
    emulated = ", an emulated Arm processor: nothing is timed there" if device == EMULATED else ""
    return f"{what} on {device}{emulated}."


def _lasting(tab: Tab) -> str:
    return f"{counted(tab.lasting, 'model')} {_was(tab.lasting)} followed second by second"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"

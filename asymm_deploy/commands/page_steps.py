"""The steps of ``report --page``, ``--pictures`` and ``--verify``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec import structs

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.errors import DeployError, NumericsError, UsageError
from asymm_deploy.files import is_special
from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asymm_deploy.check.findings import GateReport
    from asymm_deploy.report.comparable import RowFilter


def write_page_and_pictures(
    results: Path,
    against: Path | None,
    page: Path | None,
    pictures: Path | None,
    wanted: RowFilter,
    history: Path | None = None,
) -> None:
    """Write what was asked for of a results folder; raise UsageError if that can't be done.

    ``history`` is the folder of a store, of which the last commits are shown beside.
    """
    from asymm_deploy.report.page.page_sources import sources_in, sources_with_history
    from asymm_deploy.report.page.vega_library import require_page_extra, vega_library
    from asymm_deploy.report.page.write_page import (
        PageRequest,
        made_page,
        write_page,
        write_pictures,
    )

    if page is not None and page.suffix not in {".html", ".htm"} and not is_special(page):
        raise UsageError(
            f"{excerpt(str(page))} does not end in .html, and a page would replace what is there",
            "give a name like results.html",
        )
    require_page_extra()
    sources = sources_in(results, against, lambda: _recorded_verdict(results, against, wanted))
    for remark in sources.remarks:
        console.say(remark)
    if history is not None:
        from asymm_deploy.history.history_store import opened_store

        sources = sources_with_history(sources, opened_store(history))
    if pictures is not None:
        written = write_pictures(pictures, sources, wanted)
        console.say(f"wrote {counted(len(written), 'file')} to {pictures}")
    if page is not None:
        asked = PageRequest(
            _folder_name(results),
            None if against is None else _folder_name(against),
            wanted,
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with console.waiting("drawing"):
            text = made_page(sources, asked, vega_library())
        write_page(page, text)
        console.say(f"wrote {page} ({len(text.encode()) / 1e6:.2f} MB)")


def draw_check(
    folder: Path, report: GateReport, out: Path, both: tuple[Path, Path]
) -> dict[Path, str]:
    """Write pictures of a comparison; return the PNGs with what there is to see.

    ``out`` has the launches of a live one, ``both`` those of a recorded one: the baseline and the
    candidate. Raises UsageError, or HarnessError if the disk is full.
    """
    from asymm_deploy.check.outputs import json_file
    from asymm_deploy.report.comparable import RowFilter
    from asymm_deploy.report.page.page_sources import sources_of_check
    from asymm_deploy.report.page.write_page import write_check_pictures

    named = [_folder_name(each) for each in both]
    shown = structs.replace(report, baseline=named[0], candidate=named[1])
    sources = sources_of_check(
        json_file.rendered(shown),
        out if report.mode == "live" and (out / "blocks.jsonl").exists() else None,
        both if report.mode == "recorded" else None,
    )
    # of a recorded comparison only the rows of its device are of interest
    wanted = RowFilter(report.device if sources.launches else None)
    written = write_check_pictures(folder, sources, wanted)
    console.say(f"wrote {2 * len(written)} files to {folder}")
    return written


def verify_page(page: Path) -> None:
    """Print what a page is; raise NumericsError if it says what its samples don't."""
    from asymm_deploy.report.page.vega_library import require_page_extra
    from asymm_deploy.report.page.verify_page import verified

    require_page_extra()
    with console.waiting("making it again"):
        found = verified(page)
        remark = _verdict_again(page, found.contents, found.wanted)
    print_data("\n".join([*found.lines, *([remark] if remark else [])]))


def _verdict_again(page: Path, contents: Mapping[str, bytes], wanted: RowFilter) -> str | None:
    """Return whether the page's verdict could be computed again; None if it has none.

    Raises NumericsError if the launches inside give another one.
    """
    from asymm_deploy.bench import store
    from asymm_deploy.report.page.check_verdicts import CHECK_NAME, verdicts_of
    from asymm_deploy.report.page.page_sources import OTHER_PREFIX

    told = contents.get(f"{OTHER_PREFIX}{CHECK_NAME}", contents.get(CHECK_NAME))
    if told is None:
        return None
    said = verdicts_of(told, page)
    sides = [contents.get(f"{prefix}{store.NAME}") for prefix in (OTHER_PREFIX, "")]
    again = None
    if said.mode == "recorded" and all(sides):
        with TemporaryDirectory(prefix="asymm-verify-") as name:
            for folder, content in zip(("before", "now"), sides, strict=True):
                (Path(name) / folder).mkdir()
                (Path(name) / folder / store.NAME).write_bytes(content or b"")
            made = _recorded_verdict(Path(name) / "now", Path(name) / "before", wanted)
        again = None if made is None else verdicts_of(made, page)
    limits = {(each.model, each.metric, each.threshold_percent) for each in said.changes}
    if again is None or limits != {(x.model, x.metric, x.threshold_percent) for x in again.changes}:
        return (
            f"the verdict of check ({said.mode}) is shown as check gave it: it was not computed "
            "again"
        )
    if again.changes != said.changes or again.verdict != said.verdict:
        wrong = [
            f"{excerpt(old.model)}, {old.metric}: the page says {old.verdict}, the launches give "
            f"{new.verdict}"
            for old, new in zip(said.changes, again.changes, strict=True)
            if old != new
        ]
        raise NumericsError(
            f"{page} has a verdict that its launches do not give:\n" + "\n".join(wrong[:12]),
            "make it again from the results folders with `asymm-deploy report RESULTS --page FILE "
            "--against OTHER`",
        )
    return "the verdict of check (recorded) follows from the launches inside, too"


def _recorded_verdict(results: Path, against: Path | None, wanted: RowFilter) -> bytes | None:
    """Return what `check` says of both folders as they are, as its JSON; None if it can't say."""
    from asymm_deploy.bench.records import Precision
    from asymm_deploy.check.check_request import CheckRequest
    from asymm_deploy.check.outputs import json_file
    from asymm_deploy.check.policy import GatePolicy
    from asymm_deploy.check.recorded.recorded_report import compare_recorded

    if against is None:
        return None
    precisions: dict[str | None, Precision] = {"fp32": "fp32", "fp16": "fp16"}
    request = CheckRequest(
        baseline=against,
        candidate=results,
        device=wanted.device,
        precision=precisions.get(wanted.precision),
        threads=wanted.threads,
        ignore_missing=True,
    )
    try:
        report = compare_recorded(request, GatePolicy())
    except DeployError as error:
        console.say(f"the page has no verdict: {error.what}")
        return None
    named = structs.replace(report, baseline=_folder_name(against), candidate=_folder_name(results))
    return json_file.rendered(named)


def _folder_name(path: Path) -> str:
    """Return a folder's own name: where it lies is nobody's business."""
    whole = path.absolute()
    return whole.name if whole.is_dir() else whole.parent.name

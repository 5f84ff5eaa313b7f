"""The steps of ``report --page``, ``--pictures`` and ``--verify``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.errors import DeployError, UsageError
from asymm_deploy.files import is_special
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from asymm_deploy.check.findings import GateReport
    from asymm_deploy.report.comparable import RowFilter


def write_page_and_pictures(
    results: Path,
    against: Path | None,
    page: Path | None,
    pictures: Path | None,
    wanted: RowFilter,
) -> None:
    """Write what was asked for of a results folder; raise UsageError if that can't be done."""
    from asymm_deploy.report.page.page_sources import sources_in
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
    if pictures is not None:
        written = write_pictures(pictures, sources, wanted)
        console.say(f"wrote {len(written)} files to {pictures}")
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
    print_data("\n".join(verified(page).lines))


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

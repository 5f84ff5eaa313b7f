"""The steps of ``history show``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import print_data
from asymm_deploy.errors import UsageError
from asymm_deploy.files import is_special, unwritable, write_whole
from asymm_deploy.history.history_series import HistoryMetric
from asymm_deploy.history.history_store import opened_store
from asymm_deploy.history.told.accepted_steps import accepted_changes
from asymm_deploy.history.told.find_series import found_series
from asymm_deploy.history.told.told_series import ToldSeries, told_together
from asymm_deploy.safe import excerpt
from asymm_deploy.text import Format

_ENDINGS = {".svg": "svg", ".png": "png"}
_MOST_DRAWN = 8
"""Series one below the other in a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRequest:
    """What to show."""

    model: str
    store: Path
    metric: HistoryMetric
    device: str | None
    branch: str | None
    output_format: Format
    picture: Path | None


def show_history(request: ShowRequest) -> None:
    """Print what a model's history says, and draw it. Raises as its rooms do."""
    from asymm_deploy.commands.remembering import history_text

    if request.picture is not None:
        _prove_picture(request.picture)
    store = opened_store(request.store)
    series = found_series(store, request.model, request.metric, request.device, request.branch)
    accepted = accepted_changes(store, [request.model])
    with console.waiting("looking for new levels"):
        told = told_together(series, accepted)
    if request.picture is not None:
        _draw(request.picture, told)
    texts = {
        "table": history_text.shown_tables,
        "csv": history_text.shown_csv,
        "json": history_text.shown_json,
    }
    print_data(texts[request.output_format](told))


def _prove_picture(target: Path) -> None:
    """Raise UsageError now for a picture that could not be drawn later."""
    from asymm_deploy.report.page.vega_library import require_page_extra

    if target.suffix not in _ENDINGS and not is_special(target):
        raise UsageError(
            f"{excerpt(str(target))} ends in neither .svg nor .png",
            "give a name like history.svg with --picture",
        )
    require_page_extra()


def _draw(target: Path, told: list[ToldSeries]) -> None:
    from asymm_deploy.report.page.over_commits.history_picture import history_spec
    from asymm_deploy.report.page.vega_library import picture_files

    if len(told) > _MOST_DRAWN:
        raise UsageError(
            f"there are {len(told)} series, and a picture has room for {_MOST_DRAWN}",
            "choose a device with --device, or leave --picture out",
        )
    content = picture_files(history_spec(told))[_ENDINGS.get(target.suffix, "svg")]()
    try:
        write_whole(target, content)
    except OSError as error:
        raise unwritable(str(target), error, "give another --picture") from error
    console.say(f"wrote {target}")

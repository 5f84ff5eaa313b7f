"""``asymm-deploy history show``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands.options.history_options import DEFAULT_STORE, StoreOption
from asymm_deploy.commands.options.shared_options import FORMATS, TextFormat, TextFormatOption


class HistoryMetricName(StrEnum):
    """What is shown over commits."""

    LATENCY = "latency"
    COLD = "cold"
    FIRST = "first"
    SUSTAINED = "sustained"
    INSN = "insn"
    TOP1 = "top1"
    SIZE = "size"


def history_show_command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model, as latency.csv names it.")
    ],
    store: StoreOption = DEFAULT_STORE,
    metric: Annotated[
        HistoryMetricName,
        typer.Option(
            help="What to show; cold is from the file to the first result, first the first run "
            "(`bench --cold`), sustained the last fifth of `bench --for`, insn what `cost` "
            "counted, size that of model.mnn."
        ),
    ] = HistoryMetricName.LATENCY,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only results of this device. Default: one table each."),
    ] = None,
    branch: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only commits of this branch.")
    ] = None,
    output_format: TextFormatOption = TextFormat.TABLE,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg|png", help="Draw it as well. Needs the extra [page]."),
    ] = None,
) -> None:
    """Show a model over commits: each value, and the commits that moved it.

    What has been accepted with `baseline accept` is marked.
    """
    from asymm_deploy.commands.remembering.show_steps import ShowRequest, show_history

    show_history(
        ShowRequest(
            model=model,
            store=store,
            metric=metric.value,
            device=device,
            branch=branch,
            output_format=FORMATS[output_format],
            picture=picture,
        )
    )

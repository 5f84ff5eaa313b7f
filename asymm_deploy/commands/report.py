"""``asymm-deploy report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import (
    EngineName,
    PrecisionName,
    ReportFormat,
    ReportFormatOption,
    print_data,
    table_or_figure,
)


def report_command(
    results: Annotated[
        Path, typer.Argument(help="The results folder that `bench --out` wrote.")
    ] = Path("results"),
    table: Annotated[
        int | None,
        typer.Option(
            "--table",
            metavar="N",
            help="The paper's table N with our results beside the paper's: 1, or 3 to 10. "
            "Default: the latencies of all that was timed.",
        ),
    ] = None,
    figure: Annotated[
        int | None,
        typer.Option(
            "--figure", metavar="N", help="1: the blocks of the paper's Figure 1, as we timed them."
        ),
    ] = None,
    output_format: ReportFormatOption = ReportFormat.MARKDOWN,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File for the table. Default: print it to stdout."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only results of this device, as latency.csv names it."),
    ] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Only results of this engine.")] = None,
    precision: Annotated[
        PrecisionName | None, typer.Option(help="Only results at this precision.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Only results with this number of threads.")
    ] = None,
) -> None:
    """Write a table of results: all latencies, or a table of the paper with ours beside it.

    Tables 1, 3 and 4 hold counts alone and need no results.
    """
    from asymm_deploy.report import tables
    from asymm_deploy.report.comparable import RowFilter

    wanted = RowFilter(
        device, engine.value if engine else None, precision.value if precision else None, threads
    )
    which = table_or_figure(table, figure)
    costs = tables.costs_in(results) if which == 5 else []
    accuracies = tables.accuracies_in(results) if which == 5 else {}
    rows = (
        tables.rows_in(results, console.say, may_lack=bool(costs or accuracies))
        if tables.needs_results(which)
        else []
    )
    text = tables.report_text(which, rows, wanted, output_format.value, costs, accuracies)
    if out is None:
        print_data(text)
    else:
        tables.write(out, text)
        console.say(f"wrote {out}")

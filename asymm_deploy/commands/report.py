"""``asymm-deploy report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands import console, page_steps
from asymm_deploy.commands.options.backend_options import OnlyBackendOption, refuse_of_paper
from asymm_deploy.commands.options.shared_options import (
    EngineName,
    PrecisionName,
    ReportFormat,
    ReportFormatOption,
    given_options,
    print_data,
    table_or_figure,
)
from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt

_OF_TABLES = ("table", "figure", "output_format", "out")
_OF_ROWS = ("device", "engine", "precision", "threads", "backend")


def report_command(
    ctx: typer.Context,
    results: Annotated[
        Path,
        typer.Argument(
            help="The results folder that `bench --out` wrote; with --verify a page that this "
            "command wrote."
        ),
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
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Write a page instead: pictures, tables and all samples in one file that works "
            "offline. Needs the extra [page].",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="OTHER",
            help="With --page or --pictures: an earlier results folder, whose launches stand "
            "beside these, with the verdict.",
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write the page's pictures as SVG and PNG, for READMEs and pull requests.",
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --page or --pictures: what `history add` keeps, whose last commits are "
            "shown beside. Needs the extra [history].",
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read a page again: does all it says follow from the samples inside it? "
            "Exit code 5 if not.",
        ),
    ] = False,
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
    backend: OnlyBackendOption = None,
) -> None:
    """Write a table of results, or a page of pictures.

    The table is all latencies, or one of the paper's with ours beside it. Tables 1, 3 and 4 hold
    counts alone and need no results.

    \b
      asymm-deploy report --table 5
      asymm-deploy report results --page results.html
      asymm-deploy report results.html --verify
    """  # noqa: D301  \b is click's mark for lines to leave as they are
    from asymm_deploy.report.comparable import RowFilter

    wanted = RowFilter(
        device,
        engine.value if engine else None,
        precision.value if precision else None,
        threads,
        backend.value if backend else None,
    )
    if verify:
        others = ("page", "against", "pictures", "history", *_OF_TABLES, *_OF_ROWS)
        _refuse_beside("--verify", given_options(ctx, *others))
        page_steps.verify_page(results)
        return
    if page is not None or pictures is not None:
        which = "--page" if page is not None else "--pictures"
        _refuse_beside(which, given_options(ctx, *_OF_TABLES))
        page_steps.write_page_and_pictures(results, against, page, pictures, wanted, history)
        return
    if results.suffix in {".html", ".htm"} and results.is_file():
        raise UsageError(
            f"{excerpt(str(results))} is a page, and tables are made of results",
            "add --verify to read it again, or give the results folder",
        )
    if against is not None:
        raise UsageError(
            "--against is about pages and pictures", "add --page FILE.html, or leave it out"
        )
    if history is not None:
        raise UsageError(
            "--history is about pages and pictures",
            "add --page FILE.html, or ask `asymm-deploy history show`",
        )
    which_table = table_or_figure(table, figure)
    refuse_of_paper(backend, of_paper=which_table is not None)
    from asymm_deploy.report import tables

    costs = tables.costs_in(results) if which_table == 5 else []
    accuracies = tables.accuracies_in(results) if which_table == 5 else {}
    figures = tables.figures_in(results, which_table)
    rows = (
        tables.rows_in(results, console.say, may_lack=bool(costs or accuracies or figures))
        if tables.needs_results(which_table)
        else []
    )
    text = tables.report_text(
        which_table, rows, wanted, output_format.value, costs, accuracies, figures
    )
    if out is None:
        print_data(text)
    else:
        tables.write(out, text)
        console.say(f"wrote {out}")


def _refuse_beside(option: str, given: tuple[str, ...]) -> None:
    if given:
        names = ["--format" if name == "--output-format" else name for name in given]
        raise UsageError(
            f"{' and '.join(names)} can't stand beside {option}", f"leave {' and '.join(names)} out"
        )

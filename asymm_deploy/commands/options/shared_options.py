"""Options that several commands share, and what their text means.

An option's help stands alone: what it does, its default where typer doesn't print it, and an
example where the form is not plain.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asymm_deploy.bounds import MOST_CORES, require_within
from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt, no_command, no_command_in_json

if TYPE_CHECKING:
    from asymm_deploy.models.names import Figure
    from asymm_deploy.text import Format

MODEL_HELP = (
    "A network's name (`asymm-deploy models` lists them), the path of an .onnx file, or "
    "package.module:callable, where the callable returns an nn.Module."
)


class TextFormat(StrEnum):
    """How lists are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


FORMATS: dict[TextFormat, Format] = {
    TextFormat.TABLE: "table",
    TextFormat.CSV: "csv",
    TextFormat.JSON: "json",
}


class ReportFormat(StrEnum):
    """How tables of results are written."""

    CSV = "csv"
    MARKDOWN = "markdown"
    HTML = "html"


class EngineName(StrEnum):
    """What runs the model."""

    MNN = "mnn"
    ONNXRUNTIME = "onnxruntime"


class PrecisionName(StrEnum):
    """Precision of the arithmetic."""

    FP32 = "fp32"
    FP16 = "fp16"


def complete_model(incomplete: str) -> list[str]:
    """Return the networks' names that begin like ``incomplete``, for the shell."""
    from asymm_deploy.models.names import TABLES

    names = {name for table in TABLES.values() for name in table}
    return sorted(name for name in names if name.startswith(incomplete))


ModelsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="MODEL...", help=MODEL_HELP, autocompletion=complete_model),
]
ModelArgument = Annotated[str, typer.Argument(help=MODEL_HELP, autocompletion=complete_model)]
TableOption = Annotated[
    int | None,
    typer.Option(
        "--table",
        metavar="N",
        help="Take the networks of the paper's table N instead of naming models, as in --table 5.",
    ),
]
FigureOption = Annotated[
    int | None,
    typer.Option(
        "--figure",
        metavar="N",
        help="Take the networks of the paper's figure N instead of naming models. There is one: "
        "--figure 1, seven blocks, each in the same skeleton.",
    ),
]
TextFormatOption = Annotated[TextFormat, typer.Option("--format", help="Format of the list.")]
ReportFormatOption = Annotated[ReportFormat, typer.Option("--format", help="Format of the table.")]
ArtifactsOption = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Folder of exported models (`export --out`).")
]
ResultsOption = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="Results folder, where the timings go. The folder of exported models is --artifacts.",
    ),
]
WarmupOption = Annotated[
    int, typer.Option(metavar="N", help="Untimed runs at the start of each launch.")
]
CpuOption = Annotated[
    str,
    typer.Option(
        metavar="auto|N",
        help="Core to pin the runner to, as in --cpu 3. auto picks a quiet core on a host and the "
        "fastest core on a phone.",
    ),
]
LaunchTimeoutOption = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Time after which a launch counts as hung."),
]
RunnerOption = Annotated[
    Path | None,
    typer.Option(
        metavar="PROGRAM",
        help="Your own runner: a program that speaks the runner's protocol "
        "(android_harness/PROTOCOL.md). Default: ours.",
    ),
]


def within(option: str, least: int, most: int, why: str = "") -> Callable[[int | None], int | None]:
    """Return a callback that refuses what is outside the range; typer's own hides the value."""

    def check(value: int | None) -> int | None:
        if value is not None:
            require_within(option, value, least, most, why)
        return value

    return check


DrawnSeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        callback=within("--seed", 0, 2**63 - 1),
        help="Which images --limit draws; the same seed, the same.",
    ),
]


def core(text: str) -> int | None:
    """Return the core that ``--cpu`` names, None for auto; raise UsageError for anything else."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_CORES))):
        raise UsageError(
            f"--cpu {excerpt(text, 40)} is not the number of a core",
            "give a core's number, or auto",
        )
    return int(text)


def table_or_figure(table: int | None, figure: int | None) -> int | Figure | None:
    """Return what ``--table`` or ``--figure`` asks for; raise UsageError if both were given."""
    from asymm_deploy.models.names import Figure

    if figure is None:
        return table
    if table is not None:
        raise UsageError("--table and --figure were both given", "give one of them")
    return Figure(figure)


def given_options(ctx: typer.Context, *names: str) -> tuple[str, ...]:
    """Return those of ``names`` that the user gave on the command line, as they are spelt there."""
    return tuple(
        f"--{name.replace('_', '-')}"
        for name in names
        if (source := ctx.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    )


@contextmanager
def no_data() -> Iterator[None]:
    """Drop what steps write to stdout, where the data of a command that takes several steps go."""
    with redirect_stdout(io.StringIO()):
        yield


def print_data(text: str) -> None:
    """Write ``text`` to stdout, where data goes, and flush it.

    No line holds a command to GitHub's runner (see ``safe.no_command``): names may hold anything.
    """
    if text.startswith(("{", "[")):
        text = no_command_in_json(text)
    text = "\n".join(map(no_command, text.split("\n")))
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()

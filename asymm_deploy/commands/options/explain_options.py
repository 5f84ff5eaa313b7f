"""The options that only ``asymm-deploy explain`` has."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands.options.shared_options import MODEL_HELP, complete_model, within


class ExplainBy(StrEnum):
    """What a row tells of."""

    OPERATOR = "operator"
    MODULE = "module"
    KIND = "kind"


ExplainModelsOption = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL...",
        help=MODEL_HELP + " Or a .mnn file, whose errors need a --reference, unless it is a "
        "model.mnn in its own export's folder.",
        autocompletion=complete_model,
    ),
]
ExplainDeviceOption = Annotated[
    str,
    typer.Option(
        metavar="host|auto|SERIAL|HOST:PORT|a76",
        help="Where the operators run. host is this machine; auto is the one phone that is "
        "attached; a76 is the emulated Cortex-A76, with instructions in place of time.",
    ),
]
ExplainReferenceOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.onnx",
        help="Take the right values from this file, tensor by tensor of the same name, as in "
        "`explain mine.onnx --reference theirs.onnx`. Default: the model's own export, which was "
        "proven equal to its definition.",
    ),
]
ExplainAgainstOption = Annotated[
    str | None,
    typer.Option(
        metavar="OTHER",
        help="Say what grew since OTHER, operator by operator: another MODEL, a .mnn file, the "
        "folder of an export, or a results folder with an earlier explain of the same model.",
    ),
]
ExplainByOption = Annotated[
    ExplainBy,
    typer.Option(
        "--by",
        help="One row for each operator, for each module of the torch definition, or for each "
        "kind of operator, with the paper's Table 1 by time beside it.",
    ),
]
ExplainDepthOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        callback=within("--depth", 1, 100),
        help="Names of a module's path that are told apart with --by module: 1 is stem and "
        "blocks, 2 is blocks.0 and blocks.1. Default: 2.",
    ),
]
ExplainRunsOption = Annotated[
    int,
    typer.Option(metavar="N", help="Plain runs of each launch, and as many that are watched."),
]
ExplainLaunchesOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        callback=within("--launches", 1, 100, "each is a process"),
        help="Launches of each model; several tell how much of a time is noise. Default: 1, and "
        "with --against 5 of each version, in turns.",
    ),
]
ExplainTraceOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write a trace for ui.perfetto.dev or chrome://tracing: the operators end to "
        "end, inside their modules, with their figures.",
    ),
]
ExplainGraphOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write node data for Google's Model Explorer, to lay over the graph of "
        "model.onnx: the times as FILE, and the own errors beside it as FILE's name with .error.",
    ),
]
ExplainNoTimeOption = Annotated[
    bool, typer.Option("--no-time", help="Leave out the times: only errors are looked for.")
]
ExplainNoErrorOption = Annotated[
    bool, typer.Option("--no-error", help="Leave out the errors: only times are taken.")
]
ExplainFreshOption = Annotated[
    bool, typer.Option("--fresh", help="Explain again what OUT already has an explanation of.")
]
ExplainAllowOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FLAG",
        help="A flag that does not make an explanation invalid, as in --allow stolen-time. "
        "Repeatable.",
    ),
]

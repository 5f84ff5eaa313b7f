"""The options that only ``asymm-deploy bench`` has."""

from __future__ import annotations

from typing import Annotated

import typer

from asymm_deploy.commands.options.shared_options import (
    MODEL_HELP,
    EngineName,
    PrecisionName,
    complete_model,
)

BenchModelsOption = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL...",
        help=MODEL_HELP + " Or a .mnn file, which is timed as it is.",
        autocompletion=complete_model,
    ),
]
BenchDevicesOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="host|auto|all|SERIAL|HOST:PORT",
        help="Where to time. host is this machine, the default; auto is the one phone that is "
        "attached; all is every phone. Repeat the option to time on several side by side.",
    ),
]
BenchEngineOption = Annotated[EngineName, typer.Option(help="Engine to time.")]
BenchRunsOption = Annotated[
    int, typer.Option(metavar="N", help="Timed runs of each model, over all launches.")
]
BenchLaunchesOption = Annotated[
    int,
    typer.Option(
        metavar="N", help="Launches of each model, each a new process; they share the runs."
    ),
]
BenchThreadsOption = Annotated[
    int, typer.Option(metavar="N", help="Threads of the engine, each on a core of its own.")
]
BenchPrecisionOption = Annotated[
    PrecisionName,
    typer.Option(
        help="Precision of the arithmetic. The runner reads back what the engine really used; "
        "a difference is flagged."
    ),
]
BenchPairedOption = Annotated[
    bool,
    typer.Option(
        "--paired",
        help="Also time each network of Table 5 in turns with its MBV3, run by run in one process: "
        "that ratio stands on a machine too noisy for milliseconds.",
    ),
]
BenchFreshOption = Annotated[
    bool, typer.Option("--fresh", help="Time again what OUT already has timings of.")
]
BenchAllowOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FLAG",
        help="A flag that does not make a row invalid, as in --allow launch-spread. Repeatable.",
    ),
]
BenchKeepOption = Annotated[
    bool, typer.Option("--keep", help="Leave the pushed files on the phone for the next bench.")
]
BenchPatienceOption = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="How long to wait for a phone whose connection is lost."),
]
BenchCoolDownOption = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Pause before a throttled launch is repeated."),
]

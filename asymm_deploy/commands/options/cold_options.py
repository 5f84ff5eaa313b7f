"""The option of ``bench --cold``, and what means nothing beside it."""

from __future__ import annotations

from typing import Annotated

import typer

from asymm_deploy.commands.options.shared_options import given_options
from asymm_deploy.errors import UsageError

ColdOption = Annotated[
    bool,
    typer.Option(
        "--cold",
        help="Time cold starts: reading the file, creating the session, the first run and the "
        "second, in each of --launches new processes; the file is dropped from memory before, "
        "where the system allows it.",
    ),
]

_MEANINGLESS = {
    "paired": "two models in turns are warm",
    "table": "the paper's tables have warm latencies",
    "figure": "the paper's figures have warm latencies",
    "runs": "each cold launch has two runs, and as many behind them as it takes to compare",
    "warmup": "a cold start has none",
    "for_": "a launch that lasts is warm",
    "every": "frames come to a model that is warm",
}


def refuse_beside_cold(ctx: typer.Context) -> None:
    """Raise UsageError if an option was given that means nothing for cold starts."""
    for name, why in _MEANINGLESS.items():
        for option in given_options(ctx, name):
            given = option.rstrip("-")  # of for_
            raise UsageError(
                f"{given} means nothing with --cold: {why}",
                f"leave {given} out; --launches says how often each model is started",
            )

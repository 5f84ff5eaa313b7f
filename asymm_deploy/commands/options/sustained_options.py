"""The options of a sustained bench, and what their text means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from asymm_deploy.commands.options.shared_options import given_options
from asymm_deploy.errors import UsageError

if TYPE_CHECKING:
    from asymm_deploy.bench.sustained.sustain_models import Lasting

LEAST_S, MOST_S = 5.0, 8 * 3600.0
LEAST_EVERY_S, MOST_EVERY_S = 0.001, 60.0
_SENSELESS = {
    "runs": "runs go on until the time is over",
    "launches": "each model has one launch",
    "paired": "models run one after the other",
    "table": "no table of the paper has such numbers",
    "figure": "no figure of the paper has such numbers",
    "cold": "a launch that goes on is warm",
}

ForOption = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="DURATION",
        help="Run each model for so long in one launch, as in --for 30m or --for 90s, and keep a "
        "line for each second in OUT/sustained.jsonl: how it slows down as the device gets hot.",
    ),
]
EveryOption = Annotated[
    str | None,
    typer.Option(
        "--every",
        metavar="DURATION",
        help="With --for: a run for each frame, which comes as often as this, as in --every 33ms. "
        "A frame that comes while another is run is late. Default: run after run.",
    ),
]


def lasting(ctx: typer.Context, for_: str | None, every: str | None) -> Lasting | None:
    """Return what --for and --every ask for; None without.

    Raises UsageError for what is no duration, is out of range, or goes with no such bench.
    """
    if for_ is None:
        if every is not None:
            raise UsageError(
                "--every paces a sustained bench, and --for is not given",
                "say for how long, as in --for 30m --every 33ms",
            )
        return None
    from asymm_deploy.bench.sustained.durations import duration_s
    from asymm_deploy.bench.sustained.sustain_models import Lasting

    for option in given_options(ctx, *_SENSELESS):
        raise UsageError(
            f"{option} does not go with --for: {_SENSELESS[option.removeprefix('--')]}",
            f"leave out {option}, or --for",
        )
    most = "a line for each second is kept, and longer ones fill a phone"
    for_s = duration_s("--for", for_, LEAST_S, MOST_S, most)
    if every is None:
        return Lasting(for_s, None)
    why = "a system wakes up no more often, and fewer frames make no curve"
    every_s = duration_s("--every", every, LEAST_EVERY_S, MOST_EVERY_S, why)
    if every_s >= for_s:
        raise UsageError(
            f"--every {every} leaves a single frame in --for {for_}",
            "give a longer --for, or a shorter --every",
        )
    return Lasting(for_s, 1000 * every_s)

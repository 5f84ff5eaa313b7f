"""``--backend``: where MNN is to run the operators."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from asymm_deploy.commands.options.shared_options import given_options
from asymm_deploy.errors import UsageError


class BackendName(StrEnum):
    """The back ends of MNN that can be asked for."""

    CPU = "cpu"
    OPENCL = "opencl"
    VULKAN = "vulkan"


BackendOption = Annotated[
    BackendName,
    typer.Option(
        help="Where MNN is to run the operators. On which it really ran each one is read back; "
        "those that fell back to the CPU are flagged.",
    ),
]
OnlyCpuOption = Annotated[
    BackendName, typer.Option(help="Only cpu: `bench` times on others.", hidden=True)
]
OnlyBackendOption = Annotated[
    BackendName | None, typer.Option(help="Only results that were asked of this back end.")
]


_OF_THE_CPU = {
    "paired": "two models in turns are timed",
    "cold": "cold starts are timed",
    "for_": "a launch that lasts is timed",
}


def refuse_beside_backend(ctx: typer.Context, backend: BackendName, *, of_paper: bool) -> None:
    """Raise UsageError for what `bench` does on the CPU alone."""
    if backend is BackendName.CPU:
        return
    for name, what in _OF_THE_CPU.items():
        for option in given_options(ctx, name):
            given = option.rstrip("-")  # of for_
            raise UsageError(
                f"{what} on the CPU alone, and --backend {backend} is asked for",
                f"leave {given} out, or --backend",
            )
    refuse_of_paper(backend, of_paper=of_paper)


def refuse_of_paper(backend: BackendName | None, *, of_paper: bool) -> None:
    """Raise UsageError if a table or figure of the paper is to be of another back end."""
    if of_paper and backend not in (None, BackendName.CPU):
        raise UsageError(
            f"the paper's tables and figures are of the CPU, and --backend {backend} is asked for",
            "leave out --table and --figure; bench takes models by name, and report shows all "
            "latencies then",
        )


def refuse_other_backends(backend: BackendName, what: str) -> None:
    """Raise UsageError where only the CPU is known; ``what`` is ``explain times operators``."""
    if backend is not BackendName.CPU:
        raise UsageError(
            f"{what} on the CPU alone, and --backend {backend} is asked for",
            f"time it there with `asymm-deploy bench MODEL --backend {backend}`, which also says "
            "on which back end each operator ran",
        )

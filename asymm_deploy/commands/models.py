"""``asymm-deploy models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import (
    FORMATS,
    TextFormat,
    TextFormatOption,
    print_data,
)

if TYPE_CHECKING:
    from asymm_deploy.text import ListRow


def models_command(
    pattern: Annotated[
        str | None, typer.Argument(help="A part of the name, or a glob: 'asymmnet_*_100'.")
    ] = None,
    output_format: TextFormatOption = TextFormat.TABLE,
) -> None:
    """List the paper's networks with their multiply-adds and parameters.

    Other widths build as well: asymmnet_large_060 is AsymmNet-Large at width 0.6. The suffix _r2
    sets the asymmetry rate to 2. The suffixes _face, _action, _pose and _yolo3 make a network for
    that task. Blocks: asymmnet, pruned, mbv3, bottleneck, sandglass, shuffle and ghost.
    """
    from asymm_deploy.models.catalog import catalog
    from asymm_deploy.text import formatted

    with console.waiting("counting multiply-adds"):
        entries = catalog(pattern)
    rows: list[ListRow] = [
        {
            "name": entry.name,
            "input_shape": "x".join(map(str, entry.input_shape)),
            "madds": entry.madds,
            "params": entry.params,
        }
        for entry in entries
    ]
    print_data(formatted(rows, FORMATS[output_format]))

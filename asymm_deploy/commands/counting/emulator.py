"""``asymm-deploy emulator``: what counts instructions without a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asymm_deploy.commands import console
from asymm_deploy.commands.options.shared_options import print_data

emulator_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Set up the emulator that `cost` and `check --device a76` count instructions with, or "
    "say where it is.",
)


@emulator_app.command("setup")
def set_up_emulator(
    wheel: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="MNN's wheel for 64-bit ARM Linux (manylinux, aarch64), of the version that is "
            "installed here. Default: pip fetches it.",
        ),
    ] = None,
    fetch_qemu: Annotated[
        bool,
        typer.Option(
            "--fetch-qemu",
            help="Unpack Debian 12's qemu-user into the data folder, where the system's own can't "
            "load plugins. Nothing is installed.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Build again what is set up already.")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Remove the setups of other versions as well. Default: those go that nobody has "
            "used for 30 days.",
        ),
    ] = False,
) -> None:
    """Fetch MNN for 64-bit ARM, build the counting runner and QEMU's plugin, and try them.

    This needs qemu-user and g++-aarch64-linux-gnu from the system, and names what is missing. It
    fetches MNN's wheel with pip; everything is kept in your data folder.
    """
    from asymm_deploy.bench.emulated.emulator_setup import set_up

    found = set_up(wheel=wheel, fetch_qemu=fetch_qemu, force=force, prune=prune, say=console.say)
    print_data(str(found.runner.parent.parent))


@emulator_app.command("where")
def where_emulator() -> None:
    """Print the folder of the emulator's parts, and what counts depend on."""
    from asymm_deploy.bench.emulated.emulator_home import find_emulator
    from asymm_deploy.bench.emulated.other_setups import PRUNE_HINT, other_setups

    found = find_emulator()
    print_data(str(found.runner.parent.parent))
    for name, value in found.facts:
        console.say(f"{name}: {value}")
    console.say(f"key: {found.key().text()}")
    others = other_setups()
    for each in others:
        console.say(f"of another version: {each.text()}")
    if others:
        console.say(PRUNE_HINT)

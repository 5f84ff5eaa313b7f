"""``asymm-deploy lab``: phones of many hosts."""

from __future__ import annotations

import typer

from asymm_deploy.commands.lab_commands.lab_scheduler_command import lab_scheduler_command
from asymm_deploy.commands.lab_commands.lab_status_command import lab_status_command
from asymm_deploy.commands.lab_commands.lab_stop_command import lab_stop_command
from asymm_deploy.commands.lab_commands.lab_worker_command import lab_worker_command

lab_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make one lab of the phones of many hosts, for `bench --lab` and `check --lab`.",
)
lab_app.command("scheduler", short_help="Start what hosts and clients meet at.")(
    lab_scheduler_command
)
lab_app.command("worker", short_help="Lend this host's phones to a lab.")(lab_worker_command)
lab_app.command("status", short_help="Show hosts, phones, what runs and what waits.")(
    lab_status_command
)
lab_app.command("stop", short_help="End a lab in order.")(lab_stop_command)

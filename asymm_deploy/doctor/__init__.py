"""The checks behind ``asymm-deploy doctor``: what is there, what is missing, how to get it."""

from __future__ import annotations

from asymm_deploy.doctor.adb_and_phones import adb_checks
from asymm_deploy.doctor.build_tools import build_checks
from asymm_deploy.doctor.checklist import Check
from asymm_deploy.doctor.counting_emulator import emulator_check
from asymm_deploy.doctor.environment import Environment
from asymm_deploy.doctor.machine import machine_checks
from asymm_deploy.doctor.native_runner import runner_check
from asymm_deploy.doctor.packages import package_checks
from asymm_deploy.doctor.usb import usb_checks


def examine(environment: Environment) -> list[Check]:
    """Return all checks, most needed first. Starts no server and uses no network."""
    runner = runner_check()
    return [
        *package_checks(environment),
        *machine_checks(environment),
        *adb_checks(environment),
        *usb_checks(environment),
        runner,
        # With a runner in place, nobody needs the tools that build one.
        *build_checks(environment, "option" if runner.status == "ok" else "phone"),
        emulator_check(),
    ]

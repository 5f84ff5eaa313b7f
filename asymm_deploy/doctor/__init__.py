"""What ``asymm-deploy doctor`` looks at: tools and versions, what is missing, how to get it."""

from __future__ import annotations

from asymm_deploy.doctor import adb, build, machine, packages, runner, usb
from asymm_deploy.doctor.check import Check
from asymm_deploy.doctor.environment import Environment


def examine(environment: Environment) -> list[Check]:
    """Look at everything, in the order of need, without starting a server or using a network."""
    native = runner.check()
    return [
        *packages.checks(environment),
        *machine.checks(environment),
        *adb.checks(environment),
        *usb.checks(environment),
        native,
        # Whoever has a runner need not be able to build one.
        *build.checks(environment, "option" if native.status == "ok" else "phone"),
    ]

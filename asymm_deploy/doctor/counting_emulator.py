"""The emulator that counts ARM instructions, if it was set up."""

from __future__ import annotations

from asymm_deploy.doctor.checklist import Check
from asymm_deploy.errors import DeployError
from asymm_deploy.safe import excerpt

_NAME = "emulator"


def emulator_check() -> Check:
    """Return what would count instructions, or what is missing. Nothing is fetched or built."""
    try:
        from asymm_deploy.bench.emulated.emulator_home import find_emulator

        found = find_emulator()
    except ImportError as error:
        return Check(
            _NAME, "option", "unknown", excerpt(str(error)), "install what is missing above"
        )
    except DeployError as error:
        to_do = f"to count ARM instructions without a phone: {error.hint}"
        return Check(_NAME, "option", "missing", excerpt(error.what), excerpt(to_do))
    folder = found.runner.parent.parent
    facts = f"QEMU {found.qemu_version} with MNN {found.engine_version}, {folder}"
    return Check(_NAME, "option", "ok", excerpt(facts))

"""The native runner that would be pushed to a phone."""

from __future__ import annotations

from asymm_deploy.bench.adb_text import shown
from asymm_deploy.doctor.checklist import Check
from asymm_deploy.errors import DeployError

_NAME = "native runner"


def runner_check() -> Check:
    """Say which one it is, or what keeps it from being used."""
    try:
        from asymm_deploy import native

        program = native.where()
    except ImportError as error:
        return Check(_NAME, "phone", "unknown", shown(str(error)), "install what is missing above")
    except DeployError as error:
        return Check(_NAME, "phone", "missing", shown(error.what), shown(error.hint))
    try:
        built = native.read(program.parent)
    except DeployError:  # named by a variable, it may be any program that speaks the protocol
        return Check(_NAME, "phone", "ok", shown(str(program)))
    found = f"{shown(str(program))}, with MNN {shown(built.mnn_version or 'missing')}"
    return Check(_NAME, "phone", "ok", found)

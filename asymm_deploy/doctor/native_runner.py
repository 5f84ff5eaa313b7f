"""The native runner that would be pushed to a phone."""

from __future__ import annotations

from asymm_deploy.bench.backends.backends_message import BACKEND_LIBRARIES
from asymm_deploy.doctor.checklist import Check
from asymm_deploy.errors import DeployError
from asymm_deploy.safe import excerpt

_NAME = "native runner"


def runner_check() -> Check:
    """Return which runner would be pushed, or why there is none."""
    try:
        from asymm_deploy.bench import native_build
        from asymm_deploy.bench.native.phone_runner import where_for_phones

        program = where_for_phones()
    except ImportError as error:
        return Check(
            _NAME, "phone", "unknown", excerpt(str(error)), "install what is missing above"
        )
    except DeployError as error:
        return Check(_NAME, "phone", "missing", excerpt(error.what), excerpt(error.hint))
    try:
        built = native_build.read(program.parent)
    except DeployError:  # named by a variable, it may be any program that speaks the protocol
        return Check(_NAME, "phone", "ok", excerpt(str(program)))
    found = f"{excerpt(str(program))}, with MNN {excerpt(built.mnn_version or 'missing')}"
    if built.libc is not None:
        found += f" and {excerpt(built.libc)} of its own"
    backends = [name for name, library in BACKEND_LIBRARIES.items() if library in built.files]
    if backends:
        found += f", and libraries for {' and '.join(backends)}"
    return Check(_NAME, "phone", "ok", found)

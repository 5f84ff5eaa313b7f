"""A back end that runs nothing at all: said after the first launch, and not after all of them."""

from __future__ import annotations

from asymm_deploy.bench.backends.fallback import (
    FELL_BACK,
    fallback_words,
    is_software,
    ran_nothing_there,
)
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import HarnessError

_BY_PYTHON = (
    "MNN's Python package has the CPU alone; docs/backends.md says how to build a runner with "
    "another MNN, for --runner"
)
_BY_SOFTWARE = (
    "MNN takes the first device that is listed (`vulkaninfo --summary`, `clinfo -l`): install the "
    "GPU's driver, or remove the one made of software"
)
_BY_NATIVE = "the back end's library and a driver that MNN can use must be there (docs/backends.md)"


def is_to_be_tried_again(record: LaunchRecord) -> bool:
    """Whether a launch that ran nothing where it was asked to counts for nothing."""
    return ran_nothing_there(record) and FELL_BACK not in record.allowed


def refuse_nothing_there(record: LaunchRecord) -> None:
    """Raise HarnessError if a launch ran nothing where it was asked to, unless that is allowed."""
    if not is_to_be_tried_again(record):
        return
    what = f"{record.backend} ran nothing of {record.model} on {record.device}"
    because = _BY_PYTHON if record.runner == "python" else _BY_NATIVE
    if is_software(record):
        because = _BY_SOFTWARE
    raise HarnessError(
        f"{what}: {fallback_words(record)}",
        f"{because}; or keep such timings with --allow {FELL_BACK}",
    )

"""A back end that runs nothing at all: said after the first launch, and not after all of them."""

from __future__ import annotations

from collections.abc import Iterable

from asymm_deploy.bench.backends.fallback import (
    FELL_BACK,
    fallback_words,
    is_software,
    ran_nothing_there,
)
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import HarnessError
from asymm_deploy.text import counted

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


def refuse_nothing_there(record: LaunchRecord, row: Iterable[LaunchRecord]) -> None:
    """Raise HarnessError if a launch ran nothing where it was asked to, unless that is allowed.

    So it does if the launch ran elsewhere than the others of its ``row``, which were kept.
    """
    if not is_to_be_tried_again(record):
        _refuse_mixed(record, row)
        return
    what = f"{record.backend} ran nothing of {record.model} on {record.device}"
    because = _BY_PYTHON if record.runner == "python" else _BY_NATIVE
    if is_software(record):
        because = _BY_SOFTWARE
    raise HarnessError(
        f"{what}: {fallback_words(record)}",
        f"{because}; or keep such timings with --allow {FELL_BACK}",
    )


def in_place_of_the_newest(row: Iterable[LaunchRecord]) -> list[LaunchRecord]:
    """Return a row's launches but those finished ones that ran elsewhere than the newest one.

    A driver may have come or gone between them: either all ran on the back end, or none.
    """
    every = list(row)
    finished = [record for record in every if record.error is None]
    if not finished:
        return every
    there = ran_nothing_there(max(finished, key=lambda record: record.started_at))
    return [
        record for record in every if record.error is not None or ran_nothing_there(record) is there
    ]


def _refuse_mixed(record: LaunchRecord, row: Iterable[LaunchRecord]) -> None:
    every = list(row)
    others = len(every) - len(in_place_of_the_newest(every))
    if others and record.error is None:
        where = "fell back to the CPU" if ran_nothing_there(record) else f"ran on {record.backend}"
        raise HarnessError(
            f"{record.model} {where} in this launch, and not in {counted(others, 'launch')} before "
            "it: a driver has come or gone",
            "run the same command again: it repeats those",
        )

"""Where the operators of a launch ran, against where they were asked to run; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from asymm_deploy.bench.backends.backends_message import BackendsUsed
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted

FELL_BACK = "fell-back"
CPU = "cpu"
_TYPES_SHOWN = 5
_ALL_FELL_BACK = " (all fell back)"


def engine_and_backend(record: LaunchRecord) -> str:
    """Return ``mnn``, or ``mnn on vulkan`` where another back end than the CPU was asked for.

    Times of launches whose operators all fell back, which may be allowed, are no times of that back
    end: ``mnn on vulkan (all fell back)`` is another series, and can't be compared with the other.
    """
    if record.backend == CPU:
        return record.engine
    return f"{record.engine} on {record.backend}{_ALL_FELL_BACK * ran_nothing_there(record)}"


def with_backends(record: LaunchRecord, used: BackendsUsed) -> LaunchRecord:
    """Return the record of a launch with what its runner said of back ends."""
    listed = zip(used.elsewhere_types, used.elsewhere_names, strict=False)
    return msgspec.structs.replace(
        record,
        backends_in_force={excerpt(name): count for name, count in used.operators.items()},
        ran_elsewhere=tuple((excerpt(kind), excerpt(name)) for kind, name in listed),
        backend_note=None if used.loading is None else excerpt(used.loading),
        driver=None if used.driver is None else excerpt(used.driver),
        driver_is_cpu=used.driver_is_cpu,
    )


def fell_back(record: LaunchRecord) -> bool:
    """Whether an operator ran elsewhere than asked, or nobody says where operators ran.

    So it is where the back end's driver is made of software: all ran on the CPU then.
    """
    if record.backend == CPU or record.error is not None:
        return False
    return set(record.backends_in_force or {}) != {record.backend} or is_software(record)


def ran_nothing_there(record: LaunchRecord) -> bool:
    """Whether the back end that was asked for ran no operator at all, but as the CPU."""
    there = record.backend in (record.backends_in_force or {})
    return fell_back(record) and (not there or is_software(record))


def is_software(record: LaunchRecord) -> bool:
    """Whether the driver of the back end that was asked for computes on the CPU."""
    return record.driver_is_cpu is True


def fallback_words(record: LaunchRecord) -> str | None:
    """Return which operators ran elsewhere: ``12 of 64 operators ran on cpu: 10 Softmax, ...``.

    None where all ran where they were asked to.
    """
    if not fell_back(record):
        return None
    found = record.backends_in_force
    if not found:
        return f"nothing says that an operator ran on {record.backend}"
    others = {name: count for name, count in found.items() if name != record.backend}
    places = " and ".join(sorted(others))
    if record.backend not in found:
        every = counted(sum(found.values()), "operator")
        note = f" ({record.backend_note})" if record.backend_note else ""
        return f"all {every} ran on {places}{note}"
    if is_software(record):
        every = counted(sum(found.values()), "operator")
        return f"all {every} ran on the CPU: the driver of {record.backend} is {_named(record)}"
    total = counted(sum(found.values()), "operator")
    listed = record.ran_elsewhere
    kinds = _listed(kind for kind, _name in listed)
    if kinds and len(listed) < sum(others.values()):
        kinds = f"of the first {len(listed)}, {kinds}"
    return f"{sum(others.values())} of {total} ran on {places}{f': {kinds}' if kinds else ''}"


def _named(record: LaunchRecord) -> str:
    return f"{record.driver}, made of software" if record.driver else "made of software"


def _listed(kinds: Iterable[str]) -> str:
    counts = Counter(kinds)
    named = [f"{n} {kind}" if n > 1 else kind for kind, n in counts.most_common(_TYPES_SHOWN)]
    if len(counts) > _TYPES_SHOWN:
        named.append("...")
    return ", ".join(named)

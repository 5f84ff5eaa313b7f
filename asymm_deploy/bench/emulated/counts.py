"""What an emulated run of a model costs: instructions by class, bytes, and misses of caches.

Counts are exact: the same files give the same numbers on any machine and under any load. They can
be compared where the `CostKey` is the same, and nowhere else.
"""

from __future__ import annotations

import msgspec

from asymm_deploy.bench.records import Engine, Precision

COSTS_NAME = "costs.jsonl"
COSTS_SCHEMA_VERSION = 1
"""Newest version of a line in costs.jsonl. Incremented when older readers would misread it."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What was executed in one run, or in one operator of it; misses are None without caches."""

    insn: int
    """All instructions; the sum of the six classes below."""
    fma: int
    """Multiply-adds on vector and floating-point registers, of floats and of integers."""
    vector: int
    """Other vector and floating-point instructions."""
    load: int
    store: int
    branch: int
    integer: int
    """All the rest."""
    load_bytes: int
    store_bytes: int
    l1_misses: int | None = None
    """Of a data cache of 64 KiB with 4 ways; least recently used, no prefetching."""
    l2_misses: int | None = None
    """512 KiB, 8 ways."""
    l3_misses: int | None = None
    """2 MiB, 16 ways."""


class OperatorCounts(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of the run, in its order."""

    name: str
    """As in the MNN file."""
    type: str
    module: str | None
    """Path of the torch module it came from; None where that is unknown."""
    counts: Counts


class CostKey(msgspec.Struct, frozen=True, kw_only=True):
    """All that counts depend on, but for the model's own files and the precision."""

    cpu: str
    """QEMU's name of the processor: ``cortex-a76``."""
    engine: Engine
    engine_version: str
    runner_sha256: str
    """Of the program that ran in the emulator."""
    library_sha256: str
    """Of the engine's library."""
    libc: str
    """SHA-256 of the C library that the program was linked to, and of the mathematical one."""
    emulator: str
    """QEMU's version: ``7.2.22``."""
    plugin_sha256: str

    def text(self) -> str:
        """Return the key as one word, for a column; two keys that differ have two texts."""
        return "/".join(
            (
                self.cpu,
                f"{self.engine}-{self.engine_version}-{self.library_sha256[:8]}",
                f"runner-{self.runner_sha256[:8]}",
                f"libc-{self.libc[:8]}",
                f"qemu-{self.emulator}",
                f"plugin-{self.plugin_sha256[:8]}",
            )
        )

    def differences(self, other: CostKey) -> list[str]:
        """Return what differs, a phrase for each: ``emulator: 7.2.22 and 8.2.2``."""
        return [
            f"{name}: {getattr(self, name)} and {getattr(other, name)}"
            for name in self.__struct_fields__
            if getattr(self, name) != getattr(other, name)
        ]


class CostRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of costs.jsonl: one model that was counted, or why it could not be."""

    schema_version: int = COSTS_SCHEMA_VERSION
    model: str
    artifact_sha256: str
    """Of model.mnn."""
    inputs_sha256: str | None
    """Of the recorded input; None if the seed made it."""
    classes: int | None = None
    """Of a network of ours: how many classes it tells apart, if its name doesn't say so."""
    input_shape: tuple[int, ...] | None = None
    """Of the first input; None for a bare model file, and from versions that did not say."""
    precision: Precision
    key: CostKey
    counts: Counts | None
    """Of one run after a warm-up; None if the model failed."""
    operators: tuple[OperatorCounts, ...] | None
    """None if the model failed."""
    output_sha256: str | None
    relative_error: float | None
    """Of the output against the reference, as a bench has it; None without a reference."""
    flags: tuple[str, ...]
    """As of a bench: ``output-mismatch``, ``wrong-precision``, ``unverified``, ``failed``."""
    valid: bool
    error: str | None = None
    """Why it failed, if it did."""


COST_COLUMNS = (
    "model",
    "cpu",
    "engine",
    "engine_version",
    "precision",
    "insn_m",
    "fma_m",
    "vector_m",
    "load_m",
    "store_m",
    "branch_m",
    "integer_m",
    "load_mb",
    "store_mb",
    "l1_miss_m",
    "l2_miss_m",
    "l3_miss_m",
    "predicted_ms",
    "predicted_low_ms",
    "predicted_high_ms",
    "key",
    "valid",
    "flags",
)
"""Columns of cost.csv. Counts are in millions with all six digits, so nothing is rounded."""

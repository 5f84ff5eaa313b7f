"""Counts, and records of them, that nobody counted."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from asymm_deploy.bench.emulated.counts import CostKey, CostRecord, Counts
from tests.made_costs import KEY

MakeCost = Callable[..., CostRecord]


@pytest.fixture(scope="session")
def key() -> CostKey:
    return KEY


@pytest.fixture(scope="session")
def cost(key: CostKey) -> MakeCost:
    """Make the record of a model with these multiply-adds and loads; keywords change its fields."""

    def make(model: str, fma: int, load: int, **changes: object) -> CostRecord:
        counts = Counts(
            insn=2 * (fma + load),
            fma=fma,
            vector=0,
            load=load,
            store=0,
            branch=0,
            integer=fma + load,
            load_bytes=16 * load,
            store_bytes=0,
        )
        record = CostRecord(
            model=model,
            artifact_sha256=model.ljust(64, "0"),
            inputs_sha256=None,
            precision="fp32",
            key=key,
            counts=counts,
            operators=None,
            output_sha256="5" * 64,
            relative_error=1e-6,
            flags=(),
            valid=True,
        )
        return msgspec.structs.replace(record, **changes)

    return make

"""Made-up counts of models and of their operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.counts import CostKey, CostRecord, Counts, OperatorCounts
from asymm_deploy.bench.records import Precision
from asymm_deploy.errors import HarnessError
from tests.made_costs import KEY


@pytest.fixture
def key() -> CostKey:
    return KEY


@pytest.fixture
def counts() -> Callable[..., Counts]:
    """Make counts of so many instructions and misses."""

    def make(insn: int, l2: int | None = 0, l3: int | None = 0) -> Counts:
        return Counts(
            insn=insn,
            fma=0,
            vector=0,
            load=0,
            store=0,
            branch=0,
            integer=insn,
            load_bytes=0,
            store_bytes=0,
            l1_misses=None if l2 is None else l2,
            l2_misses=l2,
            l3_misses=l3,
        )

    return make


@pytest.fixture
def operator(counts: Callable[..., Counts]) -> Callable[..., OperatorCounts]:
    """Make an operator: a convolution, unless its type is given."""

    def make(
        name: str, insn: int, kind: str = "Convolution", module: str | None = None, l2: int = 0
    ) -> OperatorCounts:
        return OperatorCounts(name=name, type=kind, module=module, counts=counts(insn, l2))

    return make


@pytest.fixture
def record(counts: Callable[..., Counts]) -> Callable[..., CostRecord]:
    """Make the counts of a model that is good; further fields replace what they name."""

    def make(
        insn: int = 1_000_000,
        l2: int | None = 100_000,
        l3: int | None = 50_000,
        operators: Sequence[OperatorCounts] | None = (),
        **more: object,
    ) -> CostRecord:
        made = CostRecord(
            model="net",
            artifact_sha256="a" * 64,
            inputs_sha256=None,
            precision="fp32",
            key=KEY,
            counts=counts(insn, l2, l3),
            operators=None if operators is None else tuple(operators),
            output_sha256="b" * 64,
            relative_error=0.0,
            flags=(),
            valid=True,
        )
        return msgspec.structs.replace(made, **more)

    return make


@dataclass
class FakeCounter:
    """Has counts by the folder and name of a model; what it was asked for is in ``asked``."""

    records: Mapping[str, CostRecord]
    key: CostKey = KEY
    precision: Precision = "fp32"
    asked: list[str] = field(default_factory=list)
    failure: HarnessError | None = None
    interrupted_at: str | None = None

    def count_all(
        self, artifacts: Sequence[Artifact], on_counted: Callable[[CostRecord], None]
    ) -> list[CostRecord]:
        if self.failure is not None:
            raise self.failure
        found = []
        for artifact in artifacts:
            folder = artifact.path.parent
            name = f"{folder.parent.name}/{folder.name}"
            self.asked.append(name)
            if name == self.interrupted_at:
                raise KeyboardInterrupt
            record = msgspec.structs.replace(
                self.records[name],
                model=artifact.model,
                artifact_sha256=artifact.sha256,
                inputs_sha256=artifact.inputs_sha256,
                precision=self.precision,
                key=self.key,
            )
            on_counted(record)
            found.append(record)
        return found


class Notes:
    """A watcher: what was said, and of which models."""

    def __init__(self) -> None:
        self.remarks: list[str] = []
        self.counted: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)

    @contextmanager
    def counting(self, models: int) -> Iterator[Callable[[str], None]]:
        yield self.counted.append
        assert len(self.counted) <= models


@pytest.fixture
def counter() -> type[FakeCounter]:
    return FakeCounter


@pytest.fixture
def notes() -> Notes:
    return Notes()

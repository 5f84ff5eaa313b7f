"""Results folders with everything in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.emulated.counts import COSTS_NAME, CostKey, CostRecord, Counts
from asymm_deploy.bench.records import Calibration, LaunchRecord
from asymm_deploy.explain.explanation import (
    EXPLAINED_NAME,
    ExplainedOperator,
    Explanation,
    Kind,
    OperatorError,
)
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.page.page_sources import sources_of
from asymm_deploy.report.page.write_page import PageRequest, made_page
from tests.made_explanations import explained_net

Launch = Callable[..., LaunchRecord]


@pytest.fixture(scope="session")
def explanation() -> Callable[..., Explanation]:
    """Make an explanation of twelve operators; keywords change its fields."""
    kinds: tuple[Kind, ...] = ("pointwise", "depthwise", "concat copy", "activation")

    def operator(index: int) -> ExplainedOperator:
        kind = kinds[index % len(kinds)]
        error = OperatorError(snr_db=140.0 - index, over_deviation=1e-7 * (index + 1))
        return ExplainedOperator(
            index=index,
            name=f"/blocks.{index}/Conv_output_0",
            type="Convolution",
            kind=kind,
            module=f"blocks.{index}",
            node=f"/blocks.{index}/Conv",
            node_type="Conv",
            output_shape=(1, 8, 14, 14),
            madds=1_000_000 * (index + 1),
            bytes_moved=200_000,
            time_ms=0.1 + 0.01 * index,
            on_layer=error,
            own=OperatorError(snr_db=20.0, over_deviation=0.1) if index == 7 else error,
            own_limit=1e-4,
        )

    def make(model: str = "asymmnet_large_100", **changes: object) -> Explanation:
        made = msgspec.structs.replace(
            explained_net(),
            model=model,
            device="pixel",
            cpu="7",
            median_ms=1.86,
            taken_out_percent=4.0,
            peak_gmacs=40.0,
            operators=tuple(operator(index) for index in range(12)),
            started_at="2026-01-31T23:59:00+00:00",
        )
        return msgspec.structs.replace(made, **changes)

    return make


@pytest.fixture(scope="session")
def cost() -> Callable[..., CostRecord]:
    """Make the counts of a model on an emulated processor; keywords change the record."""
    key = CostKey(
        cpu="cortex-a76",
        engine="mnn",
        engine_version="3.6.1",
        runner_sha256="1" * 64,
        library_sha256="2" * 64,
        libc="3" * 64,
        emulator="7.2.22",
        plugin_sha256="4" * 64,
    )

    def make(model: str = "asymmnet_large_100", **changes: object) -> CostRecord:
        counts = Counts(
            insn=93_000_000,
            fma=60_000_000,
            vector=10_000_000,
            load=12_000_000,
            store=4_000_000,
            branch=3_000_000,
            integer=4_000_000,
            load_bytes=190_000_000,
            store_bytes=60_000_000,
        )
        made = CostRecord(
            model=model,
            artifact_sha256="0" * 64,
            inputs_sha256=None,
            precision="fp32",
            key=key,
            counts=counts,
            operators=(),
            output_sha256=None,
            relative_error=None,
            flags=(),
            valid=True,
        )
        return msgspec.structs.replace(made, **changes)

    return make


Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Write a results folder with these records."""

    def write(
        launches: Sequence[LaunchRecord] = (),
        explained: Sequence[Explanation] = (),
        costs: Sequence[CostRecord] = (),
        name: str = "results",
    ) -> Path:
        made = tmp_path / name
        made.mkdir(exist_ok=True)
        for file, records in (
            ("runs.jsonl", launches),
            (EXPLAINED_NAME, explained),
            (COSTS_NAME, costs),
        ):
            if records:
                (made / file).write_bytes(lines_of(records))
        return made

    return write


@pytest.fixture(scope="session")
def library() -> str:
    """What draws; it takes two seconds to make."""
    from asymm_deploy.report.page.vega_library import vega_library

    return vega_library()


@pytest.fixture(scope="session")
def asked() -> PageRequest:
    """A page of everything, written at a fixed time."""
    return PageRequest("results", None, RowFilter(), "2026-02-01T10:00:00+00:00")


NASTY = (
    "</script><script>window.hurt=1</script>",
    '<img src=x onerror="window.hurt=1">',
    "line\u2028separator",
    "\u202egnitirw desrever",
    "שלום",
    "n" * 200,
    "`${window.hurt=1}` && {{7*7}} <!-- &amp;",
)
"""Names that an artifact's folder, or a device, may have."""


@pytest.fixture(scope="session")
def whole(
    tmp_path_factory: pytest.TempPathFactory,
    launch: Launch,
    explanation: Callable[..., Explanation],
    cost: Callable[..., CostRecord],
    library: str,
    asked: PageRequest,
) -> Path:
    """A page of two devices, counts, explanations, a flagged row, a failed one and nasty names."""
    models = ("asymmnet_large_100", "mbv3_large_100", "asymmnet_small_035", *NASTY)
    launches = [
        launch(
            model,
            3.0 + place + number / 50,
            launch=number,
            device=device,
            madds=(place + 1) * 10**8,
            scale="large",
            network="asymmnet",
            flags=("hot",) if place == 1 else (),
            calibration=Calibration(4e10, 4e10),
        )
        for device in ("pixel", NASTY[0])
        for place, model in enumerate(models)
        for number in range(2)
    ]
    launches.append(
        launch("broken", launch=0, samples_ns=(), error="it <b>fell</b> over", flags=("failed",))
    )
    contents = {
        "runs.jsonl": lines_of(launches),
        EXPLAINED_NAME: lines_of([explanation(), explanation(NASTY[1])]),
        COSTS_NAME: lines_of([cost(), cost(NASTY[0])]),
    }
    page = tmp_path_factory.mktemp("whole") / "page.html"
    page.write_text(made_page(sources_of(contents, Path("results")), asked, library))
    return page


def lines_of(records: Sequence[msgspec.Struct]) -> bytes:
    """A file of one record a line."""
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


@pytest.fixture(scope="session")
def verdict() -> bytes:
    """What `check --json` writes of one model that regressed."""
    change = {
        "model": "asymmnet_large_100",
        "metric": "latency",
        "unit": "ms",
        "baseline": 9.0,
        "candidate": 10.0,
        "change_percent": 11.1,
        "low_percent": 10.0,
        "high_percent": 12.2,
        "threshold_percent": 3.0,
        "verdict": "regressed",
        "why": "It is slower & <b>more</b>.",
    }
    return json.dumps(
        {
            "schema_version": 1,
            "verdict": "regressed",
            "mode": "live",
            "device": "pixel",
            "baseline": "old",
            "candidate": "new",
            "changes": [change],
            "started_at": "2026-02-01T10:00:00+00:00",
        }
    ).encode()

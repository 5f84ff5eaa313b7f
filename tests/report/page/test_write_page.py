"""What a page has in it: its size, its tabs, the files that it can save, and pictures as files."""

from __future__ import annotations

import errno
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.report.comparable import RowFilter
from asymm_deploy.report.page import write_page as module
from asymm_deploy.report.page.page_blocks import taken_apart
from asymm_deploy.report.page.page_sources import PageSources, sources_of
from asymm_deploy.report.page.write_page import (
    PageRequest,
    made_page,
    write_page,
    write_pictures,
)

Launch = Callable[..., LaunchRecord]
Made = Callable[..., PageSources]


@pytest.fixture
def sources() -> Made:
    """Sources of these records."""

    def make(
        launches: Sequence[LaunchRecord] = (),
        explained: Sequence[Explanation] = (),
        costs: Sequence[CostRecord] = (),
        before: Sequence[LaunchRecord] = (),
    ) -> PageSources:
        files = {
            "runs.jsonl": launches,
            "explained.jsonl": explained,
            "costs.jsonl": costs,
            "against/runs.jsonl": before,
        }
        contents = {
            name: b"".join(msgspec.json.encode(record) + b"\n" for record in records)
            for name, records in files.items()
            if records
        }
        return sources_of(contents, Path("results"))

    return make


def figures_of(page: str) -> list[str]:
    return re.findall(r'data-figure="(\w+)"', page)


def test_pictures_come_in_order_and_only_where_there_is_something_to_see(
    launch: Launch,
    explanation: Callable[..., Explanation],
    cost: Callable[..., CostRecord],
    sources: Made,
    asked: PageRequest,
) -> None:
    one = [launch("my_net", 3.0)]
    assert figures_of(made_page(sources(one), asked, "")) == ["launches"]
    two = [
        launch(name, ms, madds=10**8)
        for name, ms in (("asymmnet_large_100", 10.0), ("mbv3_large_100", 9.0))
    ]
    made = sources(two, [explanation()], [cost()], two)
    assert figures_of(made_page(made, asked, "")) == [
        *("accuracy", "roofline", "launches", "layers", "snr", "versions", "cost"),
    ]


def test_two_devices_have_a_tab_each_and_nothing_in_common(
    launch: Launch, sources: Made, asked: PageRequest
) -> None:
    made = sources([launch(device="a"), launch(device="b", ms=99.0)])
    page = made_page(made, asked, "")
    first, second = page.split('<section id="tab1"')
    assert page.count('role="tabpanel"') == 2
    assert "99.000" in second
    assert "99.000" not in first.split("<main>")[1]
    only = PageRequest("results", None, RowFilter(device="b"), asked.written_at)
    assert "tablist" not in made_page(made, only, "").split("<script>")[0].split("</style>")[1]


def test_nothing_that_fits_is_a_matter_of_usage(
    launch: Launch, sources: Made, asked: PageRequest
) -> None:
    wanted = PageRequest("results", None, RowFilter(device="c"), asked.written_at)
    with pytest.raises(UsageError, match="no result has the device"):
        made_page(sources([launch()]), wanted, "")


def test_a_page_holds_its_sources_to_the_byte_and_costs_without_operators(
    launch: Launch, cost: Callable[..., CostRecord], sources: Made, asked: PageRequest
) -> None:
    made = sources([launch()], costs=[cost()])
    parts = taken_apart(made_page(made, asked, "").encode(), "it")
    for name in ("runs.jsonl", "costs.jsonl"):
        assert parts.blocks[name] == made.contents[name]
    assert parts.blocks["latency.csv"].startswith(b"model,network,")


def test_thirty_rows_with_everything_stay_below_a_megabyte_and_a_half(
    launch: Launch,
    explanation: Callable[..., Explanation],
    cost: Callable[..., CostRecord],
    sources: Made,
    asked: PageRequest,
    library: str,
    table5_launches: list[LaunchRecord],
) -> None:
    spread = [
        tuple(10**6 + (number * 7919 + run * run * 104_729) % 5_000_011 for run in range(100))
        for number in range(300)
    ]
    models = list(dict.fromkeys(record.model for record in table5_launches))
    launches = [
        launch(models[number % 30], launch=number // 30, samples_ns=samples, runs=100)
        for number, samples in enumerate(spread)
    ]
    operators = explanation().operators
    explained = [
        explanation(
            model,
            operators=tuple(
                msgspec.structs.replace(
                    operators[number % 12],
                    index=number,
                    module=f"blocks.{number // 10}.part{number % 10}",
                    time_ms=0.001 + (number * (place + 3) * 7919 % 1009) / 9973,
                )
                for number in range(160)
            ),
        )
        for place, model in enumerate(models)
    ]
    page = made_page(
        sources(launches, explained, [cost(model) for model in models]), asked, library
    )
    assert len(page.encode()) < 1_500_000


def test_five_hundred_rows_are_a_page(launch: Launch, sources: Made, asked: PageRequest) -> None:
    page = made_page(sources([launch(f"net{n}", 1.0 + n) for n in range(500)]), asked, "")
    assert "500 models were timed" in page
    assert page.count("<tr data-key=") == 1000  # of two pictures


def test_a_bench_in_which_everything_failed_is_a_page(
    launch: Launch, sources: Made, asked: PageRequest
) -> None:
    failed = launch(samples_ns=(), error="no memory", flags=("failed",), valid=False)
    page = made_page(sources([failed]), asked, "")
    assert "It doesn&#x27;t count as a measurement: there is no result" in page
    assert "no memory" in page
    assert 'class="picture"' not in page.split("</style>")[1]


def test_an_explanation_that_failed_says_why_and_notes_are_shown(
    explanation: Callable[..., Explanation], sources: Made, asked: PageRequest
) -> None:
    failed = explanation("loops", operators=(), median_ms=None, error="a Module can't be watched")
    page = made_page(sources(explained=[failed]), asked, "")
    assert "nothing was finished" in page
    assert "loops was not explained: a Module can&#x27;t be watched" in page
    noted = explanation("net", notes=("no reference was given",))
    assert "net: no reference was given" in made_page(sources(explained=[noted]), asked, "")


def test_a_full_disk_in_mid_write_leaves_the_page_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "page.html"
    target.write_text("before")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(HarnessError, match="No space left"):
        write_page(target, "after")
    assert target.read_text() == "before"
    monkeypatch.undo()
    with pytest.raises(UsageError, match="can't write"):
        write_page(tmp_path, "after")


def test_pictures_are_written_as_svg_and_png_one_for_each_model_that_can_be_chosen(
    launch: Launch, explanation: Callable[..., Explanation], sources: Made, tmp_path: Path
) -> None:
    made = sources(
        [launch("my_net")],
        [explanation("my_net"), explanation("../../bad <name>"), explanation("שלום")],
    )
    written = write_pictures(tmp_path / "pictures", made, RowFilter())
    assert {path.stem for path in written} == {
        "launches",
        *(
            f"{name}-{model}"
            for name in ("layers", "snr")
            for model in ("my_net", "bad_name", "model")
        ),
    }
    assert {path.suffix for path in written} == {".svg", ".png"}
    assert len(written) == 14
    for path in written:
        assert path.parent == tmp_path / "pictures"
        if path.suffix == ".svg":
            assert ET.fromstring(path.read_text()).tag.endswith("svg")
            assert ("my_net" in path.read_text()) == (
                "launches" in path.name or "my_net" in path.name
            )
        else:
            assert path.read_bytes().startswith(b"\x89PNG")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't write pictures"):
        write_pictures(tmp_path / "file", made, RowFilter())

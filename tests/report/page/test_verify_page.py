"""A page that says what its samples don't is told in words: whatever was changed in it, with or
without the hash that goes with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import NumericsError, UsageError
from asymm_deploy.report.page import verify_page
from asymm_deploy.report.page.page_blocks import (
    MANIFEST_ID,
    PageManifest,
    block_element,
    json_text,
    sha256_hex,
    taken_apart,
    with_manifest,
)
from asymm_deploy.report.page.page_sources import sources_of
from asymm_deploy.report.page.write_page import PageRequest, made_page

Launch = Callable[..., LaunchRecord]


@pytest.fixture(scope="session")
def small(launch: Launch, asked: PageRequest) -> str:
    """A page of two models, which draws with next to nothing."""
    records = [
        launch(model, ms + (number - 0.5) / 10, launch=number, madds=None)
        for model, ms in (("net_a", 10.0), ("net_b", 9.0))
        for number in range(2)
    ]
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    return made_page(sources_of({"runs.jsonl": lines}, Path("results")), asked, "'draws'")


@pytest.fixture
def told(tmp_path: Path) -> Callable[[str], str]:
    """Verify a page, and return what is said of it."""

    def verify(page: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(page)
        try:
            return "\n".join(verify_page.verified(path).lines)
        except (NumericsError, UsageError) as error:
            return f"{int(error.exit_code)} {error.what}"

    return verify


def test_a_page_as_it_was_written_is_good(small: str, told: Callable[[str], str]) -> None:
    said = told(small)
    assert said.startswith("good: every table, sentence and picture follows from the samples")
    assert "2 rows and 4 launches" in said
    assert re.search(r"runs\.jsonl  \d+ bytes  sha256 [0-9a-f]{64}", said)


def test_a_changed_cell_is_named_with_what_the_samples_give(
    small: str, told: Callable[[str], str]
) -> None:
    said = told(small.replace(">9.000<", ">8.000<", 1))
    assert said.startswith("5 ")
    assert "net_b" in said
    assert "the page says '8.000', the samples '9.000'" in said
    assert "the page's text is not what its hash says" in said


def changed_block(page: str, name: str, old: bytes, new: bytes) -> str:
    """Return the page with other bytes in a block, whose hash stays."""
    parts = taken_apart(page.encode(), "it")
    content = parts.blocks[name]
    assert old in content
    fact = next(each for each in parts.manifest.blocks if each.name == name)
    before = block_element(name, fact.kind, content)
    assert before in page
    return page.replace(before, block_element(name, fact.kind, content.replace(old, new, 1)))


def rehashed(page: str) -> str:
    """Return the page with a manifest that fits it, as a careful forger would leave it."""
    parts = taken_apart(page.encode(), "it")
    blocks = tuple(
        msgspec.structs.replace(
            each, bytes=len(parts.blocks[each.name]), sha256=sha256_hex(parts.blocks[each.name])
        )
        for each in parts.manifest.blocks
    )
    return with_manifest(page, msgspec.structs.replace(parts.manifest, blocks=blocks))


@pytest.mark.parametrize("forged", [False, True], ids=["hash kept", "hash changed, too"])
def test_a_changed_sample_is_told(small: str, told: Callable[[str], str], forged: bool) -> None:
    page = changed_block(small, "runs.jsonl", b"8949800", b"5949800")
    said = told(rehashed(page) if forged else page)
    assert said.startswith("5 ")
    assert ("runs.jsonl is not what the page's hash of it says" in said) != forged
    assert "rows.json is not what the samples give" in said


def test_a_cell_that_was_changed_with_its_hash_is_told(
    small: str, told: Callable[[str], str]
) -> None:
    said = told(rehashed(small.replace(">9.000<", ">8.000<", 1)))
    assert said.startswith("5 ")
    assert "hash" not in said
    assert "the page says '8.000', the samples '9.000'" in said


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("All of them count", "None of them counts", "its text differs"),
        ("</figure>", "<p>as certified</p></figure>", "its text differs"),
        ('data-key="net_b"', 'data-key="net_c"', "its text differs"),
        ("script-src", "script-src 'unsafe-inline'", "its text differs"),
    ],
)
def test_whatever_else_is_changed_is_shown(
    small: str, told: Callable[[str], str], old: str, new: str, named: str
) -> None:
    assert old in small
    said = told(rehashed(small.replace(old, new, 1)))
    assert said.startswith("5 ")
    assert named in said


def test_a_changed_picture_is_told(small: str, told: Callable[[str], str]) -> None:
    said = told(rehashed(changed_block(small, "pictures.json", b'"ms":9.0', b'"ms":8.0')))
    assert said.startswith("5 ")
    assert "a picture shows other figures" in said


def test_a_removed_row_and_a_removed_block_are_told(small: str, told: Callable[[str], str]) -> None:
    row = re.compile(r'<tr data-key="net_b".*?</tr>\n?', re.DOTALL)
    assert "has 1 row, and the samples give 2" in told(row.sub("", small, count=1))
    block = re.compile(r'<script type="application/gzip" data-name="latency.csv".*?</script>')
    assert "latency.csv is missing" in told(block.sub("", small))


def test_an_added_block_and_one_that_is_no_archive_are_told(
    small: str, told: Callable[[str], str]
) -> None:
    more = block_element("more.jsonl", "source", b"x")
    assert "more.jsonl was added" in told(small.replace("</footer>", f"</footer>{more}"))
    broken = re.sub(r'(data-name="rows.json" data-kind="table">)....', r"\1AAAA", small)
    assert "rows.json can't be unpacked" in told(broken)


def test_what_is_cut_short_or_no_page_is_a_matter_of_usage(
    small: str, told: Callable[[str], str]
) -> None:
    assert told(small[: len(small) // 2]).startswith("2 ")
    assert "is cut short" in told(small[:-20])
    assert "there is text behind its end" in told(small + "<p>more</p>")
    assert "no page of results" in told("<html></html>")
    assert "no page of results" in told("")
    assert "lost its manifest" in told(small.replace(f'id="{MANIFEST_ID}"', 'id="other"'))
    assert "manifest" in told(small.replace('"schema_version":1', '"schema_version":"x"', 1))


def test_a_page_of_a_newer_program_is_left_to_that(small: str, told: Callable[[str], str]) -> None:
    said = told(small.replace('"schema_version":1', '"schema_version":2', 1))
    assert said.startswith("2 ")
    assert "schema_version 2" in said


@pytest.mark.parametrize(
    "other", [{"program": "asymm-deploy 0.0.9"}, {"made_with": ("numpy 2.0", "altair 6.1")}]
)
def test_what_other_versions_wrote_is_judged_by_its_figures(
    small: str, told: Callable[[str], str], other: dict[str, object]
) -> None:
    def aged(page: str) -> str:
        manifest = taken_apart(page.encode(), "it").manifest
        return with_manifest(page, msgspec.structs.replace(manifest, **other))

    older = small.replace("All of them count", "They all count").replace(">8.950<", ">8.951<")
    assert ">8.951<" in older  # the end of an interval
    assert "which may word, draw and resample otherwise" in told(aged(rehashed(older)))
    assert "the page says '8.000'" in told(aged(rehashed(older.replace(">9.000<", ">8.000<"))))
    rows = changed_block(small, "rows.json", b'"runs": 10', b'"runs": 11')
    assert "rows.json, net_a: runs differs" in told(aged(rehashed(rows)))
    fewer = changed_block(small, "rows.json", b"[", b"[{},")
    assert "rows.json has 3 rows, and the samples give 2" in told(aged(rehashed(fewer)))


def test_a_file_that_unpacks_without_end_is_not_unpacked(
    small: str, told: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asymm_deploy.report.page.page_blocks.LARGEST_BLOCK", 1000)
    assert "runs.jsonl can't be unpacked" in told(small)


def test_the_manifest_can_hold_any_name() -> None:
    manifest = PageManifest(
        program="p",
        made_with=(),
        folder="</script><!--\u2028",
        other=None,
        device=None,
        engine=None,
        precision=None,
        threads=None,
        written_at="",
        blocks=(),
        text_sha256="",
    )
    text = json_text(manifest)
    assert "<" not in text
    assert "\u2028" not in text
    assert msgspec.json.decode(text, type=PageManifest) == manifest

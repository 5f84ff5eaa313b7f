"""No parser ends in another exception than it documents, whatever it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.examples import examples
from tests.fuzz.limits import TooLongError, bounded, try_one
from tests.fuzz.parsers import PARSERS, Parser

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")

_EACH = 60
"""Examples for each parser, the same ones every time; benchmarks/fuzz.py draws new ones."""


def tried(parser: Parser, folder: Path, most: int = _EACH) -> None:
    drawn = examples(parser.samples())

    @settings(
        max_examples=most,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn)
    def never_otherwise(example: bytes) -> None:
        try_one(parser, example, folder)

    with bounded():
        never_otherwise()


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_whatever_it_is_given_it_gives_a_value_or_its_own_error(
    parser: Parser, tmp_path: Path
) -> None:
    tried(parser, tmp_path / "example")


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_the_samples_themselves_get_through(parser: Parser, tmp_path: Path) -> None:
    """Otherwise the damaged ones would be refused at the first check, and show nothing."""
    refused = {"a pickle", "what to export"}  # no weights in it; a file that is not there
    for whole in parser.samples():
        (tmp_path / "example").mkdir()
        try:
            parser.call(whole, tmp_path / "example")
        except parser.raises:
            assert parser.name in refused
        (tmp_path / "example").rename(tmp_path / f"before {len(list(tmp_path.iterdir()))}")


def test_a_parser_that_raises_something_else_is_found(tmp_path: Path) -> None:
    careless = Parser("careless", lambda: [b"7"], lambda raw, _: int(raw), (OverflowError,))
    with pytest.raises(ValueError, match="invalid literal"):
        tried(careless, tmp_path / "example")


def test_a_parser_that_never_ends_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(_raw: bytes, _folder: Path) -> None:
        while True:
            pass

    monkeypatch.setattr("tests.fuzz.limits.MOST_SECONDS", 0.05)
    with bounded(), pytest.raises(TooLongError):
        try_one(Parser("slow", lambda: [b""], call), b"", tmp_path / "example")


def test_a_parser_that_takes_what_memory_there_is_is_found(tmp_path: Path) -> None:
    greedy = Parser("greedy", lambda: [b""], lambda _raw, _folder: bytearray(2**33))
    with pytest.raises(MemoryError):
        tried(greedy, tmp_path / "example", most=1)

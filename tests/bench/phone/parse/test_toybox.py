"""Free space and hashes are read, or unknown."""

from __future__ import annotations

import pytest

from asymm_deploy.bench.phone.parse.toybox import digests, free_kb
from tests.bench.phone.parse.conftest import DF, NOISE, crlf


@pytest.mark.parametrize(
    ("text", "kb"),
    [
        (DF, 31379096),
        (DF.replace("dm-5 ", "by-name/a-long-name-that-wraps-its-line\n  "), 31379096),
        (DF.replace("31379096", "-"), None),
        (DF.replace("1K-blocks", "Size"), None),
        (DF + "tmpfs 10 0 10 0% /tmp\n", None),
        ("df: /data/local/tmp/x: No such file or directory\n", None),
        ("", None),
    ],
)
def test_free_space_is_read_or_unknown(text: str, kb: int | None) -> None:
    assert free_kb(text) == kb
    assert free_kb(NOISE + crlf(text)) == kb


def test_digests_by_path() -> None:
    one, two = "ab" * 32, "01" * 32
    text = (
        f"{one}  /data/local/tmp/a b  c\n"
        f"{two} */data/local/tmp/binary\n"
        f"\\{one}  /data/a\\nb\\\\n\n"
        "sha256sum: /data/x: No such file or directory\n"
        f"{'ab' * 31}  /data/short\n"
        f"{'AB' * 32}  /data/loud\n"
    )
    expected = {
        "/data/local/tmp/a b  c": one,
        "/data/local/tmp/binary": two,
        "/data/a\nb\\n": one,
    }
    assert digests(text) == expected
    assert digests(NOISE + crlf(text)) == expected

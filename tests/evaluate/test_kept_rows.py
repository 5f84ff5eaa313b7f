"""Of rows that say what was measured alike the file keeps the newest, whatever the names hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.evaluate.kept_rows import KeptRows
from asymm_deploy.text import formatted

TABLE = KeptRows("kept.csv", ("model", "value"), ("model",))


@pytest.mark.parametrize("name", ["net", "=net", "@net", "n\x1b[2Jet", "::net", "\ud800"])
def test_a_row_takes_the_place_of_its_earlier_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / TABLE.name
    path.write_bytes(formatted([{"model": name, "value": "1"}], "csv").encode())
    rows = TABLE.with_earlier(tmp_path, [{"model": name, "value": "2"}])
    assert rows == [{"model": name, "value": "2"}]
    assert len(TABLE.with_earlier(tmp_path, [{"model": "other", "value": "2"}])) == 2

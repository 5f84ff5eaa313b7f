"""A variant's export is made first, once, and a variant of what can't be exported fails with it."""

from __future__ import annotations

from pathlib import Path

from asymm_deploy.export.jobs import ExportOutcome, export_all
from asymm_deploy.export.quantize.variant_request import variant_of
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.source import resolve


def test_exports_that_variants_are_made_of_come_first(
    exported: ExportRequest, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    out = tmp_path / "artifacts"
    good = ExportRequest(exported.source, out)
    bad = ExportRequest(resolve(str(broken)), out)
    asked = [variant_of(good, "w8"), variant_of(bad, "w8"), variant_of(good, "half")]
    told: list[ExportOutcome] = []
    found = export_all(asked, jobs=2, on_outcome=told.append)
    assert [each.request for each in found] == asked
    assert [each.status for each in found] == ["exported", "failed", "exported"]
    assert sorted(path.name for path in out.glob("[!.]*")) == ["net", "net@half", "net@w8"]
    assert len(told) == 3  # the exports themselves were not asked for
    notes = [note for each in found for note in each.notes]
    assert sum("proven over" in note for note in notes) == 1
    again = export_all([good, *asked[::2]], jobs=2)
    assert [each.status for each in again] == ["unchanged"] * 3

"""Results and a saved baseline, for all tests of baselines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.counts import CostKey, CostRecord, Counts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.baseline.save_baseline import save_baseline

Export = Callable[..., Path]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def results(tmp_path: Path, good: LaunchRecord) -> Callable[..., Path]:
    """Write two launches of each (model, content of its file)."""

    def write(*models: tuple[str, bytes], **more: object) -> Path:
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        with (folder / "runs.jsonl").open("ab") as file:
            for model, mnn in models:
                for launch in range(2):
                    record = msgspec.structs.replace(
                        good, model=model, launch=launch, artifact_sha256=sha256(mnn)
                    )
                    file.write(msgspec.json.encode(msgspec.structs.replace(record, **more)) + b"\n")
        return folder

    return write


@pytest.fixture
def saved(export: Export, results: Callable[..., Path], tmp_path: Path) -> Path:
    """A baseline of two models with launches of one."""
    export("small", b"small weights")
    artifacts = export("large", b"large weights")
    folder = tmp_path / "baseline"
    save_baseline(artifacts, folder, results=results(("small", b"small weights")))
    return folder


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    """What a folder holds: every file's content by its path."""

    def contents(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return contents


@pytest.fixture
def count() -> Callable[..., Callable[[Sequence[Artifact]], list[CostRecord]]]:
    """Make what counts every model, but for those of which it is said why not."""

    def make(**failures: str) -> Callable[[Sequence[Artifact]], list[CostRecord]]:
        zeros = dict.fromkeys(("fma", "vector", "load", "store", "branch"), 0)
        counts = Counts(insn=5, integer=5, load_bytes=0, store_bytes=0, **zeros)
        key = dict.fromkeys(CostKey.__struct_fields__, "1") | {"engine": "mnn"}

        def counted(artifacts: Sequence[Artifact]) -> list[CostRecord]:
            return [
                CostRecord(
                    model=artifact.model,
                    artifact_sha256=artifact.sha256,
                    inputs_sha256=artifact.inputs_sha256,
                    precision="fp32",
                    key=msgspec.convert(key, CostKey),
                    counts=None if artifact.model in failures else counts,
                    operators=(),
                    output_sha256=None,
                    relative_error=None,
                    flags=("failed",) * (artifact.model in failures),
                    valid=artifact.model not in failures,
                    error=failures.get(artifact.model),
                )
                for artifact in artifacts
            ]

        return counted

    return make

"""The numbers that the native runner's inputs are tested against are those of Python."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.inputs import bench_inputs

FIXTURE = Path(__file__).parents[2] / "android_harness" / "tests" / "data" / "inputs.txt"
LINES = [
    line
    for line in FIXTURE.read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_what_python_makes(line: str) -> None:
    seed, position, dtype, count, *_rest = line.split()
    specs = [TensorSpec(f"other{number}", (1,)) for number in range(int(position))]
    specs.append(TensorSpec("x", (int(count),), dtype))
    values = bench_inputs(specs, int(seed))["x"].astype("<f4")
    first = [f"{bits:08x}" for bits in values[:3].view("<u4")]
    sha256 = hashlib.sha256(values.tobytes()).hexdigest()
    assert line == " ".join([seed, position, dtype, count, *first, sha256])


def test_every_kind_of_type_and_seed_is_there() -> None:
    rows = [line.split() for line in LINES]
    assert {"float16", "float32", "float64", "int64", "uint8", "bool"} <= {row[2] for row in rows}
    assert any(int(row[0]) < 0 for row in rows)
    assert any(int(row[0]) >= 2**64 for row in rows)
    assert {"0", "1", "2", "3"} <= {row[1] for row in rows}

"""Parts of a lab are killed while a bench runs: every launch is there once in the end.

`benchmarks/lab_kills.py` does so at greater length.
"""

from __future__ import annotations

from pathlib import Path

from tests.lab.bed import make_models
from tests.lab.conftest import NewBed
from tests.lab.killing import Killing


def test_a_lab_whose_parts_are_killed_loses_nothing_and_measures_nothing_twice(
    new_bed: NewBed, tmp_path: Path
) -> None:
    bed = new_bed(hosts=2, phones=2, launch_s=0.3)
    killing = Killing(
        bed,
        make_models(tmp_path / "models", 2),
        launches=2,
        seed="1",
        longest_s=3.0,
        kinds=("worker", "agent", "scheduler", "client"),
    )
    tally = killing.go(4)
    assert tally.wrong == []
    assert tally.recorded == tally.planned

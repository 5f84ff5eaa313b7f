"""The runner reads its recorded inputs from a file, and from nothing that could keep it waiting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.bench.runner.recorded import read_recorded
from asymm_deploy.engines.tensors import TensorSpec


def test_a_pipe_in_the_place_of_the_inputs_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "inputs.bin")
    with pytest.raises(RefusedError, match="it is a pipe"):
        read_recorded(str(tmp_path / "inputs.bin"), [TensorSpec("x", (1,), "float32")])

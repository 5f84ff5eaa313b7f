"""In the emulator operators compute in fp16, and what they get instead of their inputs they use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asymm_deploy.bench.artifact import Artifact, bare
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.observed.emulated_values import emulated_values
from asymm_deploy.bench.wire import WireError
from tests.made_networks import PLAIN, in_8_bits, made_network


def test_an_operator_with_the_references_inputs_shows_its_own_error(
    emulator: Emulator, artifact: Artifact
) -> None:
    right, half = (emulated_values(emulator, artifact, each) for each in ("fp32", "fp16"))
    names = [each.name for each in right]
    assert [each.name for each in half] == names
    assert artifact.reference is not None
    at = names.index("total")
    (total,) = right[at].outputs
    wanted = np.asarray(artifact.reference["total"], np.float32)
    assert np.abs(total - wanted).max() < 1e-4
    error = np.abs(half[at].outputs[0] - total).max()
    assert 1e-4 < error / total.std() < 1e-1

    given = {(at, input_): np.zeros_like(total) + input_ for input_ in (0, 1)}
    changed = emulated_values(emulator, artifact, "fp16", given)
    np.testing.assert_array_equal(changed[at].outputs[0], np.ones_like(total))


def test_what_reads_8_bits_takes_other_values_where_their_steps_can_be_told(
    emulator: Emulator, tmp_path: Path
) -> None:
    quantised = bare(in_8_bits(made_network(PLAIN, tmp_path / "plain.onnx"), tmp_path))
    unchanged = emulated_values(emulator, quantised, "fp32")
    at = [each.type.strip() for each in unchanged].index("Convolution [ DT_INT8 ]")
    (read,), (made,) = unchanged[at - 1].outputs, unchanged[at].outputs

    given = {(at, 0): read[..., ::-1]}
    mirrored = emulated_values(emulator, quantised, "fp32", given)[at]
    assert mirrored.kept == ()
    assert np.abs(mirrored.outputs[0] - made).max() > made.std()

    even = {(0, 0): np.zeros_like(read), (at, 0): read}  # what is all 0 doesn't tell its steps
    kept = emulated_values(emulator, quantised, "fp32", even)
    assert [each.kept for each in kept] == [(0,) if i == at else () for i in range(len(kept))]
    assert not kept[at].outputs[0].std()


def test_what_can_not_be_run_says_why(emulator: Emulator, artifact: Artifact) -> None:
    with pytest.raises(WireError, match="its SHA-256 differs"):
        emulated_values(emulator, replace(artifact, sha256="0" * 64), "fp16")
    with pytest.raises(WireError, match="there is no operator 99 to give an input to"):
        emulated_values(emulator, artifact, "fp16", {(99, 0): np.zeros(1, np.float32)})
    with pytest.raises(WireError, match="QEMU knows no processor cortex-z1"):
        emulated_values(emulator, artifact, "fp16", cpu="cortex-z1")

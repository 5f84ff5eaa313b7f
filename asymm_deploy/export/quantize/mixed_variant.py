"""An export and its int8 file -> the file of ``int8-mixed``, and an int8 file with whole means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asymm_deploy.engines.tensors import Array, Arrays
from asymm_deploy.export.manifest import MNN, ONNX, Manifest
from asymm_deploy.export.mnn import run_mnn
from asymm_deploy.export.quantize.pooled_ranges import add_ranges, pooled_tensors, ranges_of
from asymm_deploy.export.quantize.sensitivity import Mixture, write_mixture
from asymm_deploy.export.quantize.variant import Mixing

_MOST_SAMPLES = 32
"""Measured with. Each operator takes a run over all of them."""


def keep_means_whole(int8: Path, folder: Path, samples: Sequence[Arrays]) -> tuple[str, ...]:
    """Write to an int8 file the ranges of what is averaged; return the tensors that got one.

    ``folder`` has the export that the file was made of, ``samples`` are of its inputs. See
    ``pooled_ranges``; raises what that raises.
    """
    return add_ranges(int8, ranges_of(folder / ONNX, pooled_tensors(folder / MNN), samples))


def make_mixed(
    int8: Path,
    base: Manifest,
    folder: Path,
    into: Path,
    samples: Sequence[Arrays],
    scratch: Path,
    wanted: Mixing,
) -> Mixture:
    """Write ``int8-mixed`` of the export ``base`` in ``folder`` to ``into``.

    At most 32 of ``samples`` are measured with, spread over all of them. Raises what
    ``write_mixture`` raises, and ConversionError where MNN can't run a file.
    """
    few = [samples[i * len(samples) // _MOST_SAMPLES] for i in range(_MOST_SAMPLES)]
    few = list(samples) if len(samples) <= _MOST_SAMPLES else few

    def run(file: Path) -> list[list[Array]]:
        return run_mnn(file, few, base.outputs, scratch, inputs=base.inputs, api=base.api)

    return write_mixture(
        folder / MNN,
        int8,
        into,
        run,
        ranges=ranges_of(folder / ONNX, pooled_tensors(folder / MNN), samples),
        in_fp32=wanted.in_fp32,
        goal_db=wanted.goal_db,
    )

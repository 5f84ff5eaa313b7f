"""A small network that setup counts before it keeps anything: what must come out is known.

``trial.mnn`` is a convolution of 1x1 and a ReLU. MNN multiplies four numbers at a time and leaves
out none, so that the count of multiply-adds follows from the shape.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.counted_launch import CountPlan, count_model
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.inputs import bench_inputs

TRIAL_MODEL = Path(__file__).with_name("trial.mnn")
TRIAL_SHA256 = "12435d096c31acf68915f186eca69bdc572338914f00699494f492f32cbae4f9"
_INPUT, _OUTPUT = TensorSpec("x", (1, 16, 8, 8)), "y"
_FILTERS = 32
_LANES = 4
TRIAL_MADDS = _FILTERS * 16 * 8 * 8
_LONGEST_S = 120.0


def trial_weight() -> npt.NDArray[np.float32]:
    """Return the convolution's weight, (32, 16, 1, 1): quarters from -3/4 to 3/4."""
    filters, channels = np.arange(_FILTERS)[:, None], np.arange(_INPUT.shape[1])
    quarters = (3 * filters + 5 * channels) % 7 - 3
    return (quarters / 4).astype(np.float32)[:, :, None, None]


def trial_artifact() -> Artifact:
    """Return the network with the output that it must have."""
    x = bench_inputs((_INPUT,))[_INPUT.name].astype(np.float64)
    y = np.einsum("oiab,nihw->nohw", trial_weight().astype(np.float64), x)
    return Artifact(
        model="trial",
        path=TRIAL_MODEL,
        sha256=TRIAL_SHA256,
        inputs=(_INPUT,),
        reference={_OUTPUT: np.maximum(y, 0).astype(np.float32)},
    )


def trial_fault(emulator: Emulator) -> str | None:
    """Count the network; return why the emulator is of no use, or None if all is as it must be."""
    record = count_model(emulator, trial_artifact(), CountPlan(timeout_s=_LONGEST_S), HostDevice())
    if record.counts is None:
        return record.error
    if not record.valid:
        return f"it computes something else than is right: {', '.join(record.flags)}"
    least = TRIAL_MADDS // _LANES
    if not least <= record.counts.fma < 2 * least:
        return f"it counts {record.counts.fma:,} multiply-adds of vectors, and not {least:,}"
    if not record.counts.l1_misses:
        return "it counts no misses of caches"
    return None

"""A PyTorch module -> an ONNX file, by torch's exporter."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.onnx_graph import first_line

if TYPE_CHECKING:
    import torch

OPSET = 17
"""HardSwish needs 14. 17 is the newest that both MNN 3.6 and the exporter without dynamo know."""


def to_onnx(
    module: torch.nn.Module,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    arrays: Arrays,
    into: Path,
) -> list[str]:
    """Write ``module`` as ONNX to ``into``; return the exporter's warnings, one line each.

    The module is traced on ``arrays``, one for each of its inputs. Of torch's two exporters this is
    the older one, without dynamo. It is ten times faster, and keeps global pooling and hard-swish
    as single operators (docs/adr/0002-exporter.md). Raises ConversionError if it can't express the
    module.
    """
    import torch

    example = tuple(torch.from_numpy(arrays[spec.name]) for spec in inputs)
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        try:
            torch.onnx.export(
                module,
                example,
                str(into),
                dynamo=False,
                opset_version=OPSET,
                input_names=[spec.name for spec in inputs],
                output_names=[spec.name for spec in outputs],
            )
        except Exception as error:
            raise ConversionError(
                f"torch.onnx can't export the module: {first_line(error)}",
                "write the operator it names in simpler ones, or export the module yourself with "
                "torch.onnx.export(..., dynamo=True) and give the .onnx file instead",
            ) from error
    return [first_line(w.message) for w in caught if w.category.__name__ == "TracerWarning"]

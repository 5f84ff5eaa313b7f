"""A PyTorch module -> an ONNX file, by torch's exporter."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.errors import ConversionError, UsageError
from asymm_deploy.export.onnx_graph import first_line
from asymm_deploy.export.proof.module_outputs import (
    Output,
    laid_flat,
    tensors_among,
    what_is_no_tensor,
)
from asymm_deploy.export.proof.user_module import UserModule, prepared_for_user_code
from asymm_deploy.export.tracing.missing_operators import add_missing_operators

if TYPE_CHECKING:
    import torch

_HELD = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training")
"""Where torch keeps what a module is made of."""

OPSET = 17
"""The default. HardSwish needs 14, LayerNormalization 17; MNN runs nothing faster that is newer."""

LEAST_OPSET, MOST_OPSET = 9, 20
"""What torch's exporter without dynamo has operators of; MNN 3.6 converts and runs all of them."""


def to_onnx(
    module: torch.nn.Module,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    arrays: Arrays,
    into: Path,
    opset: int = OPSET,
) -> list[str]:
    """Write ``module`` as ONNX to ``into``; return remarks for the user, one line each.

    The module is traced on ``arrays``, one for each of its inputs. Its outputs are the tensors
    among what it returns, under the names of ``outputs``. Of torch's two exporters this is the
    older one, without dynamo. It is ten times faster, and keeps global pooling and hard-swish as
    single operators (docs/adr/0002-exporter.md). Raises UsageError for an opset that the exporter
    doesn't know, ConversionError if it can't express the module.
    """
    import torch

    if not LEAST_OPSET <= opset <= MOST_OPSET:
        raise UsageError(
            f"torch's exporter has operators of opsets {LEAST_OPSET} to {MOST_OPSET}, not {opset}",
            f"give one of those with --opset, or leave it out: {OPSET} is the default",
        )

    user = UserModule(_with_plain_weights(module), [spec.name for spec in inputs])
    names = [spec.name for spec in outputs]
    seen: list[Output] = []
    flat = _flat_module(user, seen)
    add_missing_operators()
    with warnings.catch_warnings(record=True) as caught, torch.no_grad(), prepared_for_user_code():
        warnings.simplefilter("always")
        try:
            torch.onnx.export(
                flat,
                tuple(user.tensors(arrays)),
                str(into),
                dynamo=False,
                opset_version=opset,
                input_names=[spec.name for spec in inputs],
                output_names=names,
            )
        except Exception as error:
            raise ConversionError(
                f"torch.onnx can't export the module: {_reason(error)}",
                _what_to_try(str(error)),
            ) from error
    _name_outputs(into, names)
    others = what_is_no_tensor(seen)
    return [*([f"{others}: left out"] if others else []), *_remarks(caught)]


def _what_to_try(reason: str) -> str:
    if "dynamo-optimized" in reason:
        return "leave out torch.compile inside the module: it changes nothing of what is computed"
    if any(limit in reason for limit in ("2GiB", "2GB", "2147483648")):
        return "make it smaller: an ONNX file holds at most 2 GiB, about 530 million fp32 values"
    return (
        "write the operator it names in simpler ones, or export the module yourself with "
        "torch.onnx.export(..., dynamo=True) and give the .onnx file instead"
    )


def _reason(error: Exception) -> str:
    """Return the exporter's message without the whole graph that it may quote."""
    return first_line(str(error).partition("  [Caused by")[0] or error)


def _with_plain_weights(module: torch.nn.Module) -> torch.nn.Module:
    """Return ``module`` with weights that are computed from others as numbers, in a copy.

    ONNX can't express all that makes them (spectral norm, orthogonal weights).
    """
    import torch
    from torch.nn.utils import parametrize

    if not any(parametrize.is_parametrized(part) for part in module.modules()):
        return module
    plain = copy.deepcopy(module)
    for part in list(plain.modules()):
        if parametrize.is_parametrized(part):
            assert isinstance(part.parametrizations, torch.nn.ModuleDict)
            values = {name: getattr(part, name).detach() for name in part.parametrizations}
            # remove_parametrizations would change the class, which the copy and module share.
            part.__class__ = type(part).__bases__[0]
            del part.parametrizations
            for name, value in values.items():
                part.register_parameter(name, torch.nn.Parameter(value, requires_grad=False))
    return plain


def _remarks(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Return what tracing warned of in the user's code, each once; torch's own code is checked."""
    import torch

    own = Path(torch.__file__).parent
    return list(
        dict.fromkeys(
            f"{Path(warning.filename).name}:{warning.lineno}: {first_line(warning.message)}"
            for warning in caught
            if warning.category.__name__ == "TracerWarning"
            and own not in Path(warning.filename).parents
        )
    )


def _flat_module(user: UserModule, seen: list[Output]) -> torch.nn.Module:
    """Return a module with the same weights under the same names, whose outputs are flat tensors.

    It takes its inputs in their order, and notes all that a run returns in ``seen``. A scripted
    module stays as it is: it is exported from its code, not traced.
    """
    import torch

    if isinstance(user.module, torch.jit.ScriptModule):
        return user.module

    class Flat(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # The children are the module's own, so that nodes and weights keep their names.
            self.__dict__ |= {key: vars(user.module)[key] for key in _HELD}

        def forward(self, *tensors: torch.Tensor) -> tuple[object, ...]:
            seen[:] = laid_flat(user.call(tensors))
            return tuple(output.value for output in tensors_among(seen))

    return Flat()


def _name_outputs(file: Path, names: Sequence[str]) -> None:
    """Give outputs their names: where one is a constant, the exporter leaves its number."""
    model = onnx.load(str(file))
    renamed = [
        (o, name) for o, name in zip(model.graph.output, names, strict=True) if o.name != name
    ]
    for output, name in renamed:
        model.graph.node.append(onnx.helper.make_node("Identity", [output.name], [name]))
        output.name = name
    if renamed:
        onnx.save(model, str(file))

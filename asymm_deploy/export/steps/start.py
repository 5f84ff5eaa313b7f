"""A definition -> the graph that is simplified, and what it must be equal to."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.export import manifest, untrained, weights
from asymm_deploy.export.freshness import Dependencies
from asymm_deploy.export.onnx_graph import load_onnx, parsed_onnx
from asymm_deploy.export.proof.reference import (
    Reference,
    reference_of_graph,
    reference_of_module,
)
from asymm_deploy.export.proof.samples import shaped_by_samples
from asymm_deploy.export.reading.external_data import external_files
from asymm_deploy.export.reading.recorded_files import recorded_files
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.torch_to_onnx import OPSET, to_onnx
from asymm_deploy.export.weights.hub import place_of
from asymm_deploy.export.weights.hub_name import HubFile
from asymm_deploy.models.source import CallableModule, NamedNetwork, OnnxFile, load_callable

if TYPE_CHECKING:
    import onnx
    import torch


@dataclass(frozen=True)
class Start:
    """The graph before it is simplified, and what it must be equal to."""

    file: Path
    model: onnx.ModelProto
    reference: Reference
    dependencies: Dependencies
    """What the definition was made from, beyond what the request names."""
    notes: list[str] = field(default_factory=list)
    module: torch.nn.Module | None = None
    """What the file was exported from; None where it was given."""


def start_from_file(request: ExportRequest, source: OnnxFile) -> Start:
    """Read and run the .onnx file ``source``; raise DeployError where that fails."""
    # Before they are read: what changes from here on is another export.
    dependencies = external_files(source.path, parsed_onnx(source.path))
    model = load_onnx(source.path)
    source = shaped_by_samples(model, source, request.samples_file())
    reference = reference_of_graph(request, source, model)
    return Start(source.path, model, reference, dependencies)


def start_from_module(request: ExportRequest, scratch: Path, notes: list[str]) -> Start:
    """Build, run and export the module; ``notes`` gets how its weights were loaded at once."""
    with recorded_files() as dependencies:
        module = built_module(request, notes)
        reference = reference_of_module(request, module)  # forward may import and read as well
    if isinstance(request.weights, HubFile):  # its commit says it all, wherever the cache is
        dependencies.files.pop(str(place_of(request.weights)), None)
    file = scratch / manifest.EXPORTED
    example, opset = reference.probes[0].arrays, request.opset or OPSET
    told = to_onnx(module, reference.inputs, reference.outputs, example, file, opset)
    return Start(file, load_onnx(file), reference, dependencies, told, module)


def built_module(request: ExportRequest, notes: list[str]) -> torch.nn.Module:
    """Return the module of ``request`` with its weights; ``notes`` gets how they were loaded.

    BatchNorm statistics that it lacks are not set yet. Raises UsageError where that fails.
    """
    import torch

    from asymm_deploy.models.build import build

    torch.manual_seed(request.seed)
    if isinstance(request.source, NamedNetwork):
        module = build(request.source.spec)
        if request.weights is None:
            untrained.initialise(module, request.seed)
    else:
        assert isinstance(request.source, CallableModule)
        module = load_callable(request.source)
    if request.weights is not None:
        if request.weights_sha256 not in (None, request.hash_of_weights()):
            raise UsageError(
                f"{request.weights} is not the file that {request.text} was exported from",
                f"export it again: {request.again('--weights', 'FILE')}",
            )
        notes += weights.load_into(
            module,
            place_of(request.weights),
            key=request.weights_key,
            strip_prefix=request.strip_prefix,
        )
    with contextlib.suppress(NotImplementedError):  # of torch.export, which has chosen by then
        module.eval()  # a module's own eval may return nothing
    return module

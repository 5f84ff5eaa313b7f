"""One model from its definition to its files, every step proven; runs in a worker process."""

from __future__ import annotations

import copy
import errno
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from asymm_deploy.errors import ConversionError, DeployError, NumericsError, UsageError
from asymm_deploy.export import freshness, manifest, mnn, onnx, parity, untrained, weights
from asymm_deploy.export.inputs import Arrays, Probe, parity_probes
from asymm_deploy.export.manifest import Manifest, OutputLimit
from asymm_deploy.export.parity import MIN_SPREAD, Array, ParityReport
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.simplify import simplify
from asymm_deploy.export.tensors import TensorSpec
from asymm_deploy.files import sha256_of, write_whole
from asymm_deploy.models.cost import Complexity, least_multiplications, may_use_winograd
from asymm_deploy.models.source import CallableModule, NamedNetwork, OnnxFile, load_callable

if TYPE_CHECKING:
    import onnx as onnx_package
    import torch

PROBE_SEED = 0

_ROUNDINGS = 4.0
"""What an engine may differ by where a network amplifies rounding, in the reference's own rounding:
each adds up in another order.
"""
MOST_ROUNDING = 4e-3
"""What that allows at the most."""
MOST_WINOGRAD_ERROR = 2.5e-2
"""Winograd's convolutions trade digits for speed: 6e-4 on ResNet-50, where 1e-5 is usual, and 8e-3
on YOLOv3, whose 75 layers have them nearly everywhere.
"""
MNN_MARGIN = 4.0
"""Other processors have other tiles: a device may differ by so many times what MNN does here."""


@dataclass(frozen=True)
class _Reference:
    """What the files are to be equal to: inputs, what came out, and where it came from."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    probes: tuple[Probe, ...]
    results: list[list[Array]]
    complexity: Complexity
    name: str
    weights: Literal["seed", "file", "source"]
    statistics_set: bool = False
    rounding: Callable[[], Sequence[float]] = lambda: ()
    """How far its own results are from those in double precision, over their deviation."""


def export(request: ExportRequest, work: Path, notes: list[str]) -> Manifest:
    """Make, prove and write the files of ``request``; return their manifest.

    ``work`` is a scratch folder on the same file system as the artifacts; remarks for the user are
    appended to ``notes``. Raises UsageError (unreadable definition or weights, full disk),
    ConversionError (a step failed) or NumericsError (a step's outputs differ); then no file of
    the model has been touched.
    """
    try:
        with tempfile.TemporaryDirectory(dir=work) as name:
            try:
                return _export(request, Path(name), notes)
            except (ConversionError, NumericsError) as error:
                # Converters hide that the disk is full, or cut their file short and say nothing.
                if shutil.disk_usage(name).free < _LEAST_FREE_BYTES:
                    raise _no_room(request, "no space left on device") from error
                raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise _no_room(request, str(error.strerror)) from error


_LEAST_FREE_BYTES = 1 << 20


def _no_room(request: ExportRequest, reason: str) -> UsageError:
    return UsageError(
        f"can't write the files of {request.source.model} to {request.out}: {reason}",
        "free some space or give another folder with --out; what was there is untouched",
    )


def _export(request: ExportRequest, scratch: Path, notes: list[str]) -> Manifest:
    exported = scratch / "exported.onnx"
    sources: dict[str, str] = {}
    if isinstance(request.source, OnnxFile):
        model = onnx.load(request.source.path)
        sources = onnx.external_files(request.source.path)
        reference = _reference_of_graph(request.source, model)
        onnx_stage = _stage("onnx", reference, onnx.run(request.source.path, _samples(reference)))
    else:
        with freshness.recorded_files() as sources:
            module = _build(request)
        reference = _reference_of_module(request, module)
        notes += onnx.convert(
            module, reference.inputs, reference.outputs, reference.probes[0].arrays, exported
        )
        model = onnx.load(exported)
        onnx_stage = _stage("onnx", reference, onnx.run(exported, _samples(reference)))
    simplified_file, mnn_file = scratch / manifest.ONNX, scratch / manifest.MNN
    simplified = simplify(model, reference.inputs)
    simplified_file.write_bytes(simplified.SerializeToString())
    simplified_stage = _stage(
        "simplified", reference, onnx.run(simplified_file, _samples(reference))
    )
    mnn.convert(simplified_file, mnn_file)
    mnn_results = mnn.run(mnn_file, _samples(reference), reference.outputs, scratch)
    mnn_stage = _stage("mnn", reference, mnn_results)
    outputs: dict[str, Any] = {f"output_{i}": a for i, a in enumerate(reference.results[0])}
    np.savez(scratch / manifest.REFERENCE, allow_pickle=False, **outputs)
    if reference.complexity.uncounted:
        notes.append(
            "multiply-adds are not counted for: " + ", ".join(reference.complexity.uncounted)
        )
    made = Manifest(
        schema_version=manifest.MANIFEST_SCHEMA_VERSION,
        model=request.source.model,
        source=request.text,
        input_shape=reference.inputs[0].shape if reference.inputs else (),
        inputs=reference.inputs,
        outputs=reference.outputs,
        opset=_opset(simplified),
        madds=reference.complexity.madds,
        madds_m=round(reference.complexity.madds / 1e6, 3),
        floor_madds=least_multiplications(reference.complexity),
        params=reference.complexity.params,
        params_m=round(reference.complexity.params / 1e6, 4),
        uncounted=reference.complexity.uncounted,
        weights=reference.weights,
        seed=request.seed if request.uses_seed else None,
        weights_path=str(request.weights) if request.weights else None,
        weights_sha256=request.hash_of_weights(),
        statistics_set=reference.statistics_set,
        reference=reference.name,
        spread=parity.spread(_common(reference)),
        output_limits=_output_limits(reference, mnn_results, mnn_file, scratch),
        stages=manifest.Stages(onnx=onnx_stage, simplified=simplified_stage, mnn=mnn_stage),
        files={name: sha256_of(scratch / name) for name in manifest.EXPORT_FILES},
        tools=freshness.tool_versions(),
        fingerprint=request.fingerprint(),
        sources=sources,
    )
    _publish(made, scratch, request.folder, exported if request.keep_exported else None)
    return made


def _build(request: ExportRequest) -> torch.nn.Module:
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
                f"export it again: asymm-deploy export {request.text} --weights FILE",
            )
        weights.load_into(module, request.weights)
    return module.eval()


def _reference_of_module(request: ExportRequest, module: torch.nn.Module) -> _Reference:
    import torch

    from asymm_deploy.models.complexity import count

    inputs = request.module_inputs()
    probes = parity_probes(inputs, PROBE_SEED)
    statistics_set = request.weights is None and untrained.lacks_statistics(module)
    if statistics_set:
        untrained.set_statistics(module, inputs, request.seed)
    flat = _FlatOutputs(module)
    try:
        with torch.no_grad():
            results = [flat.arrays(probe.arrays, inputs) for probe in probes]
            complexity = count(module, *_tensors(probes[0].arrays, inputs))
    except DeployError:
        raise
    except Exception as error:
        shapes = "; ".join(",".join(map(str, spec.shape)) for spec in inputs)
        raise UsageError(
            f"{request.text} fails on inputs of shape {shapes}: {onnx.first_line(error)}",
            "give the shapes that it takes with --input-shape, one for each argument in order",
        ) from error
    names = _output_names(module, inputs, len(results[0]))
    outputs = tuple(
        TensorSpec(name, tuple(array.shape), str(array.dtype))
        for name, array in zip(names, results[0], strict=True)
    )
    reference = _Reference(
        inputs,
        outputs,
        probes,
        results,
        complexity,
        rounding=cache(lambda: _rounding(module, inputs, probes, results)),
        name=f"PyTorch {torch.__version__}",
        weights="file" if request.weights else "source",
        statistics_set=statistics_set,
    )
    if request.weights is None and isinstance(request.source, NamedNetwork):
        reference = replace(reference, weights="seed")
    _require_spread(reference)
    return reference


def _output_names(
    module: torch.nn.Module, inputs: Sequence[TensorSpec], count: int
) -> Sequence[str]:
    """Return what the module calls its outputs, if that can be their names; else numbers.

    Any module may have an attribute ``output_names`` that means something else.
    """
    named = getattr(module, "output_names", None)
    if (
        isinstance(named, list | tuple)
        and len(named) == count == len(set(named))
        and all(isinstance(name, str) and name for name in named)
        and not {spec.name for spec in inputs} & set(named)
    ):
        return named
    return ["output"] if count == 1 else [f"output_{i}" for i in range(count)]


def _reference_of_graph(source: OnnxFile, model: onnx_package.ModelProto) -> _Reference:
    from asymm_deploy.models.onnx_cost import count_graph

    inputs = onnx.graph_inputs(model, source)
    probes = parity_probes(inputs, PROBE_SEED)
    samples = [probe.arrays for probe in probes]
    results = onnx.run(source.path, samples, optimised=False)
    reference = _Reference(
        inputs,
        onnx.graph_outputs(model, results[0]),
        probes,
        results,
        count_graph(model, {spec.name: spec.shape for spec in inputs}),
        name="ONNX Runtime on the file as given, its graph optimisations off",
        weights="source",
    )
    _require_spread(reference)
    return reference


def _stage(
    name: Literal["onnx", "simplified", "mnn"],
    reference: _Reference,
    results: Sequence[Sequence[Array]],
) -> ParityReport:
    """Return the comparison; raise NumericsError if it does not pass."""
    try:
        report = parity.compare(reference.results, results)
    except ValueError as error:
        raise NumericsError(
            f"the {name} stage gives other outputs than {reference.name}: {error}",
            "the conversion changed the graph's outputs; please report it with the model",
        ) from error
    if report.strain > 1.0:
        allowances = _allowances(reference)
        report = parity.compare(reference.results, results, allowances)
    if not report.passed:
        raise NumericsError(
            f"the {name} stage differs from {reference.name}: {_difference(report)}",
            "operators that depend on the input's values in Python are frozen while exporting; if "
            "the model has none, compare its layers' outputs one by one to find the operator",
        )
    return report


def _difference(report: ParityReport) -> str:
    found, allowed, which = report.relative_error, report.tolerance, "by"
    if report.rms_error / report.rms_tolerance > found / allowed:
        found, allowed, which = report.rms_error, report.rms_tolerance, "in the mean of squares by"
    return (
        f"{which} {found:.1e} of the outputs' deviation ({allowed:.0e} allowed), argmax agrees on "
        f"{report.argmax_agreement:.0%} of {report.samples} inputs"
    )


def _allowances(reference: _Reference) -> list[float]:
    """Return by output what PyTorch's own rounding there allows."""
    if not reference.rounding():
        return [0.0] * len(reference.outputs)
    return [min(MOST_ROUNDING, _ROUNDINGS * error) for error in reference.rounding()]


def _output_limits(
    reference: _Reference, results: Sequence[Sequence[Array]], mnn_file: Path, scratch: Path
) -> tuple[OutputLimit, ...]:
    """Return by output how far an engine's may be from the reference's when it is timed.

    That is a few times what MNN's ``results`` are off here, and what Winograd's convolutions cost
    it besides, where it may use them.
    """
    errors = parity.each(reference.results, results)
    relative = [found.relative_error for found in errors]
    rms = [found.rms_error for found in errors]
    common = _common(reference)
    deviations = [
        parity.deviation_or_size([outputs[i] for outputs in common]) for i in range(len(errors))
    ]
    if any(map(may_use_winograd, reference.complexity.layers)):
        first = _samples(reference)[:1]
        (timed,) = mnn.run(mnn_file, first, reference.outputs, scratch, as_timed=True)
        for index, (wanted, found) in enumerate(zip(reference.results[0], timed, strict=True)):
            error, mean = parity.errors(wanted, found, deviations[index])
            relative[index] = max(relative[index], error)
            rms[index] = max(rms[index], mean)
    if max(relative, default=0.0) > MOST_WINOGRAD_ERROR:
        raise NumericsError(
            f"MNN's fast convolutions differ from {reference.name} by {max(relative):.1e} of the "
            f"outputs' deviation ({MOST_WINOGRAD_ERROR:.0e} allowed)",
            "the network amplifies rounding; trained weights with --weights seldom do",
        )
    return tuple(
        OutputLimit(
            deviations[index],
            max(parity.tolerance(output), MNN_MARGIN * relative[index]),
            max(parity.rms_tolerance(output), MNN_MARGIN * rms[index]),
        )
        for index, output in enumerate(reference.results[0])
    )


def _common(reference: _Reference) -> list[Sequence[Array]]:
    """Return the outputs for the inputs of common scale: the large one would outweigh them all."""
    return [
        outputs
        for probe, outputs in zip(reference.probes, reference.results, strict=True)
        if probe.name != "large"
    ]


def _require_spread(reference: _Reference) -> None:
    for probe, outputs in zip(reference.probes, reference.results, strict=True):
        if not all(np.isfinite(array).all() for array in outputs if array.dtype.kind == "f"):
            raise NumericsError(
                f"{reference.name} gives NaN or infinity for the {probe.name} input",
                "check the weights: nothing can be compared with such outputs",
            )
    value = parity.spread(_common(reference))
    if value < MIN_SPREAD:
        raise NumericsError(
            f"the outputs hardly depend on the input: they vary by {value:.1e} of their size, and "
            f"less than {MIN_SPREAD} proves nothing about a conversion",
            "give trained weights with --weights, or a definition whose layers have them",
        )


def _publish(made: Manifest, scratch: Path, folder: Path, exported: Path | None) -> None:
    """Move the files to their place one by one, the manifest last: it vouches for the others."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in manifest.EXPORT_FILES:
        (scratch / name).replace(folder / name)
    if exported is not None and exported.exists():
        write_whole(folder / manifest.EXPORTED, exported.read_bytes())
    manifest.save_manifest(made, folder)


def _rounding(
    module: torch.nn.Module,
    inputs: Sequence[TensorSpec],
    probes: Sequence[Probe],
    results: Sequence[Sequence[Array]],
) -> list[float]:
    """Return by output how far ``results`` are from those in double precision; [] if untold."""
    import torch

    exact = _FlatOutputs(copy.deepcopy(module).double())
    doubled = [
        {
            name: array.astype(np.float64) if array.dtype.kind == "f" else array
            for name, array in probe.arrays.items()
        }
        for probe in probes
    ]
    try:
        with torch.no_grad():
            expected = [exact.arrays(arrays, inputs) for arrays in doubled]
        return [found.relative_error for found in parity.each(expected, results)]
    except Exception:  # a module that makes float32 of its own; then the usual tolerance counts
        return []


class _FlatOutputs:
    """A module whose outputs are a flat list of arrays, however it nests its tensors."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    def arrays(self, arrays: Arrays, inputs: Sequence[TensorSpec]) -> list[Array]:
        import torch
        from torch.utils import _pytree

        leaves = _pytree.tree_leaves(self._module(*_tensors(arrays, inputs)))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        if not tensors:
            raise UsageError("the module returns no tensor", "return tensors, nested as you like")
        return [tensor.numpy(force=True) for tensor in tensors]


def _tensors(arrays: Arrays, inputs: Sequence[TensorSpec]) -> list[torch.Tensor]:
    import torch

    return [torch.from_numpy(arrays[spec.name]) for spec in inputs]


def _samples(reference: _Reference) -> list[Arrays]:
    return [probe.arrays for probe in reference.probes]


def _opset(model: onnx_package.ModelProto) -> int:
    return max(
        int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")
    )

"""What the files must be equal to: inputs of different kinds, and what the definition computes."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import DeployError, NumericsError
from asymm_deploy.export import untrained
from asymm_deploy.export.inputs import Probe
from asymm_deploy.export.manifest import ProvenInput
from asymm_deploy.export.onnx_graph import (
    cannot_run,
    graph_inputs,
    graph_outputs,
)
from asymm_deploy.export.probing.chosen import RejectedError, choose_probes
from asymm_deploy.export.proof import exact, parity
from asymm_deploy.export.proof.engine_words import engine_words
from asymm_deploy.export.proof.graph_values import outputs_of_inputs
from asymm_deploy.export.proof.module_outputs import Output, as_arrays, output_names
from asymm_deploy.export.proof.parity import LEAST_SPREAD, MIN_SPREAD
from asymm_deploy.export.proof.samples import load_samples
from asymm_deploy.export.proof.user_module import UserModule, failed_run, typed_inputs
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.source import NamedNetwork, OnnxFile

if TYPE_CHECKING:
    import onnx
    import torch

PROBE_SEED = 0


@dataclass(frozen=True)
class Reference:
    """Inputs, what the definition computes from them, and what the definition is."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    probes: tuple[Probe, ...]
    results: list[list[Array]]
    """``[probe][output]``."""
    complexity: Complexity
    name: str
    """Who computed the results, for messages and the manifest."""
    weights: Literal["seed", "file", "source"]
    """Where the weights come from; see ``manifest.Manifest.weights``."""
    statistics_set: bool = False
    """Whether BatchNorm's statistics were set from random batches."""
    proven: tuple[ProvenInput, ...] = ()
    """The values of each input, over all probes."""
    notes: tuple[str, ...] = ()
    """Probes that were left out, and why."""
    half: bool = False
    """Whether the definition computes in float16."""
    exact: Callable[[], list[list[Array]] | None] = lambda: None
    """The results in a wider type, or None where they can't be had."""

    @property
    def samples(self) -> list[Arrays]:
        """The inputs alone."""
        return [probe.arrays for probe in self.probes]

    @cached_property
    def rounding(self) -> list[float]:
        """By output, how far the results are from the exact ones; see ``distances``."""
        return distances(self.exact(), self.results)

    @cached_property
    def spreads(self) -> tuple[float | None, ...]:
        """By output, how much it varies with the input; None where it is always the same."""
        return parity.spreads(self.common_results)

    @property
    def spread(self) -> float:
        """The least of all outputs that vary; see ``parity.spread``."""
        return parity.least_spread(self.spreads)

    def tightening(self, output: int) -> float:
        """Return the factor on an output's tolerances: below 1.0 where it varies little."""
        spread = self.spreads[output]
        return 1.0 if spread is None else min(1.0, spread / MIN_SPREAD)

    @property
    def common_results(self) -> list[list[Array]]:
        """The outputs for inputs of common scale: the large one would outweigh all the others.

        All of them where there is no other.
        """
        return [
            outputs
            for probe, outputs in zip(self.probes, self.results, strict=True)
            if probe.name != "large"
        ] or self.results


def reference_of_module(request: ExportRequest, module: torch.nn.Module) -> Reference:
    """Return what ``module`` computes in PyTorch; set its BatchNorm statistics if it lacks them.

    Raises UsageError where it can't run, NumericsError where its outputs prove nothing.
    """
    import torch

    inputs = typed_inputs(request, module)
    user = UserModule(module, [spec.name for spec in inputs])
    statistics_set = untrained.set_missing_statistics(request, module, inputs)
    returned: list[Output] = []

    def run(arrays: Arrays) -> list[Array]:
        try:
            returned[:] = user.outputs(arrays)
            return as_arrays(returned)
        except DeployError:
            raise
        except Exception as error:
            raise RejectedError(engine_words(error)) from error

    try:
        chosen = choose_probes(
            inputs,
            run,
            ranges=request.ranges(),
            samples=samples_of(request, inputs),
            seed=PROBE_SEED,
        )
    except RejectedError as error:
        raise failed_run(request, module, inputs, error) from error
    probes, results = chosen.probes, chosen.results
    complexity = user.complexity(probes[0].arrays)
    names = output_names(module, inputs, returned)
    return Reference(
        inputs,
        tuple(
            TensorSpec(name, tuple(array.shape), str(array.dtype))
            for name, array in zip(names, results[0], strict=True)
        ),
        probes,
        results,
        complexity,
        name=f"PyTorch {torch.__version__}",
        weights=_origin_of_weights(request),
        statistics_set=statistics_set,
        proven=chosen.proven,
        notes=chosen.notes,
        half=any(array.dtype == np.float16 for array in results[0])
        or any(parameter.dtype == torch.float16 for parameter in module.parameters()),
        exact=cache(lambda: doubled_results(module, inputs, probes)),
    )


def reference_of_graph(
    request: ExportRequest, source: OnnxFile, model: onnx.ModelProto
) -> Reference:
    """Return what ONNX Runtime computes from ``source``, which ``model`` was read from.

    Raises UsageError for input shapes that the graph doesn't take, ConversionError where it can't
    run, NumericsError where its outputs prove nothing.
    """
    from asymm_deploy.models.onnx_cost import count_graph

    inputs = graph_inputs(model, source)
    try:
        chosen = choose_probes(
            inputs,
            graph_runner(source.path, model),
            ranges=request.ranges(),
            samples=samples_of(request, inputs),
            seed=PROBE_SEED,
        )
    except RejectedError as error:
        raise cannot_run(EngineError(str(error))) from error
    complexity = count_graph(model, {spec.name: spec.shape for spec in inputs})
    results = chosen.results
    samples = [probe.arrays for probe in chosen.probes]
    return Reference(
        inputs,
        graph_outputs(model, results[0]),
        chosen.probes,
        results,
        complexity,
        name="ONNX Runtime on the file as given, its graph optimisations off",
        weights="source",
        proven=chosen.proven,
        notes=chosen.notes,
        half=exact.half_precision(model),
        exact=cache(lambda: exact.widened_results(model, samples, complexity.madds)),
    )


def samples_of(request: ExportRequest, inputs: Sequence[TensorSpec]) -> list[Arrays]:
    """Return the user's samples; none where no file was given."""
    path = request.samples_file()
    return [] if path is None else load_samples(path, inputs)


def graph_runner(path: Path, model: onnx.ModelProto) -> Callable[[Arrays], list[Array]]:
    """Return what runs an .onnx file as it is; raise ConversionError where it can't be loaded.

    ``model`` is what the file has. What is returned raises RejectedError where the graph refuses
    the values of a sample.
    """
    from asymm_deploy.engines.ort_session import OrtSession

    try:
        session = OrtSession(str(path), optimised=False)
    except EngineError as error:
        raise cannot_run(error) from error

    def run(sample: Arrays) -> list[Array]:
        try:
            session.feed(sample)
            session.run()
            outputs = session.outputs()
        except EngineError as error:
            raise RejectedError(engine_words(error.reason, model)) from error
        return [outputs[name] for name in session.output_names]

    return run


def distances(
    exact: Sequence[Sequence[Array]] | None, results: Sequence[Sequence[Array]]
) -> list[float]:
    """Return, by output, how far ``results`` are from the ``exact`` ones; empty without those."""
    if exact is None:
        return []
    try:
        return [report.relative_error for report in parity.compare_each(exact, results)]
    except ValueError:  # rows that the rounding itself chooses
        return []


def doubled_results(
    module: torch.nn.Module, inputs: Sequence[TensorSpec], probes: Sequence[Probe]
) -> list[list[Array]] | None:
    """Return what ``module`` gives in double precision, ``[probe][output]``; None if it can't."""
    doubled = [
        {
            name: array.astype(np.float64) if array.dtype.kind == "f" else array
            for name, array in probe.arrays.items()
        }
        for probe in probes
    ]
    try:
        double = UserModule(copy.deepcopy(module).double(), [spec.name for spec in inputs])
        with _double_alone():
            return [double.arrays(arrays) for arrays in doubled]
    except Exception:  # a module that creates float32 tensors itself: the usual tolerance counts
        return None


def _double_alone() -> contextlib.AbstractContextManager[object]:
    """Let every type that the code within asks for be float64 where it is floating-point."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Double(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self,
            func: Callable[..., object],
            types: object,
            args: tuple[object, ...] = (),
            kwargs: dict[str, object] | None = None,
        ) -> object:
            import torch

            named = dict(kwargs or {})
            wanted = named.get("dtype")
            if isinstance(wanted, torch.dtype) and wanted.is_floating_point:
                named["dtype"] = torch.float64
            return func(*args, **named)

    return Double()  # type: ignore[no-untyped-call]


def _origin_of_weights(request: ExportRequest) -> Literal["seed", "file", "source"]:
    if request.weights is not None:
        return "file"
    return "seed" if isinstance(request.source, NamedNetwork) else "source"


def require_spread(reference: Reference, graph: onnx.ModelProto) -> list[str]:
    """Raise NumericsError unless the outputs depend on the input; return remarks for the user.

    Constants (anchors, say) may be outputs, and integers or booleans may be the same for all
    probes. ``graph`` is what the definition became.
    """
    value = reference.spread
    if value >= MIN_SPREAD:
        return []
    same = [
        spec
        for index, spec in enumerate(reference.outputs)
        if parity.is_same_for_all(reference.results, index)
    ]
    if value >= LEAST_SPREAD:
        factor = MIN_SPREAD / value
        return [
            f"the outputs vary with the input by {value:.1e} of their size only: the limits are "
            f"{factor:.3g} times tighter than usual"
        ]
    depending = outputs_of_inputs(graph)
    if len(same) == len(reference.outputs) and not any(
        spec.name in depending and np.dtype(spec.dtype).kind == "f" for spec in same
    ):
        names = ", ".join(spec.name for spec in same)
        return [f"{names}: the same for all inputs that were tried, which proves little"]
    raise hardly_depends(value)


def hardly_depends(spread: float) -> NumericsError:
    """Return the failure of a definition whose outputs prove nothing."""
    return NumericsError(
        f"the outputs hardly depend on the input: they vary by {spread:.1e} of their size, and so "
        "little proves nothing about a conversion",
        "use a model with trained weights, or give samples of your own with --inputs FILE.npz",
    )

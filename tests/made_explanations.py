"""A model of six operators in three modules, as hand-made explanations."""

from __future__ import annotations

import msgspec

from asymm_deploy.explain.explanation import ExplainedOperator, Explanation, Kind, OperatorError


def _operator(
    index: int, kind: Kind, module: str | None, madds: int, ms: float
) -> ExplainedOperator:
    types = {"concat copy": "Concat", "activation": "HardSwish"}
    node = f"/{(module or 'x').replace('.', '/')}/{types.get(kind, 'Conv')}"
    return ExplainedOperator(
        index=index,
        name=f"{node}_output_0",
        type="Raster" if kind == "concat copy" else "Convolution",
        kind=kind,
        module=module,
        node=node,
        node_type=types.get(kind, "Conv"),
        output_shape=(1, 16, 8, 8),
        madds=madds,
        bytes_moved=1_000_000 + index,
        time_ms=ms,
        on_layer=OperatorError(snr_db=120.0 - index, over_deviation=1e-6 * (1 + index)),
        own=OperatorError(snr_db=130.0, over_deviation=2e-7),
        own_limit=1e-4,
    )


def explained_net() -> Explanation:
    """4 ms: half of it pointwise, nothing accused."""
    operators = (
        _operator(0, "convolution", "stem.conv", 10_000_000, 0.5),
        _operator(1, "depthwise", "blocks.0.depthwise.conv", 5_000_000, 0.75),
        msgspec.structs.replace(
            _operator(2, "concat copy", "blocks.0", 0, 0.25),
            own=None,
            own_limit=None,
            on_layer=None,
            unjudged="judged at its Concat",
        ),
        _operator(3, "pointwise", "blocks.0.project.conv", 40_000_000, 1.5),
        _operator(4, "activation", None, 0, 0.5),
        _operator(5, "pointwise", "blocks.1.project.conv", 20_000_000, 0.5),
    )
    return Explanation(
        model="net",
        artifact_sha256="00" * 32,
        inputs_sha256=None,
        engine="mnn",
        engine_version="3.6.1",
        precision="fp32",
        device="host",
        cpu="1",
        median_ms=4.0,
        taken_out_percent=5.0,
        runs=40,
        peak_gmacs=50.0,
        operators=operators,
        reference="model.onnx",
        flags=(),
        valid=True,
        started_at="2026-01-01T00:00:00+00:00",
    )


def faulty_net(explained: Explanation) -> Explanation:
    """The same, where number 3 computes something else."""
    wrong = msgspec.structs.replace(
        explained.operators[3], own=OperatorError(snr_db=3.0, over_deviation=0.7)
    )
    operators = (*explained.operators[:3], wrong, *explained.operators[4:])
    return msgspec.structs.replace(explained, operators=operators)


def counted_net(explained: Explanation) -> Explanation:
    """The same on the emulated processor: instructions, no times, no errors."""
    operators = tuple(
        msgspec.structs.replace(
            each,
            time_ms=None,
            insn=1_000_000 * (1 + each.index),
            own=None,
            own_limit=None,
            on_layer=None,
        )
        for each in explained.operators
    )
    return msgspec.structs.replace(
        explained,
        device="a76",
        cpu="cortex-a76",
        median_ms=None,
        taken_out_percent=None,
        runs=0,
        peak_gmacs=None,
        operators=operators,
    )

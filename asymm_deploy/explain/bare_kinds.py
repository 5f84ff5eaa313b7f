"""An operator of which only MNN's name and type are known: a file without its ONNX graph."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.mnn_file import read_mnn
from asymm_deploy.explain.explanation import ExplainedOperator, Kind
from asymm_deploy.export.proof.refusal.culprit import module_path
from asymm_deploy.files import read_regular

_KINDS: dict[str, Kind] = {
    "ConvolutionDepthwise": "depthwise",
    "Convolution": "convolution",
    "ConvInt8": "convolution",
    "DepthwiseConvInt8": "depthwise",
    "Deconvolution": "convolution",
    "DeconvolutionDepthwise": "depthwise",
    "MatMul": "fully connected",
    "BatchMatMul": "fully connected",
    "InnerProduct": "fully connected",
    "Pooling": "pooling",
    "Pooling3D": "pooling",
    "Raster": "layout",
    "ConvertTensor": "layout",
    "BinaryOp": "elementwise",
    "Eltwise": "elementwise",
    "UnaryOp": "elementwise",
    "ReLU": "activation",
    "ReLU6": "activation",
    "PReLU": "activation",
    "Sigmoid": "activation",
    "TanH": "activation",
    "Softmax": "activation",
    "LayerNorm": "normalisation",
    "InstanceNorm": "normalisation",
    "Attention": "attention",
    "FloatToInt8": "conversion",
    "Int8ToFloat": "conversion",
}
_WEIGHTED = frozenset({"pointwise", "depthwise", "convolution", "fully connected"})
_WITHOUT = "nobody gave the ONNX file that it was made from"


def pointwise_names(model: Path) -> frozenset[str]:
    """Return which operators of an .mnn file are convolutions with 1x1 kernels; none if damaged."""
    try:
        operators = read_mnn(read_regular(model)).operators
    except (OSError, EngineError):
        return frozenset()
    return frozenset(
        each.name
        for each in operators
        if each.convolution is not None
        and each.convolution.kernel == (1, 1)
        and _KINDS.get(each.type) == "convolution"
    )


def bare_operator(
    index: int,
    name: str,
    kind: str,
    output_shape: tuple[int, ...] = (),
    flops_m: float = 0.0,
    pointwise: Collection[str] = (),
) -> ExplainedOperator:
    """Return an operator by what MNN says of it; which module it is stands in most names.

    ``flops_m`` are MNN's: multiply-adds, in 10^6, of what has weights.
    """
    plain = kind.partition(" ")[0]  # without what MNN adds for int8
    is_pointwise = name in pointwise and _KINDS.get(plain) == "convolution"
    found: Kind = "pointwise" if is_pointwise else _KINDS.get(plain, "other")
    return ExplainedOperator(
        index=index,
        name=name,
        type=plain,
        kind=found,
        module=module_path(name) or None,
        node=None,
        node_type=None,
        output_shape=output_shape,
        madds=round(flops_m * 1e6) if found in _WEIGHTED else 0,
        bytes_moved=0,
        unjudged=_WITHOUT,
        in_8_bits=kind != plain and "INT8" in kind,
    )

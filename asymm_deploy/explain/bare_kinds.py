"""An operator of which only MNN's name and type are known: a file without its ONNX graph."""

from __future__ import annotations

from asymm_deploy.explain.explanation import ExplainedOperator, Kind
from asymm_deploy.export.proof.refusal.culprit import module_path

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
_WITHOUT = "nobody gave the ONNX file that it was made from"


def bare_operator(
    index: int, name: str, kind: str, output_shape: tuple[int, ...]
) -> ExplainedOperator:
    """Return an operator by what MNN says of it; which module it is stands in most names."""
    plain = kind.partition(" ")[0]  # without what MNN adds for int8
    return ExplainedOperator(
        index=index,
        name=name,
        type=plain,
        kind=_KINDS.get(plain, "other"),
        module=module_path(name) or None,
        node=None,
        node_type=None,
        output_shape=output_shape,
        madds=0,
        bytes_moved=0,
        unjudged=_WITHOUT,
    )

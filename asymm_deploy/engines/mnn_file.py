"""What stands in an .mnn file: its operators, and which tensors they read and write.

The file is a flatbuffer. Its schema is schema/default/*.fbs of MNN 3.6.1, from which the numbers of
fields are. MNN's own reader (``MNN.tools``) can't be used: it installs packages and phones home.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.flat_table import DamagedTableError, FlatTable, Span, root_table

_TYPES = """
0 AbsVal 2 ArgMax 4 InstanceNorm 5 BatchToSpaceND 7 BinaryOp 9 Cast 10 Concat 11 Const
12 Convolution 13 ConvolutionDepthwise 14 Crop 15 CropAndResize 16 ImageProcess 17 Deconvolution
18 DeconvolutionDepthwise 19 Dequantize 20 DetectionOutput 21 Dropout 22 Eltwise 23 ELU 24 Unique
25 Exp 26 ExpandDims 27 Fill 28 Flatten 29 Im2Col 30 Gather 31 GatherV2 33 InnerProduct 34 Input
35 Interp 36 Log 37 LRN 38 LSTM 39 MatMul 40 MoE 41 NonMaxSuppression 42 NonMaxSuppressionV2
43 Normalize 44 Pack 45 Padding 46 Permute 47 Pooling 48 Power 49 PReLU 50 PriorBox 51 Proposal
65 Range 66 Rank 68 Reduction 69 ReLU 70 ReLU6 73 Reshape 74 Resize 75 RNN 76 ROIPooling 77 Scale
78 Selu 80 Shape 81 Sigmoid 82 Size 83 Slice 84 SliceTf 85 Softmax 86 SpaceToBatchND 88 Col2Im
89 Segment 90 Squeeze 91 StridedSlice 92 CastLike 95 TanH 97 Threshold 98 Tile 99 TopKV2
100 Transpose 101 UnaryOp 102 Unpack 103 Where 104 Moments 105 RNNSequenceGRU 106 BatchMatMul
107 Unsqueeze 108 CosineSimilarity 109 DepthToSpace 110 SpaceToDepth 111 ReverseSequence
112 Pooling3D 113 Convolution3D 114 MatrixBandPart 115 GatherND 116 DetectionPostProcess
117 UnravelIndex 118 ScatterNd 119 OneHot 120 BroadcastTo 121 Dilation2D 122 Interp3D 128 Raster
129 ConvertTensor 130 ArgMin 131 LinSpace 132 RandomUniform 133 TensorArray 134 TensorArraySize
135 TensorArrayRead 136 TensorArrayWrite 137 TensorArrayGather 138 TensorArrayScatter
139 TensorArraySplit 140 TensorArrayConcat 142 Reverse 143 ROIAlign 144 RandomNormal
145 TensorArrayInsert 146 TensorArrayErase 147 EyeLike 148 CumSum 149 Det 150 CumProd
151 ScatterElements 152 GatherElements 153 Svd 154 Histogram 155 DynamicQuant 156 Stft 256 Plugin
257 Select 258 ZerosLike 259 Broastcast 260 SetDiff1D 262 Identity 267 BatchNorm 268 ConvTranspose3D
299 Attention 300 FmhaV2 301 Fmhca 302 SeqLen2Spatial 303 SplitGeLU 304 GroupNorm
305 LinearAttention 306 RoPE 307 FusedLinear 308 GatedRMSNorm 512 Extra 513 ConvInt8
514 Int8ToFloat 515 DepthwiseConvInt8 517 FloatToInt8 518 EltwiseInt8 600 While 601 If 603 LayerNorm
604 GridSample
"""
TYPE_NAMES = {int(number): name for number, name in re.findall(r"(\d+) (\w+)", _TYPES)}
"""OpType of the schema; what only training and other formats have is left out."""

CONVOLUTION = 9
"""Convolution2D in the union OpParameter."""

# Numbers of fields, in the tables Net, SubGraphProto, Op, Convolution2D, IDSTQuan and
# QuantizedFloatParam.
_NET_DESCRIPTIONS, _NET_OPERATORS, _NET_TENSORS, _NET_BODIES = 1, 3, 7, 10
_BODY_NAME, _BODY_OPERATORS = 0, 4
_TENSOR, _RANGE, _RANGE_TYPE = 1, 4, 4
_INT8 = 6
"""DataType of the schema."""
_INPUTS, _PARAMETERS_TYPE, _PARAMETERS, _NAME, _OUTPUTS, _TYPE = range(6)
_COMMON, _WEIGHT, _BIAS, _QUANTISED, _SYMMETRIC = range(5)
_BUFFER, _SCALES = range(2)
_SCALE_IN, _SCALE_OUT = 5, 6
_ZERO_IN, _ZERO_OUT, _LEAST, _MOST, _WINOGRAD = range(6, 11)


class Int8Steps(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole numbers of a convolution in int8 stand for: step x (number - zero)."""

    step_in: float
    step_out: float
    zero_in: int
    zero_out: int
    least: int
    """The numbers are between this and ``most``."""
    most: int
    winograd: tuple[int, ...]
    """How its tiles are cut for Winograd's method; empty without it."""


class MnnConvolution(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a convolution, and of a matrix product that became one."""

    kernel: tuple[int, int]
    """Height, width."""
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, ...]
    """Top, left, bottom, right; or height and width alone."""
    groups: int
    outputs: int
    """Channels."""
    relu: bool
    """It ends in a ReLU."""
    relu6: bool
    """It ends in a ReLU6."""
    weight: Span | None
    """In float32; None if the weights are encoded, or not in the file."""
    bias: Span | None
    encoded: Span | None
    """Weights in 8 bits or fewer, or in fp16, in bytes."""
    scales: Span | None
    """Of encoded weights, in float32."""
    int8: Int8Steps | None = None
    """None if it is not computed in int8."""


class MnnOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of the file. MNN may run it as several, or not at all."""

    index: int
    name: str
    """MNN's, of the tensor that it makes; made up by the converter where ONNX has none."""
    type: str
    """``Convolution``, ``BinaryOp``; ``operator 999`` for one that the schema doesn't have."""
    inputs: tuple[int, ...]
    """Tensors; -1 stands for one that is left out."""
    outputs: tuple[int, ...]
    convolution: MnnConvolution | None


class MnnFile(msgspec.Struct, frozen=True):
    """The main graph of an .mnn file; the bodies of its loops are not in it."""

    operators: tuple[MnnOperator, ...]
    """In the order of the file."""
    tensors: tuple[str, ...]
    """The name of each tensor that operators read and write."""
    int8_tensors: frozenset[int] = frozenset()
    """Those that have a range in 8 bits: between two of them a convolution computes in 8 bits."""


def read_mnn(data: bytes) -> MnnFile:
    """Return what stands in the .mnn file of these bytes; raise EngineError if it is damaged."""
    try:
        net = root_table(data)
        found = MnnFile(
            tuple(_operator(*each) for each in enumerate(operator_tables(net))),
            net.texts(_NET_TENSORS),
            _int8_tensors(net),
        )
    except DamagedTableError as error:
        raise EngineError(f"the file is damaged or no .mnn file: {error}") from error
    known = range(-1, len(found.tensors))
    used = (tensor for each in found.operators for tensor in (*each.inputs, *each.outputs))
    if not found.operators or any(tensor not in known for tensor in used):
        raise EngineError(
            "the file is damaged or no .mnn file: its operators don't belong together"
        )
    return found


def _int8_tensors(net: FlatTable) -> frozenset[int]:
    ranges = {each.integer(_TENSOR): each.table(_RANGE) for each in net.tables(_NET_DESCRIPTIONS)}
    return frozenset(
        tensor for tensor, kept in ranges.items() if kept and kept.integer(_RANGE_TYPE) == _INT8
    )


def operator_tables(net: FlatTable) -> tuple[FlatTable, ...]:
    """Return the table of each operator of the main graph, in the order of the file."""
    return net.tables(_NET_OPERATORS)


def operators_with_bodies(net: FlatTable) -> Iterator[tuple[str, FlatTable]]:
    """Yield the table of each operator, of bodies of loops and branches too, and a name of its own.

    Names in bodies begin with the body's.
    """
    for operator in operator_tables(net):
        yield operator.text(_NAME), operator
    for body in net.tables(_NET_BODIES):
        for operator in body.tables(_BODY_OPERATORS):
            yield f"{body.text(_BODY_NAME)}: {operator.text(_NAME)}", operator


def parameters(operator: FlatTable) -> tuple[int, FlatTable | None]:
    """Return the parameters of an operator, and which of the schema's OpParameter they are."""
    kind = operator.byte(_PARAMETERS_TYPE)
    return kind, operator.table(_PARAMETERS) if kind else None


def _operator(index: int, table: FlatTable) -> MnnOperator:
    number = table.integer(_TYPE)
    kind, found = parameters(table)
    return MnnOperator(
        index=index,
        name=table.text(_NAME),
        type=TYPE_NAMES.get(number, f"operator {number}"),
        inputs=table.integers(_INPUTS),
        outputs=table.integers(_OUTPUTS),
        convolution=_convolution(found) if kind == CONVOLUTION and found is not None else None,
    )


def _convolution(table: FlatTable) -> MnnConvolution | None:
    common, coded = table.table(_COMMON), table.table(_QUANTISED)
    if common is None:
        return None
    return MnnConvolution(
        kernel=(common.integer(3, 1), common.integer(2, 1)),
        strides=(common.integer(5, 1), common.integer(4, 1)),
        dilations=(common.integer(7, 1), common.integer(6, 1)),
        pads=common.integers(14) or (common.integer(1), common.integer(0)),
        groups=common.integer(9, 1),
        outputs=common.integer(10),
        relu=bool(common.byte(12)),
        relu6=bool(common.byte(13)),
        weight=table.span(_WEIGHT, 4),
        bias=table.span(_BIAS, 4),
        encoded=None if coded is None else coded.span(_BUFFER, 1),
        scales=None if coded is None else coded.span(_SCALES, 4),
        int8=_int8_steps(coded, table.table(_SYMMETRIC)),
    )


def _int8_steps(coded: FlatTable | None, symmetric: FlatTable | None) -> Int8Steps | None:
    if coded is None or symmetric is None or not coded.real(_SCALE_OUT):
        return None
    return Int8Steps(
        step_in=coded.real(_SCALE_IN),
        step_out=coded.real(_SCALE_OUT),
        zero_in=symmetric.signed_byte(_ZERO_IN),
        zero_out=symmetric.signed_byte(_ZERO_OUT),
        least=symmetric.signed_byte(_LEAST, -128),
        most=symmetric.signed_byte(_MOST, 127),
        winograd=symmetric.integers(_WINOGRAD),
    )

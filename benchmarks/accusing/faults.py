"""The faults that are made: one operator each, of every kind, early and late, in both formats."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.accusing import mnn_faults, onnx_faults
from benchmarks.accusing.mnn_faults import HARD_SWISH, SILU, MnnFault, activation, another_unary
from benchmarks.accusing.onnx_faults import (
    OnnxFault,
    in_bf16,
    in_fp16,
    in_int8,
    noisy,
    one_channel,
    operator,
    replaced,
    shifted,
    word,
)


@dataclass(frozen=True)
class Fault:
    """One fault in a copy of one model's file."""

    what: str
    model: str
    """As of `nets`, or the paper's."""
    node: str
    """Of the ONNX graph; the fault is in what MNN makes of it."""
    in_onnx: OnnxFault | None = None
    """Made in the .onnx file, which is converted then."""
    in_mnn: MnnFault | None = None
    """Made in the .mnn file."""
    bits: int = 32
    """Of each weight that the .mnn file keeps."""

    @property
    def file(self) -> str:
        """The kind of file that it is made in."""
        return "onnx" if self.in_mnn is None else "mnn"


def _mnn(what: str, model: str, node: str, made: MnnFault, bits: int = 32) -> Fault:
    return Fault(what, model, node, in_mnn=made, bits=bits)


_BIG, _SMALL, _OLD = "asymmnet_large_100", "asymmnet_small_035", "mbv3_small_100"
_weights, _bias, _scale = onnx_faults.weights, onnx_faults.bias, onnx_faults.scale

# fmt: off
FAULTS = (
    # Weights
    Fault("weights 1 % off", _BIG, "/stem/conv/Conv", _weights(noisy(0.01))),
    Fault("weights 1 % off", _BIG, "/blocks.7/depthwise/conv/Conv", _weights(noisy(0.01))),
    Fault("weights 5 % off", _BIG, "/blocks.14/project/conv/Conv", _weights(noisy(0.05))),
    Fault("one channel 5 % off", _BIG, "/blocks.9/expand/conv/Conv", _weights(one_channel(1.05))),
    Fault("one channel is 0", "resnet18", "/6/body/body.0/body.0.0/Conv", _weights(one_channel(0))),
    Fault("weights 1 % off", "resnet18", "/12/Gemm_Conv", _weights(noisy(0.01))),
    Fault("weights 1 % off", "vit_tiny", "Gemm_7", _weights(noisy(0.01))),
    Fault("weights 1 % off", "super_resolution", "/body/body.2/Conv", _weights(noisy(0.01))),
    _mnn("weights 1 % off", _BIG, "/blocks.4/se/reduce/Conv", mnn_faults.weights(noisy(0.01))),
    _mnn("one channel 5 % off", _SMALL, "/head/conv/Conv", mnn_faults.weights(one_channel(1.05))),
    _mnn("weights 1 % off", "shufflenet_v2", "/5/branch/branch.1/branch.1.0/Conv",
         mnn_faults.weights(noisy(0.01))),
    # Scale
    Fault("BatchNorm's scale 10 % off", _BIG, "/blocks.3/project/conv/Conv", _scale(1.1)),
    Fault("BatchNorm's scale 10 % off", "densenet", "/8/norm/BatchNormalization", _scale(1.1)),
    Fault("LayerNorm's scale 10 % off", "vit_tiny",
          "/encoders/encoders.1/after/LayerNormalization", _weights(one_channel(1.1))),
    _mnn("BatchNorm's scale 10 % off", "densenet", "/3/norm/BatchNormalization",
         mnn_faults.scale(one_channel(1.1))),
    _mnn("8-bit weights' scale 50 % off", _OLD, "/blocks.5/project/conv/Conv",
         mnn_faults.scale(one_channel(1.5)), bits=8),
    # Bias
    Fault("bias 5 % off", _OLD, "/blocks.2/depthwise/conv/Conv", _bias(shifted(0.05))),
    Fault("bias 10 % off", _BIG, "/blocks.10/se/expand/Conv", _bias(shifted(0.1))),
    Fault("bias 10 % off", "ssd_head", "/heads.1/Conv", _bias(shifted(0.1))),
    _mnn("bias 10 % off", "mobilenet_v2", "/5/project/project.0/Conv",
         mnn_faults.bias(shifted(0.1))),
    # Padding
    Fault("padding moved", _BIG, "/blocks.5/depthwise/conv/Conv", onnx_faults.pads_moved),
    Fault("padding moved", "resnet18", "/1/MaxPool", onnx_faults.pads_moved),
    _mnn("padding moved", _SMALL, "/blocks.8/depthwise/conv/Conv", mnn_faults.pads_moved),
    _mnn("padding moved", "unet", "/down.0/down.0.0/Conv", mnn_faults.pads_moved),
    # Activation
    Fault("ReLU left out", _BIG, "/blocks.1/expand/act/Relu", onnx_faults.removed),
    Fault("ReLU is ReLU6", "resnet18", "/7/Relu", replaced("Relu6")),
    Fault("ReLU is LeakyReLU", "resnet18", "/2/body/body.0/body.0.2/Relu", replaced("LeakyRelu")),
    Fault("hard-swish is swish", _BIG, "/blocks.6/expand/act/HardSwish", replaced("Swish")),
    Fault("hard-swish left out", _OLD, "/last/act/HardSwish", onnx_faults.removed),
    Fault("hard-swish left out", _SMALL, "/blocks.3/expand/act/HardSwish", onnx_faults.removed),
    Fault("hard-sigmoid is sigmoid", _BIG, "/blocks.4/se/gate/HardSigmoid", replaced("Sigmoid")),
    Fault("PReLU's slope 10 % off", "super_resolution", "/body/body.1/PRelu",
          _weights(one_channel(1.1))),
    Fault("tanh is sigmoid", "super_resolution", "/body/body.3/Tanh", replaced("Sigmoid")),
    _mnn("ReLU6 is ReLU", "mobilenet_v2", "/3/depthwise/depthwise.0/Conv", activation(relu=True)),
    _mnn("ReLU left out", _BIG, "/blocks.2/depthwise/conv/Conv", activation()),
    _mnn("ReLU put in", _BIG, "/blocks.12/project/conv/Conv", activation(relu=True)),
    _mnn("hard-swish is swish", _SMALL, "/last/act/HardSwish", another_unary(SILU)),
    _mnn("swish is hard-swish", "efficientnet", "/3/expand/expand.2/Mul",
         another_unary(HARD_SWISH)),
    # Precision
    Fault("weights in fp16", _BIG, "/blocks.8/expand/conv/Conv", _weights(in_fp16)),
    Fault("weights in bf16", _OLD, "/blocks.3/expand/conv/Conv", _weights(in_bf16)),
    Fault("weights in 8 bits", "efficientnet", "/7/project/project.0/Conv", _weights(in_int8)),
    Fault("weights in bf16", "vit_tiny", "/patches/Conv", _weights(in_bf16)),
    _mnn("weights in fp16", "resnet18", "/9/body/body.1/body.1.0/Conv",
         mnn_faults.weights(in_fp16)),
    _mnn("weights in 8 bits", _SMALL, "/blocks.1/depthwise/conv/Conv", mnn_faults.weights(in_int8)),
    # Order, and what else goes wrong with nodes that compute little
    Fault("concat in another order", _BIG, "/blocks.1/Concat", onnx_faults.inputs_swapped),
    Fault("concat in another order", _BIG, "/blocks.14/Concat", onnx_faults.inputs_swapped),
    Fault("concat in another order", "unet", "/Concat", onnx_faults.inputs_swapped),
    Fault("resized by nearest, not linear", "super_resolution", "/Resize", word("mode", "nearest")),
    Fault("axes in another order", "shufflenet_v2", "/5/Transpose",
          onnx_faults.transposed_otherwise),
    Fault("slice of the other half", "shufflenet_v2", "/3/Slice_1",
          onnx_faults.sliced_elsewhere(-12)),
    Fault("axes in another order", "vit_tiny", "/encoders/encoders.2/Transpose_2",
          onnx_faults.transposed_otherwise),
    Fault("sum is a difference", "resnet18", "/5/Add", operator("Sub")),
    _mnn("concat in another order", _SMALL, "/blocks.5/Concat", mnn_faults.inputs_swapped),
    _mnn("concat in another order", "densenet", "/9/Concat", mnn_faults.inputs_swapped),
    _mnn("concat in another order", "shufflenet_v2", "/6/Concat", mnn_faults.inputs_swapped),
)
# fmt: on

"""Which ONNX tensor each tensor of an .mnn file stands for, and which nodes made it.

The converter keeps the names of tensors, and names a fused operator's tensor after the last one of
the nodes that it took in. Where it made up a name, the file's graph says what lies between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from onnx import NodeProto

from asymm_deploy.engines.mnn_file import MnnFile, MnnOperator
from asymm_deploy.explain.placing.onnx_view import LAYOUT, OnnxView, attribute, types_of

_SAME_VALUES = types_of(
    "ConvertTensor Reshape Squeeze Unsqueeze Flatten ExpandDims Identity Dropout "
    "FloatToInt8 Int8ToFloat"
)
"""Operators whose output has the input's values in the same order."""

MOVES = _SAME_VALUES | types_of(
    "Concat Permute Transpose Slice SliceTf StridedSlice Padding Crop Pack Unpack Tile "
    "BroadcastTo DepthToSpace SpaceToDepth GatherV2 Gather Reverse SpaceToBatchND "
    "BatchToSpaceND Raster"
)
"""Operators that compute nothing: MNN copies values instead, several operators at once."""

CONVOLUTIONS = types_of(
    "Convolution ConvolutionDepthwise ConvInt8 DepthwiseConvInt8 Deconvolution "
    "DeconvolutionDepthwise Convolution3D ConvTranspose3D"
)

_FUSED = frozenset({"Relu", "Clip", "BatchNormalization"})
"""What an operator may take in while the file still names its tensor after the node before."""

_PRODUCT = "__matmul_converted"
"""What the converter puts after the name of a matrix product that became a convolution."""
_RASTER = re.compile(r"(.*)_raster_\d+\Z", re.DOTALL)
_GROUP = re.compile(r"(.*)___output___(\d+)\Z", re.DOTALL)


class ConvertedGraph:
    """The operators of an .mnn file beside the ONNX graph that they were converted from."""

    def __init__(self, file: MnnFile, view: OnnxView) -> None:
        self.file = file
        self.view = view
        self.makers: dict[int, MnnOperator] = {}
        self.readers: dict[int, list[MnnOperator]] = {}
        self._named: dict[str, MnnOperator] = {}
        for operator in file.operators:
            self._named.setdefault(operator.name, operator)
            self.makers |= dict.fromkeys(operator.outputs, operator)
            for tensor in operator.inputs:
                self.readers.setdefault(tensor, []).append(operator)
        self._known = frozenset(name for name in file.tensors if view.has(name))
        self._stands: dict[int, str] = {}
        self._match()
        self.boundary = frozenset(self._stands.values()) | view.inputs

    def owner(self, observed: str) -> MnnOperator | None:
        """Return the file's operator that an operator of this name was run for."""
        found = self._named.get(observed)
        while found is None:
            match = _RASTER.fullmatch(observed)
            if match is None:
                return None
            observed = match[1]
            found = self._named.get(observed)
        return found

    def stands_for(self, tensor: int) -> str | None:
        """Return the ONNX tensor that has the values of the file's tensor, in the same order."""
        return self._stands.get(tensor)

    def channels_of(self, tensor: int) -> tuple[str, int] | None:
        """Return the ONNX tensor of which the file's tensor is a group of channels, and which."""
        match = _GROUP.fullmatch(self.file.tensors[tensor])
        return (match[1], int(match[2])) if match and self.view.has(match[1]) else None

    def ends_in(self, operator: MnnOperator) -> str | None:
        """Return the first ONNX tensor that comes of an operator, its own or a later one's."""
        waiting = [operator]
        seen = set()
        while waiting:
            at = waiting.pop(0)
            for tensor in at.outputs:
                if tensor in self._stands:
                    return self._stands[tensor]
                for reader in self.readers.get(tensor, []):
                    if reader.index not in seen:
                        seen.add(reader.index)
                        waiting.append(reader)
        return None

    def nodes_of(self, tensor: str) -> list[NodeProto]:
        """Return the nodes that make an ONNX tensor of those that the file has, its maker first."""
        return self.view.between(tensor, self.boundary)

    def copied_through(self, tensor: str, read: set[str]) -> list[NodeProto]:
        """Return the nodes through which a copy of ``read`` becomes ``tensor``.

        With them those that compute, and that the file doesn't have: somebody left them out.
        """
        found = self.view.between(tensor, read, LAYOUT)
        known = self.boundary | read
        for name in [each for node in found for each in node.input if each not in known]:
            maker = self.view.maker.get(name)
            if maker is not None and maker.op_type not in LAYOUT:
                found += self.view.between(name, known)
        return found

    def upstream(self, operator: MnnOperator) -> Iterator[int]:
        """Yield the tensors that an operator reads, and those that these were copied from."""
        waiting = list(operator.inputs)
        seen = set(waiting)
        while waiting:
            tensor = waiting.pop(0)
            yield tensor
            maker = self.makers.get(tensor)
            if maker is not None and maker.type in MOVES:
                waiting += [each for each in maker.inputs if each not in seen]
                seen.update(maker.inputs)

    def copied_from(self, tensor: int) -> set[str]:
        """Return the ONNX tensors that a tensor of the file is a copy of, itself included."""
        found: set[str] = set()
        waiting, seen = [tensor], {tensor}
        while waiting:
            at = waiting.pop()
            found |= {self._stands[at]} if at in self._stands else set()
            maker = self.makers.get(at)
            if maker is not None and maker.type in MOVES:
                waiting += [each for each in maker.inputs if each not in seen]
                seen.update(maker.inputs)
        return found

    def _match(self) -> None:
        for operator in self.file.operators:
            for tensor in operator.outputs:
                reads = operator.type in MOVES
                name = self._copied(operator, tensor) if reads else self._made(operator, tensor)
                if name is not None:
                    self._stands[tensor] = name
        for operator in reversed(self.file.operators):
            if operator.type in _SAME_VALUES and operator.outputs and operator.inputs:
                source, made = operator.inputs[0], operator.outputs[0]
                if source not in self._stands and made in self._stands:
                    self._stands[source] = self._stands[made]

    def _copied(self, operator: MnnOperator, tensor: int) -> str | None:
        """Return what the output of an operator that only moves values stands for.

        Where the converter put what comes after it before it, its tensor has a wrong name.
        """
        source = self._stands.get(operator.inputs[0]) if operator.inputs else None
        if operator.type not in _SAME_VALUES:
            source = None
        name, own = self._in_onnx(self.file.tensors[tensor]), self._in_onnx(operator.name)
        if name is None or (source is not None and not self.view.is_laid_out(name, source)):
            return source
        maker = self.view.maker.get(name)
        if own is None or maker is None or maker is self.view.maker.get(own):
            return self._last_fused(name)
        return source if maker.op_type in LAYOUT else name

    def _made(self, operator: MnnOperator, tensor: int) -> str | None:
        """Return what the output of an operator that computes stands for."""
        name = self._in_onnx(self.file.tensors[tensor])
        own = self._in_onnx(operator.name.removesuffix(_PRODUCT))
        if name is not None and (own is None or self.view.is_after(name, own)):
            return self._last_fused(name)
        if own is not None:
            after = self.view.sole_reader(own)
            if after is not None and after.op_type in _FUSED:
                # A product takes it in as well, and then the copies behind it have its name.
                last: str = after.output[0]
                own = last if self._carried(tensor, last) else own
            carried = operator.name.endswith(_PRODUCT) or self._carried(tensor, own)
            return own if carried else None
        source = self._stands.get(operator.inputs[0]) if operator.inputs else None
        if operator.type not in CONVOLUTIONS or source is None:
            return None
        node = self._convolution_of(operator, source)
        return None if node is None else self._last_fused(node.output[0])

    def _in_onnx(self, name: str) -> str | None:
        return name if self.view.has(name) else None

    def _carried(self, tensor: int, name: str) -> bool:
        """Whether the tensor becomes the one called ``name``, its values in the same order."""
        waiting, seen = [tensor], {tensor}
        while waiting:
            for reader in self.readers.get(waiting.pop(), []):
                if reader.type not in _SAME_VALUES or reader.outputs[0] in seen:
                    continue
                if self.file.tensors[reader.outputs[0]] == name:
                    return True
                seen.add(reader.outputs[0])
                waiting.append(reader.outputs[0])
        return False

    def _last_fused(self, name: str) -> str:
        """Return the last tensor of those that were fused after ``name``: no other has a name."""
        while True:
            node = self.view.sole_reader(name)
            if node is None or node.op_type not in _FUSED or node.output[0] in self._known:
                return name
            name = node.output[0]

    def _convolution_of(self, operator: MnnOperator, source: str) -> NodeProto | None:
        """Return the node that a convolution without a name was, by what it reads."""
        wanted = operator.convolution
        taken = set(self._stands.values())
        for node in self.view.readers.get(source, []):
            if node.op_type not in ("Conv", "ConvTranspose") or node.output[0] in self._known:
                continue
            if self._last_fused(node.output[0]) in taken:
                continue
            weight = self.view.weights.get(node.input[1])
            if wanted is None or weight is None:
                return node
            kernel = tuple(weight.dims[2:])
            groups = attribute(node, "group")
            outputs = weight.dims[0]
            if node.op_type == "ConvTranspose":
                outputs = weight.dims[1] * (groups if isinstance(groups, int) else 1)
            if outputs == wanted.outputs and (len(kernel) != 2 or kernel == wanted.kernel):
                return node
        return None

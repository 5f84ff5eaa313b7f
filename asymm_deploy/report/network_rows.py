"""A network as it was built, in the rows and columns of Tables 3 and 4; torch is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.models.cost import LayerCost
from asymm_deploy.models.names import parse


@dataclass(frozen=True, slots=True)
class BuiltRow:
    """One row: a layer, or a block of several. None is what the paper's columns leave out."""

    input: str
    """height x width x channels"""
    operator: str
    kernel: int | None
    expanded: int | None
    """The paper's p: what the first pointwise convolution would make at rate 0."""
    out: int | None
    stride: int | None
    madds: int
    params: int
    """BatchNorm's scale and shift included."""


def built_rows(name: str) -> list[BuiltRow]:
    """Return the rows of the AsymmNet called ``name``, from its layers as they run."""
    from asymm_deploy.models.build import build_meta
    from asymm_deploy.models.complexity import count_spec

    spec = parse(name)
    layers = count_spec(spec).layers
    parameters = dict(build_meta(spec).named_parameters())
    _, channels, height, width = spec.input_shape
    blocks = [f"blocks.{index}" for index in range(len(spec.rows))]
    rows = []
    for part in ("stem", *blocks, "last", "pool", "head", "classifier"):
        own = [layer for layer in layers if f"{layer.name}.".startswith(f"{part}.")]
        params = sum(p.numel() for path, p in parameters.items() if path.startswith(f"{part}."))
        madds = sum(layer.madds for layer in own)
        given = f"{height}x{width}x{channels}"
        if part == "pool":  # over the whole map; a stride means nothing, and the paper writes 1
            rows.append(BuiltRow(given, "avgpool", height, None, None, 1, madds, params))
            height = width = 1
            continue
        channels, *map_size = own[-1].output_shape[1:]
        height, width = map_size or (1, 1)
        if part in blocks:
            depthwise = next(layer for layer in own if layer.kind == "depthwise")
            kernel, stride = depthwise.kernel[0], depthwise.stride[0]
            expanded = _expanded(own, depthwise)
            row = BuiltRow(given, "asymm-bneck", kernel, expanded, channels, stride, madds, params)
        else:
            # A linear layer is the 1x1 convolution of a 1x1 map that the paper calls it.
            kernel, stride = (own[0].kernel or (1,))[0], (own[0].stride or (1,))[0]
            row = BuiltRow(given, "conv2d", kernel, None, channels, stride, madds, params)
        rows.append(row)
    return rows


def _expanded(block: Sequence[LayerCost], depthwise: LayerCost) -> int:
    """Return p: the first pointwise makes r * c channels fewer, the depthwise sees r * c more."""
    seen = depthwise.output_shape[1]
    if block[0] is depthwise:  # nothing is expanded
        return seen
    return (block[0].output_shape[1] + seen) // 2

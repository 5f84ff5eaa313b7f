"""Count a module's multiply-adds and parameters by running it once and watching its operators.

Watching torch's operators rather than the types of modules counts functional calls, attention and
modules that we have never seen like everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from asymm_deploy.errors import UsageError
from asymm_deploy.models.build import build_meta
from asymm_deploy.models.cost import Complexity, LayerCost, LayerKind, convolution_kind
from asymm_deploy.models.spec import NetSpec

_aten = torch.ops.aten


def count(module: nn.Module, *inputs: Tensor) -> Complexity:
    """Return the multiply-adds and parameters of ``module(*inputs)`` in evaluation mode.

    The module is left as it was: training flags, buffers, gradients, hooks and the state of the
    random generators. Modules and inputs on the meta device are counted without computing
    anything. The count of a transposed convolution includes the outputs that it crops away.
    Raises UsageError if the module can't be run on these inputs.
    """
    for name, parameter in module.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise UsageError(
                f"{name} of {type(module).__name__} has no shape yet",
                "run the lazy module once, on an input of the right shape, before returning it",
            )
    module = getattr(module, "_orig_mod", module)  # what torch.compile wrapped
    operators = _Operators(module)
    with _as_found(module), operators.following_modules(), torch.no_grad(), operators:
        try:
            module(*(tensor.detach().clone() for tensor in inputs))
        except Exception as error:
            shapes = "; ".join(",".join(map(str, tensor.shape)) for tensor in inputs)
            raise UsageError(
                f"{type(module).__name__} fails on inputs of shape {shapes}: "
                f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}",
                "give the shapes that its forward takes, each with --input-shape",
            ) from error
    return Complexity(
        layers=tuple(operators.layers),
        params=sum(parameter.numel() for parameter in module.parameters()),
        uncounted=tuple(operators.uncounted),
    )


def count_spec(spec: NetSpec) -> Complexity:
    """Return the cost of the network ``spec`` at its input shape, without allocating weights."""
    return count(build_meta(spec), torch.empty(spec.input_shape, device="meta"))


@contextmanager
def _as_found(module: nn.Module) -> Iterator[None]:
    """Put the module into evaluation mode, and restore everything afterwards."""
    # Without train() and eval(): modules override them, with effects that train() may not undo.
    training = [(child, child.training) for child in module.modules()]
    buffers = [
        (child, name, buffer, None if buffer is None else buffer.clone())
        for child in module.modules()
        for name, buffer in child._buffers.items()
    ]
    # The fast path hides a whole encoder layer in one operator.
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=cuda):
        torch.backends.mha.set_fastpath_enabled(False)
        for child, _ in training:
            child.training = False
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_attention)
            for child, mode in training:
                child.training = mode
            for child, name, buffer, before in buffers:
                child._buffers[name] = buffer
                if buffer is None or before is None or buffer.is_meta:
                    continue
                if not torch.equal(buffer, before):
                    with torch.no_grad():
                        buffer.copy_(before)


# What one operator costs: kind, MAdds and a convolution's geometry.
_Cost = tuple[str, LayerKind, int, dict[str, Any]]


def _convolution(args: Sequence[Any], out: Tensor) -> _Cost:
    """aten.convolution(input, weight, bias, stride, padding, dilation, transposed, _, groups)."""
    source, weight, _, stride, _, dilation, transposed, _, groups = args[:9]
    kernel = tuple(weight.shape[2:])
    in_channels = source.shape[1]
    # The weight is (out, in / groups, ...), or (in, out / groups, ...) if transposed; either way
    # each position of one side meets shape[1] x kernel numbers.
    positions = source if transposed else out
    operator = f"conv{'_transpose' if transposed else ''}{len(kernel)}d"
    geometry = {
        "kernel": kernel,
        "stride": _by_axis(stride, kernel),
        "dilation": _by_axis(dilation, kernel),
        "groups": groups,
    }
    madds = positions.numel() * prod(weight.shape[1:])
    return operator, convolution_kind(kernel, groups, in_channels), madds, geometry


def _by_axis(sizes: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
    return tuple(sizes) * len(kernel) if len(sizes) == 1 else tuple(sizes)


def _product(left: int) -> Callable[[Sequence[Any], Tensor], _Cost]:
    """Return a function for the cost of a product that sums the last axis of argument ``left``."""

    def cost(args: Sequence[Any], out: Tensor) -> _Cost:
        return "matmul", "classifier", out.numel() * args[left].shape[-1], {}

    return cost


def _addbmm(args: Sequence[Any], _: Tensor) -> _Cost:
    """Return the cost of out[i, j] += left[b, i, k] right[b, k, j], summed over the batch too."""
    return "matmul", "classifier", args[1].numel() * args[2].shape[-1], {}


def _attention(args: Sequence[Any], _: Tensor) -> _Cost:
    """Return the cost of Q K^T and of its product with V; each is (..., length, width)."""
    query, key, value = args[:3]
    rows = prod(query.shape[:-1])
    madds = rows * key.shape[-2] * (query.shape[-1] + value.shape[-1])
    return "attention", "classifier", madds, {}


def _mkldnn_rnn_layer(args: Sequence[Any], _: Tensor) -> _Cost:
    """Return the cost of one direction of an LSTM layer: both weights at each (time, batch)."""
    source, by_input, by_state = args[:3]
    steps = source.shape[0] * source.shape[1]
    return "lstm", "classifier", steps * (by_input.numel() + by_state.numel()), {}


_COSTS: dict[Any, Callable[[Sequence[Any], Tensor], _Cost]] = {
    _aten.convolution: _convolution,
    _aten._convolution: _convolution,  # what traced modules call
    _aten.mm: _product(0),
    _aten.bmm: _product(0),
    _aten.mv: _product(0),
    _aten.dot: _product(0),
    _aten.addmm: _product(1),
    _aten.baddbmm: _product(1),
    _aten.addmv: _product(1),
    _aten.addbmm: _addbmm,
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    _aten._scaled_dot_product_flash_attention: _attention,
    _aten._scaled_dot_product_efficient_attention: _attention,
    _aten._scaled_dot_product_cudnn_attention: _attention,
    _aten._scaled_dot_product_fused_attention_overrideable: _attention,
    _aten.mkldnn_rnn_layer: _mkldnn_rnn_layer,
}

# Operators that may take a weight and multiply nothing that we count, besides views and what torch
# itself tags as element-wise or as a reduction. A test tries each.
_FREE = {
    _aten._log_softmax,
    _aten._prelu_kernel,
    _aten._softmax,
    _aten._to_copy,
    _aten._unsafe_view,
    _aten._weight_norm_interface,
    _aten._unsafe_index,
    _aten.cat,
    _aten.constant_pad_nd,
    _aten.embedding,
    _aten._embedding_bag,
    _aten._embedding_bag_forward_only,
    _aten.empty_like,
    _aten.flip,
    _aten.full_like,
    _aten.gather,
    _aten.index,
    _aten.index_select,
    _aten.lift_fresh_copy,
    _aten.native_batch_norm,
    _aten.native_group_norm,
    _aten.native_layer_norm,
    _aten.ones_like,
    _aten.repeat,
    _aten.roll,
    _aten.split_with_sizes_copy,
    _aten.stack,
    _aten.tril,
    _aten.triu,
    _aten.unsafe_split,
    _aten.upsample_bicubic2d,
    _aten.upsample_bilinear2d,
    _aten.zeros_like,
}
_FREE_TAGS = {torch.Tag.pointwise, torch.Tag.reduction, torch.Tag.inplace_view}

# On the meta device only shapes matter. Torch finds those of the operators below by running Python
# decompositions, which would take two thirds of the time to count one of our networks.
_KEEPS_SHAPE = {
    _aten.hardsigmoid.default,
    _aten.hardswish.default,
    _aten.hardtanh.default,
    _aten.relu.default,
}


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's __init_subclass__
    """Sees every operator that runs, below autograd, and records those that cost something."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.layers: list[LayerCost] = []
        self.uncounted: dict[str, None] = {}  # an ordered set
        self._paths = {id(child): path for path, child in module.named_modules()}
        self._running: list[nn.Module] = []
        self._parameters_seen: set[int] = set()
        # By id: a tensor computed from parameters alone, and those parameters. Keeping the tensor
        # here keeps its id from being reused.
        self._made_of: dict[int, tuple[Tensor, frozenset[nn.Parameter]]] = {
            id(parameter): (parameter, frozenset((parameter,))) for parameter in module.parameters()
        }

    @contextmanager
    def following_modules(self) -> Iterator[None]:
        """Track which module is running, with global hooks instead of hooks on the modules."""
        entered = register_module_forward_pre_hook(lambda m, _: self._running.append(m))
        left = register_module_forward_hook(self._left, always_call=True)
        try:
            yield
        finally:
            entered.remove()
            left.remove()

    def _left(self, *_: object) -> None:
        self._running.pop()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operator and record its cost."""
        kwargs = kwargs or {}
        if func.overloadpacket not in _COSTS and not _is_free(func):
            with self:  # in inference mode torch passes composite operators: decompose them
                parts_result = func.decompose(*args, **kwargs)
            if parts_result is not NotImplemented:
                return parts_result
        result = _shape_only(func, args)
        if result is None:
            result = func(*args, **kwargs)
        self._note(func, args, kwargs, result)
        return result

    def _note(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        leaves = tree_leaves((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        weights = [tensor for tensor in tensors if id(tensor) in self._made_of]
        parameters = frozenset[nn.Parameter]().union(
            *(self._made_of[id(weight)][1] for weight in weights)
        )
        has_matrix = any(weight.dim() >= 2 for weight in weights)
        packed = any(isinstance(leaf, torch.ScriptObject) for leaf in leaves)  # quantised weights
        if func.overloadpacket in _COSTS:
            self._add_layer(func, args, result, parameters, by_weight=has_matrix)
        elif not _is_free(func):
            if has_matrix or packed:
                self.uncounted[f"{func.overloadpacket.__name__} in {self._place()}"] = None
        elif weights and len(weights) == len(tensors):
            for made in tree_leaves(result):
                if isinstance(made, Tensor):
                    self._made_of[id(made)] = (made, parameters)

    def _add_layer(
        self,
        func: Any,
        args: tuple[Any, ...],
        result: Any,
        parameters: frozenset[nn.Parameter],
        *,
        by_weight: bool,
    ) -> None:
        out = result[0] if isinstance(result, (tuple, list)) else result
        operator, kind, madds, geometry = _COSTS[func.overloadpacket](args, out)
        if operator == "matmul" and by_weight:
            operator = "linear"
        fresh = [
            parameter for parameter in parameters if id(parameter) not in self._parameters_seen
        ]
        self._parameters_seen.update(map(id, fresh))
        self.layers.append(
            LayerCost(
                name=self._layer_name(operator, parameters),
                operator=operator,
                kind=kind,
                output_shape=tuple(out.shape),
                madds=madds,
                params=sum(parameter.numel() for parameter in fresh),
                **geometry,
            )
        )

    def _place(self) -> str:
        """Return the path of the innermost running module that belongs to the network."""
        for module in reversed(self._running):
            path = self._paths.get(id(module))
            if path is not None:
                return path or type(module).__name__
        return "the forward"

    def _layer_name(self, operator: str, parameters: frozenset[nn.Parameter]) -> str:
        """Return the path of the module whose ``weight`` was used, or of another ``..._weight``.

        If no such parameter was used, return the running module's path and the operator.
        """
        if not self._running:
            return operator
        module = self._running[-1]
        path = self._paths.get(id(module), "")
        for name, parameter in module.named_parameters():
            if parameter in parameters and name.endswith("weight"):
                own = "" if name == "weight" else name.removesuffix(".weight")
                return ".".join(filter(None, (path, own))) or operator
        return ".".join(filter(None, (path, operator)))


def _is_free(func: Any) -> bool:
    return func.is_view or func.overloadpacket in _FREE or not _FREE_TAGS.isdisjoint(func.tags)


def _shape_only(func: Any, args: tuple[Any, ...]) -> Any:
    """Return the result on the meta device of an operator that keeps its input's shape, or None."""
    if not (args and isinstance(args[0], Tensor) and args[0].is_meta):
        return None
    if func in _KEEPS_SHAPE:
        return torch.empty_like(args[0])
    if func is _aten.native_batch_norm.default:
        return torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0)
    return None

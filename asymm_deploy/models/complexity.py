"""Count a module's multiply-adds and parameters by running it once and watching its operators.

Watching torch's operators rather than the types of modules counts functional calls, attention and
modules that we have never seen like everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
from asymm_deploy.models.cost import Complexity, LayerCost
from asymm_deploy.models.operator_costs import OPERATOR_COSTS, is_free, shape_only
from asymm_deploy.models.spec import NetSpec


def count(module: nn.Module, *inputs: Tensor, **keywords: Tensor) -> Complexity:
    """Return the multiply-adds and parameters of ``module(*inputs, **keywords)``.

    The module runs in evaluation mode and is left as it was: training flags, buffers, gradients,
    hooks and the state of the random generators. Modules and inputs on the meta device are counted
    without computing anything. The count of a transposed convolution includes the outputs that it
    crops away.
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
            module(
                *(tensor.detach().clone() for tensor in inputs),
                **{name: tensor.detach().clone() for name, tensor in keywords.items()},
            )
        except Exception as error:
            tensors = (*inputs, *keywords.values())
            shapes = "; ".join(",".join(map(str, tensor.shape)) for tensor in tensors)
            raise UsageError(
                f"{type(module).__name__} fails on inputs of shape {shapes}: "
                f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}",
                "give the shapes that its forward takes, each with --input-shape, and the types of "
                "those that are not float32: ids=1,128:int64",
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


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's __init_subclass__
    """Sees every operator that runs, below autograd, and records those that cost something."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep torch from importing torch.compile's machinery, a second, to not compile this."""
        return False

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
        if func.overloadpacket not in OPERATOR_COSTS and not is_free(func):
            with self:  # in inference mode torch passes composite operators: decompose them
                parts_result = func.decompose(*args, **kwargs)
            if parts_result is not NotImplemented:
                return parts_result
        result = shape_only(func, args)
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
        if func.overloadpacket in OPERATOR_COSTS:
            self._add_layer(func, args, result, parameters, by_weight=has_matrix)
        elif not is_free(func):
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
        operator, kind, madds, geometry = OPERATOR_COSTS[func.overloadpacket](args, out)
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

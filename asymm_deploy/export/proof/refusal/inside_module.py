"""The first of a module's layers whose output its ONNX graph doesn't give."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.export.proof.graph_values import graph_values
from asymm_deploy.export.proof.refusal.culprit import Culprit, differing, module_path
from asymm_deploy.export.proof.user_module import UserModule

if TYPE_CHECKING:
    import onnx
    import torch


def culprit_in_module(
    module: torch.nn.Module, graph: onnx.ModelProto, sample: Arrays
) -> Culprit | None:
    """Return the first operator that ends a layer whose output differs from PyTorch's.

    ``graph`` is what torch's exporter made of ``module``; it names nodes after their layers. None
    where no layer's output differs, or where the layers can't be told apart.
    """
    outputs = _outputs_of_layers(module, sample)
    last = {module_path(node.name): node for node in graph.graph.node if node.output[0]}
    wanted = {path: node for path, node in last.items() if path in outputs}
    values = graph_values(graph, [sample], [node.output[0] for node in wanted.values()])
    if values is None:
        return None
    for path, node in wanted.items():
        apart = differing(outputs[path], values[0][node.output[0]])
        if apart is not None:
            return Culprit(node.op_type, node.name, *apart)
    return None


def _outputs_of_layers(module: torch.nn.Module, sample: Arrays) -> Arrays:
    """Return what each layer that has no layers inside gives, by its path, on the first call."""
    import torch

    found: Arrays = {}

    def keep(path: str, output: object) -> None:
        if isinstance(output, torch.Tensor) and path not in found:
            found[path] = output.detach().numpy(force=True).copy()

    hooks = [
        layer.register_forward_hook(lambda _layer, _given, output, path=path: keep(path, output))
        for path, layer in module.named_modules()
        if path and not any(True for _child in layer.children())
    ]
    try:
        with contextlib.suppress(Exception):  # what ran until then counts
            UserModule(module, list(sample)).outputs(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return found

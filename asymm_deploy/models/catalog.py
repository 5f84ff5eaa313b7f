"""What ``asymm-deploy models`` lists and ``describe`` counts."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.models.names import known, parse

if TYPE_CHECKING:
    from asymm_deploy.models.cost import Complexity
    from asymm_deploy.models.source import CallableModule, NamedNetwork


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One network, in the columns of ``asymm-deploy models --format csv``."""

    name: str
    input_shape: tuple[int, ...]
    """(batch, 3, height, width)"""
    madds: int
    params: int


def matching(pattern: str | None = None) -> tuple[str, ...]:
    """Return the names of the paper's networks that ``pattern`` fits: a glob, or a part of a name.

    The name of any other network that builds fits itself. Raises UsageError if none does.
    """
    if pattern is None:
        return known()
    glob = pattern if any(char in pattern for char in "*?[") else f"*{pattern}*"
    names = tuple(name for name in known() if fnmatchcase(name, glob))
    if names:
        return names
    try:
        return (parse(pattern).name,)
    except UsageError as error:
        raise UsageError(f"no model fits: {error.what}", error.hint) from error


def catalog(pattern: str | None = None) -> tuple[CatalogEntry, ...]:
    """Return the networks that ``matching(pattern)`` names, with their counts."""
    from asymm_deploy.models.complexity import count_spec

    entries = []
    for spec in map(parse, matching(pattern)):
        cost = count_spec(spec)
        entries.append(CatalogEntry(spec.name, spec.input_shape, cost.madds, cost.params))
    return tuple(entries)


def count_source(source: NamedNetwork | CallableModule) -> Complexity:
    """Return the layers of a network or of what a callable makes, for its input shapes.

    Inputs of a callable's module are zeros of float32. Raises UsageError if it can't be made or
    run. An .onnx file is counted by ``onnx_cost.count_graph``.
    """
    import torch

    from asymm_deploy.models.complexity import count, count_spec
    from asymm_deploy.models.source import NamedNetwork, load_callable

    if isinstance(source, NamedNetwork):
        return count_spec(source.spec)
    return count(load_callable(source), *(torch.zeros(s.shape) for s in source.input_shapes))

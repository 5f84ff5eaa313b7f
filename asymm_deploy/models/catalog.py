"""The networks that ``asymm-deploy models`` lists, and the counts that ``describe`` shows."""

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
    """Return the paper's networks whose names match ``pattern``: a glob, or a part of a name.

    Any other network that can be built matches its own name. Raises UsageError if nothing matches.
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
        raise UsageError(f"no model matches: {error.what}", error.hint) from error


def catalog(pattern: str | None = None) -> tuple[CatalogEntry, ...]:
    """Return the networks of ``matching(pattern)`` with their counts."""
    from asymm_deploy.models.complexity import count_spec

    entries = []
    for spec in map(parse, matching(pattern)):
        cost = count_spec(spec)
        entries.append(CatalogEntry(spec.name, spec.input_shape, cost.madds, cost.params))
    return tuple(entries)


def count_source(source: NamedNetwork | CallableModule) -> Complexity:
    """Return the layers of a network, or of the module that a callable returns.

    A callable's module runs on zeros of its inputs' shapes and types, or on the end of their range
    that is nearest. Raises UsageError if it can't be made or run. ``onnx_cost.count_graph`` counts
    .onnx files.
    """
    import numpy as np
    import torch

    from asymm_deploy.models.complexity import count, count_spec
    from asymm_deploy.models.source import NamedNetwork, load_callable

    if isinstance(source, NamedNetwork):
        return count_spec(source.spec)
    arrays = []
    for given in source.input_shapes:
        low, high = given.values or (0, 0)
        value = min(max(low, 0), high)
        arrays.append(np.full(given.shape, value, given.dtype or "float32"))
    return count(load_callable(source), *map(torch.from_numpy, arrays))

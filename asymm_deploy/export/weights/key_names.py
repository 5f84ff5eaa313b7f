"""From the names of tensors in a file to those in a module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asymm_deploy.export.weights import authors

if TYPE_CHECKING:
    import torch

_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""Steps that DataParallel, torch.compile and others put into names, at any depth."""
UNUSED = ("n_averaged", "total_ops", "total_params", "position_ids", "masked_bias")
"""Last steps of names that need no place: an average's count, thop's counts, constants."""
COUNTER = "num_batches_tracked"
"""BatchNorm's count of batches: older files lack it, and nothing uses it."""
_TRIED = 20


@dataclass(frozen=True)
class Renaming:
    """One way to read the names of a file."""

    names: dict[str, str]
    """The module's name by the file's."""
    done: str = ""
    """What was done, for the user; empty where the names are taken as they are."""
    prefix: str = ""
    """What was stripped."""
    dropped: tuple[str, ...] = ()
    """Names of the file without the prefix: of another network beside this one."""
    by_position: bool = False
    """Whether names were given by the order of the tensors."""


def renamings(
    given: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], *, is_mxnet: bool
) -> Iterator[Renaming]:
    """Yield the ways to try, the one that changes least first."""
    yield Renaming({name: name for name in given})
    bare = {name: _without_wrappers(name) for name in given}
    if _is_new(bare):
        yield Renaming(bare, f"without {_wrappers_in(given)} in its names")
    yield from _stripped(given, wanted)
    if _is_new(bare):
        for one in _stripped(list(bare.values()), wanted):
            names = {name: one.names[bare[name]] for name in given if bare[name] in one.names}
            dropped = tuple(name for name in given if bare[name] in one.dropped)
            yield Renaming(names, f"{one.done}, and {_wrappers_in(given)}", one.prefix, dropped)
    stripped = _to_first_block(given)
    if stripped is not None:
        ours = {name: authors.our_name(short) for name, short in stripped.items()}
        yield Renaming(ours, "with the names of the paper's authors")
    if is_mxnet and (placed := authors.by_position(given, wanted)) is not None:
        done = "in the order of MXNet's layers, whose shapes all agree"
        yield Renaming(placed, done, by_position=True)
    for prefix in _prefixes(wanted, given):
        if prefix and all(name.startswith(prefix) for name in wanted if not _is_unused(name)):
            yield Renaming({name: prefix + name for name in given}, f"with {prefix!r} put in front")


def strip(given: Mapping[str, torch.Tensor], prefix: str) -> dict[str, str] | None:
    """Return the short name of each name that begins with ``prefix``, or None if none does.

    The dot between a prefix and what follows may be left out.
    """
    if not prefix.endswith(".") and any(name.startswith(f"{prefix}.") for name in given):
        prefix += "."
    found = {name: name[len(prefix) :] for name in given if name.startswith(prefix)}
    return {name: short for name, short in found.items() if short} or None


def _stripped(
    names: Mapping[str, torch.Tensor] | list[str],
    wanted: Mapping[str, torch.Tensor],
) -> Iterator[Renaming]:
    for prefix in _prefixes(names, wanted):
        if prefix:
            inside = {name: name[len(prefix) :] for name in names if name.startswith(prefix)}
            outside = tuple(n for n in names if n not in inside and not _is_unused(n))
            yield Renaming(inside, f"without {prefix!r}", prefix, outside)


def _prefixes(
    longer: Mapping[str, torch.Tensor] | list[str], shorter: Mapping[str, torch.Tensor]
) -> list[str]:
    """Return what comes before the first names of ``shorter`` in ``longer``, shortest first."""
    found: dict[str, None] = {}
    for short in [name for name in shorter if not _is_unused(name)][:_TRIED]:
        for name in longer:
            prefix = name.removesuffix(short)
            if name.endswith(f".{short}") or not prefix:
                found[prefix] = None
    return sorted(found, key=len)[:_TRIED]


def _to_first_block(given: Mapping[str, torch.Tensor]) -> dict[str, str] | None:
    """Return the authors' names without what is in front of them; None in any other file."""
    first = "first_block.0.weight"
    prefix = next((n.removesuffix(first) for n in given if n.endswith(first)), None)
    if prefix is None:
        return None
    short = {name: name.removeprefix(prefix) for name in given}
    return short if authors.is_of_the_authors(set(short.values())) else None


def _without_wrappers(name: str) -> str:
    return ".".join(step for step in name.split(".") if step not in _WRAPPERS)


def _wrappers_in(given: Mapping[str, torch.Tensor]) -> str:
    steps = {step for name in given for step in name.split(".")}
    return ", ".join(repr(f"{wrapper}.") for wrapper in _WRAPPERS if wrapper in steps)


def _is_new(names: Mapping[str, str]) -> bool:
    """Return whether any name changed, and no two became one."""
    changed = any(name != short for name, short in names.items())
    return changed and len(set(names.values())) == len(names)


def _is_unused(name: str) -> bool:
    return name.rpartition(".")[2] in (*UNUSED, COUNTER)

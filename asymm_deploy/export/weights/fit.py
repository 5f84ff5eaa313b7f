"""How well a set of weights fits a module, and what to say where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.export.weights.key_names import COUNTER, UNUSED, Renaming, renamings

if TYPE_CHECKING:
    import torch

_SHOWN_KEYS = 5


@dataclass(frozen=True)
class Wanted:
    """What a module takes."""

    tensors: Mapping[str, torch.Tensor]
    """Its state_dict."""
    constants: Mapping[str, torch.Tensor]
    """Its buffers that are in no state_dict."""
    twins: Mapping[str, str]
    """Of names of one and the same tensor, the first by each further one."""


@dataclass(frozen=True)
class Fit:
    """The tensors of one set under the names that one renaming gives them."""

    given: Mapping[str, torch.Tensor]
    """By the file's names."""
    renaming: Renaming
    wanted: Wanted

    @cached_property
    def placed(self) -> dict[str, torch.Tensor]:
        """Tensors by names of the module."""
        return {
            ours: self.given[theirs]
            for theirs, ours in self.renaming.names.items()
            if ours in self.wanted.tensors
        }

    @cached_property
    def missing(self) -> list[str]:
        """Names of the module without a tensor; a twin of one that has one needs none."""
        have = set(self.placed) | {self.wanted.twins.get(name, name) for name in self.placed}
        return [
            name
            for name in self.wanted.tensors
            if self.wanted.twins.get(name, name) not in have and not name.endswith(COUNTER)
        ]

    @cached_property
    def skipped(self) -> list[str]:
        """Names of the file that need no place: counts, and constants that the module has too."""
        return [theirs for theirs in self._without_place if self._needs_no_place(theirs)]

    @cached_property
    def left_over(self) -> list[str]:
        """Names of the file for which the module has no place."""
        return [theirs for theirs in self._without_place if not self._needs_no_place(theirs)]

    @cached_property
    def misshapen(self) -> list[str]:
        """Names of the module whose tensor in the file has another shape."""
        return [
            name
            for name, tensor in self.placed.items()
            if not same_shape(tensor, self.wanted.tensors[name], loosely=self.renaming.by_position)
        ]

    @property
    def is_whole(self) -> bool:
        """Whether the module gets all of its tensors, and nothing is left over."""
        return not (self.missing or self.left_over or self.misshapen)

    @property
    def good(self) -> int:
        """How many tensors have a place and its shape."""
        return len(self.placed) - len(self.misshapen)

    @cached_property
    def _without_place(self) -> list[str]:
        return [
            theirs
            for theirs, ours in self.renaming.names.items()
            if ours not in self.wanted.tensors
        ]

    def _needs_no_place(self, theirs: str) -> bool:
        ours = self.renaming.names[theirs]
        constant = self.wanted.constants.get(ours)
        if constant is not None:
            return constant.shape == self.given[theirs].shape and bool(
                (constant == self.given[theirs]).all()
            )
        return ours.rpartition(".")[2] in (*UNUSED, COUNTER)


def best_fit(
    path: Path, given: Mapping[str, torch.Tensor], wanted: Wanted, *, is_mxnet: bool
) -> Fit:
    """Return the fit that is whole and changes least, or else that with most tensors in place.

    Raises UsageError if several parts of the file, each under a prefix of its own, are whole.
    """
    fits = [
        Fit(given, renaming, wanted)
        for renaming in renamings(given, wanted.tensors, is_mxnet=is_mxnet)
    ]
    whole = [fit for fit in fits if fit.is_whole]
    alone = [fit for fit in whole if not fit.renaming.dropped]
    prefixes = sorted({fit.renaming.prefix for fit in whole if fit.renaming.dropped})
    if not alone and len(prefixes) > 1:
        raise UsageError(
            f"{path} holds several networks that fit: {', '.join(prefixes)}",
            f"choose one: --strip-prefix {prefixes[0]}",
        )
    return (alone or whole or [max(fits, key=lambda fit: fit.good)])[0]


def same_shape(given: torch.Tensor, wanted: torch.Tensor, *, loosely: bool = False) -> bool:
    """Return whether a tensor fits; ``loosely`` also a 1x1 convolution for a linear layer.

    A single number may have a shape of one element. A layer that takes its shape from its first
    input takes any.
    """
    if is_lazy(wanted) or given.shape == wanted.shape:
        return True
    return given.numel() == wanted.numel() and (loosely or max(given.dim(), wanted.dim()) == 1)


def is_lazy(tensor: torch.Tensor) -> bool:
    """Return whether a layer is yet to get its shape, from its first input."""
    import torch

    return bool(torch.nn.parameter.is_lazy(tensor))


def does_not_fit(path: Path, fit: Fit) -> UsageError:
    """Return the failure that names the keys or shapes of ``fit`` that don't agree."""
    if fit.missing or fit.left_over:
        return UsageError(f"{path} does not fit the model; {_keys(fit)}", _hint_of_keys(fit))
    name = fit.misshapen[0]
    differ = "1 shape differs" if len(fit.misshapen) == 1 else f"{len(fit.misshapen)} shapes differ"
    return UsageError(
        f"{path} does not fit the model; {differ}, first "
        f"{name}: {tuple(fit.placed[name].shape)} in the file, "
        f"{tuple(fit.wanted.tensors[name].shape)} in the module",
        _hint_of_shapes(fit),
    )


def _keys(fit: Fit) -> str:
    complaints = [
        f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} {verb}: {listed(keys)}"
        for keys, verb in ((fit.missing, "missing"), (fit.left_over, "left over"))
        if keys
    ]
    if fit.renaming.done:
        complaints.insert(0, f"taken {fit.renaming.done}, as {fit.good} tensors then fit")
    return "; ".join(complaints)


def _hint_of_keys(fit: Fit) -> str:
    if fit.renaming.done or fit.good:
        return (
            "check that the weights are of this network at this width, with all of its parts; "
            "--strip-prefix and --weights-key choose a part of the file"
        )
    return (
        "no key agrees: choose a part of the file with --strip-prefix or --weights-key, or rename "
        "its keys to those of the module's state_dict()"
    )


def _hint_of_shapes(fit: Fit) -> str:
    last = list(fit.wanted.tensors)[-1].rpartition(".")[0]
    name = fit.misshapen[0]
    if all(key.rpartition(".")[0] == last for key in fit.misshapen):
        found, wanted = fit.placed[name].shape[:1], fit.wanted.tensors[name].shape[:1]
        # Ours of the paper; whoever brings a callable sets the number there.
        option = f"; --classes {found[0]} makes a network of the paper fit" * bool(
            found and last == "classifier"
        )
        return (
            f"the last layer has {_number(found)} outputs in the file and {_number(wanted)} in the "
            f"model: they are for another number of classes{option}"
        )
    if len(fit.misshapen) > len(fit.placed) // 2:
        return "most shapes differ: check the width of the network, and its asymmetry rate"
    return "check the width, the asymmetry rate and the number of classes (--classes N)"


def _number(shape: tuple[int, ...]) -> str:
    return str(shape[0]) if shape else "no"


def listed(keys: list[str] | tuple[str, ...]) -> str:
    """Return the first keys, and how many more there are."""
    more = f" and {len(keys) - _SHOWN_KEYS} more" if len(keys) > _SHOWN_KEYS else ""
    return ", ".join(keys[:_SHOWN_KEYS]) + more

"""Load a file of weights into a module, or say which keys don't fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.export.weights.checkpoint import Checkpoint, read_checkpoint
from asymm_deploy.export.weights.fit import Fit, Wanted, best_fit, does_not_fit, is_lazy, listed
from asymm_deploy.export.weights.key_names import COUNTER, strip
from asymm_deploy.export.weights.torch_files import carries_code
from asymm_deploy.export.weights.weight_sets import (
    WeightSet,
    arrays_for_tensors,
    chosen_set,
    described,
    weight_sets,
)

if TYPE_CHECKING:
    import torch


def load_into(
    module: torch.nn.Module,
    path: Path,
    *,
    key: str | None = None,
    strip_prefix: str | None = None,
) -> list[str]:
    """Load the weights in ``path`` into ``module``, every tensor of it; return remarks on how.

    ``key`` is the dotted path to the state_dict in the file; without it, the preferred one of those
    that fit is taken. ``strip_prefix`` keeps the keys that begin so, without it; without it, common
    prefixes are found. Raises UsageError for a file that can't be read or carries code, and for
    keys or shapes that don't fit; the module is then unchanged.
    """
    wanted = _wanted(module)
    checkpoint = read_checkpoint(path)
    sets = weight_sets(checkpoint.content)
    among = sets if key is None else chosen_set(path, checkpoint.content, key)
    if not among:
        raise _no_weights(path, checkpoint)
    fits = _fits(path, checkpoint, among, wanted, strip_prefix)
    name = next((name for name, fit in fits.items() if fit.is_whole), None)
    if name is None:
        raise does_not_fit(path, max(fits.values(), key=lambda fit: fit.good))
    fit = fits[name]
    _require_like_numbers(path, fit)
    _require_equal_twins(path, fit)
    notes = [_choice(name, [other for other in fits if fits[other].is_whole], key)]
    if strip_prefix is not None:
        notes.append(f"kept the {len(fit.given)} keys that begin with {strip_prefix!r}")
    notes += _remarks(fit)
    if checkpoint.left_aside:
        notes.append(f"objects in the file were skipped: {listed(checkpoint.left_aside)}")
    _load(module, path, fit)
    return [f"weights: {note}" for note in notes if note]


def _wanted(module: torch.nn.Module) -> Wanted:
    tensors = dict(module.state_dict())
    first: dict[tuple[object, ...], str] = {}
    twins: dict[str, str] = {}
    for name, tensor in tensors.items():
        if is_lazy(tensor) or tensor.numel() == 0 or tensor.is_meta:
            continue
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if first.setdefault(place, name) != name:
            twins[name] = first[place]
    constants = {n: buffer for n, buffer in module.named_buffers() if n not in tensors}
    return Wanted(tensors, constants, twins)


def _fits(
    path: Path,
    checkpoint: Checkpoint,
    among: Mapping[str, WeightSet],
    wanted: Wanted,
    strip_prefix: str | None,
) -> dict[str, Fit]:
    """Return how each set fits, without those that have tensors which no layer could hold."""
    fits: dict[str, Fit] = {}
    refusals: list[UsageError] = []
    for name, values in among.items():
        try:
            tensors = _tensors(path, checkpoint, values)
            if strip_prefix is not None:
                tensors = _without_prefix(path, tensors, strip_prefix)
            fits[name] = best_fit(path, tensors, wanted, is_mxnet=checkpoint.is_mxnet)
        except UsageError as error:
            refusals.append(error)
    if refusals and not any(fit.is_whole for fit in fits.values()):
        raise refusals[0]
    return fits


def _tensors(path: Path, checkpoint: Checkpoint, values: WeightSet) -> dict[str, torch.Tensor]:
    found = {key: checkpoint.tensor(value) for key, value in values.items()}
    odd = [key for key, tensor in found.items() if tensor is None or not _is_plain(tensor)]
    if odd:
        raise UsageError(
            f"{path}: {listed(odd)} can't be loaded: quantized, sparse, complex or without data",
            "save the weights as ordinary dense tensors of real numbers",
        )
    return {key: tensor for key, tensor in found.items() if tensor is not None}


def _without_prefix(
    path: Path, tensors: dict[str, torch.Tensor], prefix: str
) -> dict[str, torch.Tensor]:
    short = strip(tensors, prefix)
    if short is None:
        raise UsageError(
            f"{path} has no key that begins with {prefix!r}; it has {listed(list(tensors))}",
            "give --strip-prefix what its keys begin with, or leave it out",
        )
    return {short[key]: tensors[key] for key in tensors if key in short}


def _is_plain(tensor: torch.Tensor) -> bool:
    import torch

    scaled = tensor.is_floating_point() and tensor.dtype.itemsize == 1  # means nothing by itself
    return tensor.layout == torch.strided and not (
        tensor.is_nested or tensor.is_quantized or tensor.is_complex() or tensor.is_meta or scaled
    )


def _no_weights(path: Path, checkpoint: Checkpoint) -> UsageError:
    """Return the failure of a file of torch.save that has no dict with tensors."""
    if checkpoint.left_aside:
        return carries_code(path, *checkpoint.left_aside)
    return arrays_for_tensors(path, checkpoint.content, "torch.load(path, weights_only=False)") or (
        UsageError(
            f"{path} holds no state_dict, but {described(checkpoint.content)}",
            "give a file with the weights by name: torch.save(module.state_dict(), 'weights.pt')",
        )
    )


def _require_like_numbers(path: Path, fit: Fit) -> None:
    """Refuse whole numbers for a layer of real ones: quantized weights without their scales."""
    wanted = fit.wanted.tensors
    whole = [
        name
        for name, tensor in fit.placed.items()
        if wanted[name].is_floating_point() != tensor.is_floating_point()
        and not name.endswith(COUNTER)
    ]
    if whole:
        name = whole[0]
        raise UsageError(
            f"{path}: {name} is {_type(fit.placed[name])}, and the module has "
            f"{_type(wanted[name])} there ({len(whole)} such tensors)",
            "quantized weights mean nothing without their scales: save the original ones",
        )


def _require_equal_twins(path: Path, fit: Fit) -> None:
    for name, first in fit.wanted.twins.items():
        if name in fit.placed and first in fit.placed:
            one, other = fit.placed[first], fit.placed[name]
            if not one.equal(other):
                raise UsageError(
                    f"{path}: {first} and {name} are one tensor in the module, and differ here",
                    "untie them in the module, or save the weights of a module that ties them",
                )


def _choice(name: str, whole: list[str], key: str | None) -> str:
    """Return which part of the file was taken, and how to take another."""
    others = [other or "the top level" for other in whole if other != name]
    taken = repr(name) if name else "the top level"
    if key is not None or not (name or others):
        return ""
    if not others:
        return f"taken from {taken}"
    named = next((other for other in whole if other and other != name), name)
    also = ", ".join(others)
    return f"taken from {taken}; {also} would fit too: --weights-key {named} takes that"


def _remarks(fit: Fit) -> list[str]:
    renaming, wanted = fit.renaming, fit.wanted.tensors
    notes = []
    if renaming.done:
        notes.append(f"taken {renaming.done}")
    if renaming.dropped:
        notes.append(f"{_count(renaming.dropped)} without the prefix: {listed(renaming.dropped)}")
    if fit.skipped:
        notes.append(f"{_count(fit.skipped)} skipped, as nothing needs them: {listed(fit.skipped)}")
    cast = [n for n, t in fit.placed.items() if t.dtype != wanted[n].dtype]
    if cast:
        name = cast[0]
        notes.append(
            f"{len(cast)} {'tensor' if len(cast) == 1 else 'tensors'} made "
            f"{_type(wanted[name])} from {_type(fit.placed[name])}"
        )
    return notes


def _load(module: torch.nn.Module, path: Path, fit: Fit) -> None:
    wanted = fit.wanted.tensors
    shaped = {
        name: tensor if is_lazy(wanted[name]) else tensor.reshape(wanted[name].shape)
        for name, tensor in fit.placed.items()
    }
    try:
        module.load_state_dict({**wanted, **shaped})
    except RuntimeError as error:  # of a module with a way of its own to load
        raise UsageError(
            f"{path}: the model refuses the weights: {str(error).splitlines()[-1].strip()}",
            "load them in the callable itself, and leave out --weights",
        ) from error


def _count(keys: Sequence[str]) -> str:
    return f"{len(keys)} {'key' if len(keys) == 1 else 'keys'}"


def _type(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")

"""Load a file of weights into a module, or say which keys don't fit."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError

if TYPE_CHECKING:
    import torch

SUFFIXES = (".pt", ".pth", ".safetensors")
_NESTED = ("state_dict", "model_state_dict", "model")  # where training scripts put it
_MOST_NESTED = 5  # a pickle may contain itself
_PREFIX = "module."  # DataParallel writes it
_SHOWN_KEYS = 5


def load_into(module: torch.nn.Module, path: Path) -> None:
    """Load the state_dict in ``path`` into ``module``, every key of it and no other.

    Raises UsageError for a file that can't be read or carries code, and for keys or shapes that
    don't fit; the module is then unchanged.
    """
    given = read_state_dict(path)
    wanted = module.state_dict()
    missing = [key for key in wanted if key not in given and not _is_counter(key)]
    left_over = [key for key in given if key not in wanted]
    if missing or left_over:
        complaints = [
            f"{len(keys)} {'key' if len(keys) == 1 else 'keys'} {verb}: {_listed(keys)}"
            for keys, verb in ((missing, "missing"), (left_over, "left over"))
            if keys
        ]
        raise UsageError(
            f"{path} does not fit the model; {'; '.join(complaints)}",
            "check that the weights are of this network at this width, and rename their keys to "
            "the module's state_dict() if they come from another implementation",
        )
    misshapen = [key for key in given if given[key].shape != wanted[key].shape]
    if misshapen:
        key = misshapen[0]
        raise UsageError(
            f"{path} does not fit the model; {len(misshapen)} shapes differ, first {key}: "
            f"{tuple(given[key].shape)} in the file, {tuple(wanted[key].shape)} in the module",
            "check the width, the asymmetry rate and the number of classes",
        )
    module.load_state_dict({**wanted, **given})


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Return the state_dict in a .safetensors, .pt or .pth file; never runs code from it."""
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"{path}: weights of type {path.suffix or 'none'!r} are not known",
            f"give a state_dict as {', '.join(SUFFIXES)}",
        )
    try:
        loaded = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except OSError as error:
        raise UsageError(
            f"can't read weights from {path}: {error.strerror or error}",
            "check the path and its permissions",
        ) from error
    tensors = _state_dict_in(loaded)
    if tensors is None:
        raise UsageError(
            f"{path} holds no state_dict",
            "save one with torch.save(module.state_dict(), path)",
        )
    odd = [key for key, tensor in tensors.items() if not _is_plain(tensor)]
    if odd:
        raise UsageError(
            f"{path}: {_listed(odd)} can't be loaded: quantized, sparse, complex or without data",
            "save the weights as ordinary dense tensors of real numbers",
        )
    named = {key.removeprefix(_PREFIX): tensor for key, tensor in tensors.items()}
    if len(named) != len(tensors):
        twice = [key for key in tensors if f"{_PREFIX}{key}" in tensors]
        raise UsageError(
            f"{path} has keys both with and without {_PREFIX!r}: {_listed(twice)}",
            "keep the one set of weights that is meant, and save it again",
        )
    return named


def _read_safetensors(path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise UsageError(
            f"{path} is not a whole .safetensors file: {error}", "copy or save it again"
        ) from error


def _read_torch(path: Path) -> object:
    import torch

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # about formats; a file that can't be read is an error below
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # One exception for both: only its text tells a refused global from a broken file.
        if "Unsupported" not in str(error) and "GLOBAL" not in str(error):
            raise _damaged(path, error) from error
        raise UsageError(
            f"{path} carries code: it is a pickle of whole objects, and loading it would run code",
            "save only the weights: torch.save(module.state_dict(), path), or as .safetensors",
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UsageError:
    reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
    return UsageError(
        f"{path} is not a file of weights, or it is cut short: {reason}", "save it again"
    )


def _state_dict_in(loaded: object) -> dict[str, torch.Tensor] | None:
    import torch

    for _ in range(_MOST_NESTED):
        if not isinstance(loaded, Mapping) or not loaded:
            return None
        if all(isinstance(value, torch.Tensor) for value in loaded.values()):
            return {str(key): value for key, value in loaded.items()}
        loaded = next((loaded[key] for key in _NESTED if key in loaded), None)
    return None


def _is_plain(tensor: torch.Tensor) -> bool:
    import torch

    return tensor.layout == torch.strided and not (
        tensor.is_nested or tensor.is_quantized or tensor.is_complex() or tensor.is_meta
    )


def _is_counter(key: str) -> bool:
    """Return whether it is BatchNorm's count of batches: older files lack it, nothing uses it."""
    return key.endswith("num_batches_tracked")


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN_KEYS} more" if len(keys) > _SHOWN_KEYS else ""
    return ", ".join(keys[:_SHOWN_KEYS]) + more

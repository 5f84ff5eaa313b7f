"""A file of weights of any kind, told by its content and not by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.export.reading.other_formats import begins_as_safetensors, refuse_other_formats
from asymm_deploy.export.weights.mxnet_params import MXNET_MAGIC, read_params
from asymm_deploy.export.weights.torch_files import TorchFile, read_archive, read_old_file
from asymm_deploy.files import opened_regular, read_regular

if TYPE_CHECKING:
    import torch

WEIGHT_SUFFIXES = (".pt", ".pth", ".pth.tar", ".ckpt", ".bin", ".safetensors", ".params")
"""What such files are usually called; any other name will do."""
_HEAD = 512


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds."""

    content: object
    """A state_dict, or containers with state_dicts somewhere in them."""
    tensor: Callable[[object], torch.Tensor | None]
    """Returns the tensor that a value in ``content`` stands for; None if no layer could hold it."""
    left_aside: tuple[str, ...] = ()
    """Names of classes whose objects were skipped."""
    is_mxnet: bool = False


def read_checkpoint(path: Path) -> Checkpoint:
    """Read ``path``; raises UsageError for a file that can't be read or that holds no weights."""
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "give the file of weights that is in it")
        with opened_regular(path) as file:
            head = file.read(_HEAD)
        return _read(path, head)
    except OSError as error:
        raise UsageError(
            f"can't read weights from {path}: {error.strerror or error}",
            "check the path and its permissions",
        ) from error


def _read(path: Path, head: bytes) -> Checkpoint:
    if head.startswith(b"PK\x03\x04"):
        return _of_torch(read_archive(path))
    if head.startswith(MXNET_MAGIC):
        return Checkpoint(read_params(path), _as_it_is, is_mxnet=True)
    if begins_as_safetensors(head):
        return Checkpoint(_read_safetensors(path), _as_it_is)
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return _of_torch(read_old_file(path))
    refuse_other_formats(path, "weights")
    if path.suffix == ".safetensors":
        return Checkpoint(_read_safetensors(path), _as_it_is)  # it says what is wrong with it
    raise UsageError(
        f"{path} is not a file of weights, or it is damaged",
        f"give a state_dict as {', '.join(WEIGHT_SUFFIXES)}",
    )


def _of_torch(file: TorchFile) -> Checkpoint:
    return Checkpoint(file.content, file.tensor, file.left_aside)


def _as_it_is(tensor: object) -> torch.Tensor | None:
    import torch

    return tensor if isinstance(tensor, torch.Tensor) else None


def _read_safetensors(path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(read_regular(path))
    except SafetensorError as error:
        raise UsageError(
            f"{path} is not a whole .safetensors file: {error}", "copy or save it again"
        ) from error

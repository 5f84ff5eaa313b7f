"""What a module returns, laid flat: its tensors with their names, and what is no tensor."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from asymm_deploy.engines.tensors import Array, TensorSpec
from asymm_deploy.errors import UsageError

if TYPE_CHECKING:
    import torch

_USABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
"""Names that every format takes, and that are no numbers of the exporter's own."""

_MOST_TOLD = 5
"""How many outputs that are no tensors a message lists."""


@dataclasses.dataclass(frozen=True)
class Output:
    """One value among the outputs."""

    path: tuple[str | int, ...]
    """Keys, fields and positions that lead to it; empty if it is all that the module returns."""
    value: object

    @property
    def name(self) -> str | None:
        """What its key or field calls it, those of nested ones joined; None if it has none."""
        parts = list(self.path)
        while parts and isinstance(parts[0], int):
            del parts[0]
        return "_".join(map(str, parts)) or None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return " ".join(("output", ".".join(map(str, self.path)))).strip()


def laid_flat(returned: object) -> list[Output]:
    """Return the values in ``returned``, whatever dictionaries, records and lists hold them."""
    return list(_leaves(returned, ()))


def tensors_among(outputs: Sequence[Output]) -> list[Output]:
    """Return those that are tensors; raise UsageError if there is none."""
    import torch

    found = [output for output in outputs if isinstance(output.value, torch.Tensor)]
    if not found:
        told = what_is_no_tensor(outputs) or "its output is empty"
        raise UsageError(
            f"the module returns no tensor: {told}",
            "return tensors, in tuples, lists, dictionaries or dataclasses, nested as you like",
        )
    return found


def as_arrays(outputs: Sequence[Output]) -> list[Array]:
    """Return copies of the tensors among ``outputs`` as arrays.

    Raises UsageError if there are none, or one that is complex, sparse or of a type without arrays.
    """
    return [_as_array(output) for output in tensors_among(outputs)]


def what_is_no_tensor(outputs: Sequence[Output]) -> str:
    """Say which of ``outputs`` are no tensors; empty if all are."""
    import torch

    others = [output for output in outputs if not isinstance(output.value, torch.Tensor)]
    told = [f"{output.place} is {_described(output.value)}" for output in others[:_MOST_TOLD]]
    more = len(others) - len(told)
    return ", ".join(told) + (f" and {more} more are no tensors either" if more else "")


def output_names(
    module: torch.nn.Module, inputs: Sequence[TensorSpec], outputs: Sequence[Output]
) -> list[str]:
    """Return a name for each tensor among ``outputs``: the module's, its key's, or its number.

    A module may have an attribute ``output_names`` that means something else, and keys that can't
    be names: those are not strings of usual letters, not unique, or of an input or a weight.
    """
    inputs_called = {spec.name for spec in inputs}
    tensors = tensors_among(outputs)
    named = getattr(module, "output_names", None)
    if (
        isinstance(named, list | tuple)
        and len(named) == len(tensors) == len(set(named))
        and all(isinstance(name, str) and name for name in named)
        and not inputs_called & set(named)
    ):
        return list(named)
    numbered = ["output"] if len(tensors) == 1 else [f"output_{i}" for i in range(len(tensors))]
    keys = [output.name or number for output, number in zip(tensors, numbered, strict=True)]
    taken = inputs_called | set(module.state_dict())
    usable = len(set(keys)) == len(keys) and not taken & set(keys)
    return keys if usable and all(map(_USABLE.fullmatch, keys)) else numbered


def _leaves(value: object, path: tuple[str | int, ...]) -> Iterator[Output]:
    parts: list[tuple[Any, object]]
    if isinstance(value, Mapping):
        parts = [(key if isinstance(key, int) else str(key), part) for key, part in value.items()]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = list(zip(value._fields, value, strict=True))
    elif isinstance(value, list | tuple):
        parts = list(enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    else:
        yield Output(path, value)
        return
    for key, part in parts:
        yield from _leaves(part, (*path, key))


def _as_array(output: Output) -> Array:
    import torch

    tensor = output.value
    assert isinstance(tensor, torch.Tensor)
    for kind, wrong, instead in (
        ("nested", tensor.is_nested, "a padded tensor (torch.nested.to_padded_tensor)"),
        ("sparse", not tensor.is_nested and tensor.layout != torch.strided, "its .to_dense()"),
        ("quantised", tensor.is_quantized, "its .dequantize()"),
        ("complex", tensor.is_complex(), "torch.view_as_real of it"),
    ):
        if wrong:
            raise UsageError(
                f"{output.place} is {kind}, and MNN has no such tensors", f"return {instead}"
            )
    try:
        return np.array(tensor.numpy(force=True))
    except TypeError as error:  # bfloat16 and the types of eight bits and less
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise UsageError(
            f"{output.place} is {dtype}, which can't be compared", "return its .float()"
        ) from error


def _described(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return f"the number {value:.6g}" if isinstance(value, float) else f"the number {value}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"

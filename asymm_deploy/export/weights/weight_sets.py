"""The state_dicts in a checkpoint: where training scripts put them, and which is meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.export.weights.inert_pickle import OddTensor, StoredArray, StoredTensor

if TYPE_CHECKING:
    from typing import TypeGuard

# Averaged weights come first, as in timm, BasicSR, Ultralytics and torchvision's references:
# whoever keeps an average evaluates it, and deploys what was evaluated.
AVERAGED_KEYS = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "params_ema"),
    *("ema_model", "ema", "averaged_model", "swa_state_dict", "swa_model"),
)
TRAINED_KEYS = (
    *("state_dict", "model_state_dict", "model_state", "model_weights", "model", "net", "network"),
    *("module", "weights", "params", "generator", "net_g", "params_g", "student", "backbone"),
)
_PREFERENCE = (*AVERAGED_KEYS, *TRAINED_KEYS)
_MOST_NESTED = 5  # a pickle may contain itself
_MOST_CONTAINERS = 100_000
_SHOWN = 10

WeightSet = Mapping[str, object]
"""Values by key, as they stand in the file; those that are no tensors are left out."""


def weight_sets(content: object) -> dict[str, WeightSet]:
    """Return each dict with tensors in ``content`` by its dotted path, the preferred one first.

    The path of ``content`` itself is empty. An optimiser's state, by numbers, is none.
    """
    found = dict(_with_tensors(content))
    return {path: found[path] for path in sorted(found, key=_rank)}


def chosen_set(path: Path, content: object, key: str) -> dict[str, WeightSet]:
    """Return the one that ``key`` leads to, a dotted path; raises UsageError if there is none."""
    at, walked, rest = content, "", key
    while rest:
        step = next(
            (name for name in sorted(_entries(at), key=len, reverse=True) if _leads(name, rest)),
            None,
        )
        if step is None:
            names = list(_entries(at))
            where = f"in {walked!r}" if walked else "at the top"
            raise UsageError(
                f"{path} has no key {rest!r} {where}; there {_are(names)}",
                _hint_of_sets(content),
            )
        at, rest = _entries(at)[step], rest[len(step) + 1 :]
        walked = f"{walked}.{step}" if walked else step
    tensors = _tensors_of(at)
    if not tensors:
        raise UsageError(f"{path}: {key!r} holds no tensors by name", _hint_of_sets(content))
    return {key: tensors}


def is_tensor(value: object) -> TypeGuard[object]:
    """Return whether a value in a checkpoint stands for a tensor, one not read yet included."""
    import torch

    return isinstance(value, torch.Tensor | StoredTensor | OddTensor)


def arrays_for_tensors(path: Path, content: object, loaded: str) -> UsageError | None:
    """Return the failure of a file with NumPy arrays by name; None if it has none.

    ``loaded`` is the Python that reads the file, for whoever trusts it.
    """
    found = ((name, code) for name, code, at in _containers(content) if _has_arrays(at))
    name, code = next(found, (None, ""))
    if name is None:
        return None
    return UsageError(
        f"{path} has NumPy arrays{f' in {name!r}' if name else ''}, not tensors",
        "if you trust the file, make tensors of them in Python: torch.save({name: "
        f"torch.as_tensor(array) for name, array in {loaded}{code}.items()}}, 'weights.pt')",
    )


def described(content: object) -> str:
    """Return in words what a file holds that has no weights."""
    if is_tensor(content):
        return "a single tensor"
    names = list(_entries(content))
    if isinstance(content, Mapping):
        return f"a dict of {_listed(names)}" if names else "a dict without names"
    if isinstance(content, list | tuple):
        return f"a list of {len(content)} {'value' if len(content) == 1 else 'values'}"
    return f"one value of type {type(content).__name__}"


def _with_tensors(content: object) -> Iterator[tuple[str, WeightSet]]:
    return ((path, tensors) for path, _, at in _containers(content) if (tensors := _tensors_of(at)))


def _containers(content: object) -> Iterator[tuple[str, str, object]]:
    """Go through the containers level by level, only so deep and only so many.

    Yields the dotted path of each, the Python that leads to it, and itself.
    """
    level: list[tuple[str, str, object]] = [("", "", content)]
    visited = 0
    for _ in range(_MOST_NESTED + 1):
        below: list[tuple[str, str, object]] = []
        for path, code, at in level:
            visited += 1
            if visited > _MOST_CONTAINERS:
                return
            yield path, code, at
            below += [
                (
                    f"{path}.{name}" if path else name,
                    f"{code}[{name!r}]" if isinstance(at, Mapping) else f"{code}[{name}]",
                    value,
                )
                for name, value in _entries(at).items()
                if isinstance(value, Mapping) or type(value) in (list, tuple)
            ]
        level = below


def _tensors_of(at: object) -> WeightSet:
    if not isinstance(at, Mapping):
        return {}
    return {key: value for key, value in at.items() if isinstance(key, str) and is_tensor(value)}


def _has_arrays(at: object) -> bool:
    return isinstance(at, Mapping) and any(
        isinstance(value, StoredArray) for value in _entries(at).values()
    )


def _entries(at: object) -> dict[str, object]:
    """Return what a container holds, by name or by number; nothing for any other value."""
    if isinstance(at, Mapping):
        return {key: value for key, value in at.items() if isinstance(key, str)}
    if type(at) in (list, tuple):
        assert isinstance(at, list | tuple)
        return {str(number): value for number, value in enumerate(at)}
    return {}


def _rank(path: str) -> tuple[int, int, int]:
    """Sort averages first, then by the known names, then by depth; ties keep the file's order."""
    steps = path.split(".") if path else []
    averaged = any(step in AVERAGED_KEYS for step in steps)
    known = [_PREFERENCE.index(step) for step in steps if step in _PREFERENCE]
    return 0 if averaged else 1, min(known, default=len(_PREFERENCE) if path else -1), len(steps)


def _leads(name: str, rest: str) -> bool:
    return rest == name or rest.startswith(f"{name}.")


def _are(names: list[str]) -> str:
    return f"are {_listed(names)}" if names else "is nothing to choose from"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _hint_of_sets(content: object) -> str:
    names = [name for name in weight_sets(content) if name]
    if not names:
        return "leave out --weights-key: the file has its tensors at the top, or none"
    return f"give --weights-key one of: {', '.join(names[:_SHOWN])}"

"""Whether a variant's file keeps what its name says: read from the file, never from exit codes."""

from __future__ import annotations

from math import log10
from pathlib import Path

import msgspec
import numpy as np

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.mnn_file import MnnFile, read_mnn
from asymm_deploy.engines.tensors import Array
from asymm_deploy.errors import ConversionError, NumericsError
from asymm_deploy.export.quantize.stored_weights import StoredWeights, stored_weights
from asymm_deploy.files import read_regular
from asymm_deploy.models.naming.variant_names import VariantName

WEIGHT_BITS: dict[VariantName, int] = {"half": 16, "w8": 8, "w4": 4, "int8": 8, "int8-mixed": 8}
_IN_INT8 = ("ConvInt8", "DepthwiseConvInt8")
_MOST_STEPS = 1.0
"""By how many steps of its row a weight may be off. Rounding takes half of one: 0.53 in 8 bits and
0.51 in 4 over 21 of the paper's networks."""
_HALF_SHARE, _HALF_LEAST = 2.0**-10, 2.0**-24
"""The same for fp16, as a share of the weight and as the least number: MNN cuts, and doesn't round.
"""


class FileFacts(msgspec.Struct, frozen=True):
    """What stands in a variant's file."""

    operators: int
    """Convolutions and matrix products with weights."""
    changed: int
    """Those of them that are kept, or computed, as the variant's name says."""
    weights_db: float | None
    """Power of an operator's weights over that of what was rounded off, the least of all."""


def prove_weights(name: VariantName, made: Path, base: Path) -> FileFacts:
    """Return what the file of ``half``, ``w8`` or ``w4`` keeps of the weights of the fp32 file.

    Raises ConversionError if it isn't such a file, NumericsError if a weight is off by more than
    its rounding.
    """
    before, after = require_weights(name, base), _weights(made)
    names = [each.operator for each in before]
    if [each.operator for each in after] != names:
        raise ConversionError(
            f"MNN's converter made other operators for {name} than for fp32",
            "report it to MNN, with the model",
        )
    ratios = []
    for old, new in zip(before, after, strict=True):
        if new.bits != WEIGHT_BITS[name]:
            raise ConversionError(
                f"MNN's converter left the weights of {old.operator} in {new.bits} bits, where "
                f"{name} has {WEIGHT_BITS[name]}",
                "report it to MNN, with the model",
            )
        ratios.append(_ratio_db(old, new))
    finite = [each for each in ratios if each is not None]
    return FileFacts(len(before), len(after), min(finite, default=None))


def require_weights(name: VariantName, base: Path) -> tuple[StoredWeights, ...]:
    """Return the weights that a variant can change; raise ConversionError if there are none."""
    found = _weights(base)
    if not found:
        raise ConversionError(
            f"there is nothing for {name} to change: the model has no convolution, and no matrix "
            "product that MNN runs as one",
            "deploy it in fp32",
        )
    return found


def with_weights_of(made: Path, base: Path, into: Path) -> None:
    """Write the fp32 file ``base`` to ``into``, with the weights that ``made`` stands for.

    It computes in fp32 what ``made`` has to compute. Both have passed ``prove_weights``.
    """
    content = bytearray(read_regular(base))
    places = {each.operator: each.place for each in _weights(base)}
    for kept in _weights(made):
        place = places[kept.operator]
        assert place is not None
        values = np.asarray(kept.values, "<f4").tobytes()
        content[place.start : place.start + len(values)] = values
    into.write_bytes(content)


def int8_operators(made: Path, base: Path) -> FileFacts:
    """Return how many of the convolutions of ``base`` compute in 8 bits in the file ``made``.

    Those are the ones with weights in 8 bits, between tensors with ranges in 8 bits. Raises
    ConversionError if a file can't be read back.
    """
    file = _file(made)
    integers = {each.operator for each in _weights(made) if each.form == "integer"}
    changed = sum(
        each.type in _IN_INT8
        or (each.name in integers and file.int8_tensors.issuperset((each.inputs[0], *each.outputs)))
        for each in file.operators
        if each.inputs
    )
    return FileFacts(len(_weights(base)), changed, None)


def _file(path: Path) -> MnnFile:
    try:
        return read_mnn(read_regular(path))
    except (OSError, EngineError) as error:
        raise _unreadable(path, error) from error


def _weights(path: Path) -> tuple[StoredWeights, ...]:
    try:
        return stored_weights(read_regular(path))
    except (OSError, EngineError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConversionError:
    return ConversionError(
        f"{path.name} can't be read back: {getattr(error, 'strerror', None) or error}",
        "free some space on the disk and try again; or report it to MNN, with the model",
    )


def _ratio_db(old: StoredWeights, new: StoredWeights) -> float | None:
    """Return the ratio in dB, None where nothing was lost; raise NumericsError if too much was."""
    if old.values.size != new.values.size:
        raise ConversionError(
            f"MNN's converter kept {new.values.size} weights of {old.operator}, of "
            f"{old.values.size}",
            "report it to MNN, with the model",
        )
    ours, theirs = (np.asarray(x.values, np.float64) for x in (old, new))
    apart = np.abs(ours - theirs)
    allowed = _allowed(ours, new.bits, old.rows)
    if not np.isfinite(theirs).all() or (apart > allowed).any():
        worst = int(np.argmax(np.where(np.isfinite(theirs), apart - allowed, np.inf)))
        raise NumericsError(
            f"a weight of {old.operator} is {theirs[worst]:.6g} in {new.bits} bits, and "
            f"{ours[worst]:.6g} in fp32: more than rounding",
            "fp16 ends at 65504: look for weights beyond it"
            if new.bits == 16
            else "report it to MNN, with the model",
        )
    noise, power = float(np.square(apart).sum()), float(np.square(ours).sum())
    return 10 * log10(power / noise) if noise and power else None


def _allowed(values: Array, bits: int, rows: int) -> Array:
    """Return by how much each weight may be off."""
    if bits == 16:
        return np.asarray(_HALF_SHARE * np.abs(values) + _HALF_LEAST)
    by_row = values.reshape(rows if rows and values.size % rows == 0 else 1, -1)
    steps = 2 * np.abs(by_row).max(axis=1, keepdims=True) / (2**bits - 2)
    return np.broadcast_to(_MOST_STEPS * steps, by_row.shape).ravel()

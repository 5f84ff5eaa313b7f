"""What a variant's manifest says beyond an export's: what it came from, how, and how far off."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from asymm_deploy.models.naming.variant_names import VariantName

_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}\\Z")]


class VariantOutput(msgspec.Struct, frozen=True, kw_only=True):
    """How far one output of a variant is from the fp32 file's, over the inputs of the proof."""

    name: str
    sqnr_db: float | None
    """Power of the fp32 output over that of the difference; None where nothing can be compared."""
    agreement_percent: float | None
    """Share of inputs with the same argmax, of integers the share that is equal; None elsewhere."""


class CalibrationImages(msgspec.Struct, frozen=True, kw_only=True):
    """The images that told the ranges of ``int8``."""

    path: str
    """The folder, absolute."""
    count: int
    preprocessing: str
    """The recipe, as JSON."""
    listing_sha256: _Sha256
    """Of names, sizes and times of change of all images in the folder."""
    images_sha256: _Sha256
    """Of names and contents of those that were used."""


DEFAULT_GOAL_DB = 35.0
"""The difference is 1.8 % of the outputs, as root mean squares."""


class Mixing(msgspec.Struct, frozen=True, kw_only=True):
    """How many operators of ``int8-mixed`` stay in fp32."""

    in_fp32: int | None = None
    """None: as many as it takes for the goal."""
    goal_db: float = DEFAULT_GOAL_DB

    def key(self) -> str:
        """Return all that the variant depends on as one line."""
        return f"goal {self.goal_db:g} dB" if self.in_fp32 is None else f"{self.in_fp32} in fp32"


class Mixed(msgspec.Struct, frozen=True, kw_only=True):
    """What ``int8-mixed`` became."""

    wanted: Mixing
    in_fp32: tuple[str, ...]
    """MNN's names of the operators that ``int8`` has in 8 bits, the most sensitive first."""
    int8_db: float
    """Of the outputs with none of them in fp32, where ``sqnr_db`` is of the choice."""
    sqnr_db: float


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """How a variant was made of an export, and what was found of it."""

    name: VariantName
    of: str
    """The model whose fp32 files it was made of."""
    of_mnn_sha256: _Sha256
    method: str
    """``converter --weightQuantBits 8 --hqq``, for example."""
    weight_bits: int
    arithmetic: Literal["fp32", "int8"]
    """What its convolutions compute in."""
    operators: int
    """Convolutions and matrix products in the file."""
    changed_operators: int
    """Those of them whose weights have ``weight_bits``, or that compute in int8."""
    weights_db: float | None
    """Power of an operator's weights over that of what was rounded off, the least of all."""
    outputs: tuple[VariantOutput, ...]
    limit_db: float | None
    """The least ``sqnr_db`` that passes; None for random weights, which amplify every error."""
    same_db: float | None = None
    """The least ratio beside the fp32 file with the variant's weights; None for ``int8``."""
    trained: bool
    """Whether weights were given; of random ones no accuracy means anything."""
    mnn_bytes: int
    of_mnn_bytes: int
    images: CalibrationImages | None = None
    mixed: Mixed | None = None

    @property
    def sqnr_db(self) -> float | None:
        """The least of all outputs that can be compared."""
        return min((o.sqnr_db for o in self.outputs if o.sqnr_db is not None), default=None)

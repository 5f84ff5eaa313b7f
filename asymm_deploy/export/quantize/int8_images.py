"""Which images tell the ranges of ``int8``, and how each becomes an input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from asymm_deploy.export.quantize.variant import CalibrationImages
from asymm_deploy.images.preprocessing import Preprocessing

USUAL_COUNT = 64
"""How many are taken unless ``--count`` says otherwise."""


@dataclass(frozen=True, slots=True)
class Int8Images:
    """The images for one variant."""

    images: Path
    count: int
    recipe: Preprocessing
    listing_sha256: str
    """Of names, sizes and times of change of all images in the folder."""

    @classmethod
    def recorded(cls, found: CalibrationImages) -> Int8Images:
        """Return those that a variant was made with."""
        recipe = msgspec.json.decode(found.preprocessing, type=Preprocessing)
        return cls(Path(found.path), found.count, recipe, found.listing_sha256)

    def key(self) -> str:
        """Return all that a variant depends on as one line; where the folder lies is no part."""
        return f"{self.count} {self.listing_sha256} {self.recipe.key()}"

"""What an engine said of an image, and how that is kept: a line for each chunk of images."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

EvaluationEngine: TypeAlias = Literal["torch", "onnxruntime", "mnn"]
ENGINES: tuple[EvaluationEngine, ...] = ("torch", "onnxruntime", "mnn")
CHUNKS_SCHEMA_VERSION = 1
NO_CLASS = -1
"""The answer where all values are NaN."""


class ImagePrediction(msgspec.Struct, frozen=True, array_like=True):
    """One engine's answer for one image."""

    image: str
    label: int
    top5: tuple[int, ...]
    """Classes, the likeliest first; among equal values the first class. Without those of NaN."""
    score: float | None
    """The output's value of the first of them, as the model gives it; None if it is not finite."""

    @property
    def top1(self) -> int:
        """The likeliest class, or NO_CLASS."""
        return self.top5[0] if self.top5 else NO_CLASS


class Unreadable(msgspec.Struct, frozen=True, array_like=True):
    """An image that could not be decoded."""

    image: str
    reason: str
    may_pass: bool = False
    """The system refused it, which another time it may not: then it is tried again."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One line: some images that were put through all engines asked for."""

    schema_version: int = CHUNKS_SCHEMA_VERSION
    first: int
    """Place of the chunk's first image among all that are evaluated."""
    count: int
    predictions: dict[EvaluationEngine, tuple[ImagePrediction, ...]]
    seconds: dict[EvaluationEngine, float]
    """Processor time of each engine's one thread for them, decoding left out."""
    unreadable: tuple[Unreadable, ...]

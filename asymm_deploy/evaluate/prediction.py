"""What an engine said of an image, and how that is kept: a line for each chunk of images."""

from __future__ import annotations

from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec

EvaluationEngine: TypeAlias = Literal["torch", "onnxruntime", "mnn"]
ENGINES: tuple[EvaluationEngine, ...] = ("torch", "onnxruntime", "mnn")
CHUNKS_SCHEMA_VERSION = 1
NO_CLASS = -1
"""The answer where all values are NaN."""


class Sample(Protocol):
    """What a model answers at a time: an image, or the frames of a clip."""

    @property
    def name(self) -> str:
        """Which it is, as UTF-8 can say it."""

    @property
    def facts(self) -> tuple[object, ...]:
        """All that its answers depend on, for JSON; files by size and time of change."""


class Answer(Protocol):
    """What one engine said of one sample."""

    @property
    def image(self) -> str:
        """The sample's name."""

    def is_of(self, sample: Sample, /) -> bool:
        """Whether it answers this very sample."""


AnswerT = TypeVar("AnswerT", bound=Answer)


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

    def is_of(self, sample: Sample, /) -> bool:
        """Whether it answers this very image, or clip, of this class."""
        return (sample.name, getattr(sample, "label", None)) == (self.image, self.label)


class Unreadable(msgspec.Struct, frozen=True, array_like=True):
    """An image that could not be decoded."""

    image: str
    reason: str
    may_pass: bool = False
    """The system refused it, which another time it may not: then it is tried again."""


class Chunk(msgspec.Struct, Generic[AnswerT], frozen=True, kw_only=True):
    """One line: some images that were put through all engines asked for."""

    schema_version: int = CHUNKS_SCHEMA_VERSION
    first: int
    """Place of the chunk's first image among all that are evaluated."""
    count: int
    predictions: dict[EvaluationEngine, tuple[AnswerT, ...]]
    seconds: dict[EvaluationEngine, float]
    """Processor time of each engine's one thread for them, decoding left out."""
    unreadable: tuple[Unreadable, ...]

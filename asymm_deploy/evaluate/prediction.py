"""What a lane said of an image, and how that is kept: a line for each chunk of images."""

from __future__ import annotations

from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

EvaluationEngine: TypeAlias = Literal["torch", "onnxruntime", "mnn"]
ENGINES: tuple[EvaluationEngine, ...] = ("torch", "onnxruntime", "mnn")
CHUNKS_SCHEMA_VERSION = 2
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
    """What one lane said of one sample."""

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
    """One line: what one lane said of some images."""

    schema_version: int = CHUNKS_SCHEMA_VERSION
    first: int
    """Place of the chunk's first image among all that are evaluated."""
    count: int
    predictions: tuple[AnswerT, ...]
    seconds: float | None
    """Processor time of one thread for them, decoding left out; None where no clock tells."""
    unreadable: tuple[Unreadable, ...]

    @property
    def is_final(self) -> bool:
        """Whether nothing in it is to be tried again."""
        return not any(each.may_pass for each in self.unreadable)


def prediction_of(image: str, label: int, values: npt.ArrayLike) -> ImagePrediction:
    """Return the five likeliest classes; one whose value is NaN is none of them."""
    scores = np.asarray(values, np.float64).ravel()
    order = np.argsort(-scores, kind="stable")  # NaN comes last
    top5 = tuple(int(place) for place in order[:5] if not np.isnan(scores[place]))
    best = float(scores[top5[0]]) if top5 and np.isfinite(scores[top5[0]]) else None
    return ImagePrediction(image, label, top5, best)

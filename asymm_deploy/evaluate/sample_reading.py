"""How samples become a model's inputs, and its outputs answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.evaluate.image_folder import LabelledImage
from asymm_deploy.evaluate.prediction import Answer, ImagePrediction, prediction_of
from asymm_deploy.images.decoding import decoded_image
from asymm_deploy.images.preprocessing import ImageInput, Preprocessing, cropped


class SampleReading(Protocol):
    """It goes to the processes that run the engines."""

    @property
    def taken(self) -> ImageInput:
        """The model's one input."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that answers are made of."""

    def key(self) -> str:
        """Return all that inputs and answers depend on as one line."""

    def inputs(self, root: Path, sample: Any, /) -> Iterator[Arrays]:
        """Yield the inputs of one sample, an engine's run each. Raises UnreadableImageError."""

    def answer(self, sample: Any, outputs: Sequence[Arrays], /) -> Answer:
        """Return what the outputs of those runs say, whatever numbers they hold.

        An output may have lost its shape, but not the order of its values.
        """


class ImageClassifying(msgspec.Struct, frozen=True, kw_only=True):
    """The reading of a classifier: an image in, the likeliest classes out."""

    output: str
    """The one with a value for each class."""
    classes: int
    """How many values it has."""
    taken: ImageInput
    recipe: Preprocessing

    @property
    def outputs(self) -> tuple[str, ...]:
        """The one."""
        return (self.output,)

    def key(self) -> str:
        """Return the recipe as one line: the model's files say the rest."""
        return self.recipe.key()

    def inputs(self, root: Path, sample: LabelledImage, /) -> Iterator[Arrays]:
        """Yield the image's one input. Raises UnreadableImageError."""
        yield image_arrays(root / sample.path, self.taken, self.recipe)

    def answer(self, sample: LabelledImage, outputs: Sequence[Arrays], /) -> ImagePrediction:
        """Return the five likeliest classes; one whose value is NaN is none of them."""
        (only,) = outputs
        return prediction_of(sample.name, sample.label, only[self.output])


def image_arrays(path: Path, taken: ImageInput, recipe: Preprocessing) -> Arrays:
    """Return a model's inputs for an image file; raise UnreadableImageError."""
    picture = decoded_image(path, taken.channels)
    return {taken.name: taken.filled(cropped(picture, taken, recipe), recipe)}

"""A process that puts images through engines: it decodes, runs, and gives back predictions.

It stays up for many chunks of images, since loading an engine takes longer than a chunk. Each
engine runs on one thread; several of these processes use several cores.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import ConversionError, UsageError
from asymm_deploy.evaluate.image_folder import LabelledImage, as_utf8
from asymm_deploy.evaluate.prediction import (
    Answer,
    Chunk,
    EvaluationEngine,
    ImagePrediction,
    Sample,
    Unreadable,
)
from asymm_deploy.export.mnn import Api
from asymm_deploy.export.processes.task_process import stand_behind_parent
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.images.decoding import UnreadableImageError, decoded_image
from asymm_deploy.images.preprocessing import ImageInput, Preprocessing, cropped

if TYPE_CHECKING:
    from asymm_deploy.engines.session import Session

_Compute: TypeAlias = Callable[[Arrays], Arrays]
"""From the inputs by name to the outputs by name."""


class SampleReading(Protocol):
    """How samples become inputs, and outputs become answers; it goes to other processes."""

    def key(self) -> str:
        """Return all that inputs and answers depend on as one line."""

    def inputs(self, root: Path, sample: Any, /) -> Iterator[Arrays]:
        """Yield the inputs of one sample, an engine's run each. Raises UnreadableImageError."""

    def answer(self, sample: Any, outputs: Sequence[Arrays], /) -> Answer:
        """Return what the outputs of those runs say, whatever numbers they hold."""


class ImageClassifying(msgspec.Struct, frozen=True, kw_only=True):
    """The reading of a classifier: an image in, the likeliest classes out."""

    output: str
    """The one with a value for each class."""
    classes: int
    """How many values it has."""
    taken: ImageInput
    """How the model takes an image."""
    recipe: Preprocessing

    def key(self) -> str:
        """Return the recipe as one line: the model's files say the rest."""
        return self.recipe.key()

    def inputs(self, root: Path, sample: LabelledImage, /) -> Iterator[Arrays]:
        """Yield the image's one input. Raises UnreadableImageError."""
        yield image_arrays(root / sample.path, self.taken, self.recipe)

    def answer(self, sample: LabelledImage, outputs: Sequence[Arrays], /) -> ImagePrediction:
        """Return the five likeliest classes; one whose value is NaN is none of them."""
        (only,) = outputs
        return likeliest(sample.name, sample.label, only[self.output])


def image_arrays(path: Path, taken: ImageInput, recipe: Preprocessing) -> Arrays:
    """Return a model's inputs for an image file; raise UnreadableImageError."""
    picture = decoded_image(path, taken.channels)
    return {taken.name: taken.filled(cropped(picture, taken, recipe), recipe)}


class EvaluatedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has to know of a model."""

    request: ExportRequest
    onnx: Path
    mnn: Path
    api: Api
    inputs: tuple[TensorSpec, ...]
    output_names: tuple[str, ...]
    reading: SampleReading
    engines: tuple[EvaluationEngine, ...]


class ImageRunner:
    """A model on all engines that are asked for."""

    def __init__(self, model: EvaluatedModel) -> None:
        """Load it. Raises EngineError, or UsageError of the definition."""
        self._model = model
        makers: dict[EvaluationEngine, Callable[[EvaluatedModel], _Compute]] = {
            "torch": _torch,
            "onnxruntime": _onnxruntime,
            "mnn": _mnn,
        }
        self._computes = {engine: makers[engine](model) for engine in model.engines}

    def chunk(self, root: Path, images: Sequence[Sample], first: int) -> Chunk[Any]:
        """Return what the engines say of ``images``, the first of which is number ``first``."""
        model = self._model
        found: dict[EvaluationEngine, list[Answer]] = {each: [] for each in model.engines}
        seconds = dict.fromkeys(model.engines, 0.0)
        unreadable = []
        for image in images:
            outputs: dict[EvaluationEngine, list[Arrays]] = {each: [] for each in model.engines}
            try:
                for arrays in model.reading.inputs(root, image):
                    for engine, compute in self._computes.items():
                        began = time.thread_time()
                        outputs[engine].append(compute(arrays))
                        seconds[engine] += time.thread_time() - began
            except UnreadableImageError as error:
                unreadable.append(Unreadable(image.name, as_utf8(str(error)), error.may_pass))
                continue
            for engine, values in outputs.items():
                found[engine].append(model.reading.answer(image, values))
        return Chunk(
            first=first,
            count=len(images),
            predictions={engine: tuple(each) for engine, each in found.items()},
            seconds=seconds,
            unreadable=tuple(unreadable),
        )


def likeliest(name: str, label: int, values: Array) -> ImagePrediction:
    """Return the five likeliest classes; one whose value is NaN is none of them."""
    scores = np.asarray(values, np.float64).ravel()
    order = np.argsort(-scores, kind="stable")  # NaN comes last
    top5 = tuple(int(place) for place in order[:5] if not np.isnan(scores[place]))
    best = float(scores[top5[0]]) if top5 and np.isfinite(scores[top5[0]]) else None
    return ImagePrediction(name, label, top5, best)


def _torch(model: EvaluatedModel) -> _Compute:
    import torch

    from asymm_deploy.export import untrained
    from asymm_deploy.export.proof.user_module import UserModule
    from asymm_deploy.export.steps.start import built_module

    torch.set_num_threads(1)
    module = built_module(model.request, [])
    untrained.set_missing_statistics(model.request, module, model.inputs)
    user = UserModule(module, [spec.name for spec in model.inputs])
    return lambda arrays: dict(zip(model.output_names, user.arrays(arrays), strict=True))


def _onnxruntime(model: EvaluatedModel) -> _Compute:
    from asymm_deploy.engines.ort_session import OrtSession

    return _of_session(OrtSession(str(model.onnx)))


def _mnn(model: EvaluatedModel) -> _Compute:
    from asymm_deploy.engines.mnn_module import MnnModule
    from asymm_deploy.engines.mnn_session import MnnSession

    session: Session = (
        MnnSession(str(model.mnn))
        if model.api == "session"
        else MnnModule(str(model.mnn), model.inputs, model.output_names)
    )
    return _of_session(session)


def _of_session(session: Session) -> _Compute:
    def compute(arrays: Arrays) -> Arrays:
        session.feed(arrays)
        session.run()
        return session.outputs()

    return compute


_made: list[ImageRunner | UsageError | ConversionError] = []
"""This process's runner, made once; or why it could not be made."""


def begin(model: EvaluatedModel) -> None:
    """Prepare this process; a failure is kept for the first chunk, to be told in words."""
    from asymm_deploy.engines.engine_error import EngineError

    stand_behind_parent()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # where MNN tells of the processor
    os.dup2(nowhere, 2)  # where libtiff tells of each damaged file
    try:
        _made.append(ImageRunner(model))
    except UsageError as error:
        _made.append(error)
    except EngineError as error:
        _made.append(ConversionError(str(error), "export the model again, with --force"))


def run_chunk(root: Path, images: Sequence[Sample], first: int) -> Chunk[Any]:
    """Return what this process's engines say of ``images``."""
    (runner,) = _made
    if not isinstance(runner, ImageRunner):
        raise runner
    return runner.chunk(root, images, first)

"""A process that puts images through engines: it decodes, runs, and gives back predictions.

It stays up for many chunks of images, since loading an engine takes longer than a chunk. Each
engine runs on one thread; several of these processes use several cores.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import msgspec

from asymm_deploy.bench.answered.answers import Answering
from asymm_deploy.bench.wire import WireError
from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import ConversionError, HarnessError, UsageError
from asymm_deploy.evaluate.image_folder import as_utf8
from asymm_deploy.evaluate.lane import EvaluatedModel, Lane
from asymm_deploy.evaluate.prediction import Answer, Chunk, Unreadable
from asymm_deploy.export.processes.task_process import stand_behind_parent
from asymm_deploy.images.decoding import UnreadableImageError

if TYPE_CHECKING:
    from asymm_deploy.engines.session import Session

_Compute: TypeAlias = Callable[[Arrays], Arrays]
"""From the inputs by name to the outputs by name."""


class Work(msgspec.Struct, frozen=True):
    """A chunk of images, and which lanes are to answer it."""

    first: int
    """The place of its first image among all."""
    images: tuple[Any, ...]
    """Samples."""
    lanes: tuple[int, ...]


class Worked(msgspec.Struct, frozen=True):
    """What a process made of a chunk."""

    chunks: dict[int, Chunk[Any]]
    """By lane; those of a phone are left to who holds the phone."""
    read: tuple[tuple[str, int], ...]
    """Name of each image that could be decoded, in their order, and how many runs it takes."""
    unreadable: tuple[Unreadable, ...]


class ImageRunner:
    """A model on all lanes that are asked for, but those of phones."""

    def __init__(self, model: EvaluatedModel, lanes: Sequence[int]) -> None:
        """Load the engines. Raises EngineError, or UsageError of the definition."""
        self._model = model
        makers: dict[str, Callable[[EvaluatedModel, Lane], _Compute]] = {
            "torch": _torch,
            "onnxruntime": _onnxruntime,
            "mnn": _mnn,
        }
        self._computes = {
            at: makers[model.lanes[at].engine](model, model.lanes[at])
            for at in lanes
            if model.lanes[at].is_here
        }

    def run(self, root: Path, work: Work, samples: Path) -> Worked:
        """Return what the lanes say of a chunk's images.

        ``samples`` is a file to write for lanes of another device; it stays, if one is a phone's.
        """
        model = self._model
        here = [at for at in work.lanes if at in self._computes]
        away = [at for at in work.lanes if not model.lanes[at].is_here]
        found: dict[int, list[Answer]] = {at: [] for at in here}
        seconds = dict.fromkeys(here, 0.0)
        read: list[tuple[str, int]] = []
        unreadable: list[Unreadable] = []
        with ExitStack() as stack:
            file: IO[bytes] | None = stack.enter_context(samples.open("wb")) if away else None
            for image in work.images:
                try:
                    inputs = list(model.reading.inputs(root, image))
                except UnreadableImageError as error:
                    unreadable.append(Unreadable(image.name, as_utf8(str(error)), error.may_pass))
                    continue
                read.append((image.name, len(inputs)))
                if file is not None:
                    for arrays in inputs:
                        file.write(arrays[model.reading.taken.name].tobytes())
                for at in here:
                    began = time.thread_time()
                    outputs = [self._computes[at](arrays) for arrays in inputs]
                    seconds[at] += time.thread_time() - began
                    found[at].append(model.reading.answer(image, outputs))
        worked = Worked({}, tuple(read), tuple(unreadable))
        for at in here:
            worked.chunks[at] = chunk_of(work, worked, found[at], seconds[at])
        phone = False
        for at in away:
            answering = model.emulated.get(at)
            phone |= answering is None
            if answering is not None:
                worked.chunks[at] = answered_chunk(model, at, work, worked, answering, samples)
        if away and not phone:
            samples.unlink()
        return worked


def answered_chunk(
    model: EvaluatedModel,
    at: int,
    work: Work,
    worked: Worked,
    answering: Answering,
    samples: Path,
) -> Chunk[Any]:
    """Return a chunk of a lane on another device, asked by its samples; raise HarnessError."""
    lane = model.lanes[at]
    if not worked.read:
        return chunk_of(work, worked, (), 0.0)
    try:
        found = answering.answers(samples, sum(runs for _, runs in worked.read))
    except WireError as error:
        raise HarnessError(
            f"{lane.device} gave no answers: {error}",
            "repeat the command: it goes on where it stopped",
        ) from error
    for name in model.reading.outputs:
        if name not in found.outputs:
            raise HarnessError(
                f"{lane.device} gave no output {name}", "export the model again, with --force"
            )
    said: list[Answer] = []
    images, run = iter(work.images), 0
    for name, runs in worked.read:
        image = next(each for each in images if each.name == name)
        rows = range(run, run + runs)
        outputs: list[Arrays] = [
            {output: found.outputs[output][row] for output in model.reading.outputs} for row in rows
        ]
        said.append(model.reading.answer(image, outputs))
        run += runs
    return chunk_of(work, worked, said, found.cpu_s)


def chunk_of(
    work: Work, worked: Worked, said: Sequence[Answer], seconds: float | None
) -> Chunk[Any]:
    """Return what a lane said of a chunk's images."""
    return Chunk(
        first=work.first,
        count=len(work.images),
        predictions=tuple(said),
        seconds=seconds,
        unreadable=worked.unreadable,
    )


def seconds_of(chunks: Sequence[Chunk[Any]]) -> float | None:
    """Return the processor time of chunks together; None if that of one is unknown."""
    known = [chunk.seconds for chunk in chunks if chunk.seconds is not None]
    return sum(known) if len(known) == len(chunks) else None


def _torch(model: EvaluatedModel, lane: Lane) -> _Compute:
    import torch

    from asymm_deploy.export import untrained
    from asymm_deploy.export.proof.user_module import UserModule
    from asymm_deploy.export.steps.start import built_module

    torch.set_num_threads(1)
    module = built_module(model.request, [])
    untrained.set_missing_statistics(model.request, module, model.inputs)
    user = UserModule(module, [spec.name for spec in model.inputs])
    return lambda arrays: dict(zip(lane.output_names, user.arrays(arrays), strict=True))


def _onnxruntime(_model: EvaluatedModel, lane: Lane) -> _Compute:
    from asymm_deploy.engines.ort_session import OrtSession

    return _of_session(OrtSession(str(lane.path)))


def _mnn(model: EvaluatedModel, lane: Lane) -> _Compute:
    from asymm_deploy.engines.mnn_module import MnnModule
    from asymm_deploy.engines.mnn_session import MnnSession

    session: Session = (
        MnnSession(str(lane.path), precision=lane.precision)
        if lane.api == "session"
        else MnnModule(str(lane.path), model.inputs, lane.output_names, precision=lane.precision)
    )
    if session.precision != lane.precision:
        raise EngineError(f"MNN computes in {session.precision} here, not {lane.precision}")
    return _of_session(session)


def _of_session(session: Session) -> _Compute:
    def compute(arrays: Arrays) -> Arrays:
        session.feed(arrays)
        session.run()
        return session.outputs()

    return compute


_made: list[ImageRunner | UsageError | ConversionError] = []
"""This process's runner, made once; or why it could not be made."""


def begin(model: EvaluatedModel, lanes: Sequence[int]) -> None:
    """Prepare this process; a failure is kept for the first chunk, to be told in words."""
    stand_behind_parent()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # where MNN tells of the processor
    os.dup2(nowhere, 2)  # where libtiff tells of each damaged file
    try:
        _made.append(ImageRunner(model, lanes))
    except UsageError as error:
        _made.append(error)
    except EngineError as error:
        _made.append(_conversion_error(error))


def run_chunk(root: Path, work: Work, samples: Path) -> Worked:
    """Return what this process's engines say of a chunk's images."""
    (runner,) = _made
    if not isinstance(runner, ImageRunner):
        raise runner
    try:
        return runner.run(root, work, samples)
    except EngineError as error:
        raise _conversion_error(error) from error


def _conversion_error(error: EngineError) -> ConversionError:
    return ConversionError(str(error), "export the model again, with --force")
